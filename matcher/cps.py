"""Does this SKU pay anchors at least what other platforms pay? The CPS floor: our open rate against theirs.

Open is compared with open, the anchor's share with the anchor's share; of each other platform the latest trusted
sight counts, as long as it is fresh. Whole ppm and whole fen only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from features.store.dossier import Calendar, Dossier, Enrolment, Quote, SkuVersion, version_at
from features.store.plans import PlanRow, SkuTerms
from matcher.ours import in_window, latest_of_each_audience, price_changes, stands
from matcher.policy import Policy
from matcher.price import PPM, Price
from matcher.rates import strongest, versions_at
from matcher.verdict import Evidence, Note, Reason, Rule, Status, Verdict, by_id

_RULE: Final[Rule] = "cps_floor"
_TICK: Final = timedelta(microseconds=1)


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
    our_price: Price | None = None
    floor_amount: int | None = None
    """Of one piece, in millionths of a fen."""
    has_amounts: bool = False
    """Every fresh quote carries a base, and so do we."""


def check_cps(dossier: Dossier, calendar: Calendar, at: datetime, policy: Policy) -> Verdict:
    """The verdict at `at` from the rows known by then."""
    calendar = calendar.as_known(at)
    version = version_at(dossier.versions, at)
    changes = scope_changes(dossier.enrolments, version, _RULE, at)
    if not is_enrolled(dossier.enrolments, version, _RULE, at):
        return _verdict(dossier, at, policy, Status.NOT_APPLICABLE, Reason.NOT_ENROLLED, changes=changes)
    terms = SkuTerms(dossier.sku_id, dossier.plans)
    plans = versions_at(terms, at)
    changes |= {t for plan in plans for t in (plan.valid_from, plan.valid_to) if t is not None}
    # A plan that does not say when it was known is known from its start: that start is on the calendar all the same.
    changes |= {plan.valid_from for plan in dossier.plans if plan.known_at == plan.valid_from}
    plan = strongest(terms, None, at, policy)
    theirs, notes, quote_changes = _theirs(dossier.quotes, calendar, at, policy)
    changes |= quote_changes
    account = FloorAccount(plan, theirs, None)
    if plan is None:
        return _verdict(
            dossier, at, policy, Status.INDETERMINATE, Reason.NO_PLAN, notes=notes, changes=changes,
            account=account,
        )  # fmt: skip
    fresh = [one for one in theirs if one.is_fresh]
    evidence = {_of_plan(plan)}
    if not fresh:
        evidence |= {_of_quote(one.quote) for one in theirs}
        reason = Reason.ALL_STALE if theirs else Reason.NO_REFERENCE
        return _verdict(
            dossier, at, policy, Status.INDETERMINATE, reason, evidence=evidence, notes=notes, changes=changes,
            account=account,
        )  # fmt: skip
    floor_ppm = _floor([one.rate_ppm for one in fresh], policy)
    amounts = _amounts(dossier, plan, fresh, version, at, policy)
    account = FloorAccount(plan, theirs, floor_ppm, amounts.our_price, amounts.floor, amounts.is_complete)
    status, reason, margin, remarks = _compare(plan, floor_ppm, amounts, plans, at, policy)
    evidence |= {_of_quote(one.quote) for one in fresh}
    if policy.floor.basis != "rate":
        changes |= price_changes(dossier.offers, at, policy)
        if amounts.our_price is not None:
            offer = amounts.our_price.offer
            evidence.add(Evidence(offer.offer_id, "offers", offer.observed_at))
    if status is Status.PASS and len(fresh) < len(theirs) and not policy.floor.allow_partial:
        status, reason, margin = Status.INDETERMINATE, Reason.PARTIAL_COVERAGE, None
        evidence |= {_of_quote(one.quote) for one in theirs}
    return _verdict(
        dossier, at, policy, status, reason, margin=margin, evidence=evidence, notes=[*notes, *remarks],
        changes=changes, account=account,
    )  # fmt: skip


def is_enrolled(
    enrolments: Iterable[Enrolment], version: SkuVersion | None, rule: Rule, at: datetime
) -> bool:
    """Is the SKU's brand, at that moment, in a programme that carries the rule?"""
    return version is not None and any(
        one.brand_id == version.brand_id
        and rule in one.rules
        and stands(one.retracted_at, at)
        and one.committed_at <= at
        and one.valid_from <= at
        and (one.valid_to is None or at < one.valid_to)
        for one in enrolments
    )


def scope_changes(
    enrolments: Iterable[Enrolment], version: SkuVersion | None, rule: Rule, at: datetime
) -> set[datetime]:
    """Instants at which the brand's enrolment begins or ends."""
    return {
        t
        for one in enrolments
        if version is not None and one.brand_id == version.brand_id and rule in one.rules
        for t in (one.valid_from, one.valid_to, one.committed_at)
        if t is not None and t > at
    }


