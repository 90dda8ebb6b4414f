"""Does every source of candidates keep the same promises, in both directions? One examination for all, then the union."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from as_bytes import SIDES, answers_of, assert_same, other, stored
from features.catalogue import SOURCES
from features.kernels import Bools
from features.snapshot import take_snapshot
from market import MICROSECOND, NOW, Market, Seen, ago, day_ago, facts_in
from matcher.candidates.said import Said
from matcher.candidates.union import BUDGET, Side, Source, describe, find_candidates, read_sources
from matcher.policy import Policy
from matcher.world import World, build_world

EVERY_WAY = [(source, side) for source in SOURCES for side in SIDES]


@pytest.fixture(scope="module")
def full(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with stored(sqlite_template, tmp_path_factory.mktemp("full")) as engine:
        yield build_world(take_snapshot(facts_in(engine, NOW)), Policy())


@pytest.fixture(scope="module")
def thin(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Seen]:
    """Markets in which something is missing altogether."""
    nobody, nothing = Market().sku("s1").sku("s2"), Market().anchor("a1").anchor("a2")
    silent = Market().sku("s1").sku("s2").anchor("a1").anchor("a2")
    markets = {
        "empty": Market(),
        "nobody": nobody,
        "nothing": nothing,
        "silent": silent,
        "half": half_known(),
    }
    found = {}
    for name, market in markets.items():
        with stored(sqlite_template, tmp_path_factory.mktemp(name), market) as engine:
            found[name] = Seen(build_world(take_snapshot(facts_in(engine, NOW)), Policy()))
    return found


def half_known() -> Market:
    """a1 and a2 sell s1 and s2; nobody knows anything of a3 and s3."""
    market = (
        Market()
        .sku("s1")
        .sku("s2")
        .sku("s3", brand_id="new", category="new")
        .anchor("a1")
        .anchor("a2")
        .anchor("a3")
    )
    return market.live("a1", ago(3), {"s1": 2, "s2": 1}).live("a2", ago(2), {"s1": 1})


def ask(world: World, source: str, side: Side, owner: int) -> Said:
    answer = getattr(world.sources[source], side)(owner)
    assert isinstance(answer, Said)
    return answer


# The examination ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "side"), EVERY_WAY)
def test_scores_are_for_real_rows_and_finite(full: World, source: str, side: Side) -> None:
    n = full.n_owners(other(side))
    for owner in range(full.n_owners(side)):
        said = ask(full, source, side, owner)
        assert said.scores.dtype == np.float32
        assert np.isfinite(said.scores).all()
        if said.ids is None:
            assert said.scores.shape == (n,)
        else:
            assert said.scores.shape == said.ids.shape
            assert (np.diff(said.ids) > 0).all()
            assert not len(said.ids) or 0 <= said.ids[0] <= said.ids[-1] < n


@pytest.mark.parametrize(("source", "side"), EVERY_WAY)
def test_the_top_is_the_best_of_the_allowed_ties_by_the_lower_row(
    full: World, source: str, side: Side
) -> None:
    n, rng = full.n_owners(other(side)), np.random.default_rng(4)
    every = np.arange(n, dtype=np.int32)
    for owner in range(full.n_owners(side)):
        said = ask(full, source, side, owner)
        for allowed in (np.ones(n, np.bool_), rng.random(n) < 0.5, np.zeros(n, np.bool_)):
            for most in (1, 3, 1_000):
                assert said.top(allowed, most).tolist() == best_of(said.at(every), allowed, most)


@pytest.mark.parametrize(("source", "side"), EVERY_WAY)
def test_a_source_has_something_to_say_in_a_full_market(full: World, source: str, side: Side) -> None:
    everybody = np.ones(full.n_owners(other(side)), np.bool_)
    brought = [len(ask(full, source, side, owner).top(everybody, 9)) for owner in range(full.n_owners(side))]
    assert np.count_nonzero(brought) > len(brought) // 4


@pytest.mark.parametrize(("source", "side"), EVERY_WAY)
def test_asking_changes_nothing(full: World, source: str, side: Side) -> None:
    def answers() -> list[bytes]:
        said = [ask(full, source, side, owner) for owner in range(full.n_owners(side))]
        return [answer.scores.tobytes() for answer in said]

    assert answers() == answers()


def test_the_same_snapshot_gives_the_same_answers_whatever_the_threads(full: World) -> None:
    again = build_world(full.snapshot, full.policy, threads=2)
    assert_same(answers_of(full), answers_of(again))


@pytest.mark.parametrize("which", ["empty", "nobody", "nothing", "silent", "half"])
@pytest.mark.parametrize(("source", "side"), EVERY_WAY)
def test_where_something_is_missing_a_source_is_silent_and_does_not_fail(
    thin: Mapping[str, Seen], which: str, source: str, side: Side
) -> None:
    world = thin[which].world
    everybody = np.ones(world.n_owners(other(side)), np.bool_)
    for owner in range(world.n_owners(side)):
        said = ask(world, source, side, owner)
        assert np.isfinite(said.scores).all()
        brought = said.top(everybody, 9)
        if which != "half" and source != "newcomers":
            assert len(brought) == 0


SPEAK_OF_STRANGERS = {"popularity", "adoption", "newcomers"}
"""Sources that need no history of whoever asks."""


@pytest.mark.parametrize("source", SOURCES)
def test_an_anchor_without_history_hears_what_everybody_hears(thin: Mapping[str, Seen], source: str) -> None:
    assert bool(thin["half"].said(source, "goods", "a3")) == (source in SPEAK_OF_STRANGERS)


@pytest.mark.parametrize("source", SOURCES)
def test_a_sku_without_history_hears_what_everything_hears(thin: Mapping[str, Seen], source: str) -> None:
    assert bool(thin["half"].said(source, "shortlist", "s3")) == (source in SPEAK_OF_STRANGERS)


@pytest.mark.parametrize("source", ["history", "cosales", "recent_cosales", "neighbours", "content"])
def test_both_directions_say_the_same_of_a_pair(full: World, source: str) -> None:
    n_anchors, n_skus = full.n_owners("goods"), full.n_owners("shortlist")
    anchors, skus = np.arange(n_anchors, dtype=np.int32), np.arange(n_skus, dtype=np.int32)
    goods = np.stack([ask(full, source, "goods", int(anchor)).at(skus) for anchor in anchors])
    shortlist = np.stack([ask(full, source, "shortlist", int(sku)).at(anchors) for sku in skus], axis=1)
    np.testing.assert_allclose(goods, shortlist, rtol=1e-5, atol=1e-7)


def best_of(scores: np.ndarray, allowed: Bools, most: int) -> list[int]:
    rows = [row for row in range(len(scores)) if allowed[row] and scores[row] > 0]
    return sorted(rows, key=lambda row: (-scores[row], row))[:most]


# The union ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_the_union_is_each_sources_best_with_scores_and_ranks(full: World, side: Side) -> None:
    budget = {source: 1 + place % 4 for place, source in enumerate(SOURCES)}
    n = full.n_owners(other(side))
    for owner in range(full.n_owners(side)):
        allowed = full.allowed(side, owner, new_only=False)
        found = find_candidates(full.sources, side, owner, allowed, budget)
        tops = {name: ask(full, name, side, owner).top(allowed, budget[name]).tolist() for name in SOURCES}
        assert found.rows.tolist() == sorted(set().union(*tops.values()))
        assert allowed[found.rows].all()
        for column, name in enumerate(SOURCES):
            ranks = {row: place + 1 for place, row in enumerate(tops[name])}
            expected = [ranks.get(row, np.nan) for row in found.rows.tolist()]
            np.testing.assert_array_equal(found.ranks[:, column], expected)
            said = ask(full, name, side, owner).at(np.arange(n, dtype=np.int32))
            np.testing.assert_array_equal(found.scores[:, column], said[found.rows])


@pytest.mark.parametrize("side", SIDES)
def test_described_rows_are_told_what_a_list_would_have_told(full: World, side: Side) -> None:
    every = np.arange(full.n_owners(other(side)), dtype=np.int32)
    for owner in range(full.n_owners(side)):
        allowed = full.allowed(side, owner, new_only=False)
        found = find_candidates(full.sources, side, owner, allowed)
        described = describe(full.sources, side, owner, allowed, every).take(found.rows.astype(np.int64))
        assert described.scores.tobytes() == found.scores.tobytes()
        assert described.ranks.tobytes() == found.ranks.tobytes()


def test_every_source_has_a_budget_and_stands_in_the_catalogues_order(full: World) -> None:
    assert list(BUDGET) == list(full.sources) == list(SOURCES)


def test_newcomers_of_both_sides_get_candidates(thin: Mapping[str, Seen]) -> None:
    world = thin["silent"].world
    for side in SIDES:
        for owner in range(world.n_owners(side)):
            assert len(world.candidates(side, owner, world.allowed(side, owner, new_only=True)).rows) == 2


def test_new_only_leaves_out_what_the_pair_sold_in_the_year_and_nothing_else(sqlite_store: Engine) -> None:
    market = Market().anchor("a1").anchor("a2").sku("sold").sku("listed").sku("long_ago").sku("at_the_edge")
    market.live("a1", ago(9), {"sold": 2, "listed": 0}).live("a1", ago(2), {"sold": 0})
    market.live("a1", ago(365) - MICROSECOND, {"long_ago": 5}).live("a1", ago(365), {"at_the_edge": 5})
    market.live("a2", ago(3), {"sold": 1, "listed": 1, "long_ago": 1, "at_the_edge": 1})
    seen = market.seen(sqlite_store)
    world, ids = seen.world, seen.snapshot.shelf.ids.to_list()
    allowed = world.allowed("goods", seen.anchor_row("a1"), new_only=True)
    assert {ids[row] for row in np.flatnonzero(allowed)} == {"listed", "long_ago"}
    rows = world.candidates("goods", seen.anchor_row("a1"), allowed).rows
    assert {ids[row] for row in rows} == {"listed", "long_ago"}
    asked = world.allowed("shortlist", seen.sku_row("sold"), new_only=True)
    assert asked.tolist() == [False, False]
    assert world.allowed("shortlist", seen.sku_row("long_ago"), new_only=True).tolist() == [True, False]
    assert world.allowed("goods", 0, new_only=False).all()


def test_who_has_not_joined_is_on_no_shortlist(sqlite_store: Engine) -> None:
    market = (
        Market().sku("s1").anchor("a1").anchor("a2", joined_on=day_ago(-1)).anchor("a3", joined_on=day_ago(0))
    )
    market.live("a1", ago(1), {"s1": 1}).live("a2", ago(1), {"s1": 9})
    seen = market.seen(sqlite_store)
    allowed = seen.world.allowed("shortlist", 0, new_only=False)
    assert allowed.tolist() == [True, False, True]
    assert seen.anchor_row("a2") not in seen.world.candidates("shortlist", 0, allowed).rows


def test_a_filter_narrows_what_is_allowed(full: World) -> None:
    among = np.zeros(full.n_owners("shortlist"), np.bool_)
    among[3:6] = True
    allowed = full.allowed("goods", 0, new_only=False, among=among)
    assert set(np.flatnonzero(allowed)) <= {3, 4, 5}
    assert among.sum() == 3  # the filter itself is not written to


@pytest.mark.parametrize(("source", "side"), [("cosales", "goods"), ("recent_cosales", "shortlist")])
def test_beyond_the_limit_of_ease_the_same_promises_hold(full: World, source: str, side: Side) -> None:
    sources: Mapping[str, Source] = read_sources(full.snapshot, ease_limit=1)
    n = full.n_owners(other(side))
    every, everybody = np.arange(n, dtype=np.int32), np.ones(n, np.bool_)
    for owner in range(full.n_owners(side)):
        said = getattr(sources[source], side)(owner)
        assert np.isfinite(said.scores).all()
        assert said.top(everybody, 5).tolist() == best_of(said.at(every), everybody, 5)
