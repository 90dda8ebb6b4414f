"""What was known before an instant? The only queries behind features: tables to columns, cut at `as_of`.

A fact is in if it *happened* and was *known* strictly before `as_of`. Facts loaded for tonight can be cut again
for any earlier instant (`Facts.before`), so that a training row is made from what was known at its own time.
Amounts in fen stay whole numbers held in float64 (exact to 2^53); what is missing is NaN.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Self

import numpy as np
import polars as pl
from sqlmodel import Session, SQLModel

from features.kernels import F64, I32, I64, Bools
from features.showings import load_showings, no_showings
from features.store.db import frame_schema, read_frame
from features.store.observations import AnchorStat, Audience, Feedback, Listing, LiveSession
from features.store.tables import Anchor, Event, Plan, Sku
from features.store.types import UtcDateTime
from features.units import microseconds

NEVER_US = int(np.iinfo(np.int64).max)
NO_DAY = -1


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrays of one length that are cut together."""

    def take(self, rows: I64 | Bools | slice) -> Self:
        """The chosen rows, each column's memory shared where `rows` is a slice."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Sessions(Columns):
    """Live sessions whose end is known, by (known_us, live_session_id)."""

    anchor: I32
    started_us: I64
    known_us: I64
    exposure_follow: F64
    exposure_public: F64
    exposure_paid: F64
    entries: F64
    watch_seconds: F64
    peak_viewers: F64


@dataclass(frozen=True, slots=True)
class Listings(Columns):
    """SKUs put up in those sessions, by (known_us, live_session_id, sku_id); `at_us` is the session's start."""

    session: I64
    anchor: I32
    sku: I32
    at_us: I64
    known_us: I64
    settled_us: I64
    units: F64
    gmv_fen: F64
    impressions: F64
    clicks: F64
    orders: F64
    buyers: F64
    repeat_buyers: F64
    explained_seconds: F64
    refund_fen: F64


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was known before `as_of_us`. Codes in the columns are places in the sorted id arrays.

    `skus`, `anchors`, `plans` hold every version known by then, by (code or id, known_us); dates are day numbers.
    """

    as_of_us: int
    sku_ids: pl.Series
    anchor_ids: pl.Series
    skus: pl.DataFrame
    anchors: pl.DataFrame
    plans: pl.DataFrame
    stats: pl.DataFrame
    audiences: pl.DataFrame
    feedback: pl.DataFrame
    events: pl.DataFrame
    sessions: Sessions
    listings: Listings
    showings: pl.DataFrame = field(default_factory=no_showings)
    """What `feedback` is without: the places of lists as their readers had them before them."""

    def before(self, as_of_us: int) -> "Facts":
        """The facts as they stood at an earlier instant: the same as loading them then, to the last bit."""
        if as_of_us > self.as_of_us:
            message = f"facts end at {self.as_of_us}; nothing can be said of {as_of_us}"
            raise ValueError(message)
        known = pl.col("known_us") < as_of_us
        skus, anchors = self.skus.filter(known), self.anchors.filter(known)
        sku_places, sku_kept = _recode(skus["sku"].to_numpy(), len(self.sku_ids))
        anchor_places, anchor_kept = _recode(anchors["anchor"].to_numpy(), len(self.anchor_ids))
        end = int(np.searchsorted(self.sessions.known_us, as_of_us))
        sessions = self.sessions.take(slice(0, end))
        end = int(np.searchsorted(self.listings.known_us, as_of_us))
        listings = _unsettle(self.listings.take(slice(0, end)), as_of_us)
        if len(sku_kept) < len(self.sku_ids) or len(anchor_kept) < len(self.anchor_ids):
            sessions, listings = _recoded(sessions, listings, sku_places, anchor_places)
        return replace(
            self,
            as_of_us=as_of_us,
            sku_ids=self.sku_ids[sku_kept],
            anchor_ids=self.anchor_ids[anchor_kept],
            skus=skus.with_columns(sku=pl.Series(sku_places[skus["sku"].to_numpy()], dtype=pl.Int32)),
            anchors=anchors.with_columns(
                anchor=pl.Series(anchor_places[anchors["anchor"].to_numpy()], dtype=pl.Int32)
            ),
            plans=self.plans.filter(known),
            stats=_kept(self.stats.filter(known), anchor_places),
            audiences=_kept(self.audiences.filter(known), anchor_places),
            feedback=_kept(_kept(self.feedback.filter(known), anchor_places), sku_places, "sku"),
            sessions=sessions,
            listings=listings,
            showings=_kept(_kept(self.showings.filter(known), anchor_places), sku_places, "sku"),
        )


def load_facts(session: Session, *, as_of: datetime) -> Facts:
    """Everything known before `as_of`, read in bulk; the order of rows in the store plays no part."""
    cut_us = microseconds(as_of)
    skus = _known(session, Sku, cut_us)
    anchors = _known(session, Anchor, cut_us)
    sku_ids, anchor_ids = skus["sku_id"].unique().sort(), anchors["anchor_id"].unique().sort()
    sku, anchor = _codes("sku_id", sku_ids), _codes("anchor_id", anchor_ids)
    rooms = (
        _known(session, LiveSession, cut_us)
        .with_columns(anchor)
        .drop_nulls("anchor")
        .sort("known_us", "live_session_id")
    )
    return Facts(
        as_of_us=cut_us,
        sku_ids=sku_ids,
        anchor_ids=anchor_ids,
        skus=skus.with_columns(sku).sort("sku", "known_us"),
        anchors=anchors.with_columns(anchor).sort("anchor", "known_us"),
        plans=_known(session, Plan, cut_us).sort("plan_id", "known_us"),
        stats=_known(session, AnchorStat, cut_us)
        .with_columns(anchor)
        .drop_nulls("anchor")
        .sort("anchor", "observed_day"),
        audiences=_known(session, Audience, cut_us)
        .with_columns(anchor)
        .drop_nulls("anchor")
        .sort("anchor", "role", "dimension", "observed_day", "bucket"),
        feedback=_known(session, Feedback, cut_us, " AND kind <> 'shown'")
        .with_columns(anchor, sku)
        .drop_nulls(("anchor", "sku"))
        .sort("known_us", "event_id"),
        events=_known(session, Event, NEVER_US).sort("starts_us", "event_id"),
        sessions=Sessions(**{field.name: _array(rooms[field.name]) for field in fields(Sessions)}),
        listings=_listings(session, cut_us, rooms, sku),
        showings=load_showings(session, cut_us, anchor, sku),
    )


def _known(session: Session, table: type[SQLModel], cut_us: int, but: str = "") -> pl.DataFrame:
    """A table's rows known before the cut; instants renamed `_us`, dates turned to day numbers `_day`."""
    schema = frame_schema(table)
    frame = read_frame(
        session,
        f"SELECT {', '.join(schema)} FROM {table.__tablename__} WHERE known_at < :cut{but}",  # noqa: S608 - our names
        {"cut": cut_us},
        schema=schema,
    )
    days = [name for name in schema if name.endswith("_on")]
    columns = SQLModel.metadata.tables[str(table.__tablename__)].columns
    names = {name: name[:-3] + "_day" for name in days} | {
        column.name: column.name.removesuffix("_at") + "_us"
        for column in columns
        if isinstance(column.type, UtcDateTime)
    }
    return frame.with_columns(pl.col(days).cast(pl.Int32).fill_null(NO_DAY)).rename(names)


