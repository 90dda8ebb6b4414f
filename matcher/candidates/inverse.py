"""How is a large symmetric matrix inverted by several threads, with the same last bits whatever their number?

LAPACK's own threads cut the work up by their number, and with it the order of the sums. Here the cuts are tiles of
a fixed size, each computed by one thread; the threads only decide who does which. In place, by Cholesky: A = L L',
W = L^-1, A^-1 = W' W.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from features.kernels import F64

TILE = 256

_Spread = Callable[[Callable[..., None], Iterable[Any]], None]


def invert(matrix: F64, *, threads: int) -> F64:
    """The inverse of a positive definite matrix, (n, n) in C order, in its own memory; only the lower half counts."""
    n = len(matrix)
    tiles = [slice(begin, end) for begin, end in pairwise([*range(0, n, TILE), n])]
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:

        def spread(work: Callable[..., None], over: Iterable[Any]) -> None:
            list(pool.map(work, over))

        diagonal = _factorise(matrix, tiles, spread)
        _invert_factor(matrix, tiles, diagonal, spread)
        _multiply(matrix, tiles, spread)
    return matrix


def _factorise(matrix: F64, tiles: list[slice], spread: _Spread) -> list[F64]:
    """L in the lower half; gives the inverses of the tiles on its diagonal."""
    diagonal: list[F64] = []
    for k, here in enumerate(tiles):
        lower = scipy.linalg.cholesky(matrix[here, here], lower=True, check_finite=False)
        inverse = np.ascontiguousarray(
            scipy.linalg.solve_triangular(lower, np.eye(len(lower)), lower=True, check_finite=False)
        )
        matrix[here, here] = lower
        diagonal.append(inverse)

        def divide(row: slice, here: slice = here, inverse: F64 = inverse) -> None:
            matrix[row, here] = matrix[row, here] @ inverse.T

        def subtract(row: slice, here: slice = here) -> None:
            matrix[row, here.stop : row.stop] -= matrix[row, here] @ matrix[here.stop : row.stop, here].T

        spread(divide, tiles[k + 1 :])
        spread(subtract, reversed(tiles[k + 1 :]))  # the longest first
    return diagonal


def _invert_factor(matrix: F64, tiles: list[slice], diagonal: list[F64], spread: _Spread) -> None:
    """W in place of L, column after column: those to the right are still L when they are needed."""
    for k, here in enumerate(tiles):
        right = np.empty((matrix.shape[0] - here.start, here.stop - here.start))
        right[: here.stop - here.start] = diagonal[k]

        def solve(columns: slice, k: int = k, here: slice = here, right: F64 = right) -> None:
            for row, inverse in zip(tiles[k + 1 :], diagonal[k + 1 :], strict=True):
                done = row.start - here.start
                known = matrix[row, here.start : row.start] @ right[:done, columns]
                right[done : row.stop - here.start, columns] = -(inverse @ known)

        width = here.stop - here.start
        spread(solve, [slice(c, min(c + TILE // 4, width)) for c in range(0, width, TILE // 4)])
        matrix[here.start :, here] = right


def _multiply(matrix: F64, tiles: list[slice], spread: _Spread) -> None:
    """W' W in place of W, row after row: those below are still W when they are needed."""
    for k, here in enumerate(tiles):
        panel = matrix[here.start :, here].copy()

        def fill(column: slice, here: slice = here, panel: F64 = panel) -> None:
            matrix[here, column] = panel.T @ matrix[here.start :, column]

        spread(fill, tiles[: k + 1])
