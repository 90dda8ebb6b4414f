"""What can be learnt after an instant? A seeded market with every kind of fact on both sides of NOW, and ways to change what came later.

In the day after NOW a price, a title, a tier, rates, crowds, standings and results change, yet no SKU, anchor or
category comes or goes: so a block made a day too late has the shape of one made in time.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Table, delete, insert, update
from sqlmodel import Session, SQLModel, col, select

from features.store.observations import LiveSession
from features.store.tables import TABLES
from features.units import from_microseconds, microseconds
from market import MICROSECOND, Market, ago, day_ago

CATEGORIES = ("beauty/mask", "beauty/skin", "food/tea", "home")
SKUS = tuple(f"s{i:02d}" for i in range(28))
ANCHORS = tuple(f"a{i}" for i in range(10))
TITLES = ("moist mask", "保湿面膜", "green tea leaf", "soft towel", "龙井绿茶", "night mask moist")
WITH_KNOWN_AT = [name for name in TABLES if name not in {"programmes", "enrolments", "events", "brands"}]


def full_market(seed: int = 7) -> Market:
    """245 days of trade, 200 of them before NOW."""
    rng, market = np.random.default_rng(seed), Market()
    _write_goods(market, rng)
    _write_people(market, rng)
    _write_broadcasts(market, rng)
    market.event(ago(-10), ago(-12), "source").event(ago(100), ago(98), "brand")
    return market


def _write_goods(market: Market, rng: np.random.Generator) -> None:
    for i, sku_id in enumerate(SKUS):
        market.sku(
            sku_id,
            brand_id=f"b{i % 5}",
            category=CATEGORIES[i % 4],
            title=TITLES[i % 6],
            list_price_fen=int(rng.integers(900, 90_000)),
            standardness=(None, "standard", "nonstandard")[i % 3],
            supply_type=("source", "brand", None)[i % 3],
            stock=int(rng.integers(0, 500)),
            rating_x100=int(rng.integers(350, 500)),
            launched_on=day_ago((-1, 10, 200)[i % 3]) if i % 4 else None,
            known_at=ago(-4) if i == 17 else ago(300),
        )
    for i in (0, 3, 6):  # dearer, and called otherwise, in the day after NOW
        market.sku(
            SKUS[i],
            brand_id=f"b{i % 5}",
            category=CATEGORIES[i % 4],
            title="silk pillow",
            list_price_fen=77_700,
            known_at=ago(hours=-3 * i),
        )
    market.sku(SKUS[5], brand_id="b0", category="home", title="tea towel", status="off", known_at=ago(-3))
    market.sku(SKUS[9], brand_id="b4", category="food/tea", title="white tea", known_at=ago(40))
    for i, sku_id in enumerate(SKUS[:12]):
        plan = {"plan_id": f"p{i}", "plan_type": "open", "valid_from": ago(150)}
        market.plan(sku_id, 10 + i, **plan, known_at=ago(150))
        market.plan(sku_id, 12 + i, **plan, known_at=ago(hours=-i))
    market.plan(SKUS[1], 33, plan_type="target_item", anchor_ids="a1;a2", known_at=ago(9))
    market.plan(SKUS[2], 44, plan_type="exclusive", anchor_ids="a3", known_at=ago(-2), valid_from=ago(5))


def _write_people(market: Market, rng: np.random.Generator) -> None:
    for i, anchor_id in enumerate(ANCHORS):
        known_at = {7: ago(20), 8: ago(-5)}.get(i, ago(300))
        joined_on = day_ago(int(rng.integers(0, 400))) if i % 3 else None
        tier = ("tail", "waist", "head", None)[i % 4]
        market.anchor(anchor_id, tier=tier, joined_on=joined_on, known_at=known_at)
        if i == 9:
            continue  # nobody knows anything of the last one
        for days in (80, 35, 2, 0, -20):  # the day that begins at NOW is known within a day after it
            market.stat(anchor_id, day_ago(days), fans=int(rng.integers(100, 9_000)), reply_hours=float(i))
        for days in (50, 0, -15):
            for role in ("viewer", "buyer", "repeat_buyer")[: 1 + i % 3]:
                young = float(rng.integers(1, 10)) / 10
                market.crowd(anchor_id, role, "age", {"18-23": young, "40-49": 1 - young}, on=day_ago(days))
                market.crowd(anchor_id, role, "gender", {"f": 1 - young, "m": young}, on=day_ago(days))
    market.anchor("a4", tier="head", known_at=ago(hours=-2))


def _write_broadcasts(market: Market, rng: np.random.Generator) -> None:
    for anchor_id in ANCHORS[:9]:
        starts = [ago(float(days)) for days in rng.uniform(-45, 200, 30)]
        near = [
            ago(hours=0.5),
            ago(hours=1),
            ago(hours=1) - MICROSECOND,
            ago(hours=-9),
            ago(days=370),
            ago(days=-1),
        ]
        for at in [*starts, *near]:
            _write_broadcast(market, rng, anchor_id, at)
        for hours in (200, 30, 1, 0, -1, -500):
            kind = str(rng.choice(("picked", "saved", "shown", "sample_sent", "declined")))
            market.feedback(anchor_id, str(rng.choice(SKUS)), kind, ago(hours=hours))


def _write_broadcast(market: Market, rng: np.random.Generator, anchor_id: str, at: datetime) -> None:
    home = 4 * np.arange(7) + int(anchor_id[1:]) % 4  # of the anchor's own category, mostly
    skus = rng.choice(np.concatenate([home, rng.integers(0, len(SKUS), 3)]), 4, replace=False)
    sold = {SKUS[sku]: _result(rng, at) for sku in {4, *skus.tolist()}}  # everybody sells the fifth
    exposure = {f"exposure_{way}": int(rng.integers(0, 5_000)) for way in ("follow", "public", "paid")}
    seen = {
        "entries": int(rng.integers(1, 900)),
        "watch_seconds": int(rng.integers(1, 9_000)),
        "peak_viewers": 7,
    }
    hours = None if rng.random() < 0.1 else 1.0
    market.live(anchor_id, at, sold, hours=hours, **(exposure | seen if rng.random() < 0.8 else {}))


def _result(rng: np.random.Generator, at: datetime) -> dict[str, Any]:
    units = int(rng.poisson(3))
    row: dict[str, Any] = {"units": units, "gmv_fen": units * int(rng.integers(500, 9_000)), "buyers": units}
    row |= {"orders": units, "repeat_buyers": int(rng.integers(0, units + 1))}
    if rng.random() < 0.8:
        row |= {"impressions": int(rng.integers(50, 900)), "clicks": int(rng.integers(0, 50))}
        row |= {"explained_seconds": int(rng.integers(10, 600))}
    if rng.random() < 0.8:  # some settle within the day after NOW, whenever they were sold
        settled_at = at + timedelta(days=float(rng.integers(2, 20)))
        settled_at = (
            ago(hours=-float(rng.integers(0, 20))) if rng.random() < 0.3 and at < ago(1) else settled_at
        )
        row |= {"settled_at": settled_at, "refund_fen": row["gmv_fen"] * int(rng.integers(0, 5)) // 10}
    return row


Change = Callable[[Session, np.random.Generator, datetime], None]


def _later(rng: np.random.Generator, cut: datetime) -> datetime:
    """The cut itself, a microsecond after it, or some days."""
    return cut + timedelta(microseconds=int(rng.choice((0, 1, 3_600_000_000, int(rng.integers(0, 10**13))))))


def _broadcast(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """A live session that ends at or after the cut; half of them began before it."""
    _insert_broadcast(
        session, rng, cut, str(rng.choice(ANCHORS)), [str(s) for s in rng.choice(SKUS, 4, False)]
    )


def _insert_broadcast(
    session: Session, rng: np.random.Generator, cut: datetime, anchor_id: str, skus: list[str]
) -> None:
    ended_at = _later(rng, cut)
    started_at = ended_at - timedelta(minutes=int(rng.integers(1, 300)))
    live_session_id = f"new{rng.integers(2**40)}"
    room = {"anchor_id": anchor_id, "started_at": started_at, "ended_at": ended_at, "known_at": ended_at}
    _insert(session, "live_sessions", **room, live_session_id=live_session_id, entries=12, exposure_follow=99)
    for sku_id in skus:
        result = _result(rng, started_at) | {"units": int(rng.integers(0, 500))}
        row = {"live_session_id": live_session_id, "sku_id": sku_id, "known_at": ended_at}
        _insert(session, "listings", **row | result)


def _other_result(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """What some listings brought comes out otherwise."""
    listings = _table("listings")
    values = {"units": int(rng.integers(0, 999)), "gmv_fen": int(rng.integers(0, 10**6)), "impressions": 77}
    chosen = listings.c.sku_id == str(rng.choice(SKUS))
    session.execute(update(listings).where(listings.c.known_at >= cut, chosen).values(**values))


def _settled_later(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """Listings old and new settle after the cut, at another instant, with another refund, or never."""
    listings = _table("listings")
    is_open = listings.c.settled_at.is_(None) | (listings.c.settled_at >= cut)
    chosen = listings.c.sku_id.in_([str(s) for s in rng.choice(SKUS, 6)])
    settled_at = None if rng.random() < 0.3 else _later(rng, cut)
    values = {"settled_at": settled_at, "refund_fen": int(rng.integers(0, 90_000))}
    session.execute(update(listings).where(is_open, chosen).values(**values))


def _sku_version(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """A SKU, or one that nobody knew, is from now on something else; it may have been put up before."""
    is_new = bool(rng.random() < 0.4)
    sku_id = f"n{rng.integers(2**40)}" if is_new else str(rng.choice(SKUS))
    row: dict[str, Any] = {
        "brand_id": f"b{rng.integers(9)}",
        "category": str(rng.choice(("aaa", "food/tea", "zzz"))),
        "title": "新茶",
    }
    row |= {
        "list_price_fen": int(rng.integers(1, 10**6)),
        "status": str(rng.choice(("on", "off"))),
        "stock": 0,
    }
    known_at = _later(rng, cut)
    if not session.get(TABLES["skus"].model, (sku_id, known_at)):
        _insert(session, "skus", **row, sku_id=sku_id, known_at=known_at)
    if is_new:
        room = session.exec(select(LiveSession).where(col(LiveSession.known_at) < cut).limit(1)).one()
        row = {"live_session_id": room.live_session_id, "known_at": room.known_at, "sku_id": sku_id}
        _insert(session, "listings", **row, units=5, gmv_fen=5_000)


def _anchor_version(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """An anchor, or one that nobody knew, has another tier from now on."""
    is_new = bool(rng.random() < 0.4)
    anchor_id = f"{rng.choice(('A', 'n'))}{rng.integers(2**40)}" if is_new else str(rng.choice(ANCHORS))
    known_at = _later(rng, cut)
    if not session.get(TABLES["anchors"].model, (anchor_id, known_at)):
        row = {"anchor_id": anchor_id, "known_at": known_at, "name": "new", "tier": "head"}
        _insert(session, "anchors", **row, joined_on=day_ago(int(rng.integers(0, 99))))
    if is_new:
        skus = [str(s) for s in rng.choice(SKUS, 3, False)]
        _insert_broadcast(session, rng, cut - timedelta(days=int(rng.integers(0, 90))), anchor_id, skus)


def _plan_version(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """A new plan, or a new rate, that claims to hold from long before."""
    plan_id = str(rng.choice(("p1", "p2", f"new{rng.integers(2**40)}")))
    known_at = _later(rng, cut)
    if not session.get(TABLES["plans"].model, (plan_id, known_at)):
        row: dict[str, Any] = {
            "sku_id": str(rng.choice(SKUS)),
            "plan_type": "open",
            "rate_ppm": int(rng.integers(0, 900_000)),
        }
        _insert(session, "plans", **row, plan_id=plan_id, known_at=known_at, valid_from=ago(300))


def _crowd(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """Crowds and standings are seen again: on a day that is over at the cut, yet reported after it, too."""
    anchor_id, known_at = str(rng.choice(ANCHORS)), _later(rng, cut)
    on = day_ago(int(rng.integers(-40, 3)))
    seen = {"anchor_id": anchor_id, "observed_on": on}
    share = {"role": "buyer", "dimension": "age", "bucket": str(rng.choice(("18-23", "60+"))), "share": 1.0}
    if not session.get(TABLES["audiences"].model, (*seen.values(), *list(share.values())[:3])):
        _insert(session, "audiences", **seen, **share, known_at=known_at)
    if not session.get(TABLES["anchor_stats"].model, tuple(seen.values())):
        _insert(session, "anchor_stats", **seen, known_at=known_at, fans=10**6, violation_points=9)


def _feedback(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """Somebody picks something."""
    at = _later(rng, cut)
    row = {"event_id": f"new{rng.integers(2**40)}", "anchor_id": str(rng.choice(ANCHORS)), "kind": "picked"}
    _insert(session, "feedback", **row, sku_id=str(rng.choice(SKUS)), at=at, known_at=at)


def _vanish(session: Session, rng: np.random.Generator, cut: datetime) -> None:
    """Half of what came after the cut is gone, of one table; listings with the live sessions that they stood in."""
    name = str(rng.choice(WITH_KNOWN_AT))
    table = _table(name)
    for key in session.execute(select(*table.primary_key.columns).where(table.c.known_at >= cut)).all():
        if rng.random() < 0.5:
            columns = zip(table.primary_key.columns, key, strict=True)
            if name == "live_sessions":
                listings = _table("listings")
                session.execute(delete(listings).where(listings.c.live_session_id == key[0]))
            session.execute(delete(table).where(*(column == value for column, value in columns)))


def forget_all_since(session: Session, cut: datetime) -> None:
    """Nothing was ever known at or after the cut, refunds included."""
    listings = _table("listings")
    session.execute(
        update(listings).where(listings.c.settled_at >= cut).values(settled_at=None, refund_fen=None)
    )
    for name in reversed(WITH_KNOWN_AT):
        table = _table(name)
        session.execute(delete(table).where(table.c.known_at >= cut))


CHANGES: Mapping[str, Change] = {
    change.__name__.strip("_"): change
    for change in (
        _broadcast, _other_result, _settled_later, _sku_version, _anchor_version, _plan_version, _crowd,
        _feedback, _vanish,
    )
}  # fmt: skip


def instants_in(market: Market) -> list[datetime]:
    """Every instant at which something came to be known, and its two neighbours."""
    known = {microseconds(row["known_at"]) for rows in market.rows.values() for row in rows}
    known |= {microseconds(row["settled_at"]) for row in market.rows["listings"] if row.get("settled_at")}
    return [from_microseconds(at + step) for at in sorted(known) if at for step in (-1, 0, 1)]


def _insert(session: Session, table: str, /, **row: Any) -> None:
    session.execute(insert(_table(table)), {"source": "operator"} | row)


def _table(name: str) -> Table:
    return SQLModel.metadata.tables[name]
