"""Do facts learnt at or after an instant change nothing before it, to the last bit?

Every block of features, every candidate source and every label is turned to bytes (`as_bytes.py`). They are the same
whether the store was read as of the instant or cut at it later, and whatever came after.
`test_planted_leaks.py` sees the law fail.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

import features.facts
import features.store.db
import training.labels
from as_bytes import (
    POLICY,
    RECIPE,
    SIDES,
    Digests,
    assert_same,
    changed,
    learnt,
    other,
    seen,
    stored,
    tree_of,
)
from features.facts import Facts, load_facts
from features.snapshot import take_snapshot
from features.store.db import writing
from features.units import microseconds
from full_market import CHANGES, full_market, instants_in
from market import NOW, ago, facts_in
from matcher.world import build_world
from training.dataset import draw_listings, draw_queries
from training.labels import grade

LATER, ORIGIN = ago(-40), ago(20)
LATER_CHANGES = st.lists(
    st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 2**32)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def full_store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with stored(sqlite_template, tmp_path_factory.mktemp("full")) as engine:
        yield engine


@pytest.fixture(scope="module")
def everything(full_store: Engine) -> Facts:
    """More than was known NOW."""
    return facts_in(full_store, LATER)


@pytest.fixture(scope="module")
def now_seen(full_store: Engine) -> Digests:
    return seen(facts_in(full_store, NOW), NOW)


@pytest.fixture(scope="module")
def now_learnt(full_store: Engine) -> Digests:
    return learnt(facts_in(full_store, NOW), NOW, ORIGIN)


def test_facts_cut_at_any_instant_are_those_loaded_then(full_store: Engine, everything: Facts) -> None:
    instants = [instant for instant in instants_in(full_market()) if ago(120) < instant < LATER]
    rng = np.random.default_rng(3)
    for place in np.sort(rng.choice(len(instants), 90, replace=False)):
        then = facts_in(full_store, instants[place])
        assert_same(tree_of(everything.before(then.as_of_us)), tree_of(then))


@pytest.mark.parametrize(
    "instant", [NOW, ago(hours=-8, days=30), ago(60), ago(days=-3), ago(days=300), ago(9_000)]
)
def test_a_world_cut_out_of_later_facts_is_the_world_of_then(
    full_store: Engine, everything: Facts, instant: datetime
) -> None:
    assert_same(seen(everything, instant), seen(facts_in(full_store, instant), instant))


@given(changes=LATER_CHANGES)
@settings(max_examples=20)
def test_whatever_is_learnt_later_changes_no_feature_and_no_candidate(
    full_store: Engine, now_seen: Digests, changes: list[tuple[str, int]]
) -> None:
    with changed(full_store, NOW, changes) as session:
        assert_same(seen(load_facts(session, as_of=NOW), NOW), now_seen)
        assert_same(seen(load_facts(session, as_of=LATER), NOW), now_seen)


@given(changes=LATER_CHANGES)
@settings(max_examples=20)
def test_whatever_is_learnt_later_changes_no_label_and_no_training_row(
    full_store: Engine, now_learnt: Digests, changes: list[tuple[str, int]]
) -> None:
    with changed(full_store, NOW, changes) as session:
        assert_same(learnt(load_facts(session, as_of=NOW), NOW, ORIGIN), now_learnt)
        assert_same(learnt(load_facts(session, as_of=LATER), NOW, ORIGIN), now_learnt)


def test_a_training_row_is_the_row_that_serving_would_have_made(
    full_store: Engine, everything: Facts
) -> None:
    served = build_world(take_snapshot(facts_in(full_store, ORIGIN)), POLICY)
    trained = build_world(take_snapshot(everything, microseconds(ORIGIN)), POLICY)
    outcomes = training.labels.read_outcomes(everything, trained.snapshot, 28)
    for side in SIDES:
        graded = grade(outcomes, side, trained.n_owners(side), trained.n_owners(other(side)))
        for new_only in (False, True):
            rows = [
                draw_queries(world, graded, side, RECIPE, new_only=new_only, age_days=3.0, threads=threads)
                for world, threads in ((served, 1), (trained, 2))
            ]
            assert len(rows[0].label) > (10 if new_only else 50)
            assert_same(tree_of(rows[0]), tree_of(rows[1]))
    listings = [
        draw_listings(world, outcomes, RECIPE, age_days=3.0, threads=1) for world in (served, trained)
    ]
    assert len(listings[0].units) > 30
    assert_same(tree_of(listings[0]), tree_of(listings[1]))


def test_a_row_is_the_same_among_others_and_alone(everything: Facts) -> None:
    world = build_world(take_snapshot(everything, microseconds(NOW)), POLICY)
    for side in SIDES:
        for owner in range(world.n_owners(side)):
            found = world.candidates(side, owner, world.allowed(side, owner, new_only=False))
            together = world.matrix(side, owner, found)
            for place in range(0, len(found.rows), 5):
                alone = world.matrix(side, owner, found.take(np.array([place])))
                assert alone.tobytes() == together[place].tobytes()


def test_the_order_of_rows_in_the_store_plays_no_part(
    full_store: Engine, now_seen: Digests, now_learnt: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)

    def shuffled(*arguments: Any, **options: Any) -> pl.DataFrame:
        frame = features.store.db.read_frame(*arguments, **options)
        return frame.sample(fraction=1.0, shuffle=True, seed=int(rng.integers(2**31)))

    monkeypatch.setattr(features.facts, "read_frame", shuffled)
    facts = facts_in(full_store, NOW)
    assert_same(seen(facts, NOW), now_seen)
    assert_same(learnt(facts, NOW, ORIGIN), now_learnt)


def test_facts_are_the_same_from_every_database(store: Engine, full_store: Engine) -> None:
    with writing(store) as session:
        full_market().write(session)
    assert_same(tree_of(facts_in(store, NOW)), tree_of(facts_in(full_store, NOW)))
