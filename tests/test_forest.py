"""Does our forest give the very bits that LightGBM gives?"""

from time import perf_counter

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.forest import MOST_LEAVES, read_forest, score_forest

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 1, "seed": 3}
TINY = np.float32(1e-35)
EDGES = np.array(
    [0.0, -0.0, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, TINY, -TINY, TINY * 1.0001, -TINY * 1.0001],
    np.float32,
)


def made_matrix(rng: np.random.Generator, n_rows: int, *, n_features: int = 7) -> npt.NDArray[np.float32]:
    """Columns of every habit: plain, with gaps, few values, whole numbers, tiny, huge, constant."""
    matrix = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    matrix[rng.random(n_rows) < 0.3, 1] = np.nan
    matrix[:, 2] = rng.integers(0, 3, n_rows)
    matrix[:, 3] = np.where(rng.random(n_rows) < 0.5, np.nan, rng.integers(-2, 3, n_rows))
    matrix[:, 4] *= np.float32(1e-30)
    matrix[:, 5] *= np.float32(1e30)
    matrix[:, 6] = 1
    return matrix


def fitted(
    matrix: npt.NDArray[np.float32], rng: np.random.Generator, *, n_trees: int = 20, **parameters: object
) -> lightgbm.Booster:
    hidden = np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 1]) * matrix[:, 2]
    target = np.abs(hidden + rng.normal(size=len(matrix)))
    return lightgbm.train(QUIET | parameters, lightgbm.Dataset(matrix, target), n_trees)


def same_bits(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> bool:
    return np.array_equal(left.view(np.int64), right.view(np.int64))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_leaves=st.sampled_from([2, 3, 31, 32, 33, MOST_LEAVES]),
    objective=st.sampled_from(["regression", "poisson"]),
)
def test_every_score_is_lightgbms_to_the_last_bit(seed: int, num_leaves: int, objective: str) -> None:
    rng = np.random.default_rng(seed)
    matrix = made_matrix(rng, 300)
    booster = fitted(matrix, rng, num_leaves=num_leaves, objective=objective)
    forest = read_forest(booster.model_to_string())
    unseen = made_matrix(rng, 300)
    at_edges = rng.choice(EDGES, (300, 7))
    at_thresholds = rng.choice(forest.threshold, (300, 7))
    just_above = np.nextafter(at_thresholds, np.float32(np.inf))
    for rows in (matrix, unseen, at_edges, at_thresholds, just_above):
        assert same_bits(score_forest(forest, rows), booster.predict(rows, raw_score=True, num_threads=1))


@pytest.mark.parametrize("n_rows", [0, 1, 63, 64, 65, 200])
def test_any_number_of_rows_is_scored_and_each_alone_scores_the_same(n_rows: int) -> None:
    rng = np.random.default_rng(1)
    matrix = made_matrix(rng, 200)
    forest = read_forest(fitted(matrix, rng).model_to_string())
    whole = score_forest(forest, matrix)[:n_rows]
    assert same_bits(score_forest(forest, matrix[:n_rows].copy()), whole)
    one_by_one = [score_forest(forest, matrix[row : row + 1].copy())[0] for row in range(n_rows)]
    assert same_bits(np.array(one_by_one, np.float64), whole)


def test_a_tree_that_is_one_leaf_adds_its_value() -> None:
    matrix = np.ones((50, 2), np.float32)
    booster = lightgbm.train(
        QUIET | {"objective": "regression"}, lightgbm.Dataset(matrix, np.full(50, 2.5)), 3
    )
    forest = read_forest(booster.model_to_string())
    assert forest.n_trees >= 1
    assert same_bits(score_forest(forest, matrix), booster.predict(matrix, num_threads=1))


def test_a_feature_named_like_a_field_of_the_file_confuses_nothing() -> None:
    rng = np.random.default_rng(2)
    matrix = made_matrix(rng, 200)
    names = ["num_leaves", "leaf_value", "threshold", "num_cat", "is_linear", "tree", "version"]
    booster = lightgbm.train(QUIET, lightgbm.Dataset(matrix, matrix[:, 0].copy(), feature_name=names), 5)
    forest = read_forest(booster.model_to_string())
    assert forest.feature_names == tuple(names)
    assert same_bits(score_forest(forest, matrix), booster.predict(matrix, num_threads=1))


def test_sixty_four_leaves_are_read_and_sixty_five_are_refused() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(400, 3)).astype(np.float32)
    target = rng.normal(size=400)
    widest = lightgbm.train(QUIET | {"num_leaves": 64}, lightgbm.Dataset(matrix, target), 1)
    assert np.diff(read_forest(widest.model_to_string()).first_leaf).max() == 64
    too_wide = lightgbm.train(QUIET | {"num_leaves": 65}, lightgbm.Dataset(matrix, target), 1)
    with pytest.raises(ValueError, match="65 leaves; train with num_leaves <= 64"):
        read_forest(too_wide.model_to_string())


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"zero_as_missing": True}, "zero for missing"),
        ({"max_cat_to_onehot": 1, "min_data_per_group": 1, "cat_smooth": 1}, "categorical"),
        ({"linear_tree": True}, "linear"),
        ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "averages"),
        ({"objective": "multiclass", "num_class": 3}, "several trees a round"),
    ],
)
def test_a_kind_of_tree_that_is_not_scored_here_is_refused(
    parameters: dict[str, object], complaint: str
) -> None:
    rng = np.random.default_rng(5)
    matrix = rng.integers(0, 3, (300, 3)).astype(np.float32)
    matrix[::7, 1] = np.nan
    target = (np.nan_to_num(matrix).sum(axis=1) % 3).astype(int)
    in_categories = [2] if complaint == "categorical" else []
    rows = lightgbm.Dataset(matrix, target, params=parameters, categorical_feature=in_categories)
    booster = lightgbm.train(QUIET | parameters, rows, 3)
    with pytest.raises(ValueError, match=complaint):
        read_forest(booster.model_to_string())


def test_one_thread_scores_a_thousand_rows_at_least_twice_as_fast_as_lightgbm() -> None:
    rng = np.random.default_rng(6)
    matrix = made_matrix(rng, 1000)
    booster = fitted(matrix, rng, n_trees=200, num_leaves=31)
    forest = read_forest(booster.model_to_string())

    def fastest(*, of: int, ours: bool) -> float:
        seconds = []
        for _ in range(of):
            started = perf_counter()
            score_forest(forest, matrix) if ours else booster.predict(matrix, num_threads=1)
            seconds.append(perf_counter() - started)
        return min(seconds)

    score_forest(forest, matrix)
    assert fastest(of=9, ours=True) * 2 < fastest(of=9, ours=False)
