"""Is this SKU's price here, in a big promotion, no higher than at the reference event elsewhere? Price parity.

What is checked is the promise that the brand recorded itself. Our offer of each audience is held against the lowest
supported price of the best shop kind seen inside the reference event. Whole fen, compared crosswise.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from features.store.dossier import (
    BigEvent,
    Calendar,
    Dossier,
    Offer,
    SkuVersion,
    in_window,
    stands,
    version_at,
)
from features.units import TICK, midnight, shanghai_year
from matcher.case import Case, is_enrolled, scope_changes
from matcher.ours import latest_of_each_audience, price_changes
from matcher.policy import Policy
from matcher.price import Price, effective_price, is_dearer, margin_fen
from matcher.reference import Found, Reference, find_reference
from matcher.verdict import Evidence, Note, Reason, Rule, Status, Verdict

_RULE: Final[Rule] = "price_parity"
_BIG_PROMOTIONS_A_YEAR: Final = 3
_ORDER_OF_REASONS: Final = (
    Reason.ALL_STALE, Reason.WELFARE, Reason.CURRENCY, Reason.BAD_PRICE, Reason.REFERENCE_NOT_YET_OBSERVED,
    Reason.NO_REFERENCE, Reason.LOW_EVIDENCE, Reason.UNIT_MISMATCH, Reason.PRICE_ABOVE_REFERENCE,
    Reason.GIFT_GAP, Reason.PACK_DIFFERS, Reason.OK,
)  # fmt: skip
_ORDER_OF_STATUS: Final = (Status.FAIL, Status.INDETERMINATE, Status.PASS, Status.NOT_APPLICABLE)


class Compared(NamedTuple):
    """What became of one of our offers."""

    status: Status
    reason: Reason
    margin: int | None
    ours: Price
    theirs: Reference | None


@dataclass(frozen=True, slots=True)
class ParityAccount:
    """What was compared, for a reader."""

    event: BigEvent
    references: tuple[BigEvent, ...]
    compared: tuple[Compared, ...]
    is_final: bool = False


def check_parity(dossier: Dossier, calendar: Calendar, at: datetime, policy: Policy) -> Verdict:
    """The verdict at `at` from the rows known by then."""
    calendar = calendar.as_known(at)
    version = version_at(dossier.versions, at)
    case = Case(_RULE, dossier, at, policy, scope_changes(dossier.enrolments, version, _RULE, at))
    if not is_enrolled(dossier.enrolments, version, _RULE, at):
        return case.answer(Status.NOT_APPLICABLE, Reason.NOT_ENROLLED)
    assert version is not None
    ours = calendar.big_promotions(policy.home_platform)
    case.changes.update(t for event in ours for t in (event.starts_at, event.ends_at))
    running = [event for event in ours if event.starts_at <= at < event.ends_at]
    if not running:
        return case.answer(Status.NOT_APPLICABLE, Reason.NO_EVENT)
    event = running[-1]  # of those that overlap the one that started later
    case.changes.add(
        midnight(date(shanghai_year(at) + 1, 1, 1))
    )  # another year's calendar is asked from then on
    if refused := _refused(case, version, ours, at):
        return refused
    offers = latest_of_each_audience(dossier.offers, version, at, policy)
    case.changes.update(price_changes(dossier.offers, at, policy))
    is_provisional = event.kind in policy.parity.provisional_kinds
    if not offers:
        return case.answer(Status.INDETERMINATE, Reason.NO_OFFER, provisional=is_provisional)
    fresh_for = timedelta(hours=policy.parity.offer_max_age_hours)
    stale = {price.offer.offer_id for price in offers if at - price.offer.observed_at > fresh_for}
    return _decide(case, calendar, version, event, offers, stale, is_final=False, provisional=is_provisional)


def check_parity_final(
    dossier: Dossier, calendar: Calendar, event: BigEvent, at: datetime, policy: Policy
) -> Verdict:
    """The verdict on an event that is over: the highest of our effective unit prices observed in it.

    Bound is who was enrolled at some moment of it; the SKU is what it was as the event ended, its pack what it was
    when it was seen. While the event runs, what `check_parity` says, as provisional; before it there is none.
    """
    if at < event.ends_at:
        return _so_far(dossier, calendar, event, at, policy)
    calendar = calendar.as_known(at)
    version = version_at(dossier.versions, event.ends_at - TICK)
    case = Case(_RULE, dossier, at, policy, set())
    bound = any(
        is_enrolled(dossier.enrolments, version, _RULE, moment) for moment in _moments(dossier, event)
    )
    if not bound:
        return case.answer(Status.NOT_APPLICABLE, Reason.NOT_ENROLLED)
    assert version is not None
    ours = calendar.big_promotions(policy.home_platform)
    if event not in ours:
        return case.answer(Status.NOT_APPLICABLE, Reason.NO_EVENT)
    if refused := _refused(case, version, ours, event.starts_at):
        return refused
    observed = [
        effective_price(
            offer, offer.observed_at, policy, version_at(dossier.versions, offer.observed_at) or version
        )
        for offer in dossier.offers
        if offer.platform == policy.home_platform
        and event.starts_at <= offer.observed_at < event.ends_at
        and offer.observed_at <= at
        and stands(offer.retracted_at, at)
        and in_window(offer.observed_at, offer.valid_from, offer.valid_to)
        and is_enrolled(dossier.enrolments, version, _RULE, offer.observed_at)
    ]
    if not observed:
        return case.answer(Status.INDETERMINATE, Reason.NO_OFFER)
    return _decide(case, calendar, version, event, observed, set(), is_final=True, provisional=False)


def _so_far(dossier: Dossier, calendar: Calendar, event: BigEvent, at: datetime, policy: Policy) -> Verdict:
    """Of an event that is not over."""
    now = check_parity(dossier, calendar, at, policy)
    meant = now.account.event if isinstance(now.account, ParityAccount) else event
    if at < event.starts_at or meant != event:
        changes = {event.starts_at, event.ends_at}
        return Case(_RULE, dossier, at, policy, changes).answer(Status.NOT_APPLICABLE, Reason.NO_EVENT)
    is_judged = now.status is not Status.NOT_APPLICABLE and now.reason is not Reason.CALENDAR
    return replace(now, provisional=is_judged)


def odd_years(calendar: Calendar, policy: Policy) -> dict[int, int]:
    """Years with big promotions of ours, but not three: during these no price can be judged."""
    years = Counter(shanghai_year(e.starts_at) for e in calendar.big_promotions(policy.home_platform))
    return {year: n for year, n in sorted(years.items()) if n != _BIG_PROMOTIONS_A_YEAR}


def _moments(dossier: Dossier, event: BigEvent) -> list[datetime]:
    """Instants of the event at which an enrolment may begin to hold: each that holds at all does at one of them."""
    begun = [max(one.valid_from, one.committed_at, event.starts_at) for one in dossier.enrolments]
    return [moment for moment in begun if moment < event.ends_at]


def _refused(case: Case, version: SkuVersion, ours: Sequence[BigEvent], moment: datetime) -> Verdict | None:
    """The calendar, then comparability."""
    year = shanghai_year(moment)
    if sum(shanghai_year(event.starts_at) == year for event in ours) != _BIG_PROMOTIONS_A_YEAR:
        return case.answer(Status.INDETERMINATE, Reason.CALENDAR)
    if version.channel_exclusive and not version.equivalent_sku_id:
        return case.answer(Status.NOT_APPLICABLE, Reason.NOT_COMPARABLE)
    return None


def _decide(
    case: Case,
    calendar: Calendar,
    version: SkuVersion,
    event: BigEvent,
    offers: Sequence[Price],
    stale: set[str],
    *,
    is_final: bool,
    provisional: bool,
) -> Verdict:
    """Hold each of ours against the reference: any FAIL decides, then any INDETERMINATE, then PASS."""
    found = find_reference(case.dossier, calendar, version, event, case.at, case.policy, is_final=is_final)
    case.changes.update(found.changes)
    compared = [_compare(price, found, case.policy, price.offer.offer_id in stale) for price in offers]
    compared.sort(key=_rank)
    decided = compared[0]
    if is_final and decided.status is Status.PASS:
        decided = _highest([one for one in compared if one.status is Status.PASS])
    margins = [one.margin for one in compared if one.status is decided.status and one.margin is not None]
    evidence = {_of_offer(one.ours.offer) for one in compared if one.status is decided.status}
    if decided.theirs is not None:
        evidence |= {_of_offer(price.offer) for price in decided.theirs.supporting}
    notes = list(found.notes)
    if decided.theirs is not None:
        gifts = {p.offer.gift_other for p in decided.theirs.deciding if p.offer.gift_other}
        notes += [Note(Reason.GIFT_THERE, gift) for gift in sorted(gifts)]
    return case.answer(
        decided.status,
        decided.reason,
        margin=min(margins, default=None),
        provisional=provisional,
        evidence=evidence,
        notes=notes,
        account=ParityAccount(event, found.events, tuple(compared), is_final),
    )


def _rank(one: Compared) -> tuple[int, int]:
    return _ORDER_OF_STATUS.index(one.status), _ORDER_OF_REASONS.index(one.reason)


def _highest(compared: Sequence[Compared]) -> Compared:
    """At the highest unit price of ours; of several the first."""
    highest = compared[0]
    for one in compared[1:]:
        if is_dearer(one.ours, highest.ours):
            highest = one
    return highest


def _compare(ours: Price, found: Found, policy: Policy, is_stale: bool) -> Compared:
    """One of ours: first what is wrong with it, then with the reference, then the comparison."""

    def unsaid(reason: Reason, status: Status = Status.INDETERMINATE) -> Compared:
        return Compared(status, reason, None, ours, None)

    if wrong := _wrong(ours, is_stale):
        return unsaid(wrong, Status.NOT_APPLICABLE if wrong is Reason.WELFARE else Status.INDETERMINATE)
    if found.missing is not None:
        return unsaid(found.missing)
    reference = found.reference(ours.unit)
    return unsaid(reference) if isinstance(reference, Reason) else _against(ours, reference, policy)


def _wrong(ours: Price, is_stale: bool) -> Reason | None:
    """What keeps one of ours from being compared, in order."""
    is_welfare = ours.offer.welfare and ours.is_whole and ours.paid_fen == 0
    faults = (
        (is_stale, Reason.ALL_STALE),
        (is_welfare, Reason.WELFARE),
        (ours.currency != "CNY", Reason.CURRENCY),
        (not ours.is_good, Reason.BAD_PRICE),
    )
    return next((reason for is_so, reason in faults if is_so), None)


def _against(ours: Price, theirs: Reference, policy: Policy) -> Compared:
    price = theirs.deciding[0]
    margin = margin_fen(ours, price)
    if is_dearer(ours, price, policy.parity.tolerance_fen):
        return Compared(Status.FAIL, Reason.PRICE_ABOVE_REFERENCE, margin, ours, theirs)
    reason = Reason.OK
    if any(p.offer.gift_other for p in theirs.deciding) and not ours.offer.gift_other:
        reason = Reason.GIFT_GAP
    elif all(p.units_per_pack != ours.units_per_pack for p in theirs.supported):
        reason = Reason.PACK_DIFFERS
    return Compared(Status.PASS, reason, margin, ours, theirs)


def _of_offer(offer: Offer) -> Evidence:
    return Evidence(offer.offer_id, "offers", offer.observed_at)
