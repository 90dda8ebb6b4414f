"""What do the two commercial rules read of a SKU? Its dossier: every row that a verdict may rest on, as values.

A dossier holds every row ever stored; the rules cut it at their own instant, so that a verdict about the past comes
out as it would have then. How a dossier is read from the store: `dossiers.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from features.store.plans import PlanRow


class SkuVersion(NamedTuple):
    """What was known of a SKU from `known_at` until its next version."""

    known_at: datetime
    brand_id: str
    unit: str | None = None
    units_per_pack: int | None = None
    channel_exclusive: bool | None = None
    equivalent_sku_id: str | None = None
    equivalent_ratio: int | None = None


class Enrolment(NamedTuple):
    """A brand in a programme that carries `rules`."""

    brand_id: str
    programme_id: str
    rules: frozenset[str]
    valid_from: datetime
    valid_to: datetime | None
    committed_at: datetime
    retracted_at: datetime | None = None


class Quote(NamedTuple):
    """A commission rate seen on some platform: one observation."""

    quote_id: str
    platform: str
    plan_scope: str | None
    rate_ppm: int
    observed_at: datetime
    source: str = "operator"
    rate_high_ppm: int | None = None
    base_fen: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    retracted_at: datetime | None = None
    base: str | None = None


class Promotion(NamedTuple):
    """What comes off an offer's price, or a buyer's."""

    promotion_id: str
    layer: str
    kind: str
    off_fen: int | None = None
    off_rate_ppm: int | None = None
    threshold_fen: int | None = None
    cap_fen: int | None = None
    n: int | None = None
    exclusive_group: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    source: str = "operator"
    retracted_at: datetime | None = None


class Offer(NamedTuple):
    """A price seen on some platform, here or elsewhere: one observation, with its promotions."""

    offer_id: str
    platform: str
    item_price_fen: int
    observed_at: datetime
    source: str = "operator"
    shop_kind: str | None = None
    quantity: int | None = None
    shipping_fen: int | None = None
    units_per_pack: int | None = None
    unit: str | None = None
    gift_same_units: int | None = None
    gift_other: str | None = None
    audience: str | None = None
    deposit_fen: int | None = None
    balance_fen: int | None = None
    quota: int | None = None
    event_units: int | None = None
    welfare: bool | None = None
    mapping: str | None = None
    evidence: str | None = None
    currency: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    retracted_at: datetime | None = None
    promotions: tuple[Promotion, ...] = ()


class BigEvent(NamedTuple):
    """A promotion season of a platform; always known."""

    event_id: str
    platform: str
    kind: str
    starts_at: datetime
    ends_at: datetime
    counts_as_big_promo: bool
    retracted_at: datetime | None = None


class Calendar:
    """Every event, by start and id; what verdicts ask of it again and again is sorted once."""

    def __init__(self, events: Iterable[BigEvent] = ()) -> None:
        self.events = tuple(sorted(events, key=lambda event: (event.starts_at, event.event_id)))
        self._retracted = tuple(event for event in self.events if event.retracted_at is not None)
        self._without: dict[frozenset[BigEvent], Calendar] = {}
        self._big: defaultdict[str, list[BigEvent]] = defaultdict(list)
        self._kinds: defaultdict[tuple[str, str], list[BigEvent]] = defaultdict(list)
        for event in self.events:
            self._kinds[event.platform, event.kind].append(event)
            if event.counts_as_big_promo:
                self._big[event.platform].append(event)
        for alike in self._kinds.values():
            alike.sort(key=lambda event: (event.ends_at, event.starts_at, event.event_id))

    def as_known(self, at: datetime) -> "Calendar":
        """Without the events that had been retracted by `at`."""
        gone = frozenset(event for event in self._retracted if not stands(event.retracted_at, at))
        if not gone:
            return self
        if gone not in self._without:
            self._without[gone] = Calendar(event for event in self.events if event not in gone)
        return self._without[gone]

    def big_promotions(self, platform: str) -> Sequence[BigEvent]:
        """Those of a platform that count, by start."""
        return self._big.get(platform, ())

    def of_kind(self, platform: str, kind: str) -> Sequence[BigEvent]:
        """Those of a kind, by end."""
        return self._kinds.get((platform, kind), ())


@dataclass(frozen=True, slots=True)
class Dossier:
    """One SKU's."""

    sku_id: str
    versions: tuple[SkuVersion, ...]
    """Oldest first."""
    enrolments: tuple[Enrolment, ...] = ()
    """Of every brand that the SKU ever belonged to."""
    plans: tuple[PlanRow, ...] = ()
    """Every version, and every version of a plan that was another SKU's once."""
    quotes: tuple[Quote, ...] = ()
    offers: tuple[Offer, ...] = ()
    """Under its own id, on every platform."""
    equivalents: "dict[str, Equivalent] | None" = None
    """Of a SKU that it names as its equivalent: by that SKU's id."""


@dataclass(frozen=True, slots=True)
class Equivalent:
    """The SKU that stands for a channel-exclusive one elsewhere."""

    versions: tuple[SkuVersion, ...]
    offers: tuple[Offer, ...]


def version_at(versions: tuple[SkuVersion, ...], at: datetime) -> SkuVersion | None:
    """What was known of the SKU at `at`; nothing where it was not known yet."""
    known = [version for version in versions if version.known_at <= at]
    return known[-1] if known else None


def in_window(at: datetime, valid_from: datetime | None, valid_to: datetime | None) -> bool:
    """`[valid_from, valid_to)`; an empty end is open."""
    return (valid_from is None or valid_from <= at) and (valid_to is None or at < valid_to)


def stands(retracted_at: datetime | None, at: datetime) -> bool:
    """An observation stands until it is retracted, and for the instants before for ever."""
    return retracted_at is None or at < retracted_at


def next_known_at(dossier: Dossier, at: datetime) -> datetime | None:
    """The first instant after `at` at which a row of the dossier is known, or taken back."""
    others = tuple((dossier.equivalents or {}).values())
    instants: list[datetime | None] = [plan.known_at for plan in dossier.plans]
    for versions in (dossier.versions, *(one.versions for one in others)):
        instants += [version.known_at for version in versions]
    for offers in (dossier.offers, *(one.offers for one in others)):
        instants += [instant for offer in offers for instant in (offer.observed_at, offer.retracted_at)]
        instants += [promotion.retracted_at for offer in offers for promotion in offer.promotions]
    instants += [instant for quote in dossier.quotes for instant in (quote.observed_at, quote.retracted_at)]
    instants += [enrolment.retracted_at for enrolment in dossier.enrolments]
    return min((instant for instant in instants if instant is not None and instant > at), default=None)
