"""Is every column declared, in its place, and does it say what it promises where nothing is known?"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine

from features import catalogue
from features.catalogue import (
    FEATURES,
    NAMES,
    SKU,
    SOURCES,
    Feature,
    fingerprint,
    first_column,
    names_of,
    stack,
)
from features.kernels import count_since, counting_order, extremes, find, ratio_sums, row_starts, sum_by
from market import Market, ago
from matcher.candidates.union import Side

FAMILIES: tuple[catalogue.Family, ...] = (
    "sku",
    "anchor",
    "audience",
    "history",
    "content",
    "fit",
    "terms",
    "occasion",
    "source",
)
ALWAYS_KNOWN = {"sku_price", "sku_price_place", "sku_price_gap"}
"""A SKU always has a price and a category."""


def test_there_are_at_least_sixty_features_each_with_a_name_of_its_own() -> None:
    assert len(NAMES) >= 60
    assert len(set(NAMES)) == len(NAMES)


def test_families_lie_together_in_the_order_of_the_columns() -> None:
    assert [feature.family for feature in FEATURES] == sorted(
        (f.family for f in FEATURES), key=FAMILIES.index
    )
    assert [name for family in FAMILIES for name in names_of(family)] == list(NAMES)
    assert all(NAMES[first_column(family)] == names_of(family)[0] for family in FAMILIES)


def test_each_source_has_a_score_and_a_rank() -> None:
    assert names_of("source") == [f"{source}_{what}" for source in SOURCES for what in ("score", "rank")]


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_declaration_is_whole(feature: Feature) -> None:
    assert feature.unit
    assert feature.meaning
    assert feature.missing in {"0", "1", "nan"}
    assert feature.group in {"host", "need", "cheap"}
    assert feature.sign in {-1, 0, 1}


def test_every_column_of_the_matrix_is_declared(sqlite_store: Engine) -> None:
    seen = Market().sku("s1").anchor("a1").live("a1", ago(1), {"s1": 1}).seen(sqlite_store)
    rows = np.zeros(1, np.int32)
    matrix = seen.world.matrix("goods", 0, seen.world.described("goods", 0, rows))
    assert matrix.shape == (1, len(FEATURES))
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous


def test_where_nothing_is_known_each_feature_says_what_it_declares(sqlite_store: Engine) -> None:
    pair = Market().sku("s1").anchor("a1").seen(sqlite_store).pair("a1", "s1")
    declared = {f.name: f.missing for f in FEATURES if f.family != "source" and f.name not in ALWAYS_KNOWN}
    made = {name: "nan" if np.isnan(pair[name]) else f"{pair[name]:g}" for name in declared}
    assert made == declared


def test_where_no_source_brings_a_pair_it_has_no_rank(sqlite_store: Engine) -> None:
    market = Market().sku("s1").sku("s2", status="off").anchor("a1").live("a1", ago(1), {"s2": 1})
    seen = market.seen(sqlite_store)
    pair = seen.pair("a1", "s2")  # sold before, yet off the shelf
    assert pair["history_score"] > 0
    assert np.isnan(pair["history_rank"])
    assert seen.pair("a1", "s1")["history_score"] == 0


def test_a_market_without_rows_has_a_matrix_without_rows(sqlite_store: Engine) -> None:
    seen = Market().seen(sqlite_store)
    assert seen.snapshot.sku_block.shape == (0, len(names_of(SKU)))
    assert seen.snapshot.anchor_block.shape == (0, len(names_of("anchor")))


@pytest.mark.parametrize("half", ["skus", "anchors"])
def test_a_market_of_one_side_has_a_world(sqlite_store: Engine, half: str) -> None:
    market = Market().sku("s1") if half == "skus" else Market().anchor("a1")
    world = market.seen(sqlite_store).world
    assert (world.n_owners("goods"), world.n_owners("shortlist")) == ((0, 1) if half == "skus" else (1, 0))
    side: Side = "shortlist" if half == "skus" else "goods"
    assert len(world.candidates(side, 0, world.allowed(side, 0, new_only=True)).rows) == 0


def test_arrays_of_a_snapshot_cannot_be_written(sqlite_store: Engine) -> None:
    snapshot = Market().sku("s1").anchor("a1").live("a1", ago(1), {"s1": 1}).seen(sqlite_store).snapshot
    for array in (
        snapshot.sku_block,
        snapshot.ledger.exposure,
        snapshot.histories.sku.units,
        snapshot.shelf.price_fen,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def columns_of(family: catalogue.Family) -> dict[str, np.ndarray]:
    return {name: np.full(2, place, np.float64) for place, name in enumerate(names_of(family))}


def test_stack_puts_columns_in_the_declared_order() -> None:
    columns = columns_of("terms")
    backwards = dict(reversed(columns.items()))
    assert stack("terms", backwards).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert stack("terms", backwards).dtype == np.float32


@pytest.mark.parametrize(
    "change", [{"rate": None}, {"surprise": np.zeros(2)}, {"rate": None, "Rate": np.zeros(2)}]
)
def test_stack_refuses_other_columns_than_those_declared(change: Mapping[str, np.ndarray | None]) -> None:
    columns = {k: v for k, v in (columns_of("terms") | dict(change)).items() if v is not None}
    with pytest.raises(ValueError, match="terms: declared"):
        stack("terms", columns)


def test_the_fingerprint_changes_with_what_the_columns_are(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fingerprint()
    assert fingerprint() == plain
    assert fingerprint(NAMES[::-1]) != plain
    assert fingerprint(NAMES[:-1]) != plain
    for change in ({"unit": "fen"}, {"meaning": "another"}, {"missing": "nan"}):
        features = (replace(FEATURES[0], **change), *FEATURES[1:])  # type: ignore[arg-type]
        monkeypatch.setattr(catalogue, "FEATURES", features)
        assert fingerprint() != plain


# Kernels ----------------------------------------------------------------------------------------------------------


def test_counting_twice_sorts_by_two_codes_and_keeps_ties_in_order() -> None:
    rng = np.random.default_rng(2)
    minor, major = rng.integers(0, 5, 400).astype(np.int32), rng.integers(0, 7, 400).astype(np.int32)
    order = counting_order(major, 7, counting_order(minor, 5, np.arange(400)))
    np.testing.assert_array_equal(order, np.lexsort((minor, major)))


def test_row_starts_bound_each_code_also_those_without_a_row() -> None:
    assert row_starts(np.array([1, 1, 3], np.int32), 5).tolist() == [0, 0, 2, 2, 3, 3]


@pytest.mark.parametrize(("code", "place"), [(2, 1), (5, 2), (9, -1), (0, -1), (1, -1), (8, 4)])
def test_find_looks_within_its_bounds(code: int, place: int) -> None:
    assert find(np.array([1, 2, 5, 7, 8, 9], np.int32), 1, 5, code) == place


def test_sums_skip_what_is_unknown() -> None:
    codes, values = np.array([0, 2, 0, 2], np.int32), np.array([1.0, np.nan, 2.0, 5.0])
    assert sum_by(codes, values, 3).tolist() == [3, 0, 5]
    below = np.array([np.nan, 1.0, 4.0, 2.0])
    assert ratio_sums(codes, values, below, 3).tolist() == [[2, 0, 5], [4, 0, 2]]


def test_counts_and_extremes_of_instants() -> None:
    codes, at_us = np.array([0, 0, 2], np.int32), np.array([5, 3, 9], np.int64)
    assert count_since(codes, at_us, 5, 3).tolist() == [1, 0, 1]
    first, last = extremes(codes, at_us, 3)
    assert first[[0, 2]].tolist() == [3, 9]
    assert last[[0, 2]].tolist() == [5, 9]
    assert first[1] > last[1]
