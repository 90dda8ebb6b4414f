"""Does this SKU pay anchors at least what other platforms pay? The CPS floor: our open rate against theirs.

Open is compared with open, the anchor's share with the anchor's share; of each other platform the latest trusted
sight counts, as long as it is fresh. Whole ppm and whole fen only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from features.store.dossier import Calendar, Dossier, Quote, in_window, stands, version_at
from features.store.plans import PlanRow, SkuTerms
from features.units import TICK
from matcher.amounts import Amounts, find_amounts, floor_of
from matcher.case import Case, is_enrolled, scope_changes
from matcher.ours import price_changes
from matcher.policy import Policy
from matcher.rates import is_in_force, strongest, versions_at
from matcher.verdict import Evidence, Note, Reason, Rule, Status, Verdict

_RULE: Final[Rule] = "cps_floor"


class Theirs(NamedTuple):
    """What counts of one other platform."""

    quote: Quote
    rate_ppm: int
    """The upper bound of a range."""
    is_fresh: bool
    goes_stale_at: datetime


@dataclass(frozen=True, slots=True)
class FloorAccount:
    """What was compared, for a reader."""

    plan: PlanRow | None
    theirs: tuple[Theirs, ...]
    floor_ppm: int | None
    amounts: Amounts | None = None


def check_cps(dossier: Dossier, calendar: Calendar, at: datetime, policy: Policy) -> Verdict:
    """The verdict at `at` from the rows known by then."""
    calendar = calendar.as_known(at)
    version = version_at(dossier.versions, at)
    case = Case(_RULE, dossier, at, policy, scope_changes(dossier.enrolments, version, _RULE, at))
    if not is_enrolled(dossier.enrolments, version, _RULE, at):
        return case.answer(Status.NOT_APPLICABLE, Reason.NOT_ENROLLED)
    terms = SkuTerms(dossier.sku_id, dossier.plans)
    plans = versions_at(terms, at)
    case.changes.update(t for plan in plans for t in (plan.valid_from, plan.valid_to) if t is not None)
    # A plan that does not say when it was known is known from its start: that start is on the calendar all the same.
    case.changes.update(plan.valid_from for plan in dossier.plans if plan.known_at == plan.valid_from)
    plan = strongest(terms, None, at, policy)
    theirs, notes = _theirs(case, calendar)
    if plan is None:
        account = FloorAccount(plan, theirs, None)
        return case.answer(Status.INDETERMINATE, Reason.NO_PLAN, notes=notes, account=account)
    fresh = [one for one in theirs if one.is_fresh]
    evidence = {_of_plan(plan)}
    if not fresh:
        return case.answer(
            Status.INDETERMINATE,
            Reason.ALL_STALE if theirs else Reason.NO_REFERENCE,
            evidence=evidence | {_of_quote(one.quote) for one in theirs},
            notes=notes,
            account=FloorAccount(plan, theirs, None),
        )
    floor_ppm = floor_of([one.rate_ppm for one in fresh], policy)
    amounts = find_amounts(case, version, plan, [(one.quote.base_fen, one.rate_ppm) for one in fresh])
    status, reason, margin, remarks = _compare(plan, floor_ppm, amounts, plans, at, policy)
    evidence |= {_of_quote(one.quote) for one in fresh}
    if policy.floor.basis != "rate":
        case.changes.update(price_changes(dossier.offers, at, policy))
        if amounts.our_price is not None:
            offer = amounts.our_price.offer
            evidence.add(Evidence(offer.offer_id, "offers", offer.observed_at))
    if status is Status.PASS and len(fresh) < len(theirs) and not policy.floor.allow_partial:
        status, reason, margin = Status.INDETERMINATE, Reason.PARTIAL_COVERAGE, None
        evidence |= {_of_quote(one.quote) for one in theirs}
    return case.answer(
        status,
        reason,
        margin=margin,
        evidence=evidence,
        notes=[*notes, *remarks],
        account=FloorAccount(plan, theirs, floor_ppm, amounts),
    )


def _theirs(case: Case, calendar: Calendar) -> tuple[tuple[Theirs, ...], list[Note]]:
    """Of each other platform the latest open quote in force, by platform, and what was left out."""
    at, policy = case.at, case.policy
    latest: dict[str, Quote] = {}
    notes: list[Note] = []
    for quote in case.dossier.quotes:
        if not _is_comparable(quote, at, policy):
            continue
        if quote.source not in policy.trusted_sources:
            notes.append(Note(Reason.UNTRUSTED_SOURCE, quote.quote_id))
            continue
        case.changes.update(t for t in (quote.valid_from, quote.valid_to) if t is not None)
        known = latest.get(quote.platform)
        if in_window(at, quote.valid_from, quote.valid_to) and (
            known is None or _later(quote) > _later(known)
        ):
            latest[quote.platform] = quote
    events = [(e.starts_at, e.ends_at) for e in calendar.big_promotions(policy.home_platform)]
    theirs = tuple(_aged(latest[platform], events, at, policy) for platform in sorted(latest))
    case.changes.update(one.goes_stale_at for one in theirs if one.is_fresh)
    stale = [Note(Reason.STALE_QUOTE, one.quote.quote_id) for one in theirs if not one.is_fresh]
    if stale:  # what is too old now may not be when an event begins or ends
        case.changes.update(t for event in events for t in event)
    return theirs, notes + stale


def _is_comparable(quote: Quote, at: datetime, policy: Policy) -> bool:
    """Seen by `at`, not taken back, of another platform that counts, and for anybody."""
    return (
        quote.observed_at <= at
        and stands(quote.retracted_at, at)
        and quote.platform != policy.home_platform
        and quote.plan_scope in (None, "", "open")
        and (not policy.floor.platforms or quote.platform in policy.floor.platforms)
    )


def _later(quote: Quote) -> tuple[datetime, int, str]:
    return quote.observed_at, _their_rate(quote), quote.quote_id


def _their_rate(quote: Quote) -> int:
    return quote.rate_ppm if quote.rate_high_ppm is None else max(quote.rate_ppm, quote.rate_high_ppm)


def _aged(quote: Quote, events: list[tuple[datetime, datetime]], at: datetime, policy: Policy) -> Theirs:
    usual = timedelta(hours=policy.floor.max_age_hours)
    strict = timedelta(hours=policy.floor.max_age_event_hours)
    runs = any(start <= at < end for start, end in events)
    is_fresh = at - quote.observed_at <= (strict if runs else usual)
    # The first tick at which it is too old: by its age, or because an event begins.
    ends = [quote.observed_at + (strict if runs else usual) + TICK]
    ends += [end for start, end in events if start <= at < end]
    for start, end in events:
        if start > at:
            ends.append(max(start, min(quote.observed_at + strict + TICK, end)))
    return Theirs(quote, _their_rate(quote), is_fresh, min(t for t in ends if t > at) if is_fresh else at)


def _compare(
    plan: PlanRow, floor_ppm: int, amounts: Amounts, plans: list[PlanRow], at: datetime, policy: Policy
) -> tuple[Status, Reason, int | None, list[Note]]:
    """Rate and amount by the policy's basis; equality passes."""
    rate_margin = plan.rate_ppm - floor_ppm
    rate_ok = rate_margin >= -policy.floor.tolerance_ppm
    below = _below(plans, floor_ppm, at, policy)
    amount_margin = amounts.margin_fen
    amount_ok = None if amount_margin is None else amount_margin >= 0
    note = [] if amount_ok in (None, rate_ok) else [_differ(rate_ok, plan, floor_ppm, amounts)]
    if policy.floor.basis == "rate":
        status, reason = (Status.PASS, Reason.OK) if rate_ok else (Status.FAIL, below)
        return status, reason, rate_margin, note
    if policy.floor.basis == "both" and not rate_ok:
        return Status.FAIL, Reason.AMOUNT_OK_RATE_LOW if amount_ok else below, rate_margin, []
    if not amounts.is_complete:
        return Status.INDETERMINATE, Reason.NO_BASE, None, []
    if not amount_ok:
        return Status.FAIL, Reason.RATE_OK_AMOUNT_LOW if rate_ok else below, amount_margin, []
    return Status.PASS, Reason.OK, rate_margin if policy.floor.basis == "both" else amount_margin, note


def _differ(rate_ok: bool, plan: PlanRow, floor_ppm: int, amounts: Amounts) -> Note:
    figures = f"{plan.rate_ppm} / {floor_ppm} ppm; {amounts.told()}"
    return Note(Reason.RATE_OK_AMOUNT_LOW if rate_ok else Reason.AMOUNT_OK_RATE_LOW, figures)


def _below(plans: list[PlanRow], floor_ppm: int, at: datetime, policy: Policy) -> Reason:
    """Does some plan in force, of whatever kind, reach the floor?"""
    reached = any(
        is_in_force(plan, at) and plan.rate_ppm >= floor_ppm - policy.floor.tolerance_ppm for plan in plans
    )
    return Reason.OPEN_LOWER_TARGET_OK if reached else Reason.RATE_BELOW_FLOOR


def _of_plan(plan: PlanRow) -> Evidence:
    return Evidence(plan.plan_id, "plans", plan.known_at)


def _of_quote(quote: Quote) -> Evidence:
    return Evidence(quote.quote_id, "cps_quotes", quote.observed_at)
