"""Are training rows drawn as serving would have drawn them, and with the labels that belong to them?"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from as_bytes import SIDES, assert_same, other, stored, tree_of
from features.catalogue import NAMES
from features.snapshot import take_snapshot
from features.units import DAY_US, microseconds
from market import Market, ago, facts_in
from matcher.candidates.union import Side
from matcher.outcome import unit_gmv
from matcher.policy import Policy
from matcher.world import World, build_world
from training.dataset import ListingRows, Queries, draw_listings, draw_queries, joined, joined_listings
from training.labels import Graded, Outcomes, grade, read_outcomes
from training.recipe import FAST, Recipe

ORIGIN = ago(30)
EVERYTHING = replace(FAST, owners_a_side=1_000, negatives_a_query=1_000, listing_rows_an_origin=100_000)


@pytest.fixture(scope="module")
def drawn_from(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Outcomes]]:
    with stored(sqlite_template, tmp_path_factory.mktemp("full")) as engine:
        facts = facts_in(engine)
        world = build_world(take_snapshot(facts, microseconds(ORIGIN)), Policy())
        yield world, read_outcomes(facts, world.snapshot, 28)


@pytest.fixture(scope="module")
def world(drawn_from: tuple[World, Outcomes]) -> World:
    return drawn_from[0]


@pytest.fixture(scope="module")
def outcomes(drawn_from: tuple[World, Outcomes]) -> Outcomes:
    return drawn_from[1]


def graded_of(world: World, outcomes: Outcomes, side: Side) -> Graded:
    return grade(outcomes, side, world.n_owners(side), world.n_owners(other(side)))


def draw(
    world: World, outcomes: Outcomes, side: Side = "goods", recipe: Recipe = EVERYTHING, *, new_only: bool = False,
    age_days: float = 0.0, threads: int = 1,
) -> Queries:  # fmt: skip
    graded = graded_of(world, outcomes, side)
    return draw_queries(world, graded, side, recipe, new_only=new_only, age_days=age_days, threads=threads)


# Queries ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_only", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_with_room_for_all_a_query_is_the_list_that_would_have_been_served(
    world: World, outcomes: Outcomes, side: Side, new_only: bool
) -> None:
    graded = graded_of(world, outcomes, side)
    matrices, labels, groups, dropped = [], [], [], 0
    for owner in range(world.n_owners(side)):
        if not world.asks(side)[owner]:
            continue
        positive = dict(zip(*(part.tolist() for part in graded.of(owner)), strict=True))
        found = world.candidates(side, owner, world.allowed(side, owner, new_only=new_only))
        label = [positive.get(row, 0) for row in found.rows.tolist()]
        if not any(label) or all(label):
            dropped += bool(positive)
            continue
        matrices.append(world.matrix(side, owner, found))
        labels.extend(label)
        groups.append(len(label))
    queries = draw(world, outcomes, side, new_only=new_only)
    assert queries.matrix.tobytes() == np.concatenate(matrices).tobytes()
    assert queries.label.tolist() == labels
    assert queries.group.tolist() == groups
    assert queries.n_dropped == dropped


@pytest.mark.parametrize("side", SIDES)
def test_all_that_came_to_something_is_kept_and_so_many_of_the_rest(
    world: World, outcomes: Outcomes, side: Side
) -> None:
    whole, few = (
        draw(world, outcomes, side, replace(EVERYTHING, negatives_a_query=most)) for most in (1_000, 3)
    )
    assert len(whole.group) == len(few.group)
    for all_labels, labels in zip(_queries(whole), _queries(few), strict=True):
        assert labels[labels > 0].tolist() == all_labels[all_labels > 0].tolist()
        assert (labels == 0).sum() == min(3, (all_labels == 0).sum())
    rows = {row.tobytes() for row in whole.matrix}
    assert all(row.tobytes() in rows for row in few.matrix)  # ranks are those of the whole list


def test_the_rest_is_drawn_each_as_likely_as_the_other(world: World, outcomes: Outcomes) -> None:
    times = {row.tobytes(): 0 for row in draw(world, outcomes).matrix}
    for seed in range(60):
        for row in draw(world, outcomes, recipe=replace(EVERYTHING, negatives_a_query=5, seed=seed)).matrix:
            times[row.tobytes()] += 1
    assert min(times.values()) > 0


def test_no_more_owners_are_asked_than_the_recipe_says(world: World, outcomes: Outcomes) -> None:
    few = draw(world, outcomes, recipe=replace(EVERYTHING, owners_a_side=2))
    whole = draw(world, outcomes)
    assert len(few.group) + few.n_dropped == 2
    assert {row.tobytes() for row in few.matrix} <= {row.tobytes() for row in whole.matrix}


def test_rows_depend_on_the_seed_and_on_nothing_else(world: World, outcomes: Outcomes) -> None:
    recipe = replace(EVERYTHING, negatives_a_query=4, owners_a_side=6)
    first = tree_of(draw(world, outcomes, recipe=recipe))
    assert_same(tree_of(draw(world, outcomes, recipe=recipe, threads=3)), first)
    assert tree_of(draw(world, outcomes, recipe=replace(recipe, seed=1)))["matrix"] != first["matrix"]


def test_new_only_queries_leave_out_what_the_pair_sold_before(world: World, outcomes: Outcomes) -> None:
    for side in SIDES:
        queries = draw(world, outcomes, side, new_only=True)
        units = queries.matrix[:, NAMES.index("pair_units")]
        assert len(units)
        assert not (units > 0).any()


def test_a_querys_weight_halves_with_its_age(world: World, outcomes: Outcomes) -> None:
    fresh, old = (draw(world, outcomes, age_days=days) for days in (0.0, EVERYTHING.weight_half_life_days))
    assert set(fresh.weight.tolist()) == {1.0}
    assert set(old.weight.tolist()) == {0.5}
    assert len(old.weight) == len(old.label) == old.group.sum()


def test_each_row_knows_what_a_unit_of_its_sku_brings(world: World, outcomes: Outcomes) -> None:
    brings = unit_gmv(world.snapshot)
    price = world.snapshot.sku_block[:, 0]  # prices of this market are all different
    by_price = {float(p): float(b) for p, b in zip(price, brings, strict=True)}
    for side in SIDES:
        queries = draw(world, outcomes, side)
        found = [by_price[float(p)] for p in queries.matrix[:, NAMES.index("sku_price")]]
        assert queries.unit_gmv_fen.tolist() == found


def test_queries_that_teach_nothing_are_dropped_and_counted(sqlite_store: Engine) -> None:
    market = Market().sku("s1").sku("s2").anchor("takes_one").anchor("takes_all").anchor("takes_none")
    for anchor_id in ("takes_one", "takes_all", "takes_none"):
        market.live(anchor_id, ago(40), {"s1": 1, "s2": 1})
    market.live("takes_one", ago(20), {"s1": 1}).live("takes_all", ago(20), {"s1": 1, "s2": 1})
    facts = market.facts(sqlite_store)
    world = build_world(take_snapshot(facts, microseconds(ORIGIN)), Policy())
    queries = draw(world, read_outcomes(facts, world.snapshot, 28))
    assert queries.group.tolist() == [2]
    assert queries.n_dropped == 1


def test_a_window_without_outcomes_gives_no_rows(sqlite_store: Engine) -> None:
    facts = Market().sku("s1").anchor("a1").live("a1", ago(40), {"s1": 1}).facts(sqlite_store)
    world = build_world(take_snapshot(facts, microseconds(ORIGIN)), Policy())
    outcomes = read_outcomes(facts, world.snapshot, 28)
    for side in SIDES:
        queries = draw(world, outcomes, side)
        assert queries.matrix.shape == (0, len(NAMES))
        assert len(queries.label) == len(queries.group) == len(queries.unit_gmv_fen) == queries.n_dropped == 0
    listings = draw_listings(world, outcomes, EVERYTHING, age_days=1.0, threads=1)
    assert listings.matrix.shape == (0, len(NAMES))
    assert len(listings.units) == 0


# Listings -----------------------------------------------------------------------------------------------------------


def test_listings_are_whole_sessions_with_the_rows_that_a_list_would_have_shown(
    world: World, outcomes: Outcomes
) -> None:
    drawn = draw_listings(world, outcomes, EVERYTHING, age_days=0.0, threads=1)
    order = np.lexsort((outcomes.sku, outcomes.session, outcomes.anchor))
    for name in ("session", "units", "gmv_fen", "net_fen", "exposure", "settled"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(outcomes, name)[order])
    for place in range(0, len(order), 7):
        anchor, sku = int(outcomes.anchor[order[place]]), outcomes.sku[order[place]]
        row = world.matrix("goods", anchor, world.described("goods", anchor, np.array([sku], np.int32)))
        assert row.tobytes() == drawn.matrix[place].tobytes()


def test_a_session_is_drawn_whole_or_not_at_all(world: World, outcomes: Outcomes) -> None:
    sizes = np.bincount(outcomes.session)
    most = len(outcomes.session) // 2
    drawn = draw_listings(
        world, outcomes, replace(EVERYTHING, listing_rows_an_origin=most), age_days=0.0, threads=2
    )
    assert most - sizes.max() < len(drawn.session) <= most
    found, counts = np.unique(drawn.session, return_counts=True)
    assert counts.tolist() == sizes[found].tolist()
    changes = np.flatnonzero(np.diff(drawn.session)) + 1
    assert len(changes) + 1 == len(found)  # rows of a session lie together


def test_which_sessions_are_drawn_depends_on_the_seed_not_on_the_threads(
    world: World, outcomes: Outcomes
) -> None:
    recipe = replace(EVERYTHING, listing_rows_an_origin=40)
    one, two = (tree_of(draw_listings(world, outcomes, recipe, age_days=0.0, threads=k)) for k in (1, 2))
    assert_same(one, two)
    again = draw_listings(world, outcomes, replace(recipe, seed=5), age_days=0.0, threads=1)
    assert tree_of(again)["session"] != one["session"]


# Several origins ----------------------------------------------------------------------------------------------------


def test_queries_of_several_origins_follow_each_other(world: World, outcomes: Outcomes) -> None:
    parts = [
        draw(world, outcomes, side, age_days=days) for side, days in zip(SIDES, (0.0, 60.0), strict=True)
    ]
    both = joined(parts)
    assert both.matrix.tobytes() == b"".join(part.matrix.tobytes() for part in parts)
    assert both.group.tolist() == [*parts[0].group.tolist(), *parts[1].group.tolist()]
    assert both.n_dropped == sum(part.n_dropped for part in parts)
    assert len(both.label) == len(both.weight) == len(both.unit_gmv_fen) == both.group.sum()


def test_sessions_of_different_origins_stay_apart(world: World, outcomes: Outcomes) -> None:
    part = draw_listings(world, outcomes, EVERYTHING, age_days=0.0, threads=1)
    together: ListingRows = joined_listings([part, part, part])
    assert len(np.unique(together.session)) == 3 * len(np.unique(part.session))
    assert len(together.units) == 3 * len(part.units)
    assert together.unit_gmv_fen.tolist() == part.unit_gmv_fen.tolist() * 3


def test_the_origin_lies_where_it_is_meant_to(world: World) -> None:
    assert (microseconds(ago(0)) - world.snapshot.as_of_us) / DAY_US == 30


def _queries(queries: Queries) -> list[np.ndarray]:
    return np.split(queries.label, np.cumsum(queries.group)[:-1])
