"""Which facts are kept, and what may stand in each column? Every import table, declared once.

Ingest, the documentation and the HTTP schemas read these declarations (`TABLES`); `columns.py` has the vocabulary.
The order is the order of import: a table comes after those that it refers to.
`brands`, `skus`, `anchors` and `plans` keep their history, a version a row, so that no foreign key of the database
can point at their ids: ingest resolves them. What is seen of broadcasts and crowds stands in `observations.py`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import ClassVar, Final

from sqlmodel import SQLModel

from features.store.columns import (
    History,
    ImportTable,
    Known,
    KnownAlways,
    KnownAt,
    KnownWith,
    choice,
    commission,
    day,
    fen,
    flag,
    identifier,
    identifiers,
    instant,
    known,
    note,
    path,
    paths,
    rate,
    selection,
    supplier,
    text,
    until,
    version,
    whole,
)
from features.store.observations import AnchorStat, Audience, Feedback, Listing, LiveSession

TIERS: Final = ("head", "waist", "tail")
STATUSES: Final = ("on", "paused", "off")
UNITS: Final = ("piece", "g", "ml")


class Brand(SQLModel, table=True):
    """Who makes the goods (品牌方)."""

    __tablename__ = "brands"
    known_by: ClassVar[Known] = History()

    brand_id: str = identifier(key=True)
    known_at: datetime = version()
    name: str = text(required=True)
    brand_type: str | None = choice("flagship", "kuai_brand", "source_factory", "white_label")
    stage: str | None = choice(
        "new", "zero_broken", "distributing", "self_live", "private_domain", "channel_supply"
    )
    source: str = supplier()


class Programme(SQLModel, table=True):
    """A promise that brands can join, with the rules it carries."""

    __tablename__ = "programmes"
    known_by: ClassVar[Known] = KnownAlways()

    programme_id: str = identifier(key=True)
    name: str = text(required=True)
    rules: str = selection("cps_floor", "price_parity", required=True)
    known_at: datetime = known()
    source: str = supplier()


class Enrolment(SQLModel, table=True):
    """A brand in a programme, for a while."""

    __tablename__ = "enrolments"
    known_by: ClassVar[Known] = KnownAt(("committed_at", "valid_from"))

    brand_id: str = identifier(key=True, refers_to="brands")
    programme_id: str = identifier(key=True, refers_to="programmes", link="programmes.programme_id")
    valid_from: datetime = instant(key=True)
    valid_to: datetime | None = instant()
    committed_at: datetime | None = instant()
    known_at: datetime = known()
    source: str = supplier()


class Event(SQLModel, table=True):
    """A promotion season of a platform."""

    __tablename__ = "events"
    known_by: ClassVar[Known] = KnownAlways()

    event_id: str = identifier(key=True)
    platform: str = text(required=True)
    kind: str = text(required=True)
    name: str = text(required=True)
    starts_at: datetime = instant(required=True)
    ends_at: datetime = instant(required=True)
    counts_as_big_promo: bool | None = flag()
    goods_focus: str | None = text()
    known_at: datetime = known()
    source: str = supplier()


class Anchor(SQLModel, table=True):
    """Who sells live (主播, 达人)."""

    __tablename__ = "anchors"
    known_by: ClassVar[Known] = History()

    anchor_id: str = identifier(key=True)
    known_at: datetime = version()
    name: str = text(required=True)
    account_kind: str | None = choice("talent", "brand_self", "brand_person", "agency")
    tier: str | None = choice(*TIERS)
    joined_on: date | None = day()
    home_city_tier: str | None = text()
    denied_categories: str | None = paths()
    own_brand_ids: str | None = identifiers(refers_to="brands")
    source: str = supplier()


class Sku(SQLModel, table=True):
    """What is sold (单品)."""

    __tablename__ = "skus"
    known_by: ClassVar[Known] = History()

    sku_id: str = identifier(key=True)
    known_at: datetime = version()
    brand_id: str = identifier(required=True, refers_to="brands", index=True)
    title: str = text(required=True)
    category: str = path(required=True)
    standardness: str | None = choice("standard", "nonstandard")
    supply_type: str | None = choice("source", "brand")
    unit: str | None = choice(*UNITS)
    units_per_pack: int | None = whole(at_least=1)
    list_price_fen: int = fen(required=True)
    stock: int | None = whole()
    rating_x100: int | None = whole()
    review_count: int | None = whole()
    refund_rate_ppm: int | None = rate("refund_rate")
    launched_on: date | None = day()
    retired_on: date | None = day()
    status: str | None = choice(*STATUSES)
    authorised_until: datetime | None = until()
    min_tier: str | None = choice(*TIERS)
    denied_anchor_ids: str | None = identifiers(refers_to="anchors")
    sample: str | None = choice("none", "free", "refund_after_sales")
    channel_exclusive: bool | None = flag()
    equivalent_sku_id: str | None = identifier(refers_to="skus")
    equivalent_ratio: int | None = whole(at_least=1)
    source: str = supplier()


class Plan(SQLModel, table=True):
    """The commission that a SKU pays, to whom, and when (佣金计划)."""

    __tablename__ = "plans"
    known_by: ClassVar[Known] = History(first_from="valid_from")

    plan_id: str = identifier(key=True)
    known_at: datetime = version()
    sku_id: str = identifier(required=True, refers_to="skus", index=True)
    plan_type: str = choice(
        "open", "target_item", "target_shop", "exclusive", "leader", "leader_exclusive", required=True
    )
    rate_ppm: int = commission("rate", required=True)
    anchor_ids: str | None = identifiers(refers_to="anchors")
    service_fee_rate_ppm: int | None = rate("service_fee_rate")
    status: str | None = choice(*STATUSES)
    valid_from: datetime = instant(required=True)
    valid_to: datetime | None = instant()
    source: str = supplier()


class CpsQuote(SQLModel, table=True):
    """A commission rate seen on some platform (报价)."""

    __tablename__ = "cps_quotes"
    known_by: ClassVar[Known] = KnownAt(("observed_at",))

    quote_id: str = identifier(key=True)
    sku_id: str = identifier(required=True, refers_to="skus", index=True)
    platform: str = text(required=True)
    plan_scope: str | None = text()
    rate_ppm: int = commission("rate", required=True)
    rate_high_ppm: int | None = commission("rate_high", unit="rate_unit")
    base: str | None = choice("paid", "list", "after_coupon")
    base_fen: int | None = fen()
    observed_at: datetime = instant(required=True)
    valid_from: datetime | None = instant()
    valid_to: datetime | None = instant()
    known_at: datetime = known()
    source: str = supplier()


class Offer(SQLModel, table=True):
    """A price seen on some platform, here or elsewhere (供货机制): one observation."""

    __tablename__ = "offers"
    known_by: ClassVar[Known] = KnownAt(("observed_at",))

    offer_id: str = identifier(key=True)
    sku_id: str = identifier(required=True, refers_to="skus", index=True)
    platform: str = text(required=True)
    shop_kind: str | None = choice("flagship", "official", "reseller")
    event_id: str | None = identifier(refers_to="events", link="events.event_id")
    quantity: int | None = whole(at_least=1)
    item_price_fen: int = fen(required=True)
    shipping_fen: int | None = fen()
    units_per_pack: int | None = whole(at_least=1)
    unit: str | None = choice(*UNITS)
    gift_same_units: int | None = whole()
    gift_other: str | None = note()
    audience: str | None = choice("all", "new_fan", "old_fan")
    deposit_fen: int | None = fen()
    balance_fen: int | None = fen()
    quota: int | None = whole()
    event_units: int | None = whole()
    welfare: bool | None = flag()
    mapping: str | None = choice("code", "manual", "title")
    evidence: str | None = text()
    currency: str | None = text()
    observed_at: datetime = instant(required=True)
    valid_from: datetime | None = instant()
    valid_to: datetime | None = instant()
    known_at: datetime = known()
    source: str = supplier()


class OfferPromotion(SQLModel, table=True):
    """What comes off an offer's price, or a buyer's."""

    __tablename__ = "offer_promotions"
    known_by: ClassVar[Known] = KnownWith("offer_id")

    promotion_id: str = identifier(key=True)
    offer_id: str = identifier(required=True, refers_to="offers", link="offers.offer_id", index=True)
    layer: str = choice("item", "shop", "platform", "payment", "identity", required=True)
    kind: str = choice(
        "direct",
        "percent_off",
        "threshold_off",
        "coupon",
        "nth_item",
        "subsidy",
        "red_packet",
        required=True,
    )
    n: int | None = whole(at_least=1)
    off_fen: int | None = fen()
    off_rate_ppm: int | None = rate("off_rate")
    threshold_fen: int | None = fen()
    cap_fen: int | None = fen()
    exclusive_group: str | None = text()
    valid_from: datetime | None = instant()
    valid_to: datetime | None = instant()
    known_at: datetime = known()
    source: str = supplier()


_MODELS: Final = (
    Brand, Programme, Enrolment, Event, Anchor, Sku, Plan, CpsQuote, Offer, OfferPromotion,
    AnchorStat, Audience, LiveSession, Listing, Feedback,
)  # fmt: skip

TABLES: Final[Mapping[str, ImportTable]] = MappingProxyType(
    {table.name: table for table in map(ImportTable.of, _MODELS)}
)
"""Every import table by its name, each after those that it refers to."""
