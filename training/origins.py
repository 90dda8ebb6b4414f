"""What is drawn at one origin, and which of it is a ranker grown on? Queries, listings, and lists that were shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from features.facts import Facts
from features.units import DAY_US
from matcher.candidates.union import Side
from matcher.world import World
from training.dataset import ListingRows, Queries, draw_listings, draw_queries, joined
from training.labels import Graded, grade, read_outcomes
from training.recipe import Recipe
from training.shown import draw_shown, read_impressions

SIDES: Final[tuple[Side, ...]] = get_args(Side)


@dataclass(frozen=True, slots=True)
class Drawn:
    """All that is drawn at one origin."""

    queries: Mapping[Side, tuple[Queries, ...]]
    """All pairs, and new pairs."""
    listings: ListingRows
    shown: Mapping[Side, Queries]
    """Lists that were shown from this origin to the next; none where nobody was shown any."""


def draw_at(facts: Facts, world: World, recipe: Recipe, threads: int) -> Drawn:
    """Queries of both directions with their labels, listings, and lists that were shown, as the world's instant had them."""
    age_days = (facts.as_of_us - world.snapshot.as_of_us) / DAY_US
    outcomes = read_outcomes(facts, world.snapshot, recipe.label_days)
    queries: dict[Side, tuple[Queries, ...]] = {}
    shown: dict[Side, Queries] = {}
    for side in SIDES:
        graded = grade(outcomes, side, world.n_owners(side), world.n_owners(_other(side)))
        queries[side] = tuple(
            draw_queries(world, graded, side, recipe, new_only=new_only, age_days=age_days, threads=threads)
            for new_only in (False, True)
        )
        if len(facts.showings):
            seen = read_impressions(
                facts, world.snapshot, side, days=recipe.origin_step_days, label_days=recipe.label_days
            )
            shown[side] = draw_shown(world, seen, side, recipe, age_days=age_days, threads=threads)
    return Drawn(queries, draw_listings(world, outcomes, recipe, age_days=age_days, threads=threads), shown)


def uptake_rows(drawn: Mapping[int, Drawn], origins: Sequence[int], side: Side, *, shown: bool) -> Queries:
    """What a direction's ranker is grown on: drawn queries, and with `shown` the lists that were shown."""
    parts = [part for origin in origins for part in drawn[origin].queries[side]]
    return joined(parts + [drawn[origin].shown[side] for origin in origins if shown])


def enough_shown(
    drawn: Mapping[int, Drawn], fit: Sequence[int], side: Side, recipe: Recipe, report: dict[str, Any]
) -> bool:
    """Whether the fit window has so many lists that were shown that places can be told from pairings; reported."""
    lists = [drawn[origin].shown[side] for origin in fit if side in drawn[origin].shown]
    n_lists = sum(len(part.group) for part in lists)
    joins = n_lists >= max(recipe.fewest_shown_lists, 1)
    if lists:
        report[f"shown_{side}"] = {"fit_lists": n_lists, "joined": joins}
    return joins


def graded_at(facts: Facts, world: World, recipe: Recipe) -> dict[Side, Graded]:
    """Labels of both directions at the world's instant."""
    outcomes = read_outcomes(facts, world.snapshot, recipe.label_days)
    return {side: grade(outcomes, side, world.n_owners(side), world.n_owners(_other(side))) for side in SIDES}


def sizes_of(part: Drawn) -> dict[str, int]:
    """Rows and dropped queries, for the report."""
    sizes = {f"{side}_rows": sum(len(q.label) for q in queries) for side, queries in part.queries.items()}
    dropped = {f"{side}_dropped": sum(q.n_dropped for q in queries) for side, queries in part.queries.items()}
    return sizes | dropped | {"listing_rows": len(part.listings.session)}


def _other(side: Side) -> Side:
    return "shortlist" if side == "goods" else "goods"
