"""How is a list both taken up and bringing? The page with the most expected uptake and expected GMV together.

A page's worth is `weight` x its expected DCG of uptake (the first ten places, discounted as NDCG@10 does) + its
share of the most expected GMV that a page could have. For a chosen set the best order is by chance of uptake, so
the best page is found exactly, by one pass over the candidates in that order: each is either left out or takes the
next place. What follows the page is made the same way from the rest.
"""

from dataclasses import dataclass

import numpy as np

from features.kernels import F64, I64, jit

PAGE = 20
N_PLACES = 10
MOST_WEIGHED = 120
"""Candidates weighed for a page: the best by uptake and the best by GMV."""
_DISCOUNT = 1.0 / np.log2(np.arange(2, N_PLACES + 2))


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely is it that a candidate is taken up? A logistic curve of its place and its score, learnt on the early window."""

    coefficients: tuple[float, ...] = (-0.7, -1.0, 0.0, 0.0, 0.0)
    """Of what `standing` says."""

    def of(self, uptake: F64) -> F64:
        """(n,) for the uptake scores of a list's candidates; never rising from rank to rank."""
        if not len(uptake):
            return np.zeros(0)
        order = np.argsort(-uptake, kind="stable")
        logit = (standing(uptake)[order] * np.array(self.coefficients)).sum(axis=1)
        chance = np.empty(len(uptake))
        chance[order] = np.minimum.accumulate(1.0 / (1.0 + np.exp(-np.clip(logit, -40.0, 40.0))))
        return chance


def standing(uptake: F64) -> F64:
    """(n, 5): 1, log of the place and its square, the score above the mean of the best twenty, the score."""
    rank = np.empty(len(uptake))
    rank[np.argsort(-uptake, kind="stable")] = np.arange(len(uptake))
    place = np.log(rank + 2.0)
    best = np.sort(uptake)[-PAGE:]
    return np.column_stack([np.ones(len(uptake)), place, place**2, uptake - best.mean(), uptake])


def balanced_scores(uptake: F64, gmv: F64, chance: F64, weight: float) -> F64:
    """Scores that put the candidates in the balanced order, (n,): uptake's own, never rising from place to place.

    `gmv`: expected, any unit, >= 0. `chance`: of being taken up, never rising from one uptake rank to the next.
    """
    n = len(uptake)
    by_uptake = np.argsort(-uptake, kind="stable")
    order = np.empty(0, np.int64)
    waiting = by_uptake
    most = float(np.sort(gmv)[-PAGE:].sum())
    while len(waiting) and len(order) < 3 * PAGE:
        page = _page(waiting, chance, gmv / max(most, 1e-12), weight)
        order = np.concatenate([order, page])
        waiting = waiting[~np.isin(waiting, page)]
    order = np.concatenate([order, waiting])
    scores = np.empty(n)
    scores[order] = np.minimum.accumulate(uptake[order]) - 1e-9 * np.arange(n)
    return scores


def _page(waiting: I64, chance: F64, share: F64, weight: float) -> I64:
    """The best PAGE of `waiting` (by uptake, best first), in that order."""
    if len(waiting) <= PAGE:
        return waiting
    by_share = waiting[np.argsort(-share[waiting], kind="stable")]
    weighed = np.isin(waiting, np.concatenate([waiting[: MOST_WEIGHED // 2], by_share[: MOST_WEIGHED // 2]]))
    rows = waiting[weighed]
    return np.asarray(rows[_best_places(chance[rows], share[rows], weight, _DISCOUNT)])


@jit
def _best_places(chance: F64, share: F64, weight: float, discount: F64) -> I64:
    """Exactly PAGE of the rows, in order, with the greatest worth; by the number already placed."""
    n = len(chance)
    best = np.full((n + 1, PAGE + 1), -1e300)
    taken = np.zeros((n + 1, PAGE + 1), np.bool_)
    best[0, 0] = 0.0
    for i in range(n):
        for k in range(min(i, PAGE) + 1):
            if best[i, k] >= best[i + 1, k]:  # of equals the one of greater uptake is placed
                best[i + 1, k] = best[i, k]
                taken[i + 1, k] = False
            if k < PAGE:
                worth = best[i, k] + share[i]
                if k < N_PLACES:
                    worth += weight * discount[k] * chance[i]
                if worth > best[i + 1, k + 1]:
                    best[i + 1, k + 1] = worth
                    taken[i + 1, k + 1] = True
    out = np.empty(PAGE, np.int64)
    k = PAGE
    for i in range(n, 0, -1):
        if k > 0 and taken[i, k]:
            k -= 1
            out[k] = i - 1
    return out
