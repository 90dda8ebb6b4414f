"""Do an anchor and a SKU suit each other, on which terms, and before which event? Numbers worked out by hand."""

from math import log, sqrt

import numpy as np
import pytest
from sqlalchemy import Engine

from market import MICROSECOND, NOW, Market, ago
from matcher.policy import Policy


def fair() -> Market:
    market = Market().anchor("a1").anchor("a2").sku("cheap", list_price_fen=1_000)
    market.sku("middle", list_price_fen=10_000, standardness="nonstandard")
    return market.sku("dear", list_price_fen=100_000, standardness="standard")


def test_the_price_gap_is_in_the_anchors_own_deviations(sqlite_store: Engine) -> None:
    seen = fair().live("a1", ago(1), {"cheap": 1, "dear": 1}).seen(sqlite_store)
    assert seen.pair("a1", "middle")["price_gap_usual"] == pytest.approx(0, abs=1e-6)
    assert seen.pair("a1", "dear")["price_gap_usual"] == pytest.approx(1)
    assert seen.pair("a1", "cheap")["price_gap_usual"] == pytest.approx(-1)
    assert seen.pair("a1", "cheap")["price_gap_size"] == pytest.approx(1)
    assert np.isnan(seen.pair("a2", "cheap")["price_gap_usual"])


def test_an_anchor_of_one_price_still_has_a_deviation(sqlite_store: Engine) -> None:
    seen = fair().live("a1", ago(1), {"middle": 1}).seen(sqlite_store)
    assert seen.pair("a1", "dear")["price_gap_usual"] == pytest.approx(log(10) / sqrt(0.05))


def test_the_gap_to_the_category_counts_for_goods_that_are_not_standard(sqlite_store: Engine) -> None:
    market = fair().sku("jade", list_price_fen=20_000, standardness="nonstandard")
    seen = market.seen(sqlite_store)  # the median of 10, 100, 200, 1 000 yuan is the upper one of the two
    assert seen.pair("a1", "jade")["price_gap_nonstandard"] == 0
    assert seen.pair("a1", "middle")["price_gap_nonstandard"] == pytest.approx(-log(2))
    assert seen.pair("a1", "dear")["price_gap_nonstandard"] == 0
    assert np.isnan(seen.pair("a1", "cheap")["price_gap_nonstandard"])


def test_trust_speaks_for_goods_that_need_it_and_against_those_that_do_not(sqlite_store: Engine) -> None:
    market = fair().live("a1", ago(2), {"cheap": 1}, exposure_follow=60, exposure_public=40)
    seen = market.seen(sqlite_store)
    assert seen.pair("a1", "middle")["trust_nonstandard"] == pytest.approx(0.6)
    assert seen.pair("a1", "dear")["trust_nonstandard"] == pytest.approx(-0.6)
    assert np.isnan(seen.pair("a1", "cheap")["trust_nonstandard"])
    assert np.isnan(seen.pair("a2", "middle")["trust_nonstandard"])


def test_expected_units_are_conversion_times_ratio_times_exposure(sqlite_store: Engine) -> None:
    market = fair()
    for day in range(1, 9):
        market.live("a1", ago(day), {"middle": {"units": 4, "gmv_fen": 1, "impressions": 200}})
    seen = market.seen(sqlite_store)
    pair = seen.pair("a1", "middle")
    assert pair["expected_ratio"] == pytest.approx(4)
    assert pair["formula_gmv"] == pytest.approx(4 * 100)
    assert seen.pair("a1", "dear")["formula_gmv"] == pytest.approx(4 * 1_000)  # the same brand's conversion
    assert np.isnan(seen.pair("a2", "middle")["expected_ratio"])


def test_the_units_gap_is_nothing_where_a_sku_sells_as_the_anchor_usually_does(sqlite_store: Engine) -> None:
    market = fair().sku("hit", brand_id="hits", category="hits")
    for day in range(1, 30):
        market.live("a1", ago(day), {"middle": 3}).live("a2", ago(day), {"hit": 90})
    seen = market.seen(sqlite_store)
    assert seen.pair("a2", "hit")["units_gap"] == pytest.approx(0, abs=0.1)
    assert seen.pair("a1", "hit")["units_gap"] > 1
    assert seen.pair("a2", "middle")["units_gap"] < -1


# Terms ------------------------------------------------------------------------------------------------------------


def test_the_rate_that_applies_is_in_percent_and_pays_whole_fen(sqlite_store: Engine) -> None:
    market = fair().sku("odd", list_price_fen=999).plan("odd", 20)
    pair = market.seen(sqlite_store).pair("a1", "odd")
    assert pair["rate"] == 20
    assert pair["commission_per_unit"] == pytest.approx(1.99)


