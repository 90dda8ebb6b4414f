"""What does a SKU's row say? Small worlds whose numbers are worked out by hand."""

from datetime import timedelta
from math import log

import numpy as np
import pytest
from sqlalchemy import Engine

from market import MICROSECOND, Market, ago, day_ago


def shop(*sku_ids: str, n_anchors: int = 3) -> Market:
    market = Market()
    for sku_id in sku_ids:
        market.sku(sku_id)
    for anchor in range(1, n_anchors + 1):
        market.anchor(f"a{anchor}")
    return market


@pytest.mark.parametrize("days", [7, 30, 90])
def test_a_window_reaches_back_to_the_microsecond(sqlite_store: Engine, days: int) -> None:
    market = shop("s1").live("a1", ago(days), {"s1": 3}).live("a2", ago(days) - MICROSECOND, {"s1": 5})
    sku = market.seen(sqlite_store).sku("s1")
    assert sku[f"sku_units_{days}d"] == 3
    assert sku[f"sku_listings_{days}d"] == 1
    assert sku[f"sku_anchors_{days}d"] == 1


def test_a_listing_counts_by_its_sessions_start_once_the_session_is_over(sqlite_store: Engine) -> None:
    market = shop("s1").live("a1", ago(hours=1), {"s1": 7}).live("a1", ago(hours=2), {"s1": 2})
    assert market.seen(sqlite_store).sku("s1")["sku_units_7d"] == 2


def test_a_year_is_what_is_looked_back_upon(sqlite_store: Engine) -> None:
    market = shop("s1").live("a1", ago(365), {"s1": 1}).live("a2", ago(365) - MICROSECOND, {"s1": 1})
    sku = market.seen(sqlite_store).sku("s1")
    assert sku["sku_anchors_365d"] == 1
    assert sku["sku_first_listed"] == 365


def test_listings_are_counted_each_and_anchors_once(sqlite_store: Engine) -> None:
    market = (
        shop("s1").live("a1", ago(2), {"s1": 1}).live("a1", ago(3), {"s1": 0}).live("a2", ago(4), {"s1": 4})
    )
    sku = market.seen(sqlite_store).sku("s1")
    assert (sku["sku_listings_7d"], sku["sku_anchors_7d"], sku["sku_units_7d"]) == (3, 2, 5)
    assert sku["sku_gmv_30d"] == 500


def test_an_adoption_is_an_anchors_first_listing(sqlite_store: Engine) -> None:
    market = shop("s1").live("a1", ago(100), {"s1": 1}).live("a1", ago(3), {"s1": 1})
    market.live("a2", ago(14), {"s1": 1}).live("a3", ago(28), {"s1": 1})
    sku = market.seen(sqlite_store).sku("s1")
    assert [sku[f"sku_adoptions_{days}d"] for days in (7, 14, 28)] == [0, 1, 2]
    assert sku["sku_adoption_share"] == pytest.approx(2 / 3)
    assert sku["brand_adoptions_28d"] == 2


def test_an_adoption_a_microsecond_too_old_is_none(sqlite_store: Engine) -> None:
    market = shop("s1").live("a2", ago(14) - MICROSECOND, {"s1": 1})
    sku = market.seen(sqlite_store).sku("s1")
    assert [sku[f"sku_adoptions_{days}d"] for days in (7, 14, 28)] == [0, 0, 1]


def test_a_brand_counts_the_anchors_of_all_its_skus_once(sqlite_store: Engine) -> None:
    market = shop("s1", "s2", "s3").sku("s4", brand_id="other")
    market.live("a1", ago(80), {"s1": 1, "s2": 1}).live("a2", ago(91), {"s3": 1}).live(
        "a3", ago(2), {"s4": 1}
    )
    seen = market.seen(sqlite_store)
    assert {seen.sku(s)["brand_anchors_90d"] for s in ("s1", "s2", "s3")} == {1}
    assert seen.sku("s4")["brand_anchors_90d"] == 1


