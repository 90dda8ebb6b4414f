"""How is a market written down by hand? What a row leaves out is filled in; it goes through a real database and back.

`NOW` is a midnight in Shanghai. A live session lasts an hour and is known at its end, as ingest would have it; all
else is known from the start unless a test says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Self

import numpy as np
from sqlalchemy import Engine, insert
from sqlmodel import Session

from features.catalogue import NAMES
from features.facts import Facts, load_facts
from features.snapshot import Snapshot, take_snapshot
from features.store.db import reading, writing
from features.store.tables import TABLES
from features.units import DAWN, from_day_number, midnight, shanghai_day
from matcher.candidates.union import Side
from matcher.policy import Policy
from matcher.world import World, build_world

NOW = midnight(date(2026, 3, 1))
MICROSECOND = timedelta(microseconds=1)


def ago(days: float = 0, hours: float = 0) -> datetime:
    """An instant before NOW; a negative number lies after it."""
    return NOW - timedelta(days=days, hours=hours)


def day_ago(days: int) -> date:
    """The Shanghai day that began so many days before NOW."""
    return shanghai_day(NOW - timedelta(days=days))


@dataclass
class Market:
    """Rows by table, in the order in which they were said."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    def add(self, table: str, **columns: Any) -> Self:
        """A row of any table."""
        self.rows.setdefault(table, []).append({"known_at": DAWN, "source": "operator"} | columns)
        return self

    def sku(self, sku_id: str, **columns: Any) -> Self:
        """A SKU, or a later version of one."""
        plain = {"brand_id": "brand", "title": sku_id, "category": "things", "list_price_fen": 10_000}
        return self.add("skus", **plain | {"sku_id": sku_id} | columns)

    def anchor(self, anchor_id: str, **columns: Any) -> Self:
        """An anchor, or a later version of one."""
        return self.add("anchors", **{"anchor_id": anchor_id, "name": anchor_id} | columns)

    def live(
        self,
        anchor_id: str,
        at: datetime,
        sold: Mapping[str, int | Mapping[str, Any]],
        *,
        hours: float | None = 1.0,
        **columns: Any,
    ) -> Self:
        """A live session from `at` on with units by SKU (or columns, `units` among them); a unit brings 100 yuan."""
        live_session_id = f"live{next(self.numbers):05d}"
        ended_at = None if hours is None else at + timedelta(hours=hours)
        known_at = ended_at or at
        room = {"anchor_id": anchor_id, "started_at": at, "ended_at": ended_at, "known_at": known_at}
        self.add("live_sessions", **room | {"live_session_id": live_session_id} | columns)
        for sku_id, result in sold.items():
            row = dict(result) if isinstance(result, Mapping) else {"units": result}
            plain = {"live_session_id": live_session_id, "sku_id": sku_id, "known_at": known_at}
            self.add("listings", **plain | {"gmv_fen": 10_000 * row["units"]} | row)
        return self

    def crowd(
        self,
        anchor_id: str,
        role: str,
        dimension: str,
        shares: Mapping[str, float],
        *,
        on: date | None = None,
    ) -> Self:
        """What a crowd was made of on a day (yesterday, if not given), known when the day was over."""
        day = on or day_ago(1)
        seen = {"anchor_id": anchor_id, "role": role, "dimension": dimension, "observed_on": day}
        for bucket, share in shares.items():
            self.add("audiences", **seen, bucket=bucket, share=share, known_at=end_of(day))
        return self

    def stat(self, anchor_id: str, on: date, **columns: Any) -> Self:
        """An anchor's standing on a day, known when it was over."""
        return self.add("anchor_stats", anchor_id=anchor_id, observed_on=on, known_at=end_of(on), **columns)

    def plan(self, sku_id: str, percent: float, **columns: Any) -> Self:
        """A commission plan: open to all and from the start, if nothing else is said."""
        plain = {"plan_id": f"plan{next(self.numbers)}", "plan_type": "open", "valid_from": DAWN}
        return self.add("plans", **plain | {"sku_id": sku_id, "rate_ppm": round(percent * 10_000)} | columns)

    def event(self, starts_at: datetime, ends_at: datetime, goods_focus: str | None = None) -> Self:
        """A promotion season."""
        name = f"event{next(self.numbers)}"
        words = {"event_id": name, "platform": "kuaishou", "kind": "116", "name": name}
        return self.add("events", **words, starts_at=starts_at, ends_at=ends_at, goods_focus=goods_focus)

    def feedback(self, anchor_id: str, sku_id: str, kind: str, at: datetime) -> Self:
        """What became of a recommendation, known at once."""
        pair = {"anchor_id": anchor_id, "sku_id": sku_id}
        return self.add(
            "feedback", event_id=f"event{next(self.numbers)}", kind=kind, at=at, known_at=at, **pair
        )

    def write(self, session: Session) -> None:
        """Insert every row; columns that were not named are empty."""
        for name, table in TABLES.items():
            columns = [column.name for column in table.model.__table__.columns]  # type: ignore[attr-defined]
            rows = [dict.fromkeys(columns) | row for row in self.rows.get(name, ())]
            if rows:
                session.execute(insert(table.model), rows)

    def facts(self, store: Engine, as_of: datetime = NOW) -> Facts:
        """Written into an empty store, and read as known at an instant."""
        with writing(store) as session:
            self.write(session)
        return facts_in(store, as_of)

    def seen(self, store: Engine, as_of: datetime = NOW, policy: Policy | None = None) -> "Seen":
        """Written into an empty store, and looked at as of an instant."""
        return Seen(build_world(take_snapshot(self.facts(store, as_of)), policy or Policy()))


