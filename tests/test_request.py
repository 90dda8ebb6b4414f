"""Is what a rule refuses or a filter leaves out on no list, to the very edge, and does the account add up?"""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine as Store

from asking import goods, ids_of, serving, shortlist, small_market, sold
from features.errors import WrongInput
from features.units import Fen, Ppm, shanghai_day
from market import NOW, Market, ago
from matcher.candidates.union import Side
from matcher.request import Filters, ListRequest
from trained import SIDES, Trained

TODAY = shanghai_day(NOW)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": "off"}, "OFF_SHELF"),
        ({"status": "paused"}, "OFF_SHELF"),
        ({"status": "on"}, None),
        ({"status": None}, None),
        ({"retired_on": TODAY}, "RETIRED"),
        ({"retired_on": TODAY + timedelta(days=1)}, None),
        ({"launched_on": TODAY + timedelta(days=1)}, "NOT_LAUNCHED"),
        ({"launched_on": TODAY}, None),
        ({"stock": 0}, "NO_STOCK"),
        ({"stock": 1}, None),
        ({"stock": None}, None),
    ],
)
def test_a_sku_that_a_rule_refuses_is_on_no_list_and_is_counted_under_it(
    sqlite_store: Store, columns: dict[str, object], reason: str | None
) -> None:
    market = small_market("a", "b").sku("odd", **columns)
    engine = serving(sold(market, "a", "b", "odd"), sqlite_store)
    answer, of_it = goods(engine, "ann"), shortlist(engine, "odd")
    assert ("odd" in ids_of(answer)) == (reason is None)
    assert bool(of_it.pairings) == (reason is None)
    assert {name: n for name, n in answer.left_out.items() if n} == ({reason: 1} if reason else {})
    if reason:
        assert of_it.left_out[reason] == 3
        assert of_it.considered == 0


@pytest.mark.parametrize(("days", "is_there"), [(0, True), (1, False), (None, True)])
def test_an_anchor_that_has_not_joined_is_on_no_list_and_gets_none(
    sqlite_store: Store, days: int | None, is_there: bool
) -> None:
    joined_on = None if days is None else TODAY + timedelta(days=days)
    market = small_market("a", "b").anchor("eve", joined_on=joined_on)
    sold(market, "a", "b").live("eve", ago(5), {"a": 4})
    engine = serving(market, sqlite_store)
    assert ("eve" in ids_of(shortlist(engine, "a"), "shortlist")) == is_there
    assert shortlist(engine, "a").left_out["NOT_JOINED"] == (not is_there)
    answer = goods(engine, "eve")
    assert bool(answer.pairings) == is_there
    assert answer.left_out["NOT_JOINED"] == (0 if is_there else 2)
    request = ListRequest("goods", 0, 5)
    assert (engine.row("goods", "eve") in engine.owners(request)) == is_there


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(category="beauty"),
        Filters(max_price_fen=Fen(9_900)),
        Filters(min_rate_ppm=Ppm(150_000)),
        Filters(tier="waist"),
        Filters(supply_type="brand"),
        Filters(min_price_fen=Fen(10**12)),
    ],
)
def test_the_account_adds_up_to_what_passes_the_filters(
    trained: Trained, side: Side, filters: Filters
) -> None:
    engine, snapshot = trained.engine, trained.world.snapshot
    for owner in range(0, trained.world.n_owners(side), 11):
        for new_only in (False, True):
            answer = engine.answer(ListRequest(side, owner, 5, new_only=new_only, filters=filters))
            skus, anchors = filters.skus(snapshot), filters.anchors(snapshot)
            passed, owners = (skus, anchors) if side == "goods" else (anchors, skus)
            rows = np.arange(len(passed), dtype=np.int32)
            same = np.full(len(rows), owner, np.int32)
            rate_ppm = trained.world.rates.at(*((same, rows) if side == "goods" else (rows, same)))
            passed = passed & (rate_ppm >= (filters.min_rate_ppm or -1)) & owners[owner]
            assert answer.considered + sum(answer.left_out.values()) == int(passed.sum())


