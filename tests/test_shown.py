"""Are lists that were shown read as they were, with what came of them later, and does their place mislead nobody?"""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from sqlalchemy import Engine as Store

from as_bytes import assert_same, tree_of
from features.facts import Facts
from features.snapshot import take_snapshot
from features.store.db import writing
from features.store.propensities import ExposureRow
from features.units import microseconds
from logged_market import pages
from market import MICROSECOND, NOW, Market, ago, facts_in
from matcher.candidates.union import Side
from matcher.policy import Policy
from matcher.world import World, build_world
from test_fit import queries as drawn_queries
from trained import SIDES
from training import shown as room
from training.dataset import joined, without_shown
from training.recipe import FAST
from training.shown import Impressions, draw_shown, read_impressions

ORIGIN = ago(28)
SKUS = ("s1", "s2", "s3", "s4")


def fair() -> Market:
    """Two anchors with some past, four SKUs."""
    market = Market().anchor("a1").anchor("a2").add("brands", brand_id="brand", name="brand")
    for sku_id in SKUS:
        market.sku(sku_id)
    for days in (60, 50, 40):
        market.live("a1", ago(days), dict.fromkeys(SKUS, 2)).live("a2", ago(days), {"s1": 1, "s2": 1})
    return market


def show(
    market: Market,
    request_id: str | None,
    at: datetime,
    pairs: list[tuple[str, str]],
    source: str | None = None,
) -> Market:
    """A list of (anchor, SKU), in that order, shown to the anchor of each place unless somebody else is named."""
    for place, (anchor_id, sku_id) in enumerate(pairs, start=1):
        market.add(
            "feedback", event_id=f"{request_id}.{place}.{sku_id}", request_id=request_id, kind="shown", at=at,
            known_at=at, anchor_id=anchor_id, sku_id=sku_id, position=place, source=source or f"anchor:{anchor_id}",
        )  # fmt: skip
    return market


def goods(*sku_ids: str, anchor_id: str = "a1") -> list[tuple[str, str]]:
    return [(anchor_id, sku_id) for sku_id in sku_ids]


def impressions(facts: Facts, side: Side = "goods", days: int = 14, label_days: int = 28) -> Impressions:
    snapshot = take_snapshot(facts, microseconds(ORIGIN))
    return read_impressions(facts, snapshot, side, days=days, label_days=label_days)


def told(facts: Facts, side: Side = "goods", **windows: int) -> list[tuple[str, dict[str, int]]]:
    """Of each list its owner, and by position the others with their labels."""
    snapshot = take_snapshot(facts, microseconds(ORIGIN))
    owners, others = snapshot.roster.ids, snapshot.shelf.ids
    if side == "shortlist":
        owners, others = others, owners
    shown = impressions(facts, side, **windows)
    return [
        (
            owners[int(shown.owner[k])],
            {
                others[int(shown.row[p])]: int(shown.label[p])
                for p in range(shown.starts[k], shown.starts[k + 1])
            },
        )
        for k in range(len(shown))
    ]


# Which lists count --------------------------------------------------------------------------------------------------


def test_a_list_counts_where_it_went_to_whom_it_was_made_for(store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods("s1", "s2"))
    show(market, "r2", ago(20), goods("s1", "s2"), "operator")
    show(market, "r3", ago(20), goods("s1", "s2"), "job")
    show(market, "r4", ago(20), goods("s1", "s2"), "anchor:a2")
    show(market, "r5", ago(20), [("a1", "s3"), ("a2", "s3")], "brand:brand")
    show(market, None, ago(20), goods("s3", "s4"))
    facts = market.facts(store)
    assert told(facts) == [("a1", {"s1": 0, "s2": 0})]
    assert told(facts, "shortlist") == [("s3", {"a1": 0, "a2": 0})]
    assert "shown" not in facts.feedback["kind"].to_list()


def test_one_request_may_hold_the_shortlists_of_several_skus(sqlite_store: Store) -> None:
    market = show(fair(), "r1", ago(20), [("a2", "s3"), ("a1", "s3")], "brand:brand")
    show(market, "r1", ago(20), [("a1", "s4"), ("a2", "s4")], "brand:brand")
    found = told(market.facts(sqlite_store), "shortlist")
    assert [(owner, list(places)) for owner, places in found] == [("s3", ["a2", "a1"]), ("s4", ["a1", "a2"])]