def test_without_a_plan_there_are_no_terms(sqlite_store: Engine) -> None:
    pair = fair().plan("cheap", 20).seen(sqlite_store).pair("a1", "dear")
    assert all(np.isnan(pair[name]) for name in ("rate", "commission_per_unit", "rate_gap"))


def test_a_plan_for_one_anchor_is_that_anchors_rate(sqlite_store: Engine) -> None:
    market = fair().plan("dear", 10).plan("dear", 30, plan_type="target_item", anchor_ids="a2")
    seen = market.seen(sqlite_store)
    assert seen.pair("a1", "dear")["rate"] == 10
    assert seen.pair("a2", "dear")["rate"] == 30


def test_the_rate_gap_is_to_the_median_open_rate_of_the_category(sqlite_store: Engine) -> None:
    market = fair().plan("cheap", 10).plan("middle", 12).plan("dear", 30)
    market.plan("middle", 50, plan_type="target_item", anchor_ids="a2").sku("far", category="far").plan(
        "far", 1
    )
    seen = market.seen(sqlite_store)
    assert seen.pair("a1", "dear")["rate_gap"] == pytest.approx(18)
    assert seen.pair("a1", "middle")["rate_gap"] == pytest.approx(0)
    assert seen.pair("a2", "middle")["rate_gap"] == pytest.approx(38)
    assert seen.pair("a1", "far")["rate_gap"] == pytest.approx(0)


def test_where_no_plan_is_open_the_gap_is_unknown(sqlite_store: Engine) -> None:
    pair = (
        fair()
        .plan("dear", 50, plan_type="target_item", anchor_ids="a2")
        .seen(sqlite_store)
        .pair("a2", "dear")
    )
    assert pair["rate"] == 50
    assert np.isnan(pair["rate_gap"])


@pytest.mark.parametrize(("known_at", "rate"), [(NOW - MICROSECOND, 30.0), (NOW, 10.0)])
def test_a_rate_applies_once_it_is_known(sqlite_store: Engine, known_at: object, rate: float) -> None:
    market = fair().plan("dear", 10, plan_id="p").plan("dear", 30, plan_id="p", known_at=known_at)
    assert market.seen(sqlite_store).pair("a1", "dear")["rate"] == rate


@pytest.mark.parametrize(("listed_days_ago", "rate"), [(20, 30.0), (2, 10.0), (120, 10.0)])
def test_a_rate_may_be_locked_for_who_was_promoting(
    sqlite_store: Engine, listed_days_ago: int, rate: float
) -> None:
    market = fair().plan("dear", 30, plan_id="p").plan("dear", 10, plan_id="p", known_at=ago(5))
    market.live("a1", ago(listed_days_ago), {"dear": 1}).live("a2", ago(20), {"cheap": 1})
    seen = market.seen(sqlite_store, policy=Policy(rate_lock_days=30))
    assert seen.pair("a1", "dear")["rate"] == rate
    assert seen.pair("a2", "dear")["rate"] == 10


# Occasion ---------------------------------------------------------------------------------------------------------


def supply() -> Market:
    market = Market().anchor("a1").sku("brand", supply_type="brand").sku("source", supply_type="source")
    return market.sku("unknown")


def test_days_to_the_next_event_count_to_its_start(sqlite_store: Engine) -> None:
    market = supply().event(ago(-30), ago(-40)).event(ago(-2.5), ago(-9)).event(ago(9), ago(8))
    assert market.seen(sqlite_store).pair("a1", "brand")["days_to_event"] == 2.5


@pytest.mark.parametrize(("ends_at", "days"), [(NOW + MICROSECOND, 0.0), (NOW, 7.0)])
def test_an_event_is_on_until_it_ends(sqlite_store: Engine, ends_at: object, days: float) -> None:
    market = supply().event(ago(3), ends_at).event(ago(-7), ago(-8))  # type: ignore[arg-type]
    assert market.seen(sqlite_store).pair("a1", "brand")["days_to_event"] == days


def test_without_an_event_ahead_the_days_are_unknown(sqlite_store: Engine) -> None:
    pair = supply().event(ago(3), ago(2)).seen(sqlite_store).pair("a1", "brand")
    assert np.isnan(pair["days_to_event"])
    assert pair["event_focus"] == 0


@pytest.mark.parametrize(
    ("focus", "expected"), [("source", [-1, 1, 0]), ("brand", [1, -1, 0]), (None, [0, 0, 0])]
)
def test_an_event_speaks_for_the_supply_that_it_is_for(
    sqlite_store: Engine, focus: str | None, expected: list[float]
) -> None:
    seen = supply().event(ago(-3), ago(-9), focus).seen(sqlite_store)
    assert [seen.pair("a1", sku)["event_focus"] for sku in ("brand", "source", "unknown")] == expected
