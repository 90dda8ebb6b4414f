"""Does each source find what it is there to find? Six anchors, a few SKUs, and the answer known beforehand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from features.kernels import F64
from market import MICROSECOND, Market, Seen, ago
from matcher.candidates import audience, popularity
from matcher.candidates.carried import read_carried
from matcher.candidates.cosales import RIDGE, CosalesSource, read_cosales
from matcher.candidates.union import read_sources

TEA, MASK = ("t1", "t2", "t3"), ("m1", "m2", "m3")


def six(**extra: Mapping[str, int]) -> Market:
    """Three anchors sell tea, three sell masks; `extra` is what some of them put up yesterday."""
    market = Market()
    for place, sku_id in enumerate((*TEA, *MASK)):
        category = "tea" if place < 3 else "mask"
        market.sku(sku_id, category=category, brand_id=category, title=f"{category} number{place}")
    market.sku("new_tea", category="tea", brand_id="tea", title="tea fresh").sku(
        "other", category="other", title="thing"
    )
    for place, anchor_id in enumerate(("tea1", "tea2", "tea3", "mask1", "mask2", "mask3")):
        usual = dict.fromkeys(TEA if place < 3 else MASK, 2)
        market.anchor(anchor_id).live(anchor_id, ago(60 + place), usual)
    for anchor_id, sold in extra.items():
        market.live(anchor_id, ago(1), sold)
    return market


def carried_matrix(seen: Seen) -> F64:
    pairs = seen.snapshot.histories.sku
    matrix = np.zeros((len(seen.snapshot.roster), len(seen.snapshot.shelf)))
    matrix[pairs.anchor, pairs.code] = 1.0
    return matrix


def said_of_all(seen: Seen, source: CosalesSource) -> F64:
    skus = np.arange(len(seen.snapshot.shelf), dtype=np.int32)
    return np.stack([source.goods(anchor).at(skus) for anchor in range(len(seen.snapshot.roster))])


# History ------------------------------------------------------------------------------------------------------------


def test_history_prefers_what_was_sold_lately_often_and_well(sqlite_store: Engine) -> None:
    market = six(tea1={"t1": 2}).live("tea1", ago(2), {"t2": 20}).live("tea1", ago(5), {"t2": 20})
    seen = market.seen(sqlite_store)
    assert list(seen.said("history", "goods", "tea1")) == ["t2", "t1", "t3"]
    assert next(iter(seen.said("history", "shortlist", "t2"))) == "tea1"
    assert seen.said("history", "goods", "mask1").keys() == set(MASK)


def test_history_fades_by_half_in_sixty_days(sqlite_store: Engine) -> None:
    market = Market().sku("s1").anchor("a1").anchor("a2")
    market.live("a1", ago(10), {"s1": 1}).live("a2", ago(70), {"s1": 1})
    found = market.seen(sqlite_store).said("history", "shortlist", "s1")
    assert found["a1"] / found["a2"] == pytest.approx(2, rel=1e-5)


# Co-sales -----------------------------------------------------------------------------------------------------------


def test_ease_is_the_closed_form(sqlite_store: Engine) -> None:
    seen = six(tea1={"other": 1}, mask1={"t1": 3}).seen(sqlite_store)
    carried = read_carried(seen.snapshot)
    for ridge in (RIDGE, 0.5):
        matrix = carried_matrix(seen)
        active = np.asarray(matrix.any(axis=0))
        inverse = np.linalg.inv(matrix[:, active].T @ matrix[:, active] + ridge * np.eye(active.sum()))
        weights = np.zeros((len(active), len(active)))
        weights[np.ix_(active, active)] = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        plain = CosalesSource(read_cosales(carried, ridge=ridge), np.ones(len(carried.fresh), np.float32))
        np.testing.assert_allclose(said_of_all(seen, plain), matrix @ weights, rtol=2e-5, atol=1e-7)
        fresh = matrix.copy()
        fresh[carried.pairs.anchor, carried.pairs.code] = carried.fresh
        recent = CosalesSource(read_cosales(carried, ridge=ridge), carried.fresh)
        np.testing.assert_allclose(said_of_all(seen, recent), fresh @ weights, rtol=2e-5, atol=1e-7)


def test_ease_finds_what_is_sold_beside(sqlite_store: Engine) -> None:
    market = (
        six(tea1={"new_tea": 1}, tea2={"new_tea": 1})
        .anchor("guest")
        .live("guest", ago(3), {"t1": 1, "t2": 1})
    )
    seen = market.seen(sqlite_store)
    assert next(iter(seen.said("cosales", "goods", "guest"))) == "t3"
    assert "new_tea" in seen.said("cosales", "goods", "guest")
    assert list(seen.said("cosales", "shortlist", "new_tea"))[:3] == ["tea1", "tea2", "tea3"]


def test_ease_gives_way_beyond_its_limit(sqlite_store: Engine) -> None:
    carried = read_carried(six().seen(sqlite_store).snapshot)
    n_active = 6  # SKUs that somebody carries, of the eight on the shelf
    ones = np.ones(len(carried.fresh), np.float32)

    def says(limit: int) -> list[float]:
        source = CosalesSource(read_cosales(carried, ease_limit=limit), ones)
        return [float(score) for score in source.goods(0).at(np.arange(8, dtype=np.int32))]

    assert says(n_active) == says(10**9)
    assert says(n_active - 1) == says(0) != says(n_active)


def test_beyond_the_limit_the_nearest_are_by_weighted_cosine(sqlite_store: Engine) -> None:
    seen = six(tea1={"new_tea": 1, "m1": 1}, tea2={"new_tea": 1}).seen(sqlite_store)
    carried, matrix = read_carried(seen.snapshot), carried_matrix(seen)
    source = CosalesSource(read_cosales(carried, ease_limit=0), np.ones(len(carried.fresh), np.float32))
    a_weight = 1.0 / np.log(matrix.sum(axis=1) + 2.0)
    norm = np.sqrt(matrix.sum(axis=0) + 5.0)
    alike = (matrix.T * a_weight) @ matrix / np.outer(norm, norm)
    np.fill_diagonal(alike, 0.0)
    np.testing.assert_allclose(said_of_all(seen, source), matrix @ alike, rtol=1e-5, atol=1e-7)


def test_beyond_the_limit_what_is_sold_beside_is_found_too(sqlite_store: Engine) -> None:
    market = (
        six(tea1={"new_tea": 1}, tea2={"new_tea": 1})
        .anchor("guest")
        .live("guest", ago(3), {"t1": 1, "t2": 1})
    )
    seen = market.seen(sqlite_store)
    sparse = Seen(replace(seen.world, sources=read_sources(seen.snapshot, ease_limit=0)))
    assert next(iter(sparse.said("cosales", "goods", "guest"))) == "t3"
    assert "new_tea" in sparse.said("cosales", "goods", "guest")
    assert list(sparse.said("recent_cosales", "shortlist", "new_tea"))[:2] == ["guest", "tea1"]


# Neighbours ---------------------------------------------------------------------------------------------------------


def test_neighbours_find_what_similar_anchors_have_just_begun_to_sell(sqlite_store: Engine) -> None:
    seen = six(tea2={"new_tea": 1}, tea3={"new_tea": 1}, mask1={"other": 1}).seen(sqlite_store)
    assert list(seen.said("neighbours", "goods", "tea1")) == ["new_tea"]
    assert list(seen.said("neighbours", "goods", "mask2")) == ["other"]
    assert list(seen.said("neighbours", "shortlist", "new_tea")) == [
        "tea1",
        "tea2",
        "tea3",
    ]  # both of tea1's have
    assert seen.said("neighbours", "shortlist", "t1") == {}  # carried for long: no news


def test_who_adopted_it_counts_by_how_alike_they_are(sqlite_store: Engine) -> None:
    market = six(tea2={"new_tea": 1}, tea3={"other": 1}).live("tea3", ago(99), {"m1": 1, "m2": 1})
    found = market.seen(sqlite_store).said("neighbours", "goods", "tea1")
    assert list(found) == ["new_tea", "other"]  # tea3 sells masks as well: it is less alike


def test_an_adoption_is_news_for_four_weeks(sqlite_store: Engine) -> None:
    market = six().live("tea2", ago(28), {"new_tea": 1}).live("tea3", ago(28) - MICROSECOND, {"other": 1})
    assert list(market.seen(sqlite_store).said("neighbours", "goods", "tea1")) == ["new_tea"]


def test_likeness_is_a_cosine_in_which_rare_skus_count_more(sqlite_store: Engine) -> None:
    seen = six(tea1={"other": 1, "new_tea": 1}, mask1={"other": 1, "t1": 1}).seen(sqlite_store)
    matrix = carried_matrix(seen)
    sellers = matrix.sum(axis=0)
    weighted = matrix * np.log(len(matrix) / np.maximum(sellers, 1) + 1.0)
    norm = np.linalg.norm(weighted, axis=1)
    alike = weighted @ weighted.T / np.outer(norm, norm)
    np.fill_diagonal(alike, 0.0)
    adopted = np.zeros_like(matrix)
    carried = read_carried(seen.snapshot)
    adopted[carried.pairs.anchor, carried.pairs.code] = carried.adopted
    ids = seen.snapshot.shelf.ids
    for row, anchor_id in enumerate(seen.snapshot.roster.ids):
        expected = {ids[int(s)]: v for s, v in enumerate(alike[row] @ adopted) if v > 0}
        assert seen.said("neighbours", "goods", anchor_id) == pytest.approx(expected, rel=1e-5)


# At large -----------------------------------------------------------------------------------------------------------


def test_popular_is_what_many_anchors_put_up_in_four_weeks(sqlite_store: Engine) -> None:
    market = six(tea1={"t1": 1, "m1": 1}, tea2={"t1": 50}).live("tea3", ago(28), {"m1": 1})
    market.live("mask1", ago(28) - MICROSECOND, {"other": 99})
    seen = market.seen(sqlite_store)
    assert seen.said("popularity", "goods", "mask3") == {"m1": 2, "t1": 2}
    assert seen.said("popularity", "shortlist", "t2") == {
        "tea1": 4, "tea3": 4, "mask1": 4, "tea2": 3, "mask2": 3, "mask3": 3,
    }  # fmt: skip


def test_adopted_is_what_anchors_put_up_for_the_first_time(sqlite_store: Engine) -> None:
    seen = six(tea1={"t1": 1, "new_tea": 1, "m1": 1}, tea2={"new_tea": 1}).seen(sqlite_store)
    assert seen.said("adoption", "goods", "mask1") == {"new_tea": 2, "m1": 1}
    assert seen.said("adoption", "shortlist", "other") == {"tea1": 2, "tea2": 1}


def test_category_leaders_count_by_the_anchors_share_of_the_category(sqlite_store: Engine) -> None:
    seen = six(tea1={"t1": 1, "m2": 1}, tea2={"t1": 1}).seen(sqlite_store)
    found = seen.said("category", "goods", "tea1")  # four of its five listings are tea
    assert list(found)[:2] == ["t1", "t2"]
    assert found["t1"] / found["m1"] == pytest.approx(0.8 / 0.2 * 3 / 3)
    assert seen.said("category", "shortlist", "new_tea") == {"tea1": 4, "tea2": 4, "tea3": 3}


# Content and crowds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carried", "alike", "strange"),
    [
        ("green tea from the hills", "tea green hills", "red cup"),
        ("保湿补水面膜", "补水面膜正品", "龙井绿茶"),
    ],
)
def test_content_finds_skus_with_titles_like_those_carried(
    sqlite_store: Engine, carried: str, alike: str, strange: str
) -> None:
    market = Market().anchor("a1").anchor("a2").sku("carried", title=carried).sku("alike", title=alike)
    for place in range(12):  # in a shelf of three titles every word is common
        market.sku(f"filler{place}", title=f"filler number{place}", category="fillers")
    market.sku("strange", title=strange).live("a1", ago(3), {"carried": 1}).live("a2", ago(3), {"strange": 1})
    seen = market.seen(sqlite_store)
    assert list(seen.said("content", "goods", "a1")) == ["alike"]
    assert list(seen.said("content", "shortlist", "alike")) == ["a1"]
    assert seen.said("content", "goods", "a2") == {}


def test_the_audience_source_finds_the_matching_crowd(sqlite_store: Engine) -> None:
    market = (
        Market()
        .sku("old_cream", brand_id="old")
        .sku("new_cream", brand_id="old")
        .sku("toy", brand_id="toys", category="toys")
    )
    for anchor_id, bucket in (("young", "18-23"), ("old", "50+"), ("old_too", "50+"), ("unknown", None)):
        market.anchor(anchor_id)
        if bucket:
            market.crowd(anchor_id, "viewer", "age", {bucket: 1.0})
    seen = market.live("old", ago(3), {"old_cream": 5}).live("young", ago(3), {"toy": 5}).seen(sqlite_store)
    assert seen.said("audience", "shortlist", "new_cream") == {
        "old": 1,
        "old_too": 1,
    }  # by its brand's buyers
    assert seen.said("audience", "goods", "old_too") == {"new_cream": 1, "old_cream": 1}
    assert seen.said("audience", "goods", "young") == {"toy": 1}
    assert seen.said("audience", "goods", "unknown") == {}


def test_the_audience_source_looks_at_the_best_categories_until_it_has_seen_enough(
    sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market().anchor("young").crowd("young", "viewer", "age", {"18-23": 1.0})
    for category, share in (("a", 0.1), ("b", 0.9), ("c", 0.5)):
        market.anchor(category).crowd(category, "buyer", "age", {"18-23": share, "50+": 1 - share})
        for place in range(3):
            market.sku(f"{category}{place}", category=category, brand_id=category)
        market.live(category, ago(2), {f"{category}0": 1, f"{category}1": 1, f"{category}2": 1})
    seen = market.seen(sqlite_store)
    for most, expected in ((2, "bb"), (3, "bbb"), (5, "bbb"), (6, "bbbccc"), (8, "bbbccc"), (9, "bbbcccaaa")):
        monkeypatch.setattr(audience, "MOST_SCANNED", most)
        assert "".join(sku[0] for sku in seen.said("audience", "goods", "young")) == expected


def test_a_category_has_its_leaders_and_an_anchor_its_own_categories(
    sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(popularity, "N_LEADERS", 1)
    monkeypatch.setattr(popularity, "N_CATEGORIES", 1)
    found = six(tea1={"t2": 1, "m2": 1}, tea2={"t2": 1}, tea3={"new_tea": 1}).seen(sqlite_store)
    assert list(found.said("category", "goods", "tea1")) == [
        "t1"
    ]  # carried by three, as t2 is, and first on the shelf


def test_leaders_are_those_of_ninety_days(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").anchor("a2").sku("old").sku("new")
    market.live("a1", ago(90) - MICROSECOND, {"old": 9}).live("a2", ago(90), {"new": 1}).live(
        "a1", ago(99), {"new": 1}
    )
    assert list(market.seen(sqlite_store).said("category", "goods", "a1")) == ["new"]
