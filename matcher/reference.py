"""Which price elsewhere is ours held against? The lowest supported one of the best shop kind in the reference event.

An observation is history: it never goes stale, and its price is what was seen then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from features.store.dossier import BigEvent, Calendar, Dossier, Offer, SkuVersion, stands, version_at
from features.units import WHOLE, shanghai_year
from matcher.policy import Policy
from matcher.price import Price, effective_price, is_dearer
from matcher.verdict import Note, Reason

SHOP_KINDS: Final = ("flagship", "official", "reseller", None)
"""Best first."""
_LACKING: Final = (Reason.REFERENCE_NOT_YET_OBSERVED, Reason.NO_REFERENCE, Reason.LOW_EVIDENCE)
_FAULTS: Final = (Reason.LOW_EVIDENCE, Reason.CURRENCY, Reason.BAD_PRICE, Reason.UNIT_MISMATCH)


@dataclass(frozen=True, slots=True)
class Reference:
    """The rows of the deciding shop kind in one reference event, for one base unit."""

    deciding: tuple[Price, ...]
    """At the lowest supported unit price."""
    supporting: tuple[Price, ...]
    """At it or below: what makes it supported."""
    supported: tuple[Price, ...]
    """Every row of the kind whose price is supported."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the reference is, or why there is none."""

    events: tuple[BigEvent, ...]
    groups: tuple[tuple[Price, ...], ...]
    """Usable rows of each reference event."""
    missing: Reason | None
    """Why a reference is not there, or not yet."""
    notes: tuple[Note, ...]
    changes: frozenset[datetime]

    def reference(self, unit: str) -> Reference | Reason:
        """For an offer in `unit`: of several events the lower price decides, and each has to have one."""
        found = [_deciding(rows, unit) for rows in self.groups]
        reasons = [one for one in found if isinstance(one, Reason)]
        if reasons:
            return min(reasons, key=_FAULTS.index)
        references = [one for one in found if isinstance(one, Reference)]
        lowest = references[0]
        for other in references[1:]:
            if is_dearer(lowest.deciding[0], other.deciding[0]):
                lowest = other
            elif not is_dearer(other.deciding[0], lowest.deciding[0]):
                lowest = _joined(lowest, other)
        return lowest


def _joined(one: Reference, other: Reference) -> Reference:
    return Reference(
        one.deciding + other.deciding, one.supporting + other.supporting, one.supported + other.supported
    )


def find_reference(
    dossier: Dossier,
    calendar: Calendar,
    version: SkuVersion,
    event: BigEvent,
    at: datetime,
    policy: Policy,
    *,
    is_final: bool,
) -> Found:
    """The rows that count, of the event or the events that the policy and the moment name."""
    events, missing = _events(calendar, event, at, policy, is_final=is_final)
    changes = frozenset(e.ends_at for e in _candidates(calendar, policy) if e.ends_at > at)
    notes: list[Note] = []
    groups: list[tuple[Price, ...]] = []
    lacking = [] if missing is None else [missing]
    for reference in events:
        rows, titles = _rows(dossier, version, reference, at, policy, notes)
        if rows:
            groups.append(tuple(rows))
        else:
            lacking.append(Reason.LOW_EVIDENCE if titles else Reason.NO_REFERENCE)
    missing = min(lacking, key=_LACKING.index, default=None)
    return Found(tuple(events), tuple(groups), missing, tuple(notes), changes)


def _candidates(calendar: Calendar, policy: Policy) -> Sequence[BigEvent]:
    return calendar.of_kind(policy.parity.reference.platform, policy.parity.reference.kind)


def _events(
    calendar: Calendar, event: BigEvent, at: datetime, policy: Policy, *, is_final: bool
) -> tuple[list[BigEvent], Reason | None]:
    """The reference events, and why one that is wanted is not there."""
    candidates = _candidates(calendar, policy)
    completed = [e for e in candidates if e.ends_at <= event.starts_at][-1:]
    year = shanghai_year(event.starts_at)
    same = [e for e in candidates if shanghai_year(e.starts_at) == year][-1:]
    over = [e for e in same if e.ends_at <= at]
    waits = None if over else Reason.REFERENCE_NOT_YET_OBSERVED
    which = policy.parity.reference_year
    if which == "same_year" or (is_final and event.kind in policy.parity.provisional_kinds):
        return (over, waits)
    if which == "lower_of_both":
        both = list(dict.fromkeys([*completed, *over]))
        return both, waits or (None if completed else Reason.NO_REFERENCE)
    return completed, None if completed else Reason.NO_REFERENCE


