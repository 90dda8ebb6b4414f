"""How is a list both taken up and bringing? The page with the most expected uptake and expected GMV together.

A page's worth is `weight` x its expected DCG of uptake (the first ten places, discounted as NDCG@10 does) + its
share of the most expected GMV that a page could have. For a chosen set the best order is by chance of uptake, so
the best page is found exactly, by one pass over the candidates in that order: each is either left out or takes the
next place. What follows the page is made the same way from the rest.
"""

from dataclasses import dataclass

import numpy as np

from features.kernels import F64, I64, Bools, jit

PAGE = 20
PAGES = 3
"""So many pages are made one by one."""
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
        logit = (_standing(uptake[order]) * np.array(self.coefficients)).sum(axis=1)
        chance = np.empty(len(uptake))
        chance[order] = np.minimum.accumulate(1.0 / (1.0 + np.exp(-np.clip(logit, -40.0, 40.0))))
        return chance


def standing(uptake: F64) -> F64:
    """(n, 5): 1, log of the place and its square, the score above the mean of the best twenty, the score."""
    order = np.argsort(-uptake, kind="stable")
    rows = np.empty((len(uptake), 5))
    rows[order] = _standing(uptake[order])
    return rows


def _standing(falling: F64) -> F64:
    """The same of scores that are in order."""
    place = np.log(np.arange(len(falling)) + 2.0)
    best = np.ascontiguousarray(falling[:PAGE][::-1])  # added up from the least
    return np.column_stack([np.ones(len(falling)), place, place**2, falling - best.mean(), falling])


def balanced_scores(uptake: F64, gmv: F64, chance: F64, weight: float) -> F64:
    """Scores that put the candidates in the balanced order, (n,): uptake's own, never rising from place to place.

    `gmv`: expected, any unit, >= 0. `chance`: of being taken up, never rising from one uptake rank to the next.
    """
    by_uptake = np.argsort(-uptake, kind="stable")
    most = float(np.sort(gmv)[-PAGE:].sum())
    share = gmv[by_uptake] / max(most, 1e-12)
    by_share = np.argsort(-share, kind="stable")
    order = by_uptake[_paged(chance[by_uptake], share, by_share, weight, _DISCOUNT)]
    scores = np.empty(len(uptake))
    scores[order] = np.minimum.accumulate(uptake[order]) - 1e-9 * np.arange(len(uptake))
    return scores


@jit
def _paged(chance: F64, share: F64, by_share: I64, weight: float, discount: F64) -> I64:
    """The balanced order of candidates that come by uptake: PAGES best pages, one after the other, then the rest."""
    n, done = len(chance), 0
    order, is_placed = np.empty(n, np.int64), np.zeros(n, np.bool_)
    for _ in range(PAGES):
        if n - done <= PAGE:
            break
        weighed = _weighed(is_placed, by_share)
        for place in weighed[_best_places(chance[weighed], share[weighed], weight, discount)]:
            order[done] = place
            is_placed[place] = True
            done += 1
    order[done:] = np.flatnonzero(~is_placed)
    return order


@jit
def _weighed(is_placed: Bools, by_share: I64) -> I64:
    """Of those that wait the best by uptake and the best by GMV, by uptake."""
    is_weighed = np.zeros(len(is_placed), np.bool_)
    room = MOST_WEIGHED // 2
    for place in range(len(is_placed)):
        if room > 0 and not is_placed[place]:
            is_weighed[place] = True
            room -= 1
    room = MOST_WEIGHED // 2
    for place in by_share:
        if room > 0 and not is_placed[place]:
            is_weighed[place] = True
            room -= 1
    return np.flatnonzero(is_weighed)


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
