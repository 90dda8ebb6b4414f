"""Which leaf of every tree does each row fall in, and what do the leaves add up to? The same bits as LightGBM.

LightGBM walks one row down one tree at a time, and each step waits for the one before. Here (after QuickScorer,
Lucchese et al., SIGIR 2015) a tree is a set of tests in any order: each test that fails strikes out the leaves on
its left, and the first leaf left standing is the row's. No step waits, so 64 rows are tested side by side, some
fifteen times as fast on one thread. The leaves are added tree by tree in double precision, as LightGBM does it.

Given up: categorical splits, linear trees, zero-as-missing, several trees a round, and more than 64 leaves a tree
are refused when the forest is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

MOST_LEAVES: Final = 64
"""A tree's leaves are the bits of one word."""

_ROWS_TOGETHER: Final = 64
_TINY: Final = np.float32(1e-35)
"""LightGBM reads a value no further from zero than this as zero."""
_NOTHING: Final = np.float32(0)
_DEFAULT_LEFT: Final = 2
_MISSING_ZERO, _MISSING_NAN = 1, 2


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees laid flat; the tests of tree `t` are `first_test[t]:first_test[t + 1]`, in no order that matters.

    Of these, the tests before `first_strict[t]` send a missing value left, the others right.
    """

    feature_names: tuple[str, ...]
    feature: npt.NDArray[np.int32]  # (n_tests,) column that is tested
    threshold: npt.NDArray[np.float32]  # (n_tests,) left where value <= threshold
    struck: npt.NDArray[Any]  # (n_tests,) uint32 or uint64: bits of the leaves that fall when the test fails
    first_test: npt.NDArray[np.int64]  # (n_trees + 1,)
    first_strict: npt.NDArray[np.int64]  # (n_trees,)
    leaf_value: npt.NDArray[np.float64]  # (n_leaves,) from left to right, tree after tree
    first_leaf: npt.NDArray[np.int64]  # (n_trees + 1,)

    @property
    def n_trees(self) -> int:
        """How many trees are added up."""
        return len(self.first_strict)


def read_forest(model_text: str) -> Forest:
    """The forest in LightGBM's model text; a kind of tree that is not scored here raises ValueError."""
    header, *blocks = model_text.split("\nTree=")
    names = _fields(header)
    if names.get("num_tree_per_iteration") != "1" or "average_output" in header.splitlines():
        raise ValueError("the model has several trees a round, or averages them; train one score, boosted")
    trees = [_read_tree(_fields(block), number) for number, block in enumerate(blocks)]
    widest = max((len(tree.leaf_value) for tree in trees), default=0)
    word: type[np.uint32 | np.uint64] = np.uint32 if widest <= MOST_LEAVES // 2 else np.uint64
    forest = Forest(
        feature_names=tuple(names["feature_names"].split()),
        feature=np.array([test.feature for tree in trees for test in tree.tests], np.int32),
        threshold=_float32_below([test.threshold for tree in trees for test in tree.tests]),
        struck=np.array([test.struck for tree in trees for test in tree.tests], word),
        first_test=_starts([len(tree.tests) for tree in trees]),
        first_strict=_starts([len(tree.tests) for tree in trees])[:-1]
        + np.array([sum(test.missing_left for test in tree.tests) for tree in trees], np.int64),
        leaf_value=np.array([value for tree in trees for value in tree.leaf_value], np.float64),
        first_leaf=_starts([len(tree.leaf_value) for tree in trees]),
    )
    for name in (
        "feature",
        "threshold",
        "struck",
        "first_test",
        "first_strict",
        "leaf_value",
        "first_leaf",
    ):
        getattr(forest, name).flags.writeable = False
    return forest


