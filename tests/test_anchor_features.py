"""What does an anchor's row say? Small worlds whose numbers are worked out by hand."""

from datetime import timedelta
from math import exp, log, sqrt

import numpy as np
import pytest
from sqlalchemy import Engine

from market import MICROSECOND, Market, ago, day_ago


def stage(*anchor_ids: str) -> Market:
    market = Market().sku("s1").sku("s2").sku("s3")
    for anchor_id in anchor_ids or ("a1",):
        market.anchor(anchor_id)
    return market


def test_the_tier_is_a_number_that_rises(sqlite_store: Engine) -> None:
    market = stage("unknown")
    for tier in ("tail", "waist", "head"):
        market.anchor(tier, tier=tier)
    seen = market.seen(sqlite_store)
    assert [seen.anchor(tier)["anchor_tier"] for tier in ("tail", "waist", "head")] == [0, 1, 2]
    assert np.isnan(seen.anchor("unknown")["anchor_tier"])


def test_fans_are_those_last_seen_and_grow_against_a_month_before(sqlite_store: Engine) -> None:
    market = stage()
    for days, fans in ((60, 100), (31, 400), (30, 999), (1, 600), (0, 5_000)):
        market.stat("a1", day_ago(days), fans=fans)
    anchor = market.seen(sqlite_store).anchor("a1")
    assert anchor["anchor_fans"] == 600
    assert anchor["anchor_fans_growth"] == pytest.approx(0.5)  # yesterday's against 30 days before yesterday


def test_without_a_month_of_standing_growth_is_unknown(sqlite_store: Engine) -> None:
    anchor = (
        stage()
        .stat("a1", day_ago(30), fans=100)
        .stat("a1", day_ago(1), fans=200)
        .seen(sqlite_store)
        .anchor("a1")
    )
    assert np.isnan(anchor["anchor_fans_growth"])


def test_standing_is_the_last_that_was_observed(sqlite_store: Engine) -> None:
    market = stage("a1", "a2").stat("a1", day_ago(9), violation_points=1, reply_hours=2.5)
    market.stat("a1", day_ago(3), violation_points=4, sample_fulfil_rate_ppm=800_000)
    seen = market.seen(sqlite_store)
    assert seen.anchor("a1")["anchor_violation_points"] == 4
    assert np.isnan(seen.anchor("a1")["anchor_reply_hours"])
    assert seen.anchor("a1")["anchor_sample_fulfilment"] == pytest.approx(0.8)
    assert np.isnan(seen.anchor("a2")["anchor_violation_points"])


def test_tenure_counts_from_joining_else_from_the_first_session(sqlite_store: Engine) -> None:
    market = stage("seen", "never").anchor("joined", joined_on=day_ago(50))
    for anchor_id in ("seen", "joined"):
        market.live(anchor_id, ago(9), {}).live(anchor_id, ago(4), {})
    seen = market.seen(sqlite_store)
    assert seen.anchor("joined")["anchor_tenure"] == 50
    assert seen.anchor("seen")["anchor_tenure"] == 9
    assert np.isnan(seen.anchor("never")["anchor_tenure"])


def test_who_joins_tomorrow_is_not_there_yet(sqlite_store: Engine) -> None:
    market = stage("whenever").anchor("today", joined_on=day_ago(0)).anchor("tomorrow", joined_on=day_ago(-1))
    roster = market.seen(sqlite_store).snapshot.roster
    assert dict(zip(roster.ids, roster.has_joined.tolist(), strict=True)) == {
        "today": True,
        "tomorrow": False,
        "whenever": True,
    }


def test_a_day_on_air_is_a_day_in_shanghai(sqlite_store: Engine) -> None:
    market = stage("a1", "a2")
    for anchor_id, second in (("a1", ago(5) + MICROSECOND), ("a2", ago(5) - MICROSECOND)):
        market.live(anchor_id, ago(5), {}).live(anchor_id, second, {})
    seen = market.seen(sqlite_store)
    assert seen.anchor("a1")["anchor_days_on_air"] == 1
    assert seen.anchor("a2")["anchor_days_on_air"] == 2


