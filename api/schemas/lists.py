"""What does a list look like to a program?"""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas import examples
from api.schemas.types import (
    PERCENT_PATTERN,
    YUAN_PATTERN,
    Asked,
    Id,
    Objective,
    Shape,
    SupplyType,
    Text,
    Tier,
    shown_as,
)


class VerdictLine(Shape):
    """What one rule says of the SKU."""

    rule: Literal["cps_floor", "price_parity"]
    status: Literal["PASS", "FAIL", "INDETERMINATE", "NOT_APPLICABLE"]
    reason: str
    margin: int | None
    """Of the floor in ppm (or fen a piece), of the price in fen a base unit; the more the better."""
    provisional: bool
    sentence: str
    """In the language of the request."""


class ReasonLine(Shape):
    """Why it stands where it does, from the model's own contributions."""

    group: Literal["host", "need", "cheap"]
    """Like the host, need it, is it cheap."""
    zh: str
    en: str


class ExpectedOutcome(Shape):
    """What the pairing brings in the anchor's next live session if the SKU is put up; low and high are the 80 % range."""

    units: float
    units_low: float
    units_high: float
    gmv_fen: int
    gmv_low_fen: int
    gmv_high_fen: int
    commission_fen: int | None
    commission_low_fen: int | None
    commission_high_fen: int | None


class RateChange(Shape):
    """The next change of the rate that applies to this anchor, within two weeks."""

    at: datetime
    rate_ppm: int | None
    """Nothing: no plan applies from then on."""
    is_cut: bool


class _Line(Shape):
    rank: int
    anchor_id: str
    sku_id: str
    score: float
    """Orders within this list only."""
    rate_ppm: int | None
    """The commission rate that applies to this pair; nothing where no plan admits the anchor."""
    expected: ExpectedOutcome | None
    """Nothing where a source ranks instead of a model."""
    verdicts: list[VerdictLine]
    reasons: list[ReasonLine]
    """Up to three, with `explain`."""


class GoodsLine(_Line):
    """One SKU for the anchor."""

    title: str
    brand_id: str
    brand_name: str
    category: str
    list_price_fen: int
    commission_fen_a_unit: int | None
    """Of the list price, at the rate that applies."""
    stock: int | None
    sample: str | None
    rating_x100: int | None
    supply_type: str | None
    rate_change: RateChange | None


class PastWithBrand(Shape):
    """What the anchor sold of this brand in the year before the snapshot."""

    listings: int
    units: int
    gmv_fen: int
    last_at: datetime | None


class ShortlistLine(_Line):
    """One anchor for the SKU."""

    anchor_name: str
    tier: str | None
    account_kind: str | None
    fans: int | None
    reply_hours: float | None
    past_with_brand: PastWithBrand


class _Answer(Shape):
    next_cursor: str | None
    """Asks for the next page; nothing where this is the last."""
    request_id: str
    model_version: str
    """What ranked: a model, or `source:<name>` where none may serve."""
    snapshot_at: datetime
    """Only what was known before this instant."""
    policy_version: str
    objective: Objective
    considered: int
    """Candidates that were ranked."""
    left_out: dict[str, int]
    """By which rule how many were left out, of what passes the filters."""


class GoodsList(_Answer):
    """Recommended goods for an anchor, best first."""

    model_config = shown_as(examples.GOODS_LIST)

    anchor_id: str
    items: list[GoodsLine]


class Shortlist(_Answer):
    """Recommended anchors for a SKU, best first."""

    model_config = shown_as(examples.SHORTLIST)

    sku_id: str
    items: list[ShortlistLine]


class ShortlistsAsked(Asked):
    """Which SKUs of the brand are to share the anchors."""

    model_config = shown_as(examples.SHORTLISTS_ASKED)

    sku_ids: list[Id] = Field(min_length=1, max_length=50)
    size: int = Field(default=20, ge=1, le=200)
    """Anchors a SKU."""
    most_skus_an_anchor: int = Field(default=3, ge=1, le=50)
    """An anchor is proposed for no more of them than this."""
    objective: Objective = "balanced"
    new_only: bool = False
    explain: bool = False
    tier: Tier | None = None


class SharedShortlists(Shape):
    """A shortlist each, in which no anchor stands more often than asked."""

    model_config = shown_as(examples.SHARED_SHORTLISTS)

    brand_id: str
    items: list[Shortlist]
    next_cursor: None
    """All that was asked for is there."""
    request_id: str


class Fate(Shape):
    """What became of the pairing in one of the two lists; of the other side's no more than the status."""

    status: str
    """RANKED, NOT_A_CANDIDATE, or the rule that left it out."""
    rank: int | None
    score: float | None
    considered: int | None
    """Candidates that were ranked."""
    brought_by: list[str]
    """Sources that proposed it; empty where they are the other side's."""
    above: list[str]
    """Who stands above it, at most five; empty where they are the other side's."""
    reasons: list[ReasonLine]


class Pairing(Shape):
    """One pairing, from both sides."""

    model_config = shown_as(examples.PAIRING)

    anchor_id: str
    sku_id: str
    request_id: str
    model_version: str
    snapshot_at: datetime
    policy_version: str
    rate_ppm: int | None
    expected: ExpectedOutcome | None
    verdicts: list[VerdictLine]
    goods: Fate
    """In the anchor's goods."""
    shortlist: Fate
    """In the SKU's shortlist."""


_YUAN = Field(default=None, pattern=YUAN_PATTERN, examples=["19.90"])


class ListQuery(Asked):
    """How a list is narrowed and ordered; what is not named narrows nothing."""

    model_config = ConfigDict(strict=False)  # everything in a query is text

    objective: Objective = "balanced"
    explain: bool = False
    """Up to three reasons a line; costs milliseconds."""
    new_only: bool = False
    """Leave out what the pair sold together in the 365 days before."""
    category: Text | None = None
    """A path: that category and all below it."""
    min_price: str | None = _YUAN
    """List price at least, in yuan."""
    max_price: str | None = _YUAN
    """List price at most, in yuan."""
    min_rate: str | None = Field(default=None, pattern=PERCENT_PATTERN, examples=["12.5"])
    """Commission rate at least, in percent."""
    supply_type: SupplyType | None = None
    tier: Tier | None = None
    """Of the anchor."""
    limit: int | None = Field(default=None, ge=1, le=200)
    """Lines a page; without it 50 goods, 20 anchors, and with a cursor as many as the page before."""
    cursor: str | None = Field(default=None, max_length=1_024)
    """`next_cursor` of the page before; with the very filters of that page."""