def test_the_place_of_a_price_in_its_category_is_the_share_that_costs_no_more(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").sku("dearest_of_all", category="other", list_price_fen=10**7)
    for sku_id, fen in (("cheap", 1_000), ("middle", 2_000), ("also", 2_000), ("dear", 4_000)):
        market.sku(sku_id, list_price_fen=fen)
    seen = market.seen(sqlite_store)
    assert [seen.sku(s)["sku_price_place"] for s in ("cheap", "middle", "also", "dear")] == [
        0.25,
        0.75,
        0.75,
        1,
    ]
    assert seen.sku("dear")["sku_price_gap"] == pytest.approx(log(2))
    assert seen.sku("middle")["sku_price_gap"] == 0
    assert seen.sku("dear")["sku_price"] == 40
    assert seen.sku("dearest_of_all")["sku_price_gap"] == 0


def test_a_category_is_its_whole_path(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").sku("s1", category="food/tea", list_price_fen=100)
    market.sku("s2", category="food/tea/green", list_price_fen=900)
    assert market.seen(sqlite_store).sku("s1")["sku_price_place"] == 1


def test_the_latest_version_known_by_then_counts(sqlite_store: Engine) -> None:
    market = (
        Market().anchor("a1").sku("s1", list_price_fen=100).sku("s1", list_price_fen=300, known_at=ago(1))
    )
    market.sku("s1", list_price_fen=900, known_at=ago(0))
    assert market.seen(sqlite_store).sku("s1")["sku_price"] == 3


def test_age_counts_from_launch_else_from_the_first_listing_else_is_unknown(sqlite_store: Engine) -> None:
    market = shop("never", "listed").sku("launched", launched_on=day_ago(40))
    market.live("a1", ago(12.5), {"listed": 1, "launched": 1}).live("a1", ago(2), {"listed": 1})
    seen = market.seen(sqlite_store)
    assert seen.sku("launched")["sku_age"] == 40
    assert seen.sku("launched")["sku_first_listed"] == 12.5
    assert seen.sku("listed")["sku_age"] == 12.5
    assert seen.sku("listed")["sku_last_listed"] == 2
    assert np.isnan(seen.sku("never")["sku_age"])


def test_stock_lasts_at_the_pace_of_four_weeks(sqlite_store: Engine) -> None:
    market = shop("unknown").sku("pace", stock=56).sku("still", stock=3)
    market.live("a1", ago(28), {"pace": 28}).live("a1", ago(28) - MICROSECOND, {"pace": 1_000})
    seen = market.seen(sqlite_store)
    assert seen.sku("pace")["sku_stock_cover"] == 56
    assert seen.sku("still")["sku_stock_cover"] == 3 * 28  # as if one were sold in four weeks
    assert np.isnan(seen.sku("unknown")["sku_stock_cover"])


def test_growth_is_this_months_listings_against_the_quarters(sqlite_store: Engine) -> None:
    market = shop("s1", "s2")
    for days in (1, 2, 20, 40, 50, 60):
        market.live("a1", ago(days), {"s1": 1})
    seen = market.seen(sqlite_store)
    assert seen.sku("s1")["sku_growth"] == pytest.approx((3 + 1) / (6 / 3 + 1))
    assert seen.sku("s1")["sku_growth_week"] == pytest.approx((2 * 30 / 7 + 1) / (3 + 1))
    assert seen.sku("s2")["category_growth"] == pytest.approx((3 + 1) / (6 / 3 + 1))
    assert seen.sku("s2")["sku_growth"] == 1


def test_a_ratio_is_drawn_from_sku_to_brand_to_category_to_all(sqlite_store: Engine) -> None:
    market = Market().anchor("a1")
    market.sku("known", category="tea", brand_id="b1").sku("kin", category="tea", brand_id="b1")
    market.sku("neighbour", category="tea", brand_id="b2")
    market.sku("elsewhere", category="home", brand_id="b3").sku("stranger", category="art", brand_id="b4")
    for day in range(20):
        market.live("a1", ago(day + 1), {"known": 10, "elsewhere": 1})
    seen = market.seen(sqlite_store)
    everything = 220 / 40
    category = (200 + 5 * everything) / 25
    brand = (200 + 5 * category) / 25
    assert seen.sku("stranger")["sku_units_per_listing"] == pytest.approx(everything)
    assert seen.sku("neighbour")["sku_units_per_listing"] == pytest.approx(category)
    assert seen.sku("kin")["sku_units_per_listing"] == pytest.approx(brand)
    assert seen.sku("known")["sku_units_per_listing"] == pytest.approx((200 + 5 * brand) / 25)
    assert seen.sku("known")["sku_gmv_per_listing"] == pytest.approx(100 * (200 + 5 * brand) / 25)


def test_a_brand_across_categories_starts_from_the_mean_of_them(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").sku("tea", category="tea").sku("cup", category="home")
    market.sku("other", category="home", brand_id="other").live("a1", ago(1), {"other": 10})
    seen = market.seen(sqlite_store)
    tea, home = 10, (10 + 5 * 10) / 6
    assert seen.sku("cup")["sku_units_per_listing"] == pytest.approx((tea + home) / 2)


def test_conversion_is_units_an_impression(sqlite_store: Engine) -> None:
    market = shop("s1").live("a1", ago(1), {"s1": {"units": 20, "impressions": 1_000, "clicks": 100}})
    sku = market.seen(sqlite_store).sku("s1")
    assert sku["sku_conversion"] == pytest.approx(0.02)
    assert sku["category_conversion"] == pytest.approx(0.02)
    assert sku["sku_click_share"] == pytest.approx(0.1)
    assert sku["sku_gpm"] == pytest.approx(2_000)


def test_a_categorys_conversion_is_the_mean_of_its_skus(sqlite_store: Engine) -> None:
    market = shop("s1", "s2").sku("elsewhere", category="other")
    market.live("a1", ago(1), {"s1": 40, "s2": 1, "elsewhere": 5})
    seen = market.seen(sqlite_store)
    mean = (seen.sku("s1")["sku_conversion"] + seen.sku("s2")["sku_conversion"]) / 2
    assert seen.sku("s1")["category_conversion"] == pytest.approx(mean)
    assert seen.sku("elsewhere")["category_conversion"] == pytest.approx(
        seen.sku("elsewhere")["sku_conversion"]
    )


def test_unknown_impressions_are_the_anchors_usual_else_everybodys(sqlite_store: Engine) -> None:
    market = shop("s1", "s2", "s3")
    market.live("a1", ago(3), {"s1": {"units": 0, "impressions": 100}, "s2": 0})
    market.live("a2", ago(2), {"s1": {"units": 0, "impressions": 500}, "s2": {"units": 0, "impressions": 0}})
    market.live("a3", ago(1), {"s2": 0})
    exposure = market.seen(sqlite_store).snapshot.ledger.exposure
    assert exposure.tolist() == [100, 100, 500, 500, 300]


def test_where_nobody_counts_impressions_each_listing_is_one(sqlite_store: Engine) -> None:
    market = shop("s1").live("a1", ago(3), {"s1": 4}).live("a1", ago(2), {"s1": 2})
    assert market.seen(sqlite_store).sku("s1")["sku_conversion"] == pytest.approx(3)


def test_refunds_are_of_what_is_settled(sqlite_store: Engine) -> None:
    market = shop("s1")
    for refund_fen, settled_at in ((2_500, ago(1)), (10_000, ago(-1)), (9_000, None)):
        row = {"units": 1, "gmv_fen": 10_000, "refund_fen": refund_fen, "settled_at": settled_at}
        market.live("a1", ago(20), {"s1": row})
    assert market.seen(sqlite_store).sku("s1")["sku_refund_share"] == pytest.approx(0.25)


def test_repeat_buyers_and_explained_seconds_count_where_both_sides_are_known(sqlite_store: Engine) -> None:
    market = shop("s1")
    market.live("a1", ago(3), {"s1": {"units": 8, "buyers": 8, "repeat_buyers": 2, "explained_seconds": 100}})
    market.live("a1", ago(2), {"s1": {"units": 9, "buyers": 50}}).live("a1", ago(1), {"s1": 90})
    sku = market.seen(sqlite_store).sku("s1")
    assert sku["sku_repeat_share"] == pytest.approx(0.25)
    assert sku["sku_gmv_per_explained_second"] == pytest.approx(8)


def test_what_a_sku_declares_is_taken_over_in_its_unit(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").sku("bare")
    market.sku(
        "full",
        rating_x100=485,
        review_count=12,
        refund_rate_ppm=30_000,
        standardness="nonstandard",
        supply_type="brand",
    ).sku("plain", standardness="standard", supply_type="source")
    seen = market.seen(sqlite_store)
    full = seen.sku("full")
    assert full["sku_rating"] == pytest.approx(4.85)
    assert full["sku_reviews"] == 12
    assert full["sku_refund_rate"] == pytest.approx(0.03)
    names = ("sku_nonstandard", "sku_brand_goods")
    assert [[seen.sku(s)[name] for name in names] for s in ("full", "plain")] == [[1, 1], [0, 0]]
    assert all(np.isnan(seen.sku("bare")[name]) for name in names)


def test_skus_stand_on_the_shelf_by_category_and_then_by_id(sqlite_store: Engine) -> None:
    market = Market().anchor("a1")
    for sku_id, category in (
        ("z", "food"),
        ("b", "food/tea"),
        ("a", "home"),
        ("c", "food"),
        ("d", "food/tea"),
    ):
        market.sku(sku_id, category=category)
    shelf = market.seen(sqlite_store).snapshot.shelf
    assert shelf.ids.to_list() == ["c", "z", "b", "d", "a"]
    assert [shelf.tops[int(place)] for place in shelf.top] == ["food"] * 4 + ["home"]
    assert [shelf.category_paths[int(place)] for place in shelf.category][2:] == ["food/tea"] * 2 + ["home"]


def test_price_bands_are_eighths_of_the_shelf(sqlite_store: Engine) -> None:
    market = Market().anchor("a1")
    for place in range(16):
        market.sku(f"s{place:02d}", list_price_fen=1_000 * (place + 1))
    band = market.seen(sqlite_store).snapshot.shelf.price_band
    assert band.tolist() == [place // 2 for place in range(16)]


def test_all_of_one_price_are_in_one_band(sqlite_store: Engine) -> None:
    assert len(set(shop("s1", "s2", "s3").seen(sqlite_store).snapshot.shelf.price_band.tolist())) == 1


def test_a_price_of_nothing_has_a_row(sqlite_store: Engine) -> None:
    sku = Market().anchor("a1").sku("gift", list_price_fen=0).seen(sqlite_store).sku("gift")
    assert sku["sku_price"] == pytest.approx(0.01)
    assert np.isfinite(sku["sku_price_gap"])


def test_a_session_in_two_calendar_years_is_one(sqlite_store: Engine) -> None:
    at = ago(0) - timedelta(days=59, minutes=30)  # over the new year in Shanghai
    assert shop("s1").live("a1", at, {"s1": 2}).seen(sqlite_store).sku("s1")["sku_listings_90d"] == 1
