"""Does a forest learn what is there, the same bytes each time, and is a setting changed only for a better one?"""

from dataclasses import replace

import numpy as np
import pytest

from features.catalogue import NAMES
from training.dataset import ListingRows, Queries
from training.fit import compare_settings, fit_uptake, fit_value, session_grades
from training.metrics import grouped_ndcg
from training.recipe import FAST, ForestSetting

SIGNAL = NAMES.index("neighbours_score")
SETTING = ForestSetting("small", "lambdarank", 0.1, 7, 30, min_rows_in_leaf=10, feature_share=1.0)
NONSENSE = replace(SETTING, name="nonsense", learning_rate=1e-9, max_rounds=1)


def queries(n: int, seed: int, *, planted: float = 3.0) -> Queries:
    """Lists of twenty; what one column says decides who is listed, but for noise."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(20 * n, len(NAMES))).astype(np.float32)
    wish = (planted * matrix[:, SIGNAL] + rng.normal(size=20 * n)).reshape(n, 20)
    label = np.where(wish >= np.sort(wish, axis=1)[:, -3:-2], 3, 0).astype(np.int32).ravel()
    return Queries(matrix, label, np.full(n, 20), np.ones(20 * n), np.ones(20 * n), n_dropped=0)


def ndcg(fitted: Queries, judged: Queries, setting: ForestSetting = SETTING) -> float:
    score = fit_uptake(fitted, FAST, setting).ranker.score(judged.matrix)
    return float(np.mean(grouped_ndcg(score, judged.label.astype(np.float64), judged.group)))


def test_a_planted_signal_is_found_and_is_not_when_shuffled() -> None:
    fitted, judged = queries(80, 1), queries(40, 2)
    shuffled = replace(fitted, label=np.random.default_rng(3).permutation(fitted.label))
    assert ndcg(fitted, judged) > 0.8
    assert ndcg(shuffled, judged) < 0.5


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_the_same_rows_give_the_same_bytes(objective: str) -> None:
    fitted, setting = queries(30, 1), replace(SETTING, objective=objective, max_rounds=8)
    one, two = (fit_uptake(fitted, FAST, setting).ranker.to_files("r") for _ in range(2))
    assert one == two


def test_rounds_are_those_given_or_those_that_the_early_window_liked() -> None:
    fitted, early = queries(40, 1), queries(20, 2)
    assert fit_uptake(fitted, FAST, SETTING, rounds=5).rounds == 5
    assert fit_uptake(fitted, FAST, SETTING).rounds == SETTING.max_rounds
    recipe = replace(FAST, early_stopping_rounds=3)
    stopped = fit_uptake(fitted, recipe, replace(SETTING, max_rounds=300), stop=early)
    assert 1 <= stopped.rounds < 300


def test_an_old_querys_rows_weigh_less() -> None:
    told, denied = queries(40, 1), queries(40, 2, planted=-3.0)
    judged = queries(30, 3)

    def learned(old_weight: float) -> float:
        both = Queries(
            np.concatenate([told.matrix, denied.matrix]), np.concatenate([told.label, denied.label]),
            np.concatenate([told.group, denied.group]), np.repeat([1.0, old_weight], 800), np.ones(1_600), 0,
        )  # fmt: skip
        return ndcg(both, judged)

    assert learned(0.01) > 0.8 > learned(100.0)


def test_a_later_setting_takes_over_only_if_it_is_better_beyond_doubt() -> None:
    fitted, early = queries(60, 1), queries(60, 2)
    better = replace(FAST, settings=(NONSENSE, SETTING))
    worse = replace(FAST, settings=(SETTING, NONSENSE, replace(SETTING, name="twin")))
    assert compare_settings(fitted, early, better)[1] == SETTING
    _, chosen, report = compare_settings(fitted, early, worse)
    assert chosen == SETTING  # a twin is no better
    assert [entry["setting"] for entry in report] == ["small", "nonsense", "twin"]
    assert report[1]["against_best"][1] < 0


# Value --------------------------------------------------------------------------------------------------------------


def listings(n: int, seed: int) -> ListingRows:
    """Sessions of ten; what one column says decides what a SKU brings."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(10 * n, len(NAMES))).astype(np.float32)
    net = np.exp(2.0 * matrix[:, SIGNAL].astype(np.float64)) * rng.uniform(0.5, 1.5, 10 * n)
    ones, session = np.ones(10 * n), np.repeat(np.arange(n), 10)
    return ListingRows(matrix, session, ones, net, net, 100.0 * ones, ones > 0, ones, ones)


def test_value_is_learned_within_sessions() -> None:
    judged = listings(30, 2)
    score = fit_value(listings(60, 1), FAST, rounds=30).ranker.score(judged.matrix)
    gain = session_grades(judged, np.arange(300))[0].astype(np.float64)
    assert np.mean(grouped_ndcg(score, gain, np.full(30, 10))) > 0.9


def test_only_what_is_settled_teaches_value() -> None:
    rows = listings(40, 1)
    misleading = replace(
        rows, net_fen=np.where(rows.session < 20, rows.net_fen, -rows.net_fen), settled=rows.session < 20
    )
    score = fit_value(misleading, FAST, rounds=30).ranker.score(rows.matrix)
    assert np.corrcoef(score, rows.matrix[:, SIGNAL])[0, 1] > 0.6


def test_grades_are_by_net_gmv_an_exposure_and_a_listing_where_that_is_unknown() -> None:
    rows = listings(1, 1)
    counted = replace(rows, net_fen=np.full(10, 100.0), exposure=np.arange(10, 0, -1.0) * 10)
    assert session_grades(counted, np.arange(10))[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    unknown = replace(rows, net_fen=np.arange(10.0), exposure=np.full(10, np.nan))
    grades, sizes = session_grades(unknown, np.arange(10))
    assert grades.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert sizes.tolist() == [10]


def test_sessions_that_lost_rows_keep_their_own_sizes() -> None:
    rows = listings(3, 1)
    assert session_grades(rows, np.array([0, 1, 2, 11, 25, 29]))[1].tolist() == [3, 1, 2]
