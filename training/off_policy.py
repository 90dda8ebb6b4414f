"""What would another ranking have brought, by the logs of what was drawn? Two estimates, and when neither says anything.

At a drawn place every candidate had its chance. A ranking is worth what it would have put there: its DCG over those
candidates, which is the mean reward of a place filled by a draw in proportion to 1 / log2(1 + rank). Logged rewards,
each weighed by the new chance over the logged one, average to just that:

* SNIPS divides by the sum of the weights instead of their number: a little biased, far steadier (Swaminathan and
  Joachims, 2015).
* Doubly robust starts from what a model expects of every candidate and corrects it by the weighed error at those that
  were shown: unbiased where either the chances or the model are right (Dudik, Langford and Li, 2011).

Weights average to 1 where the logged chances are true; where they cannot be, or too few draws carry all the weight
(effective size: square of the sum over the sum of squares), nothing is concluded, and the sentence says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from features.kernels import F64, I64
from training.metrics import N_RESAMPLES

_DOUBT: Final = 4.0
"""Standard errors by which the mean weight may differ from 1: chance alone goes as far once in 16 000 nights."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Drawn places that were shown, one a row, and what one ranking would have done there."""

    reward: F64
    propensity: F64
    """As logged: the chance of the candidate that was shown."""
    chance: F64
    """The same under the ranking that is asked about."""
    expected: F64
    """What a model expects of the candidate that was shown; 0 without one."""
    expected_of_ranking: F64
    """The same, averaged over all candidates by the ranking's chances."""
    list_: I64
    """Places of one list share it: they are resampled together."""

    @property
    def weight(self) -> F64:
        """(n,) the new chance over the logged one."""
        return np.asarray(self.chance / self.propensity)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> list[float]:
        """For a report."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the logs say of a ranking beside another one, or that they say nothing."""

    concluded: bool
    sentence: str
    figures: Mapping[str, Any]


def snips(draws: Draws, seed: int = 1) -> Estimate:
    """Self-normalised inverse propensity score."""
    sums = _by_list(draws, draws.weight * draws.reward, draws.weight)
    return _estimate(*_ratio(sums, seed))


def doubly_robust(draws: Draws, seed: int = 1) -> Estimate:
    """What the model expects of the ranking, corrected by what the draws say of the model."""
    corrected = draws.expected_of_ranking + draws.weight * (draws.reward - draws.expected)
    return _estimate(*_ratio(_by_list(draws, corrected, np.ones(len(corrected))), seed))


def effective_size(weight: F64) -> float:
    """How many draws of equal weight would say as much.

    >>> effective_size(np.array([2.0, 2.0])), effective_size(np.array([1.0, 0.0, 0.0]))
    (2.0, 1.0)
    """
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def compare(ours: Draws, theirs: Draws, *, fewest_effective: int, seed: int = 1) -> Finding:
    """Two rankings on the same draws, lists resampled together: which one is ahead, if that can be said at all."""
    n_lists = len(np.unique(ours.list_))
    figures: dict[str, Any] = {"lists": n_lists, "draws": len(ours.reward)}
    for name, draws in (("ours", ours), ("as_shown", theirs)):
        figures[f"effective_{name}"] = effective_size(draws.weight)
        figures[f"mean_weight_{name}"] = float(draws.weight.mean()) if len(draws.weight) else 0.0
    effective = min(figures["effective_ours"], figures["effective_as_shown"])
    if effective < fewest_effective or n_lists < 2:
        return _nothing(
            f"{len(ours.reward)} draws in {n_lists} lists weigh as much as {effective:.0f}; "
            f"at least {fewest_effective} are needed",
            figures,
        )
    for name, draws in (("ours", ours), ("as_shown", theirs)):
        if _cannot_be(draws):
            mean = figures[f"mean_weight_{name}"]
            return _nothing(
                f"the weights average {mean:.3f} where true chances make them average 1: "
                "what was logged as the chance of a draw was not its chance",
                figures,
            )
    rewards = [_by_list(one, one.weight * one.reward, one.weight) for one in (ours, theirs)]
    (value, means), (other, others) = (_ratio(sums, seed) for sums in rewards)
    ahead = _estimate(value - other, means - others)
    figures |= {
        "snips": {"ours": snips(ours, seed).as_json(), "as_shown": snips(theirs, seed).as_json()},
        "doubly_robust": {
            "ours": doubly_robust(ours, seed).as_json(),
            "as_shown": doubly_robust(theirs, seed).as_json(),
        },
        "ours_ahead_by": ahead.as_json(),
    }
    said = f"a drawn place brings {value:.4f} by our order and {other:.4f} by the one that was shown"
    beyond = "beyond doubt" if ahead.low > 0 or ahead.high < 0 else "which may be chance"
    return Finding(
        True, f"{said} ({ahead.value:+.4f}, {ahead.low:+.4f} to {ahead.high:+.4f}), {beyond}", figures
    )


def discounted(ranks: I64) -> F64:
    """(n,) chances that a place goes to each of `n` candidates, given their ranks from 1: the shares of their discounts.

    >>> discounted(np.array([2, 1])).round(3).tolist()
    [0.387, 0.613]
    """
    discount = 1.0 / np.log2(1.0 + ranks)
    return np.asarray(discount / discount.sum())


def _nothing(why: str, figures: Mapping[str, Any]) -> Finding:
    return Finding(False, f"nothing is concluded: {why}", figures)


def _cannot_be(draws: Draws) -> bool:
    """Whether the weights average to something else than 1, beyond what the lists scatter."""
    off, size = _by_list(draws, draws.weight - 1.0, np.ones(len(draws.weight)))
    mean = off.sum() / size.sum()
    scatter = np.sqrt(((off - mean * size) ** 2).sum()) / size.sum()
    return bool(abs(mean) > _DOUBT * scatter + 1e-9)


def _by_list(draws: Draws, *columns: F64) -> tuple[F64, ...]:
    """Each column summed over the places of each list, lists in order."""
    _, place = np.unique(draws.list_, return_inverse=True)
    return tuple(np.bincount(place, column).astype(np.float64) for column in columns)


def _ratio(sums: Sequence[F64], seed: int) -> tuple[float, F64]:
    """The ratio of two totals over lists, and the same of as many lists drawn again and again."""
    above, below = sums
    n = len(above)
    rng = np.random.default_rng(seed)
    ratios = np.empty(N_RESAMPLES)
    for k in range(N_RESAMPLES):
        drawn = rng.integers(0, n, n)
        ratios[k] = above[drawn].sum() / max(below[drawn].sum(), 1e-300)
    return float(above.sum() / max(below.sum(), 1e-300)), ratios


def _estimate(value: float, resampled: F64) -> Estimate:
    return Estimate(value, float(np.quantile(resampled, 0.025)), float(np.quantile(resampled, 0.975)))