def score_forest(forest: Forest, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Sum of the leaves that each row falls in; the caller has checked that the columns are the forest's."""
    scores: npt.NDArray[np.float64] = _score(
        matrix,
        forest.feature,
        forest.threshold,
        forest.struck,
        forest.first_test,
        forest.first_strict,
        forest.leaf_value,
        forest.first_leaf,
    )
    return scores


def _lowest_bit_of(typing_context: Any, word: Any) -> Any:
    del typing_context

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return word(word), emit


_lowest_bit: Any = intrinsic(_lowest_bit_of)
"""Position of the lowest set bit: one machine instruction that numba has no name for."""


@njit(cache=True, nogil=True, error_model="numpy")
def _score(
    matrix: Any,
    feature: Any,
    threshold: Any,
    struck: Any,
    first_test: Any,
    first_strict: Any,
    leaf_value: Any,
    first_leaf: Any,
) -> Any:
    n_rows, n_features = matrix.shape
    scores = np.zeros(n_rows, np.float64)
    columns = np.zeros((n_features, _ROWS_TOGETHER), np.float32)
    fallen = np.empty(_ROWS_TOGETHER, struck.dtype)
    none = struck.dtype.type(0)  # known when compiled: so a choice between it and others is one instruction
    for start in range(0, n_rows, _ROWS_TOGETHER):
        n = min(_ROWS_TOGETHER, n_rows - start)
        for row in range(n):
            for column in range(n_features):
                cell = matrix[start + row, column]
                columns[column, row] = _NOTHING if -_TINY <= cell <= _TINY else cell
        for tree in range(first_strict.size):
            fallen[:] = none
            # The two loops differ only in where NaN goes; both compile to vector instructions.
            for test in range(first_test[tree], first_strict[tree]):
                value, limit, leaves = columns[feature[test]], threshold[test], struck[test]
                for row in range(_ROWS_TOGETHER):
                    fallen[row] |= leaves if value[row] > limit else none
            for test in range(first_strict[tree], first_test[tree + 1]):
                value, limit, leaves = columns[feature[test]], threshold[test], struck[test]
                for row in range(_ROWS_TOGETHER):
                    fallen[row] |= none if value[row] <= limit else leaves
            for row in range(n):
                scores[start + row] += leaf_value[first_leaf[tree] + np.int64(_lowest_bit(~fallen[row]))]
    return scores


@dataclass(frozen=True, slots=True)
class _Test:
    feature: int
    threshold: float
    missing_left: bool
    struck: int  # bits of the leaves on its left


@dataclass(frozen=True, slots=True)
class _Tree:
    tests: list[_Test]  # those that send a missing value left come first
    leaf_value: list[float]  # from left to right


def _read_tree(fields: Mapping[str, str], number: int) -> _Tree:
    if fields.get("num_cat") != "0" or fields.get("is_linear", "0") != "0":
        raise ValueError(f"tree {number} has categorical splits or linear leaves; train with neither")
    n_leaves = int(fields["num_leaves"])
    if n_leaves > MOST_LEAVES:
        raise ValueError(f"tree {number} has {n_leaves} leaves; train with num_leaves <= {MOST_LEAVES}")
    values = [float(text) for text in fields["leaf_value"].split()]
    if n_leaves == 1:
        return _Tree([], values)
    features = [int(text) for text in fields["split_feature"].split()]
    thresholds = [float(text) for text in fields["threshold"].split()]
    decisions = [int(text) for text in fields["decision_type"].split()]
    left = [int(text) for text in fields["left_child"].split()]
    right = [int(text) for text in fields["right_child"].split()]

    order: list[int] = []
    tests: list[_Test] = []

    def visit(node: int) -> None:
        if node < 0:
            order.append(~node)
            return
        first = len(order)
        visit(left[node])
        struck = (1 << len(order)) - (1 << first)
        visit(right[node])
        missing_left = _sends_missing_left(decisions[node], thresholds[node], number)
        tests.append(_Test(features[node], thresholds[node], missing_left, struck))

    visit(0)
    tests.sort(key=lambda test: (not test.missing_left, test.feature))
    return _Tree(tests, [values[leaf] for leaf in order])


def _sends_missing_left(decision: int, threshold: float, tree: int) -> bool:
    """LightGBM packs into one number where NaN goes; a split that never saw one reads it as 0."""
    missing = (decision >> 2) & 3
    if missing == _MISSING_ZERO:
        raise ValueError(f"tree {tree} takes zero for missing; train with zero_as_missing=false")
    return bool(decision & _DEFAULT_LEFT) if missing == _MISSING_NAN else threshold >= 0


def _float32_below(thresholds: list[float]) -> npt.NDArray[np.float32]:
    """The greatest float32 not above each threshold: for a float32 value, `<=` answers the same."""
    exact = np.array(thresholds, np.float64)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _starts(lengths: list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(lengths, np.int64))])


def _fields(block: str) -> dict[str, str]:
    """Up to the first empty line: after the last tree other lists follow."""
    return dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].splitlines() if "=" in line)