def _rows(
    dossier: Dossier,
    version: SkuVersion,
    reference: BigEvent,
    at: datetime,
    policy: Policy,
    notes: list[Note],
) -> tuple[list[Price], bool]:
    """Rows that count, priced as they were seen; and whether there were others, mapped by title alone."""
    offers, named, versions, ratio = dossier.offers, version, dossier.versions, 1
    if version.channel_exclusive and version.equivalent_sku_id:
        equivalent = (dossier.equivalents or {}).get(version.equivalent_sku_id)
        offers = equivalent.offers if equivalent else ()
        versions = equivalent.versions if equivalent else ()
        named = version_at(versions, at) or version
        ratio = version.equivalent_ratio or 1
    rows: list[Price] = []
    titles = False
    for offer in offers:
        if (
            offer.platform != reference.platform
            or offer.observed_at > at
            or not stands(offer.retracted_at, at)
        ):
            continue
        if not reference.starts_at <= offer.observed_at < reference.ends_at:
            continue
        left_out = _left_out(offer, policy)
        if left_out is not None:
            notes.append(Note(left_out, offer.offer_id))
            titles |= left_out is Reason.MAPPED_BY_TITLE
            continue
        then = version_at(versions, offer.observed_at) or named
        trusted = tuple(
            p for p in offer.promotions if p.source in policy.trusted_sources and stands(p.retracted_at, at)
        )
        if len(trusted) < len(offer.promotions):
            notes += [
                Note(Reason.UNTRUSTED_SOURCE, p.promotion_id)
                for p in offer.promotions
                if p.source not in policy.trusted_sources
            ]
            offer = offer._replace(promotions=trusted)  # noqa: PLW2901 - the same offer, without what decides nothing
        rows.append(effective_price(offer, offer.observed_at, policy, then, ratio=ratio))
    return rows, titles


def _left_out(offer: Offer, policy: Policy) -> Reason | None:
    if offer.source not in policy.trusted_sources:
        return Reason.UNTRUSTED_SOURCE
    if offer.audience == "new_fan":
        return Reason.NEW_FAN_PRICE
    if _is_tiny(offer, policy):
        return Reason.TINY_QUOTA
    return None if offer.mapping in ("code", "manual") else Reason.MAPPED_BY_TITLE


def _is_tiny(offer: Offer, policy: Policy) -> bool:
    if offer.quota is None or offer.event_units is None:
        return False
    return offer.quota * WHOLE < offer.event_units * policy.parity.least_quota_ppm


def _deciding(rows: Sequence[Price], unit: str) -> Reference | Reason:
    """The deciding rows; where no comparable row is supported, what stands in the way."""
    for kind in SHOP_KINDS:
        comparable = [p for p in rows if p.offer.shop_kind == kind and _fault(p, unit) is None]
        supported = [p for p in comparable if _is_supported(p, comparable)]
        if supported:
            lowest = supported[0]
            for price in supported[1:]:
                if is_dearer(lowest, price):
                    lowest = price
            deciding = _at(lowest, supported)
            below = [p for p in comparable if not is_dearer(p, lowest)]
            return Reference(deciding, tuple(below), tuple(supported))
    for kind in SHOP_KINDS:
        faults = {_fault(p, unit) for p in rows if p.offer.shop_kind == kind and p.offer.evidence}
        for reason in _FAULTS[1:]:
            if reason in faults:
                return reason
    return Reason.LOW_EVIDENCE


def _fault(price: Price, unit: str) -> Reason | None:
    if price.currency != "CNY":
        return Reason.CURRENCY
    if not price.is_good:
        return Reason.BAD_PRICE
    return None if price.unit == unit else Reason.UNIT_MISMATCH


def _is_supported(price: Price, comparable: Iterable[Price]) -> bool:
    """A row at its unit price has evidence, or two rows are at it or below."""
    n_below = 0
    for other in comparable:
        if not is_dearer(other, price):
            n_below += 1
            if other.offer.evidence and not is_dearer(price, other):
                return True
    return n_below >= 2


def _at(price: Price, rows: Iterable[Price]) -> tuple[Price, ...]:
    return tuple(p for p in rows if not is_dearer(p, price) and not is_dearer(price, p))
