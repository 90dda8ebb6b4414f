"""What sells with what this anchor already carries? EASE where it fits in memory, item to item beyond.

EASE (Steck, 2019): with G = X'X + lambda I over anchors x SKUs and P = G^-1, what carrying i says for j is
-P[i, j] / P[j, j]. P is symmetric, so one array of rows serves both directions. Beyond `ease_limit` carried SKUs
the cube of their number is too much, and each keeps its nearest by weighted cosine instead.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.kernels import F32, F64, I32, I64, jit
from matcher.candidates.carried import Carried, expand, nearest_rows, transpose
from matcher.candidates.inverse import invert
from matcher.candidates.said import Said, gathered, nothing

EASE_LIMIT = 20_000
RIDGE = 300.0
N_NEAREST = 64
MOST_SELLERS = 3_000


@dataclass(frozen=True, slots=True)
class Cosales:
    """Prepared once for both weightings: all that is carried alike, and what was carried lately."""

    goods: Callable[[int, F32], Said]
    """(anchor, weights of all pairs) -> scores over SKUs."""
    shortlist: Callable[[int, F32], Said]
    """(sku, weights of all pairs) -> scores over anchors."""


@dataclass(frozen=True, slots=True)
class CosalesSource:
    """`cosales` and `recent_cosales` differ by the weight that a pair has."""

    cosales: Cosales
    weight: F32

    def goods(self, anchor: int) -> Said:
        """SKUs, by what the anchor carries."""
        return self.cosales.goods(anchor, self.weight)

    def shortlist(self, sku: int) -> Said:
        """Anchors, by what of their range speaks for the SKU."""
        return self.cosales.shortlist(sku, self.weight)


def read_cosales(
    carried: Carried, *, ease_limit: int = EASE_LIMIT, ridge: float = RIDGE, threads: int = 1
) -> Cosales:
    """EASE over the carried SKUs if there are at most `ease_limit`, else nearest SKUs."""
    sellers = np.diff(carried.sellers.starts)
    active = np.flatnonzero(sellers > 0).astype(np.int32)
    if len(active) == 0:
        return Cosales(lambda _a, _w: nothing(), lambda _s, _w: nothing())
    return _ease(carried, active, ridge, threads) if len(active) <= ease_limit else _sparse(carried, sellers)


def _ease(carried: Carried, active: I32, ridge: float, threads: int) -> Cosales:
    place = np.full(carried.n_skus, -1, np.int32)
    place[active] = np.arange(len(active), dtype=np.int32)
    codes = place[carried.pairs.code]
    gram = _gram(carried.pairs.starts, codes, len(active))
    gram[np.diag_indices_from(gram)] += ridge
    inverse, diagonal = _symmetric(invert(gram, threads=threads))
    pairs = carried.pairs

    def goods(anchor: int, weight: F32) -> Said:
        row = carried.row(anchor)
        scores = _row_scores(inverse, diagonal, codes[row], weight[row], active, carried.n_skus)
        return Said(scores=scores)

    def shortlist(sku: int, weight: F32) -> Said:
        if place[sku] < 0:
            return nothing()
        return Said(
            scores=_column_scores(inverse[place[sku]], diagonal[place[sku]], pairs.starts, codes, weight)
        )

    return Cosales(goods, shortlist)


def _sparse(carried: Carried, sellers: I64) -> Cosales:
    norm = np.sqrt(sellers.astype(np.float64) + 5.0)
    size = np.diff(carried.pairs.starts).astype(np.float64)
    weight = 1.0 / np.log(size + 2.0)
    nearest, cosine = nearest_rows(
        carried.sellers.starts, carried.sellers.anchor, carried.pairs.starts, carried.pairs.code,
        weight, norm, N_NEAREST, MOST_SELLERS,
    )  # fmt: skip
    out_starts, out_code, out_weight = _rows(nearest, cosine)
    in_starts, in_code, in_weight = transpose(nearest, cosine, carried.n_skus)

    def goods(anchor: int, weight: F32) -> Said:
        row = carried.row(anchor)
        return gathered(
            *expand(carried.pairs.code[row], weight[row], out_starts, out_code, out_weight), carried.n_skus
        )

    def shortlist(sku: int, weight: F32) -> Said:
        near = slice(int(in_starts[sku]), int(in_starts[sku + 1]))
        sold_by = carried.sellers
        return gathered(
            *expand(in_code[near], in_weight[near], sold_by.starts, sold_by.anchor, weight[sold_by.group]),
            carried.n_anchors,
        )

    return Cosales(goods, shortlist)


def _rows(nearest: I32, weight: F32) -> tuple[I64, I32, F32]:
    here = nearest >= 0
    starts = np.concatenate([[0], np.cumsum(here.sum(axis=1))])
    return starts, nearest[here], weight[here]


@jit
def _gram(starts: I64, codes: I32, n: int) -> F64:
    """X'X of the 0/1 matrix, (n, n); exact, so in any order."""
    gram = np.zeros((n, n), np.float64)
    for a in range(len(starts) - 1):
        for p in range(starts[a], starts[a + 1]):
            for q in range(starts[a], starts[a + 1]):
                gram[codes[p], codes[q]] += 1.0
    return gram


@jit
def _symmetric(lower: F64) -> tuple[F32, F32]:
    """The inverse's rows, negative and without the diagonal, in float32, and that diagonal."""
    n = lower.shape[0]
    out, diagonal = np.empty((n, n), np.float32), np.empty(n, np.float32)
    for j in range(n):
        diagonal[j] = lower[j, j]
        for i in range(j, n):
            out[i, j] = -lower[i, j]
            out[j, i] = -lower[i, j]
        out[j, j] = 0.0
    return out, diagonal


@jit
def _row_scores(inverse: F32, diagonal: F32, codes: I32, weight: F32, active: I32, n_skus: int) -> F32:
    total = np.zeros(len(active), np.float32)
    for i in range(len(codes)):
        for j in range(len(active)):
            total[j] += weight[i] * inverse[codes[i], j]
    out = np.zeros(n_skus, np.float32)
    for j in range(len(active)):
        out[active[j]] = total[j] / diagonal[j]
    return out


@jit
def _column_scores(column: F32, diagonal: float, starts: I64, codes: I32, weight: F32) -> F32:
    out = np.zeros(len(starts) - 1, np.float32)
    for a in range(len(starts) - 1):
        total = np.float32(0.0)
        for p in range(starts[a], starts[a + 1]):
            total += weight[p] * column[codes[p]]
        out[a] = total / diagonal
    return out