def _listings(session: Session, cut_us: int, rooms: pl.DataFrame, sku: pl.Expr) -> Listings:
    by_session = rooms.select("live_session_id", "anchor", at_us="started_us").with_row_index("session")
    frame = (
        _known(session, Listing, cut_us)
        .join(by_session, on="live_session_id")
        .with_columns(sku)
        .drop_nulls("sku")
        .sort("known_us", "session", "sku")
    )
    return _unsettle(
        Listings(**{field.name: _array(frame[field.name]) for field in fields(Listings)}), cut_us
    )


def _unsettle(listings: Listings, as_of_us: int) -> Listings:
    """Refunds count only once they are settled; until then both the amount and the instant are unknown."""
    open_ = listings.settled_us >= as_of_us
    return replace(
        listings,
        refund_fen=np.where(open_, np.nan, listings.refund_fen),
        settled_us=np.where(open_, NEVER_US, listings.settled_us),
    )


def _recode(codes: I32, n_codes: int) -> tuple[I32, I64]:
    """Old code -> new code (-1: gone), and the old codes that stay, ascending."""
    here = np.zeros(n_codes, np.bool_)
    here[codes] = True
    kept = np.flatnonzero(here)
    places = np.full(n_codes, -1, np.int32)
    places[kept] = np.arange(len(kept), dtype=np.int32)
    return places, kept


def _recoded(
    sessions: Sessions, listings: Listings, sku_places: I32, anchor_places: I32
) -> tuple[Sessions, Listings]:
    listings = replace(listings, sku=sku_places[listings.sku], anchor=anchor_places[listings.anchor])
    sessions = replace(sessions, anchor=anchor_places[sessions.anchor])
    stay = sessions.anchor >= 0
    session_places = np.cumsum(stay) - 1
    listings = listings.take((listings.sku >= 0) & (listings.anchor >= 0))
    return sessions.take(stay), replace(listings, session=session_places[listings.session])


def _kept(frame: pl.DataFrame, places: I32, column: str = "anchor") -> pl.DataFrame:
    coded = pl.Series(column, places[frame[column].to_numpy()], dtype=pl.Int32)
    return frame.with_columns(coded).filter(pl.col(column) >= 0)


def _codes(column: str, ids: pl.Series) -> pl.Expr:
    """The place of each id among `ids`, as a column named without `_id`; null where it is not there."""
    places = pl.Series(np.arange(len(ids), dtype=np.int32))
    return (
        pl.col(column)
        .replace_strict(ids, places, default=None, return_dtype=pl.Int32)
        .alias(column.removesuffix("_id"))
    )


def _array(column: pl.Series) -> Any:
    """Codes and instants as they are (an unknown instant is NEVER_US); amounts as float64 with NaN."""
    if column.name == "session":
        return column.cast(pl.Int64).to_numpy()
    if column.name in ("anchor", "sku"):
        return column.cast(pl.Int32).to_numpy()
    if column.name.endswith("_us"):
        return column.fill_null(NEVER_US).to_numpy()
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
