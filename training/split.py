"""Which instants may a night learn from, stop by, and be judged on? Three windows, apart in time.

Labels look `label_days` ahead, so an origin is mature once that window lies before tonight. The newest mature
origin judges, the one whose labels end before it stops the boosting, and those whose labels end before *that* are
fitted on: the window that stops never reports, and the window that reports was never seen. What is published is
then grown on all of them with what the night has chosen.
"""

from dataclasses import dataclass

from features.facts import Facts
from features.units import DAY_US
from training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Split:
    """Origins in microseconds, newest first in each window."""

    judge: int | None
    stop: int | None
    fit: tuple[int, ...]
    everything: tuple[int, ...]
    """All mature origins: what the published model is grown on."""


def split_time(facts: Facts, recipe: Recipe) -> Split:
    """Origins counted back from tonight; windows that history is too short for are left empty."""
    if not len(facts.listings.at_us):
        return Split(judge=None, stop=None, fit=(), everything=())
    earliest = int(facts.listings.at_us.min()) + recipe.min_history_days * DAY_US
    newest = facts.as_of_us - recipe.label_days * DAY_US
    step, span = recipe.origin_step_days * DAY_US, (recipe.label_days + recipe.gap_days) * DAY_US
    everything = tuple(origin for k in range(recipe.n_origins) if (origin := newest - k * step) >= earliest)
    judge = newest if newest >= earliest else None
    stop = newest - span if newest - span >= earliest else None
    fit = tuple(
        origin for k in range(recipe.n_fit_origins) if (origin := newest - 2 * span - k * step) >= earliest
    )
    return Split(judge=judge, stop=stop, fit=fit, everything=everything)