@dataclass(frozen=True)
class Seen:
    """A world that is asked by ids."""

    world: World

    @property
    def snapshot(self) -> Snapshot:
        return self.world.snapshot

    def sku_row(self, sku_id: str) -> int:
        return self.snapshot.shelf.ids.to_list().index(sku_id)

    def anchor_row(self, anchor_id: str) -> int:
        return self.snapshot.roster.ids.to_list().index(anchor_id)

    def pair(self, anchor_id: str, sku_id: str) -> dict[str, float]:
        """Every feature of a pair, as a goods list would have it."""
        anchor, rows = self.anchor_row(anchor_id), np.array([self.sku_row(sku_id)], np.int32)
        matrix = self.world.matrix("goods", anchor, self.world.described("goods", anchor, rows))
        return dict(zip(NAMES, matrix[0].tolist(), strict=True))

    def sku(self, sku_id: str) -> dict[str, float]:
        """Every feature of a SKU, beside whichever anchor."""
        return self.pair(self.snapshot.roster.ids[0], sku_id)

    def anchor(self, anchor_id: str) -> dict[str, float]:
        """Every feature of an anchor, beside whichever SKU."""
        return self.pair(anchor_id, self.snapshot.shelf.ids[0])

    def said(self, source: str, side: Side, owner_id: str) -> dict[str, float]:
        """What a source says of the other side: ids with their scores above 0, best first."""
        goods = side == "goods"
        owner = self.anchor_row(owner_id) if goods else self.sku_row(owner_id)
        ids = self.snapshot.shelf.ids if goods else self.snapshot.roster.ids
        said = getattr(self.world.sources[source], side)(owner)
        top = said.top(np.ones(len(ids), np.bool_), len(ids))
        return dict(zip([ids[int(row)] for row in top], said.at(top).tolist(), strict=True))


def facts_in(store: Engine, as_of: datetime = NOW) -> Facts:
    """What a store knows before an instant."""
    with reading(store) as session:
        return load_facts(session, as_of=as_of)


def end_of(day: date) -> datetime:
    """The last microsecond of a Shanghai day: when its figures are known."""
    return midnight(from_day_number((day - date(1970, 1, 1)).days + 1)) - MICROSECOND
