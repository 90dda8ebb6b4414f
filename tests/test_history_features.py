"""What do an anchor and a SKU, its brand, category and price band have behind them? Looked up by hand."""

import numpy as np
import pytest
from sqlalchemy import Engine

from features.history import N_LAST, by_code, group_level
from features.units import microseconds
from market import MICROSECOND, Market, Seen, ago

NOTHING = ("pair_sold_share", "pair_last", "pair_units", "pair_ratio", "pair_result_1")


def stall() -> Market:
    """Two SKUs of one brand, a third of another in their category, a fourth from elsewhere and dear."""
    market = Market().anchor("a1").anchor("a2").sku("s1").sku("s2").sku("s3", brand_id="other")
    return market.sku("s4", brand_id="far", category="far", list_price_fen=90_000)


def test_a_pair_counts_its_listings_its_units_and_how_many_sold(sqlite_store: Engine) -> None:
    market = (
        stall()
        .live("a1", ago(40), {"s1": 3, "s2": 1})
        .live("a1", ago(6.5), {"s1": 0})
        .live("a2", ago(1), {"s1": 9})
    )
    pair = market.seen(sqlite_store).pair("a1", "s1")
    assert pair["pair_listings"] == 2
    assert pair["pair_units"] == 3
    assert pair["pair_sold_share"] == 0.5
    assert pair["pair_last"] == 6.5


def test_a_pair_without_history_says_so(sqlite_store: Engine) -> None:
    pair = (
        stall()
        .live("a1", ago(3), {"s2": 1})
        .live("a2", ago(2), {"s1": 1})
        .seen(sqlite_store)
        .pair("a1", "s1")
    )
    assert pair["pair_listings"] == pair["pair_fatigue"] == 0
    assert all(np.isnan(pair[name]) for name in NOTHING)


def test_fatigue_counts_four_weeks_to_the_microsecond(sqlite_store: Engine) -> None:
    market = stall().live("a1", ago(28), {"s1": 1}).live("a1", ago(28) - MICROSECOND, {"s1": 1})
    assert market.live("a1", ago(1), {"s1": 1}).seen(sqlite_store).pair("a1", "s1")["pair_fatigue"] == 2


def test_history_ends_a_year_ago(sqlite_store: Engine) -> None:
    market = stall().live("a1", ago(365) - MICROSECOND, {"s1": 1}).live("a2", ago(365), {"s1": 1})
    seen = market.seen(sqlite_store)
    assert [seen.pair(anchor, "s1")["pair_listings"] for anchor in ("a1", "a2")] == [0, 1]


def test_the_last_results_come_newest_first_and_no_more_than_are_kept(sqlite_store: Engine) -> None:
    market = stall()
    for days, units in ((60, 50), (50, 0), (40, 1), (30, 2), (20, 3)):
        market.live("a1", ago(days), {"s1": units})
    market.live("a2", ago(1), {"s1": 2}).live("a2", ago(2), {"s1": 1})
    seen = market.seen(sqlite_store)
    results = [
        [seen.pair(anchor, "s1")[f"pair_result_{k}"] for k in range(1, N_LAST + 1)] for anchor in ("a1", "a2")
    ]
    assert results[0] == sorted(results[0], reverse=True)  # 3, 2, 1, 0: the fifty is forgotten
    assert max(results[0]) < 1
    assert results[1][0] > results[1][1]
    assert np.isnan(results[1][2:]).all()


def test_results_are_put_in_order_of_their_sessions_start(sqlite_store: Engine) -> None:
    market = stall().live("a1", ago(5), {"s1": 1}, hours=90).live("a1", ago(4), {"s1": 8}, hours=1)
    pair = market.seen(sqlite_store).pair("a1", "s1")  # the longer one ended, and was known, last
    assert pair["pair_result_1"] > pair["pair_result_2"]
    assert pair["pair_last"] == 4


def test_what_sells_as_expected_has_a_ratio_of_one(sqlite_store: Engine) -> None:
    market = stall()
    for day in range(1, 9):
        market.live("a1", ago(day), {"s1": 2, "s3": 2}).live("a2", ago(day), {"s1": 2, "s2": 2})
    pair = market.seen(sqlite_store).pair("a1", "s1")
    names = ("pair_ratio", "brand_ratio", "category_ratio", "band_ratio", "pair_result_1", "pair_result_4")
    assert [pair[name] for name in names] == pytest.approx([1] * 6)


def test_a_ratio_is_units_against_expectation_drawn_to_one(sqlite_store: Engine) -> None:
    market = (
        stall().live("a1", ago(9), {"s1": 20}).live("a1", ago(8), {"s1": 30}).live("a1", ago(7), {"s4": 1})
    )
    seen = market.live("a2", ago(6), {"s1": 2, "s2": 3}).seen(sqlite_store)
    ledger, row = seen.snapshot.ledger, seen.sku_row("s1")
    usual = ledger.expected_units.mean()
    expected = ledger.expected_units[(ledger.sku == row) & (ledger.anchor == seen.anchor_row("a1"))].sum()
    pair = seen.pair("a1", "s1")
    assert pair["pair_ratio"] == pytest.approx((50 + 2 * usual) / (expected + 2 * usual))
    assert pair["brand_ratio"] == pytest.approx((50 + 5 * usual) / (expected + 5 * usual))
    assert pair["pair_ratio"] > 1 > seen.pair("a1", "s4")["pair_ratio"]


