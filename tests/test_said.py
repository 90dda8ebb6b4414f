"""Do scores mean the same, dense, sparse, or in an order made beforehand?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.kernels import F32, I32, digit_order
from matcher.candidates import said as room
from matcher.candidates.said import Said, gathered, nothing, same_for_all

SCORES = st.lists(st.sampled_from([-2.0, 0.0, 0.5, 1.0, 1.0 + 2**-23, 3.0]), max_size=40)
EVERYBODY = np.ones(100, np.bool_)


def array(scores: list[float]) -> F32:
    return np.array(scores, np.float32)


@given(scores=SCORES, seed=st.integers(0, 99), most=st.integers(1, 12))
def test_dense_sparse_and_ordered_say_the_same(scores: list[float], seed: int, most: int) -> None:
    allowed = np.random.default_rng(seed).random(len(scores)) < 0.7
    dense = Said(scores=array(scores))
    touched = np.flatnonzero(dense.scores).astype(np.int32)
    sparse = Said(scores=dense.scores[touched], ids=touched)
    rows = np.arange(len(scores), dtype=np.int32)
    for answer in (sparse, same_for_all(dense.scores)):
        assert answer.top(allowed, most).tolist() == dense.top(allowed, most).tolist()
        assert answer.at(rows).tolist() == dense.at(rows).tolist()
    expected = sorted(
        (row for row in rows if allowed[row] and scores[row] > 0), key=lambda row: (-scores[row], row)
    )
    assert dense.top(allowed, most).tolist() == expected[:most]


def test_nothing_has_no_best_and_scores_nobody() -> None:
    assert nothing().top(EVERYBODY, 5).tolist() == []
    assert nothing().at(np.array([0, 99], np.int32)).tolist() == [0, 0]


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_ties_at_the_edge_go_to_the_lower_row(most: int) -> None:
    scores = array([1, 3, 1, 1])
    for answer in (Said(scores), Said(scores, np.array([2, 5, 8, 9], np.int32)), same_for_all(scores)):
        best = answer.top(EVERYBODY[: 4 if answer.ids is None else 10], most).tolist()
        names: I32 = np.arange(4, dtype=np.int32) if answer.ids is None else answer.ids
        assert best == names[[1, 0, 2, 3]][:most].tolist()


@given(pairs=st.lists(st.tuples(st.integers(0, 29), st.floats(-1, 5, width=32)), max_size=60))
def test_pairs_are_added_up_in_their_order_dense_or_sparse(pairs: list[tuple[int, float]]) -> None:
    rows, scores = np.array([row for row, _ in pairs], np.int32), array([score for _, score in pairs])
    expected = np.zeros(30, np.float32)
    for row, score in pairs:
        expected[row] += np.float32(score)
    dense = gathered(rows, scores, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "DENSE_LIMIT", 29)
        sparse = gathered(rows, scores, 30)
    assert dense.ids is None
    assert sparse.ids is not None
    every = np.arange(30, dtype=np.int32)
    assert dense.at(every).tobytes() == expected.tobytes()
    assert (sparse.at(every) + 0.0).tobytes() == (expected + 0.0).tobytes()  # of -0.0 only the sign is lost
    assert dense.top(EVERYBODY[:30], 7).tolist() == sparse.top(EVERYBODY[:30], 7).tolist()


def test_the_limit_is_the_last_that_is_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DENSE_LIMIT", 3)
    one = (np.zeros(1, np.int32), np.ones(1, np.float32))
    assert gathered(*one, 3).ids is None
    assert gathered(*one, 4).ids is not None


@pytest.mark.parametrize("n_codes", [1, 2, 1_023, 1_024, 1_025, 2**20, 2**20 + 1, 2**31 - 1])
@pytest.mark.parametrize("n", [0, 1, 2, 3_000])
def test_digit_by_digit_is_the_stable_order(n_codes: int, n: int) -> None:
    codes = np.random.default_rng(n).integers(0, n_codes, n).astype(np.int32)
    codes[:2] = n_codes - 1
    assert digit_order(codes, n_codes).tolist() == np.argsort(codes, kind="stable").tolist()
