"""Is it the inverse, and to the same last bit by one thread or several?"""

import numpy as np
import pytest

from features.kernels import F64
from matcher.candidates import inverse
from matcher.candidates.inverse import TILE, invert


def gram(n: int) -> F64:
    carried = (np.random.default_rng(n).random((2 * n + 20, n)) < 0.1).astype(np.float64)
    return np.asarray(carried.T @ carried + 30.0 * np.eye(n))


@pytest.mark.parametrize("n", [1, 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 44])
def test_the_lower_half_is_the_inverses(n: int) -> None:
    found = np.tril(invert(gram(n), threads=1))
    np.testing.assert_allclose(found, np.tril(np.linalg.inv(gram(n))), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("n", [40, 350, 700])
def test_the_number_of_threads_changes_no_bit(n: int) -> None:
    one, two, five = (np.tril(invert(gram(n), threads=threads)) for threads in (1, 2, 5))
    assert one.tobytes() == two.tobytes() == five.tobytes()


@pytest.mark.parametrize("tile", [4, 7, 40])
def test_tiles_of_any_size_give_the_inverse(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverse, "TILE", tile)
    np.testing.assert_allclose(
        np.tril(invert(gram(23), threads=2)), np.tril(np.linalg.inv(gram(23))), rtol=1e-9
    )


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        invert(-gram(5), threads=1)
