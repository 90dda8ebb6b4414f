"""What did a source say? Scores over the other side of the market, dense, sparse, or in an order made beforehand."""

from dataclasses import dataclass

import numpy as np

from features.kernels import F32, I32, I64, Bools, digit_order, jit

DENSE_LIMIT = 50_000
"""Up to so many rows a score for each is cheaper than a list of those touched."""


@dataclass(frozen=True, slots=True)
class Said:
    """Scores above 0 mean something; ties go to the lower row.

    `ids` None: `scores` holds one for each row. Else `scores` belongs to the ascending `ids`. `order`, for what is
    the same for everybody: rows from best to worst, so that nothing has to be sorted.
    """

    scores: F32
    ids: I32 | None = None
    order: I32 | None = None

    def top(self, allowed: Bools, n: int) -> I32:
        """The best `n` allowed rows with a score above 0, best first."""
        if self.order is not None:
            return _walk(self.order, self.scores, allowed, n)
        ids, scores = (
            (_positive(self.scores, allowed))
            if self.ids is None
            else _allowed(self.ids, self.scores, allowed)
        )
        if len(ids) > n:
            least = np.partition(scores, len(scores) - n)[len(scores) - n]
            ids, scores = _at_least(ids, scores, least, n)
        return ids[np.argsort(-scores, kind="stable")]

    def at(self, rows: I32) -> F32:
        """The scores of these rows; 0 where nothing was said."""
        if self.ids is None:
            return self.scores[rows]
        if not len(self.ids):
            return np.zeros(len(rows), np.float32)
        places = np.minimum(np.searchsorted(self.ids, rows), len(self.ids) - 1)
        return np.where(self.ids[places] == rows, self.scores[places], np.float32(0.0))


def nothing() -> Said:
    """For whom a source has nothing to say."""
    return Said(scores=np.zeros(0, np.float32), ids=np.zeros(0, np.int32))


def gathered(rows: I32, scores: F32, n_rows: int) -> Said:
    """Add up (row, score) pairs, in their order."""
    if n_rows <= DENSE_LIMIT:
        return Said(scores=_add_dense(rows, scores, n_rows))
    ids, sums = _add_sorted(rows, scores, digit_order(rows, n_rows))
    return Said(scores=sums, ids=ids)


def same_for_all(scores: F32) -> Said:
    """The same answer for everybody, sorted once."""
    return Said(scores=scores, order=np.argsort(-scores, kind="stable").astype(np.int32))


@jit
def _walk(order: I32, scores: F32, allowed: Bools, n: int) -> I32:
    out = np.empty(min(n, len(order)), np.int32)
    k = 0
    for row in order:
        if k == n or not scores[row] > 0:
            break
        if allowed[row]:
            out[k] = row
            k += 1
    return out[:k].copy()


@jit
def _positive(scores: F32, allowed: Bools) -> tuple[I32, F32]:
    n = 0
    for i in range(len(scores)):
        if allowed[i] and scores[i] > 0:
            n += 1
    ids, kept = np.empty(n, np.int32), np.empty(n, np.float32)
    n = 0
    for i in range(len(scores)):
        if allowed[i] and scores[i] > 0:
            ids[n], kept[n] = i, scores[i]
            n += 1
    return ids, kept


@jit
def _allowed(ids: I32, scores: F32, allowed: Bools) -> tuple[I32, F32]:
    out, kept = np.empty(len(ids), np.int32), np.empty(len(ids), np.float32)
    n = 0
    for i in range(len(ids)):
        if allowed[ids[i]] and scores[i] > 0:
            out[n], kept[n] = ids[i], scores[i]
            n += 1
    return out[:n].copy(), kept[:n].copy()


@jit
def _at_least(ids: I32, scores: F32, least: float, n: int) -> tuple[I32, F32]:
    """All above `least`, and of those at it the first, `n` in all."""
    above = 0
    for i in range(len(ids)):
        above += scores[i] > least
    room = n - above
    out, kept = np.empty(n, np.int32), np.empty(n, np.float32)
    k = 0
    for i in range(len(ids)):
        if scores[i] > least or (scores[i] == least and room > 0):
            if scores[i] == least:
                room -= 1
            out[k], kept[k] = ids[i], scores[i]
            k += 1
    return out, kept


@jit
def _add_dense(rows: I32, scores: F32, n_rows: int) -> F32:
    out = np.zeros(n_rows, np.float32)
    for i in range(len(rows)):
        out[rows[i]] += scores[i]
    return out


@jit
def _add_sorted(rows: I32, scores: F32, order: I64) -> tuple[I32, F32]:
    ids, sums = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
    n = 0
    for k in order:
        if n == 0 or ids[n - 1] != rows[k]:
            ids[n] = rows[k]
            sums[n] = 0.0
            n += 1
        sums[n - 1] += scores[k]
    return ids[:n].copy(), sums[:n].copy()
