"""Do crowds meet? Overlaps worked out by hand."""

from math import sqrt

import numpy as np
import pytest
from sqlalchemy import Engine

from features.audience import _profiles, overlap
from market import Market, ago, day_ago

YOUNG, OLD = {"18-23": 1.0}, {"50+": 1.0}
MIXED = {"18-23": 0.5, "50+": 0.5}


def crowds(**age_of: dict[str, float]) -> Market:
    """Anchors with viewers and buyers of these ages; `s1` is sold by the one called seller."""
    market = (
        Market()
        .sku("s1")
        .sku("kin")
        .sku("neighbour", brand_id="other")
        .sku("far", category="far", brand_id="far")
    )
    for anchor_id, shares in age_of.items():
        market.anchor(anchor_id)
        for role in ("viewer", "buyer"):
            market.crowd(anchor_id, role, "age", shares)
    return market.anchor("seller") if "seller" not in age_of else market


def test_the_same_crowd_overlaps_wholly_and_a_strange_one_not_at_all(sqlite_store: Engine) -> None:
    market = crowds(seller=YOUNG, same=YOUNG, strange=OLD, half=MIXED).live("seller", ago(1), {"s1": 5})
    seen = market.seen(sqlite_store)
    for level in ("sku", "brand", "category"):
        for role in ("viewer", "buyer"):
            found = [
                seen.pair(anchor, "s1")[f"audience_{role}_{level}"] for anchor in ("same", "strange", "half")
            ]
            assert found == pytest.approx([1, 0, sqrt(0.5)])


def test_brand_and_category_know_what_the_sku_does_not(sqlite_store: Engine) -> None:
    seen = crowds(seller=YOUNG, same=YOUNG).live("seller", ago(1), {"s1": 5}).seen(sqlite_store)
    levels = ("sku", "brand", "category")
    known = {
        sku: [not np.isnan(seen.pair("same", sku)[f"audience_viewer_{level}"]) for level in levels]
        for sku in ("s1", "kin", "neighbour", "far")
    }
    assert known == {
        "s1": [True, True, True],
        "kin": [False, True, True],
        "neighbour": [False, False, True],
        "far": [False, False, False],
    }


def test_what_nobody_observed_stays_missing(sqlite_store: Engine) -> None:
    seen = crowds(seller=YOUNG).anchor("unseen").live("seller", ago(1), {"s1": 5}).seen(sqlite_store)
    unseen = seen.pair("unseen", "s1")
    assert all(np.isnan(value) for name, value in unseen.items() if name.startswith("audience_v"))
    assert np.isnan(seen.pair("seller", "s1")["audience_repeat_buyer_sku"])


def test_only_dimensions_that_both_know_count_and_each_alike(sqlite_store: Engine) -> None:
    market = crowds(seller=YOUNG, guest=YOUNG).live("seller", ago(1), {"s1": 5})
    market.crowd("seller", "buyer", "gender", {"f": 1.0}).crowd("guest", "viewer", "city_tier", {"1": 1.0})
    market.crowd("guest", "buyer", "gender", {"m": 1.0})
    pair = market.seen(sqlite_store).pair("guest", "s1")
    assert pair["audience_viewer_sku"] == pytest.approx(1)
    assert pair["audience_buyer_sku"] == pytest.approx(0.5)


def test_buyers_of_a_sku_are_its_sellers_buyers_by_units(sqlite_store: Engine) -> None:
    market = (
        crowds(seller=YOUNG, second=OLD, guest=YOUNG)
        .live("seller", ago(2), {"s1": 3})
        .live("second", ago(1), {"s1": 1})
    )
    assert market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"] == pytest.approx(sqrt(0.75))


def test_where_buyers_are_unknown_viewers_stand_for_them(sqlite_store: Engine) -> None:
    market = crowds(guest=YOUNG).crowd("seller", "viewer", "age", YOUNG).live("seller", ago(1), {"s1": 1})
    assert market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"] == pytest.approx(1)


