"""What do the lists that a night left look like to a program?"""

from datetime import date, datetime

from api.schemas import examples
from api.schemas.types import Objective, Shape, shown_as


class ListsOfASide(Shape):
    """How many, of anchors (goods) and of SKUs (shortlist)."""

    goods: int
    shortlist: int


class NightlyLists(Shape):
    """What the lists that count were made of; all null before the first night."""

    model_config = shown_as(examples.NIGHTLY_LISTS)

    as_of: date | None
    """The night's day: what was known before it."""
    model_version: str | None
    """What ranked: a model, or `source:<name>` where none may serve."""
    snapshot_at: datetime | None
    policy_version: str | None
    objective: Objective | None
    lists: ListsOfASide | None
    """For how many owners there is a list."""
    rows: ListsOfASide | None
    request_id: str


class StoredSku(Shape):
    """One SKU of an anchor's goods."""

    rank: int
    sku_id: str
    score: float
    """Orders within this list only."""


class StoredAnchor(Shape):
    """One anchor of a SKU's shortlist."""

    rank: int
    anchor_id: str
    score: float
    """Orders within this list only."""


class NightlyList(Shape):
    """One owner's list as the night left it: nobody has looked since whether a verdict, a stock or a wish has changed."""

    model_config = shown_as(examples.NIGHTLY_LIST)

    as_of: date
    model_version: str
    snapshot_at: datetime
    items: list[StoredSku] | list[StoredAnchor]
    next_cursor: None
    """All of it is there."""
    request_id: str
