"""What was seen of broadcasts, crowds and recommendations? The import tables that grow without end.

They are declared like the others in `tables.py`, which also lists them all.
"""

from datetime import date, datetime
from typing import ClassVar, Final

from sqlalchemy import Index
from sqlalchemy import text as sql
from sqlmodel import SQLModel

from features.store.columns import (
    Known,
    KnownAt,
    KnownWith,
    choice,
    day,
    fen,
    identifier,
    instant,
    known,
    number,
    rate,
    share,
    supplier,
    text,
    whole,
)

# One tree of key and row: a third smaller, and read in the order of the key.
CLUSTERED: Final = {"sqlite_with_rowid": False}
BUT_SHOWN: Final = sql("kind <> 'shown'")
"""Of every hundred rows of feedback ninety say that something was shown: who asks what became of it reads past them."""


class AnchorStat(SQLModel, table=True):
    """An anchor's standing on a day."""

    __tablename__ = "anchor_stats"
    __table_args__ = CLUSTERED
    known_by: ClassVar[Known] = KnownAt(("observed_on",))

    anchor_id: str = identifier(key=True, refers_to="anchors")
    observed_on: date = day(key=True)
    fans: int | None = whole()
    fans_gained: int | None = whole(at_least=None)
    violation_points: int | None = whole()
    reply_hours: float | None = number()
    sample_fulfil_rate_ppm: int | None = rate("sample_fulfil_rate")
    known_at: datetime = known()
    source: str = supplier()


class Audience(SQLModel, table=True):
    """A part of an anchor's crowd (粉丝画像), as seen on a day."""

    __tablename__ = "audiences"
    __table_args__ = CLUSTERED
    known_by: ClassVar[Known] = KnownAt(("observed_on",))

    anchor_id: str = identifier(key=True, refers_to="anchors")
    observed_on: date = day(key=True)
    role: str = choice("viewer", "buyer", "repeat_buyer", key=True)
    dimension: str = choice("gender", "age", "city_tier", "price_band", "category", key=True)
    bucket: str = text(key=True)
    share: float = share(required=True)
    known_at: datetime = known()
    source: str = supplier()


class LiveSession(SQLModel, table=True):
    """One broadcast (场次)."""

    __tablename__ = "live_sessions"
    known_by: ClassVar[Known] = KnownAt(("ended_at", "started_at"))

    live_session_id: str = identifier(key=True)
    anchor_id: str = identifier(required=True, refers_to="anchors", index=True)
    started_at: datetime = instant(required=True)
    ended_at: datetime | None = instant()
    exposure_follow: int | None = whole()
    exposure_public: int | None = whole()
    exposure_paid: int | None = whole()
    entries: int | None = whole()
    watch_seconds: int | None = whole()
    peak_viewers: int | None = whole()
    fans_gained: int | None = whole(at_least=None)
    known_at: datetime = known()
    source: str = supplier()


class Listing(SQLModel, table=True):
    """A SKU put up in a live session (挂车), and what it sold.

    Not linked in the database: this is the table with millions of rows, and ingest has resolved the session already.
    """

    __tablename__ = "listings"
    __table_args__ = CLUSTERED
    known_by: ClassVar[Known] = KnownWith("live_session_id")

    live_session_id: str = identifier(key=True, refers_to="live_sessions")
    sku_id: str = identifier(key=True, refers_to="skus")
    role: str | None = choice("welfare", "hit", "profit", "regular")
    slot: int | None = whole()
    explained_seconds: int | None = whole()
    impressions: int | None = whole()
    clicks: int | None = whole()
    orders: int | None = whole()
    units: int = whole(required=True)
    gmv_fen: int = fen(required=True)
    buyers: int | None = whole()
    repeat_buyers: int | None = whole()
    refund_fen: int | None = fen()
    settled_at: datetime | None = instant()
    known_at: datetime = known()
    source: str = supplier()


class Feedback(SQLModel, table=True):
    """What became of a recommendation."""

    __tablename__ = "feedback"
    __table_args__ = tuple(
        Index(f"ix_feedback_{key}", key, sqlite_where=BUT_SHOWN, postgresql_where=BUT_SHOWN)
        for key in ("anchor_id", "sku_id")
    )
    known_by: ClassVar[Known] = KnownAt(("at",))

    event_id: str = identifier(key=True)
    request_id: str | None = identifier()
    at: datetime = instant(required=True)
    anchor_id: str = identifier(required=True, refers_to="anchors")
    sku_id: str = identifier(required=True, refers_to="skus")
    kind: str = choice(
        "shown",
        "clicked",
        "saved",
        "picked",
        "invited",
        "accepted",
        "declined",
        "sample_sent",
        "listed",
        "sold",
        required=True,
    )
    position: int | None = whole()
    known_at: datetime = known()
    source: str = supplier()