def test_the_usual_gap_lies_between_days_on_air(sqlite_store: Engine) -> None:
    market = stage("a1", "once", "never").live("once", ago(3), {})
    for days in (4, 12, 14, 14.2):
        market.live("a1", ago(days), {})
    seen = market.seen(sqlite_store)
    a1 = seen.anchor("a1")
    assert a1["anchor_last_session"] == 4
    assert a1["anchor_days_on_air"] == 4  # the last two lie on two days: 14.2 days ago is before midnight
    assert a1["anchor_usual_gap"] == pytest.approx(10.2 / 3)
    assert a1["anchor_due"] == pytest.approx(4 / (10.2 / 3))
    assert a1["anchor_recent_gap"] == pytest.approx(90 / 4)
    assert seen.anchor("once")["anchor_last_session"] == 3
    assert np.isnan(seen.anchor("once")["anchor_usual_gap"])
    assert np.isnan(seen.anchor("once")["anchor_due"])
    assert seen.anchor("never")["anchor_days_on_air"] == 0
    assert np.isnan(seen.anchor("never")["anchor_last_session"])
    assert np.isnan(seen.anchor("never")["anchor_recent_gap"])


@pytest.mark.parametrize("days", [7, 28, 90])
def test_sessions_are_counted_to_the_microsecond(sqlite_store: Engine, days: int) -> None:
    market = stage().live("a1", ago(days), {}).live("a1", ago(days) - MICROSECOND, {})
    assert market.seen(sqlite_store).anchor("a1")[f"anchor_sessions_{days}d"] == 1


def test_a_session_counts_without_a_listing_and_not_after_a_year(sqlite_store: Engine) -> None:
    market = (
        stage().live("a1", ago(366), {"s1": 9}).live("a1", ago(2), {"s1": 1, "s2": 1}).live("a1", ago(1), {})
    )
    anchor = market.seen(sqlite_store).anchor("a1")
    assert anchor["anchor_listings_per_session"] == 1
    assert anchor["anchor_days_on_air"] == 2
    assert anchor["anchor_skus_365d"] == 2


def test_skus_are_new_to_an_anchor_once(sqlite_store: Engine) -> None:
    market = stage().live("a1", ago(100), {"s1": 1, "s2": 1}).live("a1", ago(50), {"s1": 1, "s3": 1})
    market.live("a1", ago(3), {"s3": 1})
    anchor = market.seen(sqlite_store).anchor("a1")
    assert anchor["anchor_skus_365d"] == 3
    assert anchor["anchor_adoptions_90d"] == 1
    assert anchor["anchor_adoptions_28d"] == 0
    assert anchor["anchor_new_per_day"] == 1
    assert anchor["anchor_recent_new_per_day"] == 0.5


def test_the_factors_of_the_formula_multiply_to_a_sessions_gmv(sqlite_store: Engine) -> None:
    market = stage()
    rooms = ((1_000, 3_000, None, 200, 6_000), (500, 1_500, 2_000, 600, 10_000))
    for place, (follow, public, paid, entries, watched) in enumerate(rooms):
        ways = {"exposure_follow": follow, "exposure_public": public, "exposure_paid": paid}
        seen = {"entries": entries, "watch_seconds": watched, "peak_viewers": 10 + 20 * place}
        market.live("a1", ago(place + 1), {"s1": 4, "s2": 6}, **ways, **seen)
    market.live("a1", ago(9), {"s1": 10})  # whose traffic nobody counted
    anchor = market.seen(sqlite_store).anchor("a1")
    assert anchor["anchor_exposure_per_session"] == 4_000
    assert anchor["anchor_entry_share"] == pytest.approx(0.1)
    assert anchor["anchor_watch_seconds"] == 20
    assert anchor["anchor_private_share"] == pytest.approx(1_500 / 8_000)
    assert anchor["anchor_peak_viewers"] == 20
    assert anchor["anchor_gmv_per_session"] == pytest.approx(1_000)
    factors = ("exposure_per_session", "entry_share", "watch_seconds", "gmv_per_watched_second")
    assert np.prod([anchor[f"anchor_{factor}"] for factor in factors]) == pytest.approx(1_000)


def test_results_are_sums_over_sums_where_both_are_known(sqlite_store: Engine) -> None:
    market = stage()
    full = {"units": 10, "gmv_fen": 100_000, "impressions": 1_000, "clicks": 50, "orders": 5}
    market.live("a1", ago(2), {"s1": full}).live("a1", ago(1), {"s1": {"units": 2, "gmv_fen": 30_000}})
    anchor = market.seen(sqlite_store).anchor("a1")
    assert anchor["anchor_units_per_listing"] == 6
    assert anchor["anchor_gmv_per_listing"] == 650
    assert anchor["anchor_click_share"] == pytest.approx(0.05)
    assert anchor["anchor_order_value"] == 200
    assert anchor["anchor_impressions_per_listing"] == 1_000  # the other listing's are the anchor's usual
    assert anchor["anchor_gpm"] == pytest.approx(1_300 / 2)


