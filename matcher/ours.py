"""Which offers of ours count now, and until when? Of each audience the latest in force; at one instant the dearer."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from features.store.dossier import Offer, SkuVersion, in_window, stands
from features.units import TICK
from matcher.policy import Policy
from matcher.price import Price, effective_price, is_dearer


def latest_of_each_audience(
    offers: Iterable[Offer], version: SkuVersion | None, at: datetime, policy: Policy
) -> list[Price]:
    """Ours that count at `at`, priced then, by audience; at one instant the dearer a unit."""
    best: dict[str, Price] = {}
    for offer in _ours(offers, at, policy):
        if not in_window(at, offer.valid_from, offer.valid_to):
            continue
        price = effective_price(offer, at, policy, version)
        known = best.get(offer.audience or "all")
        if known is None or _counts_before(price, known):
            best[offer.audience or "all"] = price
    return [best[audience] for audience in sorted(best)]


def price_changes(offers: Iterable[Offer], at: datetime, policy: Policy) -> set[datetime]:
    """Instants after `at` at which an offer begins, ends or grows too old, or a promotion of it begins or ends."""
    fresh_for = timedelta(hours=policy.parity.offer_max_age_hours)
    changes: set[datetime] = set()
    for offer in _ours(offers, at, policy):
        ends = (offer.valid_from, offer.valid_to, offer.observed_at + fresh_for + TICK)
        changes.update(t for t in ends if t is not None and t > at)
        changes.update(
            t for p in offer.promotions for t in (p.valid_from, p.valid_to) if t is not None and t > at
        )
    return changes


def _ours(offers: Iterable[Offer], at: datetime, policy: Policy) -> Iterator[Offer]:
    for offer in offers:
        if (
            offer.platform == policy.home_platform
            and offer.observed_at <= at
            and stands(offer.retracted_at, at)
        ):
            yield offer


def _counts_before(price: Price, known: Price) -> bool:
    if price.offer.observed_at != known.offer.observed_at:
        return price.offer.observed_at > known.offer.observed_at
    if price.is_whole != known.is_whole:
        return known.is_whole  # half a presale may come to anything
    if is_dearer(price, known) or is_dearer(known, price):
        return is_dearer(price, known)
    return price.offer.offer_id > known.offer.offer_id