def _theirs(
    quotes: Iterable[Quote], calendar: Calendar, at: datetime, policy: Policy
) -> tuple[tuple[Theirs, ...], list[Note], set[datetime]]:
    """Of each other platform the latest open quote in force, by platform; what was left out; what may change."""
    latest: dict[str, Quote] = {}
    notes: list[Note] = []
    changes: set[datetime] = set()
    for quote in quotes:
        if not _is_comparable(quote, at, policy):
            continue
        if quote.source not in policy.trusted_sources:
            notes.append(Note(Reason.UNTRUSTED_SOURCE, quote.quote_id))
            continue
        changes.update(t for t in (quote.valid_from, quote.valid_to) if t is not None)
        known = latest.get(quote.platform)
        if in_window(at, quote.valid_from, quote.valid_to) and (
            known is None or _later(quote) > _later(known)
        ):
            latest[quote.platform] = quote
    events = [(e.starts_at, e.ends_at) for e in calendar.big_promotions(policy.home_platform)]
    theirs = tuple(_aged(latest[platform], events, at, policy) for platform in sorted(latest))
    changes |= {one.goes_stale_at for one in theirs if one.is_fresh}
    stale = [Note(Reason.STALE_QUOTE, one.quote.quote_id) for one in theirs if not one.is_fresh]
    if stale:  # what is too old now may not be when an event begins or ends
        changes.update(t for event in events for t in event)
    return theirs, notes + stale, changes


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
    ends = [quote.observed_at + (strict if runs else usual) + _TICK]
    ends += [end for start, end in events if start <= at < end]
    for start, end in events:
        if start > at:
            ends.append(max(start, min(quote.observed_at + strict + _TICK, end)))
    return Theirs(quote, _their_rate(quote), is_fresh, min(t for t in ends if t > at) if is_fresh else at)


def _floor(figures: list[int], policy: Policy) -> int:
    ordered = sorted(figures)
    return ordered[-1] if policy.floor.statistic == "highest" else ordered[(len(ordered) - 1) // 2]


@dataclass(frozen=True, slots=True)
class _Amounts:
    """The commission a piece on both sides, in millionths of a fen; ours for `pieces`, so that nothing is divided."""

    ours: int | None
    floor: int | None
    pieces: int
    our_price: Price | None
    is_complete: bool
    """Every fresh quote carries a base, and so do we."""

    @property
    def margin_fen(self) -> int | None:
        """Ours minus the floor a piece, rounded down."""
        if self.ours is None or self.floor is None:
            return None
        return (self.ours - self.floor * self.pieces) // (PPM * self.pieces)

    def told(self) -> str:
        """Both, in whole fen."""
        ours = None if self.ours is None else self.ours // (PPM * self.pieces)
        return f"{ours} / {None if self.floor is None else self.floor // PPM} fen"


def _amounts(
    dossier: Dossier, plan: PlanRow, fresh: list[Theirs], version: SkuVersion | None, at: datetime, policy: Policy
) -> _Amounts:  # fmt: skip
    """Theirs from `base_fen`; ours from the fresh offer by which least is paid for a piece."""
    theirs = [one.quote.base_fen * one.rate_ppm for one in fresh if one.quote.base_fen is not None]
    if not theirs and policy.floor.basis == "rate":
        return _Amounts(None, None, 1, None, is_complete=False)
    price = our_price(dossier, version, at, policy)
    return _Amounts(
        ours=None if price is None else price.paid_fen * plan.rate_ppm,
        floor=_floor(theirs, policy) if theirs else None,
        pieces=1 if price is None else price.offer.quantity or 1,
        our_price=price,
        is_complete=price is not None and len(theirs) == len(fresh),
    )


def our_price(dossier: Dossier, version: SkuVersion | None, at: datetime, policy: Policy) -> Price | None:
    """The fresh, whole price in CNY by which least is paid for a piece; nothing without one."""
    fresh_for = timedelta(hours=policy.parity.offer_max_age_hours)
    usable = [
        price
        for price in latest_of_each_audience(dossier.offers, version, at, policy)
        if price.is_good and price.currency == "CNY" and at - price.offer.observed_at <= fresh_for
    ]
    return min(
        usable, key=lambda p: (Fraction(p.paid_fen, p.offer.quantity or 1), p.offer.offer_id), default=None
    )


def _compare(
    plan: PlanRow, floor_ppm: int, amounts: _Amounts, plans: list[PlanRow], at: datetime, policy: Policy
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


def _differ(rate_ok: bool, plan: PlanRow, floor_ppm: int, amounts: _Amounts) -> Note:
    figures = f"{plan.rate_ppm} / {floor_ppm} ppm; {amounts.told()}"
    return Note(Reason.RATE_OK_AMOUNT_LOW if rate_ok else Reason.AMOUNT_OK_RATE_LOW, figures)


def _below(plans: list[PlanRow], floor_ppm: int, at: datetime, policy: Policy) -> Reason:
    """Does some plan in force, of whatever kind, reach the floor?"""
    reached = any(
        plan.status in (None, "on")
        and in_window(at, plan.valid_from, plan.valid_to)
        and plan.rate_ppm >= floor_ppm - policy.floor.tolerance_ppm
        for plan in plans
    )
    return Reason.OPEN_LOWER_TARGET_OK if reached else Reason.RATE_BELOW_FLOOR


def _of_plan(plan: PlanRow) -> Evidence:
    return Evidence(plan.plan_id, "plans", plan.known_at)


def _of_quote(quote: Quote) -> Evidence:
    return Evidence(quote.quote_id, "cps_quotes", quote.observed_at)


def _verdict(
    dossier: Dossier,
    at: datetime,
    policy: Policy,
    status: Status,
    reason: Reason,
    *,
    changes: set[datetime],
    margin: int | None = None,
    evidence: Iterable[Evidence] = (),
    notes: Iterable[Note] = (),
    account: FloorAccount | None = None,
) -> Verdict:
    return Verdict(
        sku_id=dossier.sku_id,
        rule=_RULE,
        status=status,
        reason=reason,
        margin=margin,
        checked_at=at,
        policy_version=policy.version,
        evidence=by_id(set(evidence)),
        next_change_at=min((t for t in changes if t > at), default=None),
        notes=tuple(notes),
        account=() if account is None else (account,),
    )
