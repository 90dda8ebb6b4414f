"""Is the balanced page the best there is, and does it lean to uptake or to GMV as its weight says?"""

from itertools import combinations

import numpy as np
import pytest

from matcher.balance import N_PLACES, PAGE, Chances, balanced_scores

DISCOUNT = 1.0 / np.log2(np.arange(2, N_PLACES + 2))


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uptake scores, GMV, and chances that fall with the scores."""
    rng = np.random.default_rng(seed)
    uptake = rng.normal(size=n)
    chance = np.empty(n)
    chance[np.argsort(-uptake)] = np.sort(rng.random(n))[::-1]
    return uptake, rng.exponential(size=n), chance


def page_of(uptake: np.ndarray, gmv: np.ndarray, taken: np.ndarray, weight: float) -> list[int]:
    return np.argsort(-balanced_scores(uptake, gmv, taken, weight), kind="stable")[:PAGE].tolist()


def worth(page: tuple[int, ...], chance: np.ndarray, share: np.ndarray, weight: float) -> float:
    return float(weight * (DISCOUNT * chance[list(page)][:N_PLACES]).sum() + share[list(page)].sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 100.0])
def test_no_page_is_worth_more(seed: int, weight: float) -> None:
    uptake, gmv, chance = drawn(PAGE + 3, seed)
    by_uptake = np.argsort(-uptake)
    share = gmv / np.sort(gmv)[-PAGE:].sum()
    best = max(worth(page, chance, share, weight) for page in combinations(by_uptake.tolist(), PAGE))
    ours = page_of(uptake, gmv, chance, weight)
    assert worth(tuple(ours), chance, share, weight) == pytest.approx(best, abs=1e-12)


def test_with_all_weight_on_uptake_the_first_ten_are_those_of_fit_in_their_order() -> None:
    uptake, gmv, taken = drawn(200, 5)
    assert page_of(uptake, gmv, taken, 1e9)[:N_PLACES] == np.argsort(-uptake)[:N_PLACES].tolist()


def test_with_no_weight_on_uptake_the_page_holds_what_brings_most() -> None:
    uptake, gmv, taken = drawn(200, 6)
    assert set(page_of(uptake, gmv, taken, 0.0)) == set(np.argsort(-gmv)[:PAGE].tolist())


@pytest.mark.parametrize("n", [0, 1, PAGE, PAGE + 1, 300])
def test_every_candidate_gets_a_score_of_its_own(n: int) -> None:
    uptake, gmv, taken = drawn(n, 7)
    scores = balanced_scores(uptake, gmv, taken, 0.2)
    assert len(np.unique(scores)) == n
    assert np.isfinite(scores).all()


def test_candidates_that_are_all_alike_keep_the_order_of_their_rows() -> None:
    scores = balanced_scores(np.zeros(50), np.ones(50), np.full(50, 0.3), 0.2)
    assert np.argsort(-scores, kind="stable").tolist() == list(range(50))


def test_gmv_of_nothing_at_all_leaves_the_order_of_uptake() -> None:
    uptake, _, taken = drawn(60, 8)
    assert page_of(uptake, np.zeros(60), taken, 0.2)[:N_PLACES] == np.argsort(-uptake)[:N_PLACES].tolist()


def test_a_chance_never_rises_from_rank_to_rank_and_lies_between_0_and_1() -> None:
    uptake = np.random.default_rng(1).normal(size=300)
    for coefficients in ((-0.7, -1.0, 0.0, 0.0, 0.0), (1.0, 0.5, -0.3, 1.2, 0.4), (0.0, 0.0, 0.0, -3.0, 0.0)):
        chance = Chances(coefficients).of(uptake)
        assert (np.diff(chance[np.argsort(-uptake)]) <= 0).all()
        assert ((chance > 0) & (chance < 1)).all()
    assert len(Chances().of(np.zeros(0))) == 0


def test_a_list_whose_best_stand_out_is_surer_of_them() -> None:
    learnt = Chances((-0.7, -1.0, 0.0, 1.0, 0.0))
    flat, steep = np.linspace(1.0, 0.9, 50), np.linspace(3.0, 0.0, 50)
    assert learnt.of(steep)[0] > learnt.of(flat)[0]
