"""Are a SKU's terms and an anchor's standing read as they were known at an instant, on both databases alike?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel

from features.errors import UnknownId
from features.store.db import reading, writing
from features.store.observations import Listing, LiveSession
from features.store.plans import AnchorStanding, SkuTerms, load_standing, load_terms
from features.store.tables import Anchor, Plan, Sku
from features.units import DAWN

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def sku(sku_id: str = "S", **more: Any) -> Sku:
    facts = {"brand_id": "B", "title": "soap", "category": "home", "list_price_fen": 1000, "known_at": DAWN}
    return Sku(sku_id=sku_id, source="operator", **facts | more)


def plan(plan_id: str, sku_id: str = "S", **more: Any) -> Plan:
    facts = {"plan_type": "open", "rate_ppm": 100_000, "valid_from": NOON - 90 * DAY, "known_at": DAWN}
    return Plan(plan_id=plan_id, sku_id=sku_id, source="operator", **facts | more)


def anchor(anchor_id: str = "A", **more: Any) -> Anchor:
    return Anchor(anchor_id=anchor_id, name="Ann", source="operator", **{"known_at": DAWN} | more)


def broadcast(name: str, started_at: datetime, sku_id: str = "S", anchor_id: str = "A") -> list[SQLModel]:
    known_at = started_at + timedelta(hours=3)
    return [
        LiveSession(
            live_session_id=name, anchor_id=anchor_id, started_at=started_at, known_at=known_at, source="job"
        ),
        Listing(live_session_id=name, sku_id=sku_id, units=1, gmv_fen=1, known_at=known_at, source="job"),
    ]


def keep(store: Engine, *rows: SQLModel) -> None:
    with writing(store) as session:
        session.add_all(rows)


def terms(store: Engine, at: datetime = NOON, sku_id: str = "S") -> SkuTerms:
    with reading(store) as session:
        return load_terms(session, sku_id, at=at)


def standing(store: Engine, at: datetime = NOON, anchor_id: str = "A") -> AnchorStanding:
    with reading(store) as session:
        return load_standing(session, anchor_id, "S", at=at)


def test_the_terms_are_those_of_the_latest_version_known_at_the_instant(store: Engine) -> None:
    keep(store, sku(min_tier="tail"), sku(min_tier="head", denied_anchor_ids="A;C", known_at=NOON))
    before, after = terms(store, NOON - INSTANT), terms(store, NOON)
    assert (before.min_tier, before.denied_anchor_ids) == ("tail", frozenset())
    assert (after.min_tier, after.denied_anchor_ids) == ("head", {"A", "C"})


def test_every_version_of_a_plan_known_by_then_comes_oldest_first(store: Engine) -> None:
    keep(store, sku(), plan("p", rate_ppm=2, known_at=NOON), plan("p", rate_ppm=1), plan("a"), plan("o", "T"))
    assert [(row.plan_id, row.rate_ppm) for row in terms(store).plans] == [("a", 100_000), ("p", 1), ("p", 2)]
    assert [row.rate_ppm for row in terms(store, NOON - INSTANT).plans] == [100_000, 1]


def test_a_plan_that_moved_to_another_sku_comes_with_its_move(store: Engine) -> None:
    keep(store, sku(), plan("p"), plan("p", "T", known_at=NOON - DAY))
    assert [row.sku_id for row in terms(store).plans] == ["S", "T"]


def test_a_plan_comes_whole(store: Engine) -> None:
    keep(
        store,
        sku(),
        plan(
            "p", anchor_ids="A;C", service_fee_rate_ppm=7, status="paused", valid_to=NOON, plan_type="leader"
        ),
    )
    (row,) = terms(store).plans
    assert (row.anchor_ids, row.service_fee_rate_ppm, row.status, row.plan_type) == (
        {"A", "C"},
        7,
        "paused",
        "leader",
    )
    assert (row.valid_from, row.valid_to, row.known_at) == (NOON - 90 * DAY, NOON, DAWN)


def test_the_standing_has_the_tier_of_the_instant_and_the_pairs_own_listings(store: Engine) -> None:
    keep(
        store,
        anchor(tier="tail"),
        anchor(tier="head", known_at=NOON),
        anchor("C"),
        *broadcast("late", NOON - DAY),
        *broadcast("early", NOON - 9 * DAY),
        *broadcast("other SKU", NOON - DAY, sku_id="T"),
        *broadcast("other anchor", NOON - DAY, anchor_id="C"),
    )
    assert standing(store) == AnchorStanding("A", "head", (NOON - 9 * DAY, NOON - DAY))
    assert standing(store, NOON - INSTANT).tier == "tail"


def test_a_listing_counts_once_its_broadcast_is_known_and_not_before(store: Engine) -> None:
    keep(store, anchor(), *broadcast("L", NOON))
    assert standing(store, NOON + timedelta(hours=3) - INSTANT).listed_at == ()
    assert standing(store, NOON + timedelta(hours=3)).listed_at == (NOON,)


def test_what_was_not_known_then_is_an_unknown_id(store: Engine) -> None:
    keep(store, sku(known_at=NOON), anchor(known_at=NOON))
    assert terms(store).sku_id == "S"
    assert standing(store).anchor_id == "A"
    with pytest.raises(UnknownId, match="no SKU S is known"):
        terms(store, NOON - INSTANT)
    with pytest.raises(UnknownId, match="no anchor A is known"):
        standing(store, NOON - INSTANT)
