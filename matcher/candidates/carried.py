"""Who carries what, read both ways, and how freshly? The index that several sources share."""

from dataclasses import dataclass

import numpy as np

from features.history import ByCode, Level, by_code
from features.kernels import F32, F64, I32, I64, jit
from features.snapshot import Snapshot
from features.units import DAY_US

HALF_LIFE_DAYS = 60.0
ADOPTION_DAYS = 28


@dataclass(frozen=True, slots=True)
class Carried:
    """Pairs with history, by anchor (`pairs`) and by SKU (`sellers`); weights follow `pairs`."""

    pairs: Level
    sellers: ByCode
    fresh: F32
    """(n_pairs,) halves every HALF_LIFE_DAYS since the pair was last seen."""
    adopted: F32
    """(n_pairs,) 1 where the pair was first seen within ADOPTION_DAYS, else 0."""
    n_anchors: int
    n_skus: int

    def row(self, anchor: int) -> slice:
        """The anchor's pairs."""
        return slice(int(self.pairs.starts[anchor]), int(self.pairs.starts[anchor + 1]))

    def column(self, sku: int) -> I64:
        """The SKU's pairs, by anchor."""
        return self.sellers.group[self.sellers.starts[sku] : self.sellers.starts[sku + 1]]


def read_carried(snapshot: Snapshot) -> Carried:
    """From the snapshot's SKU-level history."""
    pairs = snapshot.histories.sku
    days = (snapshot.as_of_us - pairs.last_us) / DAY_US
    return Carried(
        pairs=pairs,
        sellers=by_code(pairs),
        fresh=np.exp2(-days / HALF_LIFE_DAYS).astype(np.float32),
        adopted=(pairs.first_us >= snapshot.as_of_us - ADOPTION_DAYS * DAY_US).astype(np.float32),
        n_anchors=len(snapshot.roster),
        n_skus=len(snapshot.shelf),
    )


def counts(codes: I32, weights: F32, n: int) -> F32:
    """Sum of weights by code, (n,) float32."""
    return np.bincount(codes, weights=weights, minlength=n).astype(np.float32)


@jit
def expand(rows: I32, weights: F32, starts: I64, codes: I32, code_weights: F32) -> tuple[I32, F32]:
    """All codes of these rows, each with its row's weight times its own."""
    n = 0
    for row in rows:
        n += starts[row + 1] - starts[row]
    out, scores = np.empty(n, np.int32), np.empty(n, np.float32)
    n = 0
    for i in range(len(rows)):
        for k in range(starts[rows[i]], starts[rows[i] + 1]):
            if code_weights[k] != 0.0:
                out[n] = codes[k]
                scores[n] = weights[i] * code_weights[k]
                n += 1
    return out[:n].copy(), scores[:n].copy()


@jit
def transpose(nearest: I32, weight: F32, n_columns: int) -> tuple[I64, I32, F32]:
    """Rows that name each column among their nearest: (starts, row, weight), by row within a column."""
    starts = np.zeros(n_columns + 1, np.int64)
    for i in range(nearest.shape[0]):
        for j in range(nearest.shape[1]):
            if nearest[i, j] >= 0:
                starts[nearest[i, j] + 1] += 1
    starts = np.cumsum(starts)
    place = starts[:-1].copy()
    rows, weights = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for i in range(nearest.shape[0]):
        for j in range(nearest.shape[1]):
            c = nearest[i, j]
            if c >= 0:
                rows[place[c]] = i
                weights[place[c]] = weight[i, j]
                place[c] += 1
    return starts, rows, weights


@jit
def nearest_rows(
    starts: I64,
    codes: I32,
    other_starts: I64,
    other_rows: I32,
    code_weight: F64,
    norm: F64,
    n: int,
    most: int,
) -> tuple[I32, F32]:
    """For each row its `n` most alike by weighted cosine of the codes they share, best first, -1 where none.

    Codes held by more than `most` rows say little and cost much: they are passed over.
    """
    n_rows = len(starts) - 1
    nearest = np.full((n_rows, n), -1, np.int32)
    weight = np.zeros((n_rows, n), np.float32)
    score = np.zeros(n_rows, np.float64)
    touched = np.empty(n_rows, np.int32)
    for i in range(n_rows):
        k = 0
        for p in range(starts[i], starts[i + 1]):
            c = codes[p]
            if other_starts[c + 1] - other_starts[c] > most:
                continue
            for q in range(other_starts[c], other_starts[c + 1]):
                j = other_rows[q]
                if score[j] == 0.0:
                    touched[k] = j
                    k += 1
                score[j] += code_weight[c]
        score[i] = 0.0
        values = np.empty(k, np.float64)
        for m in range(k):
            values[m] = score[touched[m]] / (norm[i] * norm[touched[m]])
            score[touched[m]] = 0.0
        found, values = _foremost(touched[:k], values, min(n, k))
        for j, place in enumerate(_best(values, min(n, k))):
            if values[place] > 0:
                nearest[i, j] = found[place]
                weight[i, j] = values[place]
    return nearest, weight


@jit
def _foremost(rows: I32, values: F64, n: int) -> tuple[I32, F64]:
    """The rows, ascending, whose values are not below the `n`-th largest: only these need to be put in order."""
    if n < len(values):
        above = values >= np.partition(values, len(values) - n)[len(values) - n]
        rows, values = rows[above], values[above]
    order = np.argsort(rows, kind="mergesort")
    return rows[order], values[order]


@jit
def _best(values: F64, n: int) -> I64:
    """Places of the `n` largest, largest first, ties to the lower place; the rest is not put in order."""
    chosen = np.empty(n, np.int64)
    if n == 0:
        return chosen
    least = np.sort(values)[len(values) - n]
    room = n
    for m in range(len(values)):
        room -= values[m] > least
    c = 0
    for m in range(len(values)):
        if values[m] > least or (values[m] == least and room > 0):
            room -= values[m] == least
            chosen[c] = m
            c += 1
    return chosen[np.argsort(-values[chosen], kind="mergesort")]
