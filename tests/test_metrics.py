"""Do the figures mean what their names say? Held against scikit-learn, and against numbers in the head."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from training.metrics import gini, grouped_ndcg, interval, ndcg, paired, paired_ratio, score_list


@given(n=st.integers(2, 40), n_relevant=st.integers(1, 20), k=st.integers(1, 15), seed=st.integers(0, 10**6))
def test_binary_ndcg_is_scikit_learns(n: int, n_relevant: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevant = np.zeros(n, np.bool_)
    relevant[rng.choice(n, min(n_relevant, n), replace=False)] = True
    order = rng.permutation(n)
    score = np.empty(n)
    score[order] = -np.arange(n)
    expected = ndcg_score([relevant.astype(float)], [score], k=k)
    assert ndcg(relevant[order][:k], int(relevant.sum()), k) == pytest.approx(expected)


@given(
    sizes=st.lists(st.integers(2, 30), min_size=1, max_size=6),
    k=st.integers(1, 12),
    seed=st.integers(0, 10**6),
)
def test_graded_ndcg_of_groups_is_scikit_learns(sizes: list[int], k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    gain, score = rng.choice([0.0, 0.3, 0.6, 1.0, 1.15], n), rng.permutation(n).astype(np.float64)
    found = grouped_ndcg(score, gain, np.array(sizes), k)
    begin = 0
    for place, size in enumerate(sizes):
        gains, scores = gain[begin : begin + size], score[begin : begin + size]
        begin += size
        if len(set(gains.tolist())) == 1:
            assert np.isnan(found[place])
        else:
            assert found[place] == pytest.approx(ndcg_score([gains], [scores], k=k))


def test_ndcg_in_the_head() -> None:
    assert ndcg(np.array([True] * 10), 10) == 1
    assert ndcg(np.array([True] * 10), 500) == 1  # no list of ten can hold more
    assert ndcg(np.zeros(10, np.bool_), 3) == 0
    assert ndcg(np.array([False, True]), 1) == pytest.approx(1 / log2(3))
    assert ndcg(np.zeros(0, np.bool_), 1) == 0


def test_ties_in_score_go_to_the_row_that_comes_first() -> None:
    assert grouped_ndcg(np.zeros(2), np.array([1.0, 0.0]), np.array([2]))[0] == 1
    assert grouped_ndcg(np.zeros(2), np.array([0.0, 1.0]), np.array([2]))[0] < 1


def test_a_list_is_scored_by_its_first_ten_and_fifty() -> None:
    rows = np.arange(60, dtype=np.int32)
    early = score_list(rows, np.array([9, 49, 50, 99], np.int32))
    assert (early.hit10, early.recall50) == (1.0, 0.5)
    late = score_list(rows, np.array([10], np.int32))
    assert (late.ndcg10, late.hit10, late.recall50) == (0.0, 0.0, 1.0)
    assert score_list(np.zeros(0, np.int32), np.array([1], np.int32)).recall50 == 0


def test_an_interval_covers_the_mean_and_narrows_with_more_queries() -> None:
    rng = np.random.default_rng(1)
    few, many = (interval(rng.normal(0.3, 0.1, n)) for n in (20, 2_000))
    assert few[0] < 0.3 < few[1]
    assert many[1] - many[0] < (few[1] - few[0]) / 5
    assert np.isnan(interval(np.array([0.5]))).all()


def test_intervals_are_the_same_each_time() -> None:
    values = np.random.default_rng(2).random(50)
    assert interval(values) == interval(values)
    assert interval(values, seed=2) != interval(values)


def test_pairing_finds_a_small_difference_under_large_noise() -> None:
    rng = np.random.default_rng(3)
    theirs = rng.random(200)
    ours = theirs + 0.01 + rng.normal(0, 0.01, 200)
    difference, low, high = paired(ours, theirs)
    assert low > 0
    assert low < difference < high
    assert difference == pytest.approx((ours - theirs).mean())
    assert paired(theirs, theirs) == (0, 0, 0)


def test_a_ratio_is_of_means_over_the_same_queries() -> None:
    theirs = np.random.default_rng(4).random(100)
    ratio, low, high = paired_ratio(1.2 * theirs, theirs)
    assert (ratio, low, high) == pytest.approx((1.2, 1.2, 1.2))
    assert paired_ratio(np.array([1.0, 3.0]), np.array([2.0, 2.0]))[0] == 1


def test_nothing_to_compare_has_no_figures() -> None:
    nothing = np.zeros(0)
    assert np.isnan(paired(nothing, nothing)).all()
    assert np.isnan(paired_ratio(nothing, nothing)).all()


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [([1.0, 1.0, 1.0], 0), ([0.0, 0.0, 0.0, 8.0], 0.75), ([1.0, 3.0], 0.25), ([0.0, 0.0], 0), ([], 0)],
)
def test_gini_is_nothing_where_all_have_the_same(exposures: list[float], expected: float) -> None:
    assert gini(np.array(exposures)) == pytest.approx(expected)


def test_gini_depends_neither_on_order_nor_on_scale() -> None:
    exposures = np.random.default_rng(5).random(30)
    assert gini(exposures[::-1] * 7) == pytest.approx(gini(exposures))
