"""Does a place mislead nobody who is told it, and does a night learn from lists only where there are enough?"""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from features.facts import Facts
from features.kernels import F64
from features.units import DAY_US
from logged_market import Pages, pages, taste_in
from test_fit import queries as drawn_queries
from trained import SMALL, Trained, small_night
from training.dataset import Queries, joined
from training.fit import fit_uptake
from training.metrics import grouped_ndcg
from training.nightly import Night
from training.recipe import FAST, ForestSetting
from training.split import split_time, suited

SETTING = ForestSetting("small", "lambdarank", 0.1, 15, 60, min_rows_in_leaf=20)


@pytest.fixture(scope="module")
def judged() -> Pages:
    return pages(300, 99, examined=True)


def learnt(queries: Queries, judged: Pages) -> tuple[float, float]:
    """NDCG@10 by the true chances, and how much of the old ranker's taste there is."""
    score = fit_uptake(queries, FAST, SETTING).ranker.score(judged.queries.matrix)
    return _ndcg(score, judged), taste_in(score, judged.queries.matrix)


def _ndcg(score: F64, judged: Pages) -> float:
    return float(np.nanmean(grouped_ndcg(score, judged.chance, judged.queries.group)))


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_position_bias_is_told_apart_from_what_a_pairing_is_worth(judged: Pages, seed: int) -> None:
    shown = pages(300, seed)
    naive, taste_of_naive = learnt(shown.without_places(), judged)
    aware, taste_of_aware = learnt(shown.queries, judged)
    perfect, _ = learnt(pages(300, seed, examined=True).without_places(), judged)
    assert taste_of_naive > 0.45
    assert abs(taste_of_aware) < 0.2
    assert aware > naive + 0.05
    assert perfect - aware < 0.6 * (perfect - naive)


def test_places_of_which_all_are_looked_at_mislead_nobody_into_a_correction(judged: Pages) -> None:
    shown = pages(300, 3, examined=True)
    naive, _ = learnt(shown.without_places(), judged)
    aware, taste = learnt(shown.queries, judged)
    assert aware > naive - 0.01
    assert abs(taste) < 0.1


def test_beside_drawn_queries_places_are_told_apart_as_well(judged: Pages) -> None:
    drawn = replace(pages(100, 7, examined=True).queries, position=None)
    shown = pages(300, 1)
    naive, _ = learnt(joined([drawn, shown.without_places()]), judged)
    aware, taste = learnt(joined([drawn, shown.queries]), judged)
    assert aware > naive
    assert abs(taste) < 0.2


def test_who_cannot_tell_places_apart_learns_from_drawn_queries_alone() -> None:
    drawn, setting = drawn_queries(30, 1), replace(SETTING, objective="rank_xendcg", max_rounds=8)
    both = joined([drawn, pages(30, 1).queries])
    assert fit_uptake(both, FAST, setting).ranker.to_files("r") == fit_uptake(
        drawn, FAST, setting
    ).ranker.to_files("r")


def test_rows_with_places_give_the_same_bytes_each_time() -> None:
    both = joined([drawn_queries(30, 1), pages(60, 1).queries])
    setting = replace(SETTING, max_rounds=15)
    one, two = (
        fit_uptake(both, FAST, setting, stop=drawn_queries(9, 2)).ranker.to_files("r") for _ in range(2)
    )
    assert one == two


# A night ------------------------------------------------------------------------------------------------------------


def shown_daily(facts: Facts, n_days: int, seed: int = 3) -> pl.DataFrame:
    """For each anchor and day ten SKUs of the old ones, drawn by nobody's taste; two places logged as drawn from four."""
    rng = np.random.default_rng(seed)
    old = (
        facts.skus.filter(pl.col("known_us") < facts.as_of_us - 150 * DAY_US)["sku"]
        .unique()
        .sort()
        .to_numpy()
    )
    lists = [
        (k, anchor, facts.as_of_us - day * DAY_US, rng.choice(old, 12, replace=False))
        for k, (day, anchor) in enumerate(
            (day, anchor) for day in range(n_days, 0, -1) for anchor in range(len(facts.anchor_ids))
        )
    ]
    names = facts.sku_ids
    return pl.DataFrame(
        [
            {
                "list": k, "is_goods": True, "anchor": anchor, "sku": int(sku), "position": place, "at_us": at_us,
                "known_us": at_us, "propensity": 0.25 if place > 8 else 1.0,
                "drawn_from": " ".join(sorted(names[int(one)] for one in skus[8:])) if place > 8 else None,
            }
            for k, anchor, at_us, skus in lists
            for place, sku in enumerate(skus[:10], start=1)
        ],
        schema=facts.showings.schema,
    )  # fmt: skip


@pytest.fixture(scope="module")
def with_lists(trained: Trained) -> Facts:
    return replace(trained.facts, showings=shown_daily(trained.facts, 80))


@pytest.fixture(scope="module")
def taught(with_lists: Facts) -> Night:
    return small_night(with_lists, replace(SMALL, fewest_shown_lists=20, fewest_effective=30))


def test_too_few_lists_change_nothing_and_are_counted(trained: Trained, with_lists: Facts) -> None:
    night = small_night(with_lists, replace(SMALL, fewest_shown_lists=100_000, fewest_effective=100_000))
    assert night.files == trained.night.files
    assert night.report["shown_goods"]["joined"] is False
    assert night.report["shown_goods"]["fit_lists"] > 20
    said = night.report["off_policy"]["goods"]
    assert not said["concluded"]
    assert "at least 100000 are needed" in said["sentence"]


def test_a_night_in_which_nothing_was_shown_says_nothing_of_it(trained: Trained) -> None:
    assert not {"off_policy", "shown_goods", "shown_shortlist"} & set(trained.night.report)


def test_enough_lists_join_the_rows_of_their_direction_alone(trained: Trained, taught: Night) -> None:
    assert taught.report["shown_goods"]["joined"] is True
    assert taught.report["shown_shortlist"] == {"fit_lists": 0, "joined": False}
    assert taught.files["goods_uptake.txt"] != trained.night.files["goods_uptake.txt"]
    assert taught.files["shortlist_uptake.txt"] == trained.night.files["shortlist_uptake.txt"]


def test_drawn_places_of_the_judge_window_are_reported(with_lists: Facts, taught: Night) -> None:
    recipe = suited(with_lists, SMALL)
    judge = split_time(with_lists, recipe).judge
    assert judge is not None
    in_window = with_lists.showings.filter(
        (pl.col("at_us") >= judge) & (pl.col("at_us") < judge + recipe.origin_step_days * DAY_US)
    )
    said = taught.report["off_policy"]
    assert set(said) == {"goods"}
    assert said["goods"]["lists"] == in_window["list"].n_unique()
    assert said["goods"]["draws"] == 2 * said["goods"]["lists"]
    assert said["goods"]["mean_weight_ours"] == pytest.approx(1, abs=0.2)
    assert said["goods"]["concluded"], said["goods"]["sentence"]
    assert taught.provenance.metrics["report"]["off_policy"]["goods"]["concluded"] is True  # type: ignore[index,call-overload]
