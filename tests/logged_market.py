"""What would logs look like if the truth behind them were known? Pages shown to pretend readers, and places that were drawn.

A reader looks at a place with a chance that falls with it, and takes what it looks at with the pairing's own chance.
The old ranker orders by a column that says nothing of that chance, so that whoever trusts the picks alone learns the
old ranker's taste. What is measured (pages of 20, NDCG@10 by the true chances on fresh pages, means of seeds 1..3, at 300 and at 1 000 pages):

    trained on what everybody would have taken        .986  .993
    on what was taken, with the places                .893  .936
    the same without the places                       .818  .843
    only places above the last taken, with places     .878  .943
    the same without the places                       .857  .902

Leaving out what stands below the last one taken is no better once places are told, and worse on few pages; without
places it turns the old ranker's taste round (correlation -.26 instead of .53): every page then ends with a success.
"""

from dataclasses import dataclass, replace

import numpy as np

from features.catalogue import NAMES
from features.kernels import F32, F64, I32, I64, Bools
from training.dataset import Queries
from training.off_policy import Draws, discounted
from training.shown import place_of

WORTH, TASTE = NAMES.index("neighbours_score"), NAMES.index("popularity_score")
"""What decides whether a pairing is taken, and what the old ranker went by."""
N_PLACES = 20


@dataclass(frozen=True)
class Pages:
    """Pages that were shown, each place with the true chance that it is taken by who looks at it."""

    queries: Queries
    chance: F64
    position: I32

    def without_places(self) -> Queries:
        return replace(self.queries, position=None)


def pages(n: int, seed: int, *, examined: bool = False, falls: float = 1.0, noise: float = 0.6) -> Pages:
    """`n` pages; a place is looked at with a chance of 1 / place ** falls, or always where `examined`."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n * N_PLACES, len(NAMES))).astype(np.float32)
    chance = 1.0 / (1.0 + np.exp(1.0 - 2.0 * matrix[:, WORTH].astype(np.float64)))
    order = matrix[:, TASTE] + noise * rng.normal(size=n * N_PLACES)
    position = (np.argsort(np.argsort(-order.reshape(n, -1), axis=1), axis=1) + 1).ravel().astype(np.int32)
    looked = examined | (rng.random(len(chance)) < position**-falls)
    label = (looked & (rng.random(len(chance)) < chance)).astype(np.int32)
    teaches = np.repeat(_differs(label.reshape(n, -1)), N_PLACES)
    ones = np.ones(int(teaches.sum()))
    queries = Queries(
        matrix[teaches], label[teaches], np.full(len(ones) // N_PLACES, N_PLACES), ones, ones, 0,
        place_of(position[teaches]),
    )  # fmt: skip
    return Pages(queries, chance[teaches], position[teaches])


@dataclass(frozen=True)
class Logs:
    """Drawn places: of each what could have stood there, what did, and whether it was taken."""

    chance: F64
    """(n_lists, n_candidates) true: of being taken at a place that is looked at as drawn places are."""
    signal: F64
    """(n_lists, n_candidates) what a new ranking may go by."""
    drawn: I64
    """(n_lists, n_drawn) which candidate each place got."""
    reward: F64
    propensity: F64

    def under(self, score: F64, *, expected: F64 | None = None, propensity: F64 | None = None) -> Draws:
        """The draws as a ranking by `score` is asked about them."""
        ranks = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1) + 1
        chances = np.array([discounted(row) for row in ranks])
        expected = np.zeros_like(score) if expected is None else expected
        n_drawn = self.drawn.shape[1]
        return Draws(
            reward=self.reward.ravel(),
            propensity=(self.propensity if propensity is None else propensity).ravel(),
            chance=np.take_along_axis(chances, self.drawn, axis=1).ravel(),
            expected=np.take_along_axis(expected, self.drawn, axis=1).ravel(),
            expected_of_ranking=np.repeat((chances * expected).sum(axis=1), n_drawn),
            list_=np.repeat(np.arange(len(score)), n_drawn),
        )

    def true_value(self, score: F64) -> float:
        """What a drawn place would have brought, filled by that ranking: from the chances, not from the draws."""
        ranks = np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1) + 1
        return float(np.mean([(discounted(r) * c).sum() for r, c in zip(ranks, self.chance, strict=True)]))


def logs(n: int, seed: int, *, n_candidates: int = 20, n_drawn: int = 2, favours: float = 0.0) -> Logs:
    """Draws without replacement, all alike likely; `favours` > 0: really in favour of the better, logged as if alike."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(n, n_candidates))
    reader = 0.5 * rng.normal(size=(n, 1))  # places of one list rise and fall together
    chance = 1.0 / (1.0 + np.exp(2.0 - signal - reader))
    noise = -np.log(-np.log(rng.random(signal.shape)))
    drawn = np.argsort(-(favours * signal + noise), axis=1)[:, :n_drawn]
    reward = (rng.random(drawn.shape) < np.take_along_axis(chance, drawn, axis=1)).astype(np.float64)
    return Logs(chance, signal, drawn, reward, np.full(drawn.shape, 1.0 / n_candidates))


def taste_in(score: F64, matrix: F32) -> float:
    """How much of the old ranker's taste there is in scores: their correlation."""
    return float(np.corrcoef(score, matrix[:, TASTE])[0, 1])


def _differs(label: I32) -> Bools:
    return np.asarray(label.min(axis=1) < label.max(axis=1))
