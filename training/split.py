"""Which instants may a night learn from, stop by, and be judged on? Three windows, apart in time.

Labels look `label_days` ahead, so an origin is mature once that window lies before tonight. The newest mature
origin judges, the one whose labels end before it stops the boosting, and those whose labels end before *that* are
fitted on: the window that stops never reports, and the window that reports was never seen. What is published is
then grown on all of them with what the night has chosen.
"""

from dataclasses import dataclass, replace

from features.facts import Facts
from features.units import DAY_US
from training.recipe import Recipe

FEWEST_FIT_ORIGINS = 2


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


def suited(facts: Facts, recipe: Recipe) -> Recipe:
    """The recipe, or where history is too short for its three windows the first shorter one that fits.

    First the gap and the days before an origin give way, then the windows themselves shrink to a fortnight. Where
    nothing fits the recipe comes back as it was, and the split has no twin.
    """
    closer = replace(recipe, gap_days=0, min_history_days=min(28, recipe.min_history_days))
    fortnight = replace(
        closer, label_days=14, origin_step_days=7, min_history_days=min(21, closer.min_history_days)
    )
    for tried in (recipe, closer, fortnight):
        if len(split_time(facts, tried).fit) >= FEWEST_FIT_ORIGINS:
            return tried
    return recipe
