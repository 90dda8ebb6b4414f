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
    for tried in _shorter(recipe):
        if len(split_time(facts, tried).fit) >= FEWEST_FIT_ORIGINS:
            return tried
    return recipe


def too_short(facts: Facts, recipe: Recipe) -> str:
    """How far history reaches back, and how far it has to, in words."""
    least = min(
        2 * (one.label_days + one.gap_days)
        + one.label_days
        + (FEWEST_FIT_ORIGINS - 1) * one.origin_step_days
        + one.min_history_days
        for one in _shorter(recipe)
    )
    first_us = int(facts.listings.at_us.min()) if len(facts.listings.at_us) else facts.as_of_us
    return (
        f"history is too short: listings reach back {(facts.as_of_us - first_us) / DAY_US:.1f} days, and "
        f"{least} are the least that a model can be fitted, stopped and judged on"
    )


def _shorter(recipe: Recipe) -> tuple[Recipe, Recipe, Recipe]:
    """The recipe, and two that need less."""
    closer = replace(recipe, gap_days=0, min_history_days=min(28, recipe.min_history_days))
    fortnight = replace(
        closer, label_days=14, origin_step_days=7, min_history_days=min(21, closer.min_history_days)
    )
    return recipe, closer, fortnight
