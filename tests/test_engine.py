"""Are lists made of candidates alone, in the same order however they are asked for, with what a reader needs?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlalchemy import Engine as Store

from asking import goods, ids_of, serving, shortlist, small_market, sold
from features.errors import UnknownId
from features.snapshot import take_snapshot
from features.store.db import open_engine
from features.store.migrations import upgrade
from market import Market, ago
from matcher.candidates.union import Side
from matcher.engine import Engine, build_engine
from matcher.model import OBJECTIVES, Objective
from matcher.policy import ListPolicy, Policy
from matcher.request import ListRequest
from matcher.world import build_world
from trained import SIDES, Trained, without_model


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_list_is_of_candidates_without_repeats_and_in_order(
    trained: Trained, side: Side, objective: Objective
) -> None:
    engine = trained.engine
    for owner in range(0, trained.world.n_owners(side), 7):
        request = ListRequest(side, owner, 20, objective)
        answer = engine.answer(request)
        among, _ = engine.among(request)
        found = engine.world.candidates(side, owner, among)
        ids = engine.world.snapshot.shelf.ids if side == "goods" else engine.world.snapshot.roster.ids
        listed = ids_of(answer, side)
        assert len(set(listed)) == len(listed) == min(20, len(found.rows))
        assert set(listed) <= {ids[int(row)] for row in found.rows}
        ranked = [pairing.score for pairing in answer.pairings]
        assert ranked == sorted(ranked, reverse=True)
        assert [pairing.rank for pairing in answer.pairings] == list(range(1, len(listed) + 1))


def test_an_id_that_nobody_knows_is_named(trained: Trained) -> None:
    for side, name in (("goods", "anchor"), ("shortlist", "SKU")):
        with pytest.raises(
            UnknownId, match=rf"{name} 'nobody' was not known at 2026-10-22 00:00 \(Shanghai\)"
        ):
            trained.engine.row(side, "nobody")  # type: ignore[arg-type]
    with pytest.raises(UnknownId, match="brand 'nobody' had no SKU"):
        trained.engine.rows_of_brand("nobody")


@pytest.mark.parametrize("side", SIDES)
def test_lists_of_everybody_are_the_single_answers_on_however_many_threads(
    trained: Trained, side: Side
) -> None:
    engine, request = trained.engine, ListRequest(side, 0, 7, "balanced", new_only=True)
    owners = engine.owners(request)
    alone = list(engine.choose_all(request, owners, threads=1))
    together = list(engine.choose_all(request, owners, threads=3))
    assert [owner for owner, _ in alone] == [owner for owner, _ in together] == owners
    for (owner, one), (_, other) in zip(alone, together, strict=True):
        assert one.rows.tobytes() == other.rows.tobytes()
        assert one.scores.tobytes() == other.scores.tobytes()
        answer = engine.answer(replace(request, owner=owner))
        assert [pairing.score for pairing in answer.pairings] == one.scores.tolist()
        ids = engine.world.snapshot.shelf.ids if side == "goods" else engine.world.snapshot.roster.ids
        assert ids_of(answer, side) == [ids[int(row)] for row in one.rows]


def test_everybody_means_anchors_that_joined_and_skus_that_no_rule_refuses(trained: Trained) -> None:
    world = trained.world
    listed = {owner for owner, chosen in trained.engine.choose_all(
        ListRequest("shortlist", 0, 3), trained.engine.owners(ListRequest("shortlist", 0, 3)), threads=1
    ) if len(chosen.rows)}  # fmt: skip
    assert listed == set(np.flatnonzero(world.verdicts.allowed).tolist())


def shuffled(market: Market, seed: int) -> Market:
    rng = np.random.default_rng(seed)
    rows = {table: [held[k] for k in rng.permutation(len(held))] for table, held in market.rows.items()}
    return Market(rows=rows)


def answers(engine: Engine) -> Sequence[tuple[str, list[str], list[float]]]:
    out = []
    for side in SIDES:
        for owner in engine.owners(ListRequest(side, 0, 9)):
            answer = engine.answer(ListRequest(side, owner, 9))
            out.append((answer.owner_id, ids_of(answer, side), [one.score for one in answer.pairings]))
    return out


def test_the_order_of_rows_in_the_store_changes_nothing(
    sqlite_store: Store, trained: Trained, tmp_path: Path
) -> None:

    market = sold(small_market("a", "b", "c", "d", "e"), "a", "b", "c", "d")
    other = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    upgrade(other)
    one, two = (
        build_engine(build_world(take_snapshot(facts), Policy()), trained.engine.model, {})
        for facts in (market.facts(sqlite_store), shuffled(market, 3).facts(other))
    )
    other.dispose()
    assert answers(one) == answers(two)


def test_of_equals_the_one_that_stands_first_on_the_shelf_comes_first(sqlite_store: Store) -> None:
    market = small_market("c", "a", "b", "first").sku("z", category="about")
    market.live("ann", ago(3), dict.fromkeys(("a", "b", "c", "z"), 5))
    engine = serving(market, sqlite_store)
    assert ids_of(goods(engine, "new"))[:4] == ["z", "a", "b", "c"]


def test_without_a_model_a_source_serves_says_so_and_promises_nothing(trained: Trained) -> None:
    engine = without_model(trained.engine, "cosales")
    answer = goods(engine, trained.world.snapshot.roster.ids[0], size=10, explain=True)
    assert answer.model_version == engine.version == "source:cosales"
    assert {(pairing.expected, tuple(pairing.reasons)) for pairing in answer.pairings} == {(None, ())}
    source = trained.world.sources["cosales"].goods(0)
    assert ids_of(answer) == [
        trained.world.snapshot.shelf.ids[int(row)] for row in source.top(trained.world.verdicts.allowed, 10)
    ]
    both = replace(engine, best_source={"goods": "history", "shortlist": "category"})
    assert both.version == "source:history+category"
    assert shortlist(both, trained.world.snapshot.shelf.ids[0]).model_version == "source:category"


def test_where_the_serving_source_says_nothing_the_popular_follow_below_it(sqlite_store: Store) -> None:
    market = sold(small_market("a", "b", "c"), "a", "b")
    engine = serving(market.live("bob", ago(1), {"c": 1, "b": 2}), sqlite_store, source="history")
    newcomer = goods(engine, "new")
    assert ids_of(newcomer)[0] in {"a", "b"}
    assert all(pairing.score < 0 for pairing in newcomer.pairings)
    assert [pairing.score > 0 for pairing in goods(engine, "ann").pairings] == [True, True, False]


def test_each_line_carries_what_its_reader_decides_by(trained: Trained) -> None:
    answer = trained.engine.answer(ListRequest("goods", 0, 5, explain=True))
    assert answer.model_version == trained.manifest.version
    assert answer.policy_version == Policy().version
    for pairing in answer.pairings:
        expected = pairing.expected
        assert expected is not None
        assert expected.units_low <= expected.units <= expected.units_high
        assert 0 <= expected.gmv_low_fen <= expected.gmv_fen <= expected.gmv_high_fen
        assert expected.commission_fen <= expected.gmv_fen
        assert len(pairing.reasons) <= 3
    assert any(pairing.reasons for pairing in answer.pairings)
    assert not any(pairing.reasons for pairing in trained.engine.answer(ListRequest("goods", 0, 5)).pairings)


def test_the_policys_cap_and_reserved_places_are_kept(trained: Trained) -> None:
    world = replace(trained.world, policy=Policy(lists=ListPolicy(brand_cap=2, small_anchor_share=0.5)))
    engine = replace(trained.engine, world=world)
    shelf, roster = world.snapshot.shelf, world.snapshot.roster
    listed = engine.choose(ListRequest("goods", 0, 20)).rows
    assert np.bincount(shelf.brand[listed]).max() == 2
    anchors = engine.choose(ListRequest("shortlist", int(np.flatnonzero(world.verdicts.allowed)[0]), 6)).rows
    assert (roster.tier[anchors] < 2).sum() >= 3


def test_objectives_order_the_same_candidates_differently(trained: Trained) -> None:
    lists = {
        objective: trained.engine.choose(ListRequest("goods", 3, 20, objective)).rows.tolist()
        for objective in OBJECTIVES
    }
    assert len({tuple(rows) for rows in lists.values()}) == len(OBJECTIVES)


@pytest.mark.parametrize("side", SIDES)
def test_a_line_names_the_sku_and_the_anchor_as_the_snapshot_knows_them(trained: Trained, side: Side) -> None:
    shelf, roster = trained.world.snapshot.shelf.rows, trained.world.snapshot.roster.rows
    owner = trained.engine.owners(ListRequest(side, 0, 1))[0]
    for line in trained.engine.answer(ListRequest(side, owner, 5)).pairings:
        sku = shelf.filter(pl.col("sku_id") == line.sku_id).row(0, named=True)
        anchor = roster.filter(pl.col("anchor_id") == line.anchor_id).row(0, named=True)
        told = (line.title, line.brand_id, line.category, line.list_price_fen)
        assert told == tuple(sku[name] for name in ("title", "brand_id", "category", "list_price_fen"))
        assert (line.anchor_name, line.tier) == (anchor["name"], anchor["tier"])