def test_expectation_is_exposure_times_what_the_sku_and_the_anchor_usually_do(sqlite_store: Engine) -> None:
    market = stall()
    market.live(
        "a1", ago(2), {"s1": {"units": 30, "impressions": 1_000}, "s2": {"units": 1, "impressions": 50}}
    )
    market.live("a2", ago(1), {"s1": {"units": 5, "impressions": 900}})
    ledger = market.seen(sqlite_store).snapshot.ledger
    made = ledger.exposure * ledger.sku_conversion[ledger.sku] * ledger.anchor_ratio[ledger.anchor]
    assert ledger.expected_units == pytest.approx(made)
    assert ledger.exposure.tolist() == [1_000, 50, 900]
    assert ledger.anchor_ratio[0] > 1 > ledger.anchor_ratio[1]


def levels(seen: Seen, anchor_id: str, sku_id: str, what: str) -> list[float]:
    return [seen.pair(anchor_id, sku_id)[f"{level}_{what}"] for level in ("brand", "category", "band")]


def test_each_level_counts_what_is_like_the_sku(sqlite_store: Engine) -> None:
    market = (
        stall()
        .live("a1", ago(9), {"s1": 1, "s2": 1})
        .live("a1", ago(5), {"s3": 1})
        .live("a1", ago(2), {"s4": 1})
    )
    seen = market.seen(sqlite_store)
    assert levels(seen, "a1", "s1", "listings") == [2, 3, 3]
    assert levels(seen, "a1", "s1", "last") == [9, 5, 5]
    assert levels(seen, "a1", "s4", "listings") == [1, 1, 1]
    assert levels(seen, "a2", "s1", "listings") == [0, 0, 0]
    assert np.isnan(levels(seen, "a2", "s1", "last")).all()
    assert np.isnan(levels(seen, "a2", "s1", "ratio")).all()


def test_lift_is_a_levels_share_of_the_anchors_listings_against_everybodys(sqlite_store: Engine) -> None:
    market = stall().live("a1", ago(9), {"s1": 1, "s2": 1, "s3": 1}).live("a2", ago(8), {"s4": 1})
    seen = market.seen(sqlite_store)
    assert levels(seen, "a1", "s1", "lift") == pytest.approx(
        [(2 + 20 * 0.5) / 23 / 0.5, (3 + 20 * 0.75) / 23 / 0.75, (3 + 20 * 0.75) / 23 / 0.75]
    )
    assert levels(seen, "a1", "s4", "lift") == pytest.approx([20 / 23] * 3)


def test_who_has_listed_nothing_has_a_lift_of_one(sqlite_store: Engine) -> None:
    seen = stall().anchor("a0").live("a1", ago(9), {"s1": 1}).seen(sqlite_store)
    assert levels(seen, "a0", "s1", "lift") == [1, 1, 1]
    assert levels(seen, "a0", "s4", "lift") == [1, 1, 1]


def test_a_row_for_many_pairs_does_not_mix_anchors(sqlite_store: Engine) -> None:
    market = stall().live("a1", ago(9), {"s1": 1, "s2": 1, "s3": 1}).live("a2", ago(8), {"s4": 1, "s1": 4})
    seen = market.seen(sqlite_store)
    world, together = seen.world, []
    anchors = np.array([0, 1, 0, 1, 1, 0], np.int32)
    for anchor, sku in zip(anchors, (0, 1, 2, 3, 0, 3), strict=True):
        rows = np.array([sku], np.int32)
        together.append(world.matrix("goods", int(anchor), world.described("goods", int(anchor), rows))[0])
    assert together[0].tobytes() != together[4].tobytes()
    for sku in range(4):
        rows = np.array([0, 1], np.int32)
        both = world.matrix("shortlist", sku, world.described("shortlist", sku, rows))
        alone = [
            world.matrix("shortlist", sku, world.described("shortlist", sku, rows[k : k + 1])) for k in (0, 1)
        ]
        assert both.tobytes() == np.concatenate(alone).tobytes()


def test_a_level_groups_by_anchor_and_then_by_code(sqlite_store: Engine) -> None:
    market = (
        stall()
        .live("a2", ago(5), {"s1": 1, "s4": 2})
        .live("a1", ago(3), {"s3": 1})
        .live("a2", ago(2), {"s1": 4})
    )
    ledger = market.seen(sqlite_store).snapshot.ledger
    level = group_level(ledger, ledger.sku, ledger.n_skus)
    assert level.starts.tolist() == [0, 1, 3]
    assert level.anchor.tolist() == [0, 1, 1]
    assert level.units.tolist() == [1, 2, 5]  # s4 stands first: its category comes before the others'
    assert level.first_us.tolist() == [microseconds(ago(3)), microseconds(ago(5)), microseconds(ago(5))]
    assert level.last_us.tolist() == [microseconds(ago(3)), microseconds(ago(5)), microseconds(ago(2))]
    assert level.share.tolist() == [0.25, 0.5, 0, 0.25]
    back = by_code(level)
    assert back.starts.tolist() == [0, 1, 2, 2, 3]
    assert back.anchor.tolist() == [1, 1, 0]