def test_an_anchor_that_sells_more_than_its_skus_usually_do_has_a_ratio_above_one(
    sqlite_store: Engine,
) -> None:
    market = stage("strong", "weak", "absent")
    for day in range(30):
        market.live("strong", ago(day + 1), {"s1": 9}).live("weak", ago(day + 1), {"s1": 1})
    seen = market.seen(sqlite_store)
    drawn = (30 * 5 * 1.8 + 5 * 5) / (30 * 5 + 5 * 5)  # 1.8 times what is usual, drawn to 1 by five listings
    assert seen.anchor("strong")["anchor_conversion_ratio"] == pytest.approx(drawn)
    assert seen.anchor("weak")["anchor_conversion_ratio"] == pytest.approx((30 + 25) / (150 + 25))
    assert seen.anchor("absent")["anchor_conversion_ratio"] == 1


def test_a_share_of_few_is_drawn_to_everybodys(sqlite_store: Engine) -> None:
    market = stage("many", "few", "none")
    market.live("many", ago(2), {"s1": {"units": 90, "buyers": 90, "repeat_buyers": 9}})
    market.live("few", ago(2), {"s1": {"units": 10, "buyers": 10, "repeat_buyers": 10}})
    seen = market.seen(sqlite_store)
    strength, usual = 0.1 * 50, 0.19
    assert seen.anchor("none")["anchor_repeat_share"] == pytest.approx(usual)
    assert seen.anchor("few")["anchor_repeat_share"] == pytest.approx(
        (10 + strength * usual) / (10 + strength)
    )
    assert np.isnan(seen.anchor("few")["anchor_refund_share"])


def test_trust_is_the_mean_of_the_signs_that_are_known(sqlite_store: Engine) -> None:
    market = stage("a1", "a2")
    market.live(
        "a1",
        ago(30),
        {"s1": {"units": 9, "refund_fen": 9_000, "settled_at": ago(9)}},
        exposure_follow=80,
        exposure_public=20,
    )
    seen = market.seen(sqlite_store)
    assert seen.anchor("a1")["anchor_refund_share"] == pytest.approx(0.1)
    assert seen.anchor("a1")["anchor_trust"] == pytest.approx((0.8 + 0.9) / 2)
    assert seen.anchor("a2")["anchor_trust"] == pytest.approx(0.9)  # drawn to everybody's refunds


def test_nothing_known_is_no_trust_known(sqlite_store: Engine) -> None:
    assert np.isnan(stage().live("a1", ago(1), {"s1": 1}).seen(sqlite_store).anchor("a1")["anchor_trust"])


def test_the_usual_price_is_a_geometric_mean(sqlite_store: Engine) -> None:
    market = stage("a1", "a2", "none").sku("cheap", list_price_fen=1_000).sku("dear", list_price_fen=100_000)
    market.live("a1", ago(1), {"cheap": 0, "dear": 0}).live("a2", ago(1), {"cheap": 5})
    seen = market.seen(sqlite_store)
    assert seen.anchor("a1")["anchor_usual_price"] == pytest.approx(100)
    assert seen.anchor("a1")["anchor_price_spread"] == pytest.approx(log(10))
    assert seen.anchor("a2")["anchor_usual_price"] == pytest.approx(10)
    assert seen.anchor("a2")["anchor_price_spread"] == pytest.approx(sqrt(0.05))  # never nothing: it divides
    assert np.isnan(seen.anchor("none")["anchor_usual_price"])


def test_entropy_is_how_widely_an_anchor_sells(sqlite_store: Engine) -> None:
    market = stage("one", "two", "none").sku("x", category="other").sku("y", category="other")
    market.live("one", ago(1), {"x": 1, "y": 1}).live("two", ago(1), {"x": 1, "s1": 1})
    seen = market.seen(sqlite_store)
    assert seen.anchor("one")["anchor_category_entropy"] == 0
    assert seen.anchor("two")["anchor_category_entropy"] == pytest.approx(log(2))
    assert exp(seen.anchor("two")["anchor_category_entropy"]) == pytest.approx(2)
    assert np.isnan(seen.anchor("none")["anchor_category_entropy"])


def test_a_session_that_is_still_on_has_not_been(sqlite_store: Engine) -> None:
    market = stage().live("a1", ago(hours=2), {"s1": 1}, hours=3).live("a1", ago(4), {"s1": 1})
    assert market.seen(sqlite_store).anchor("a1")["anchor_last_session"] == 4


def test_a_session_over_midnight_lies_on_the_day_of_its_start(sqlite_store: Engine) -> None:
    market = stage().live("a1", ago(5) - timedelta(minutes=30), {}, hours=2).live("a1", ago(5.5), {})
    assert market.seen(sqlite_store).anchor("a1")["anchor_days_on_air"] == 1