def test_a_list_is_read_in_order_of_its_places_however_its_events_are_named(sqlite_store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods("s3", "s1", "s2"))
    market.rows["feedback"][-1]["event_id"] = "r1.0"
    shown = impressions(market.facts(sqlite_store))
    assert shown.position.tolist() == [1, 2, 3]


def test_lists_of_the_days_from_the_origin_on_count(sqlite_store: Store) -> None:
    market = fair()
    for name, at in (
        ("early", ORIGIN - MICROSECOND),
        ("s1", ORIGIN),
        ("s2", ago(14) - MICROSECOND),
        ("late", ago(14)),
    ):
        show(market, name, at, goods("s3", name if name in SKUS else "s4"))
    assert [list(places) for _, places in told(market.facts(sqlite_store))] == [["s3", "s1"], ["s3", "s2"]]


def test_a_list_of_one_or_of_more_than_any_list_has_is_none(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = show(show(fair(), "r1", ago(20), goods("s1")), "r2", ago(20), goods("s1", "s2", "s3"))
    facts = market.facts(sqlite_store)
    monkeypatch.setattr(room, "MOST_LISTED", 3)
    assert [len(places) for _, places in told(facts)] == [3]
    monkeypatch.setattr(room, "MOST_LISTED", 2)
    assert told(facts) == []


def test_what_the_origin_does_not_know_yet_is_left_out_and_the_others_keep_their_positions(
    sqlite_store: Store,
) -> None:
    market = fair().sku("s9", known_at=ago(25))
    shown = impressions(show(market, "r1", ago(20), goods("s1", "s9", "s3")).facts(sqlite_store))
    assert shown.position.tolist() == [1, 3]


def test_a_store_in_which_nothing_was_shown_has_no_impressions(sqlite_store: Store) -> None:
    facts = fair().facts(sqlite_store)
    assert facts.showings.is_empty()
    for side in SIDES:
        shown = impressions(facts, side)
        assert len(shown) == 0
        assert shown.starts.tolist() == [0]


# What came of it ----------------------------------------------------------------------------------------------------


def test_a_label_is_what_came_of_the_pair_at_that_instant_or_later(sqlite_store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods(*SKUS))
    market.feedback("a1", "s1", "picked", ago(20)).feedback("a1", "s2", "picked", ago(20) - MICROSECOND)
    market.feedback("a2", "s2", "picked", ago(19)).feedback("a1", "s2", "clicked", ago(19))
    market.live("a1", ago(10), {"s3": 0, "s4": 3})
    assert told(market.facts(sqlite_store)) == [("a1", {"s1": 1, "s2": 0, "s3": 2, "s4": 3})]


@pytest.mark.parametrize("kind", ["saved", "picked", "invited", "accepted", "sample_sent"])
def test_every_kind_of_interest_is_a_one_on_either_side(sqlite_store: Store, kind: str) -> None:
    market = show(fair(), "r1", ago(20), goods("s1", "s2"))
    show(market, "r2", ago(20), [("a2", "s2"), ("a1", "s2")], "brand:brand").feedback(
        "a1", "s2", kind, ago(19)
    )
    facts = market.facts(sqlite_store)
    assert told(facts) == [("a1", {"s1": 0, "s2": 1})]
    assert told(facts, "shortlist") == [("s2", {"a2": 0, "a1": 1})]


def test_what_comes_after_the_window_does_not_count(sqlite_store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods(*SKUS))
    market.feedback("a1", "s1", "picked", ago(14) - MICROSECOND).feedback("a1", "s2", "picked", ago(14))
    market.live("a1", ago(14) - MICROSECOND, {"s3": 1}).live("a1", ago(14), {"s4": 1})
    facts = market.facts(sqlite_store)
    assert told(facts, label_days=14) == [("a1", {"s1": 1, "s2": 0, "s3": 3, "s4": 0})]
    assert told(facts, label_days=15) == [("a1", {"s1": 1, "s2": 1, "s3": 3, "s4": 3})]


def test_nothing_that_became_known_later_changes_anything(sqlite_store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods(*SKUS)).feedback("a1", "s1", "picked", ago(19))
    show(market, "r2", ago(-1), goods(*SKUS)).feedback("a1", "s2", "picked", ago(-1))
    market.live("a1", ago(hours=0.5), {"s3": 4}).sku("s0", known_at=NOW).anchor("a0", known_at=NOW)
    show(market, "r0", ago(21), [*goods("s0"), *goods("s1", "s2")])
    then = market.facts(sqlite_store)
    cut = facts_in(sqlite_store, ago(-30)).before(microseconds(NOW))
    assert_same(tree_of(cut.showings), tree_of(then.showings))
    for side in SIDES:
        assert_same(tree_of(impressions(cut, side)), tree_of(impressions(then, side)))
    assert told(then) == [("a1", {"s1": 1, "s2": 0}), ("a1", {"s1": 1, "s2": 0, "s3": 0, "s4": 0})]


def test_chances_are_read_beside_what_was_shown_and_are_one_where_none_were_kept(store: Store) -> None:
    market = show(fair(), "r1", ago(20), goods("s1", "s2"))
    with writing(store) as session:
        market.write(session)
        session.add(
            ExposureRow(
                event_id="r1.2.s2", anchor_id="a1", sku_id="s2", propensity=0.25, explored=True,
                drawn_from="s2 s3 s4 s9", objective="fit", model_version="m", policy_version="p",
            )
        )  # fmt: skip
    shown = impressions(facts_in(store))
    assert shown.propensity.tolist() == [1.0, 0.25]
    assert shown.drawn_from.to_list() == [None, "s2 s3 s4 s9"]


# Queries ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(sqlite_store: Store) -> tuple[World, Impressions]:
    market = fair()
    for day in (27, 24, 20):
        show(market, f"r{day}", ago(day), goods("s4", "s2", "s3", "s1"))
    show(market, "other", ago(19), goods("s2", "s1", anchor_id="a2"))
    show(market, "dull", ago(19), goods("s2", "s3", anchor_id="a2"))
    market.feedback("a1", "s3", "picked", ago(18)).feedback("a2", "s1", "saved", ago(18))
    facts = market.facts(sqlite_store)
    world = build_world(take_snapshot(facts, microseconds(ORIGIN)), Policy())
    return world, read_impressions(facts, world.snapshot, "goods", days=14, label_days=28)


def test_a_query_is_the_list_as_the_origin_describes_it_with_its_places(
    seen: tuple[World, Impressions],
) -> None:
    world, shown = seen
    drawn = draw_shown(world, shown, "goods", FAST, age_days=0.0, threads=1)
    assert drawn.group.tolist() == [4, 4, 4, 2]
    assert drawn.n_dropped == 1
    assert drawn.position is not None
    assert drawn.position.tolist() == [1, 2, 3, 4] * 3 + [1, 2]
    assert drawn.label.tolist() == [0, 0, 1, 0] * 3 + [0, 1]
    ids = world.snapshot.shelf.ids.to_list()
    for begin, owner, names in ((0, "a1", ("s4", "s2", "s3", "s1")), (12, "a2", ("s2", "s1"))):
        anchor = world.snapshot.roster.ids.to_list().index(owner)
        for place, name in enumerate(names):
            row = np.array([ids.index(name)], np.int32)
            alone = world.matrix("goods", anchor, world.described("goods", anchor, row))
            assert drawn.matrix[begin + place].tobytes() == alone[0].tobytes()


def test_however_often_an_owner_looked_its_lists_weigh_as_much_as_one(
    seen: tuple[World, Impressions],
) -> None:
    world, shown = seen
    drawn = draw_shown(world, shown, "goods", FAST, age_days=FAST.weight_half_life_days, threads=2)
    assert drawn.weight.tolist() == pytest.approx([0.5 / 3] * 12 + [0.5] * 2)


def test_no_more_lists_are_drawn_than_the_recipe_says_the_same_ones_each_time(
    seen: tuple[World, Impressions],
) -> None:
    world, shown = seen
    recipe = replace(FAST, shown_lists_an_origin=2)
    one, two = (draw_shown(world, shown, "goods", recipe, age_days=0.0, threads=n) for n in (1, 3))
    assert len(one.group) == 2
    assert one.n_dropped == 3
    assert_same(tree_of(one), tree_of(two))


def test_drawn_queries_have_a_place_of_their_own_where_lists_join_them_and_none_where_none_do() -> None:
    drawn, listed = drawn_queries(4, 1), pages(6, 1).queries
    both = joined([drawn, listed])
    assert both.position is not None
    assert set(both.position[:80].tolist()) == {room.NEVER_SHOWN}
    assert min(both.position[80:].tolist()) == 1
    assert joined([drawn, drawn]).position is None
    left = without_shown(both)
    assert_same(tree_of(left), tree_of(drawn))
    assert without_shown(drawn) is drawn
