"""Do the tables of an evaluation say what happened: ours beside every source, on the same queries, by segment?"""

import json
from pathlib import Path

import numpy as np
import pytest

from features.catalogue import SOURCES
from features.snapshot import take_snapshot
from features.units import DAY_US
from matcher.engine import Engine, build_engine
from matcher.policy import Policy
from matcher.request import ListRequest
from matcher.world import build_world
from trained import SIDES, Trained, without_model
from training.evaluation import LEAST_QUERIES, Period, replay_origin, summarise
from training.figures import plain
from training.plots import plot_evaluation
from training.replay import Query, Replay


@pytest.fixture(scope="module")
def then(trained: Trained) -> Engine:
    """The engine of two weeks before the facts end; its model has seen more, which does not matter here."""
    facts = trained.facts.before(trained.facts.as_of_us - 14 * DAY_US)
    return build_engine(build_world(take_snapshot(facts), Policy()), trained.engine.model, {})


def played(trained: Trained, engine: Engine, side: str = "goods", *, new_only: bool = False) -> Period:
    return replay_origin(
        trained.facts, engine, side, days=14, new_only=new_only, most_owners=12, threads=1  # type: ignore[arg-type]
    )  # fmt: skip


def by_hand(lists: dict[str, list[int]], n: int, relevant: list[int], origin_us: int = 0) -> Period:
    queries = [
        Query(
            owner,
            np.array(relevant, np.int32),
            1,
            {name: np.array(rows, np.int32) for name, rows in lists.items()},
        )
        for owner in range(n)
    ]
    everybody = np.ones(n, np.bool_)
    return Period(origin_us, "m", Replay("goods", queries), {"all": everybody}, {}, 10, None)


@pytest.mark.parametrize("new_only", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_ours_is_the_list_that_is_served(trained: Trained, then: Engine, side: str, new_only: bool) -> None:
    for query in played(trained, then, side, new_only=new_only).played.queries:
        request = ListRequest(side, query.owner, 50, "fit", new_only)  # type: ignore[arg-type]
        assert query.lists["ours"].tolist() == then.choose(request).rows.tolist()
        assert set(SOURCES) < set(query.lists)
        assert len(query.relevant) >= query.n_found
        if new_only:
            sold = then.world.sold_together(side, query.owner)  # type: ignore[arg-type]
            assert not np.isin(np.concatenate(list(query.lists.values())), sold).any()
            assert not np.isin(query.relevant, sold).any()


def test_a_query_is_relevant_by_what_sold_after_the_origin(trained: Trained, then: Engine) -> None:
    listings, at_us = trained.facts.listings, then.world.snapshot.as_of_us
    after = (listings.at_us >= at_us) & (listings.at_us < at_us + 14 * DAY_US) & (listings.units > 0)
    for query in played(trained, then).played.queries:
        anchor = trained.facts.anchor_ids.to_list().index(then.world.snapshot.roster.ids[query.owner])
        came = {trained.facts.sku_ids[int(sku)] for sku in listings.sku[after & (listings.anchor == anchor)]}
        told = {then.world.snapshot.shelf.ids[int(row)] for row in query.relevant}
        assert told == came & set(then.world.snapshot.shelf.ids.to_list())


def test_the_same_replay_on_more_threads_is_the_same(trained: Trained, then: Engine) -> None:
    one = played(trained, then)
    other = replay_origin(trained.facts, then, "goods", days=14, new_only=False, most_owners=12, threads=3)
    assert json.dumps(summarise([one])) == json.dumps(summarise([other]))


@pytest.mark.parametrize("side", SIDES)
def test_a_summary_is_plain_json_with_shares_between_0_and_1(
    trained: Trained, then: Engine, side: str
) -> None:
    summary = summarise([played(trained, then, side)])
    json.dumps(summary, allow_nan=False)
    assert summary["queries"] == 12
    assert 0 < summary["recall_ceiling"] <= 1
    for row in summary["systems"].values():
        assert all(0 <= row[name] <= 1 for name in ("ndcg10", "hit10", "recall50", "coverage", "gini"))
        assert row["ndcg10_interval"][0] <= row["ndcg10"] <= row["ndcg10_interval"][1]
        if side == "shortlist":
            assert sum(row["exposure_by_tier"].values()) == pytest.approx(1, abs=1e-5)
        else:
            assert row["exposure_by_tier"] is None
    assert summary["ours_to_best"]["best"] in summary["systems"]
    assert summary["origins"][0]["queries"] == 12


def test_figures_worked_out_by_hand() -> None:
    summary = summarise([by_hand({"ours": [1, 2], "popularity": [9, 1]}, 10, [1])])
    ours, popular = summary["systems"]["ours"], summary["systems"]["popularity"]
    assert (ours["ndcg10"], ours["hit10"], ours["recall50"], ours["coverage"]) == (1, 1, 1, 0.2)
    assert popular["ndcg10"] == pytest.approx(1 / np.log2(3), abs=1e-6)
    assert summary["ours_to_best"]["ratio"] == pytest.approx(np.log2(3), abs=1e-6)
    assert summary["recall_ceiling"] == 1


def test_ours_is_held_against_others_on_the_queries_that_it_answered() -> None:
    with_ours = by_hand({"ours": [1], "popularity": [9, 1]}, 10, [1])
    without = by_hand({"popularity": [1]}, 50, [1], origin_us=1)
    summary = summarise([without, with_ours])
    assert summary["queries"] == 60
    assert summary["ours_to_best"]["ratio"] == pytest.approx(np.log2(3), abs=1e-6)
    assert summarise([without])["ours_to_best"] is None


@pytest.mark.parametrize(("n", "is_told"), [(LEAST_QUERIES, True), (LEAST_QUERIES - 1, False)])
def test_a_segment_of_too_few_queries_is_not_told(n: int, is_told: bool) -> None:
    assert ("all" in summarise([by_hand({"ours": [1], "popularity": [1]}, n, [1])])["segments"]) == is_told


def test_where_nothing_came_there_are_no_figures_and_no_crash(trained: Trained, then: Engine) -> None:
    empty = replay_origin(
        trained.facts, trained.engine, "goods", days=14, new_only=False, most_owners=5, threads=1
    )
    summary = summarise([empty])
    assert (summary["queries"], summary["systems"], summary["recall_ceiling"]) == (0, {}, None)
    assert summarise([])["queries"] == 0
    assert summarise([empty, played(trained, then)])["queries"] == 12


def test_a_single_query_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    summary = summarise([by_hand({"ours": [1], "popularity": [9, 1]}, 1, [1])])
    assert summary["systems"]["ours"]["ndcg10_interval"] == [None, None]
    plot_evaluation({"goods": summary, "shortlist": summary}, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_where_a_source_serves_there_is_no_ours(trained: Trained, then: Engine) -> None:
    period = played(trained, without_model(then, "cosales"))
    assert period.model_version == "source:cosales"
    assert set(period.played.systems()) == set(SOURCES)


def test_segments_part_the_owners_and_rows(trained: Trained, then: Engine) -> None:
    period = played(trained, then)
    assert (period.owner_segments["new anchor"] ^ period.owner_segments["known anchor"]).all()
    tops = [mask for name, mask in period.row_segments.items() if name.startswith("category ")]
    assert (np.sum(tops, axis=0) == 1).all()


def test_plain_figures_have_no_numpy_and_no_nan() -> None:
    told = plain({"a": (np.float64("nan"), np.int32(3), 1 / 3), "b": None, "c": "x", "d": True})
    assert told == {"a": [None, 3, 0.333333], "b": None, "c": "x", "d": True}