def test_new_only_leaves_out_what_the_pair_sold_in_the_year_and_counts_it(sqlite_store: Store) -> None:
    market = sold(small_market("a", "b", "c", "d"), "a", "b")
    market.live("ann", ago(365), {"c": 2}).live("ann", ago(366), {"d": 2}).live("bob", ago(4), {"d": 0})
    engine = serving(market, sqlite_store)
    answer = goods(engine, "ann", new_only=True)
    assert set(ids_of(answer)) & {"a", "b", "c"} == set()
    assert answer.left_out["SOLD_TOGETHER"] == 3
    assert "SOLD_TOGETHER" not in goods(engine, "ann").left_out
    assert "ann" not in ids_of(shortlist(engine, "a", new_only=True), "shortlist")
    # on air together without a sale is no sale
    assert goods(engine, "bob", new_only=True).left_out["SOLD_TOGETHER"] == 1


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({"category": "food"}, {"tea", "mate"}),
        ({"category": "food/tea"}, {"tea"}),
        ({"min_price_fen": 5_000}, {"tea", "soap"}),
        ({"min_price_fen": 5_001}, {"soap"}),
        ({"max_price_fen": 5_000}, {"tea", "mate"}),
        ({"max_price_fen": 4_999}, {"mate"}),
        ({"supply_type": "brand"}, {"soap"}),
        ({"supply_type": "source"}, {"tea"}),
        ({"min_rate_ppm": 200_000}, {"tea"}),
        ({"min_rate_ppm": 200_001}, set()),
        ({"min_rate_ppm": 0}, {"tea", "soap"}),
    ],
)
def test_a_filter_keeps_what_it_names_to_its_very_edge(
    sqlite_store: Store, filters: dict[str, object], kept: set[str]
) -> None:
    market = small_market()
    market.sku("tea", category="food/tea", list_price_fen=5_000, supply_type="source").plan("tea", 20)
    market.sku("mate", category="food", list_price_fen=4_000)
    market.sku("soap", category="foodless", list_price_fen=6_000, supply_type="brand").plan("soap", 10)
    engine = serving(sold(market, "tea", "mate", "soap"), sqlite_store)
    assert set(ids_of(goods(engine, "ann", **filters))) == kept
    for sku_id in ("tea", "mate", "soap"):
        assert bool(shortlist(engine, sku_id, **filters).pairings) == (sku_id in kept)


@pytest.mark.parametrize("tier", ["head", "waist", "tail"])
def test_a_tier_keeps_its_anchors_and_no_unknown_one(sqlite_store: Store, tier: str) -> None:
    market = Market().add("brands", brand_id="brand", name="brand").sku("a")
    for name in ("head", "waist", "tail"):
        market.anchor(name, tier=name)
    market.anchor("unknown")
    for name in ("head", "waist", "tail", "unknown"):
        market.live(name, ago(2), {"a": 1})
    engine = serving(market, sqlite_store)
    assert ids_of(shortlist(engine, "a", tier=tier), "shortlist") == [tier]
    assert bool(goods(engine, "tail", tier=tier).pairings) == (tier == "tail")
    assert [engine.world.snapshot.roster.ids[row] for row in engine.owners(
        ListRequest("goods", 0, 5, filters=Filters(tier=tier)))] == [tier]  # fmt: skip


def test_the_least_rate_is_held_against_the_anchors_own_rate(sqlite_store: Store) -> None:
    market = sold(small_market("a", "b"), "a", "b").plan("a", 10)
    market.plan("a", 30, plan_type="target_item", anchor_ids="bob")
    engine = serving(market, sqlite_store)
    assert ids_of(goods(engine, "bob", min_rate_ppm=300_000)) == ["a"]
    assert ids_of(goods(engine, "ann", min_rate_ppm=300_000)) == []
    assert ids_of(shortlist(engine, "a", min_rate_ppm=300_000), "shortlist") == ["bob"]
    assert {pairing.rate_ppm for pairing in goods(engine, "bob").pairings} == {300_000, None}


def test_an_unknown_category_is_answered_with_those_on_the_shelf(trained: Trained) -> None:
    with pytest.raises(WrongInput, match=r"'spoons' is not on the shelf; the shelf has \w+"):
        trained.engine.answer(ListRequest("goods", 0, 5, filters=Filters(category="spoons")))


@pytest.mark.parametrize("size", [0, -1, 1_001])
def test_a_size_out_of_range_is_wrong_input(size: int) -> None:
    with pytest.raises(WrongInput, match="not within 1 and 1000"):
        ListRequest("goods", 0, size)


@pytest.mark.parametrize("size", [1, 1_000])
def test_a_size_at_the_edge_is_served(trained: Trained, size: int) -> None:
    assert 1 <= len(trained.engine.answer(ListRequest("goods", 0, size)).pairings) <= size
