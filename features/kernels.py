"""How are millions of rows grouped and looked up without a surprise in the last bit? Compiled loops, in order.

Every sum runs row by row in the order of its input, so that a world cut out of a larger one comes out the same
to the last bit; nothing here goes through BLAS or a thread pool.
"""

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

jit = nb.njit(cache=True, nogil=True, error_model="numpy")

_DIGIT_BITS = 10
_DIGITS = 1 << _DIGIT_BITS


@jit
def counting_order(codes: Any, n_codes: int, order: Any) -> Any:
    """`order` re-arranged by `codes[order]`, stable: one pass to count, one to place.

    Sorting by a less and then by a more significant code gives the lexicographic order.
    """
    starts = np.zeros(n_codes + 1, np.int64)
    for i in range(order.shape[0]):
        starts[codes[order[i]] + 1] += 1
    for c in range(n_codes):
        starts[c + 1] += starts[c]
    placed = np.empty(order.shape[0], order.dtype)
    for i in range(order.shape[0]):
        row = order[i]
        placed[starts[codes[row]]] = row
        starts[codes[row]] += 1
    return placed


@jit
def digit_order(codes: Any, n_codes: int) -> Any:
    """Places of `codes` (0..n_codes - 1) in ascending order of code, stable; for few codes out of many, digit by digit.

    As `np.argsort(codes, kind="stable")`, many times as fast for thousands of places.
    """
    order, placed = np.arange(codes.shape[0]), np.empty(codes.shape[0], np.int64)
    shift = 0
    while shift == 0 or n_codes > 1 << shift:
        starts = np.zeros(_DIGITS + 1, np.int64)
        for i in range(order.shape[0]):
            starts[((codes[i] >> shift) & (_DIGITS - 1)) + 1] += 1
        for d in range(_DIGITS):
            starts[d + 1] += starts[d]
        for i in range(order.shape[0]):
            digit = (codes[order[i]] >> shift) & (_DIGITS - 1)
            placed[starts[digit]] = order[i]
            starts[digit] += 1
        order, placed = placed, order
        shift += _DIGIT_BITS
    return order


@jit
def row_starts(codes: Any, n_codes: int) -> Any:
    """Where each code's run begins in `codes` (ascending): shape (n_codes + 1,)."""
    starts = np.zeros(n_codes + 1, np.int64)
    for i in range(codes.shape[0]):
        starts[codes[i] + 1] += 1
    for c in range(n_codes):
        starts[c + 1] += starts[c]
    return starts


@jit
def find(codes: Any, begin: int, end: int, code: int) -> int:
    """The place of `code` in the ascending `codes[begin:end]`, or -1."""
    low, high = begin, end
    while low < high:
        middle = (low + high) >> 1
        if codes[middle] < code:
            low = middle + 1
        else:
            high = middle
    if low < end and codes[low] == code:
        return low
    return -1


@jit
def sum_by(codes: Any, values: Any, n_codes: int) -> Any:
    """Sums of `values` by code in float64, skipping NaN; shape (n_codes,)."""
    total = np.zeros(n_codes, np.float64)
    for i in range(codes.shape[0]):
        if values[i] == values[i]:
            total[codes[i]] += values[i]
    return total


@jit
def ratio_sums(codes: Any, above: Any, below: Any, n_codes: int) -> Any:
    """Sums of both where both are known, by code: shape (2, n_codes)."""
    total = np.zeros((2, n_codes), np.float64)
    for i in range(codes.shape[0]):
        if above[i] == above[i] and below[i] == below[i]:
            total[0, codes[i]] += above[i]
            total[1, codes[i]] += below[i]
    return total


@jit
def count_since(codes: Any, at_us: Any, since_us: int, n_codes: int) -> Any:
    """How many rows of each code lie at or after `since_us`; shape (n_codes,), float64."""
    total = np.zeros(n_codes, np.float64)
    for i in range(codes.shape[0]):
        if at_us[i] >= since_us:
            total[codes[i]] += 1.0
    return total


@jit
def extremes(codes: Any, at_us: Any, n_codes: int) -> Any:
    """Earliest and latest instant of each code, shape (2, n_codes); codes without a row: (max, min) of int64."""
    out = np.empty((2, n_codes), np.int64)
    out[0] = np.iinfo(np.int64).max
    out[1] = np.iinfo(np.int64).min
    for i in range(codes.shape[0]):
        c = codes[i]
        out[0, c] = min(out[0, c], at_us[i])
        out[1, c] = max(out[1, c], at_us[i])
    return out


@jit
def gather(block: Any, rows: Any, out: Any, first: int) -> None:
    """Copy `block[rows]` into `out[:, first:first + k]`, both float32."""
    k = block.shape[1]
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(k):
            out[i, first + j] = block[row, j]


def shrink(total: F64, weight: F64, prior: F64, strength: float) -> F64:
    """A ratio drawn towards its prior: `(total + strength x prior) / (weight + strength)`; all shapes alike.

    >>> shrink(np.array([0.0, 90.0]), np.array([0.0, 90.0]), np.array([0.5, 0.5]), 10.0).tolist()
    [0.5, 0.95]
    """
    return (total + strength * prior) / (weight + strength)