def test_a_listing_that_sold_nothing_brings_no_buyers(sqlite_store: Engine) -> None:
    seen = crowds(seller=YOUNG, guest=YOUNG).live("seller", ago(1), {"s1": 0}).seen(sqlite_store)
    assert np.isnan(seen.pair("guest", "s1")["audience_viewer_sku"])


def test_the_latest_observation_counts_for_each_dimension(sqlite_store: Engine) -> None:
    market = crowds(seller=YOUNG).anchor("guest").live("seller", ago(1), {"s1": 1})
    market.crowd("guest", "viewer", "age", OLD, on=day_ago(9)).crowd(
        "guest", "viewer", "age", YOUNG, on=day_ago(5)
    )
    market.crowd("guest", "viewer", "age", OLD, on=day_ago(0))  # known when the day is over
    assert market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"] == pytest.approx(1)


def test_an_old_observation_of_one_dimension_outlives_a_new_one_of_another(sqlite_store: Engine) -> None:
    market = crowds(seller=YOUNG).anchor("guest").live("seller", ago(1), {"s1": 1})
    market.crowd("guest", "viewer", "age", YOUNG, on=day_ago(99)).crowd(
        "guest", "viewer", "gender", {"f": 1.0}
    )
    assert market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"] == pytest.approx(1)


def test_the_same_bucket_of_two_dimensions_is_not_the_same(sqlite_store: Engine) -> None:
    market = crowds().anchor("guest").live("seller", ago(1), {"s1": 1})
    market.crowd("seller", "buyer", "price_band", {"1": 1.0}).crowd(
        "guest", "viewer", "city_tier", {"1": 1.0}
    )
    assert np.isnan(market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"])


def test_repeat_buyers_have_their_own_overlap(sqlite_store: Engine) -> None:
    market = (
        crowds(seller=YOUNG, guest=OLD)
        .live("seller", ago(1), {"s1": 1})
        .crowd("guest", "repeat_buyer", "age", YOUNG)
    )
    pair = market.seen(sqlite_store).pair("guest", "s1")
    assert pair["audience_repeat_buyer_sku"] == pytest.approx(1)
    assert pair["audience_repeat_buyer_category"] == pytest.approx(1)
    assert pair["audience_viewer_sku"] == 0


def test_shares_that_do_not_quite_sum_to_one_are_scaled(sqlite_store: Engine) -> None:
    market = crowds(seller={"18-23": 0.4995, "50+": 0.4996}, guest=MIXED).live("seller", ago(1), {"s1": 1})
    assert market.seen(sqlite_store).pair("guest", "s1")["audience_viewer_sku"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 8, 11])
def test_many_pairs_at_once_overlap_as_each_alone(n: int) -> None:
    rng, dimension_of = np.random.default_rng(n), np.repeat([0, 1, 2], [4, 3, 2])
    crowds_of = [rng.random((6, 9)) * (rng.random((6, 3)) < 0.7)[:, dimension_of] for _ in range(2)]
    left, right = (_profiles(weights, dimension_of) for weights in crowds_of)
    anchors, rows = rng.integers(0, 6, n).astype(np.int32), rng.integers(0, 6, n).astype(np.int32)
    found = overlap(left, anchors, right, rows)
    for place in range(n):
        a, r = crowds_of[0][anchors[place]], crowds_of[1][rows[place]]
        both = [d for d in range(3) if a[dimension_of == d].sum() > 0 < r[dimension_of == d].sum()]
        parts = [
            np.sqrt(
                a[dimension_of == d]
                / a[dimension_of == d].sum()
                * r[dimension_of == d]
                / r[dimension_of == d].sum()
            )
            for d in both
        ]
        expected = np.mean([part.sum() for part in parts]) if parts else np.nan
        assert found[place] == pytest.approx(expected, rel=1e-5, nan_ok=True)
        alone = overlap(left, anchors[place : place + 1], right, rows[place : place + 1])
        assert alone.tobytes() == found[place : place + 1].tobytes()
