"""How does a night go? Facts, windows, rows, a twin that is judged, then the model that is published if the twin won.

The twin is grown on the fit window, stopped by the early one and judged, with the whole matcher around it, on the
newest. What is published is grown anew by the same recipe, with the rounds and weights that the twin's night
chose, on all mature origins: fresher than what was judged, and made from no choice that saw the judge window.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final, get_args

import lightgbm
import numpy as np

from features.catalogue import fingerprint
from features.facts import Facts
from features.snapshot import take_snapshot
from features.units import DAY_US, from_microseconds, shanghai_day
from matcher.candidates.union import Side
from matcher.engine import build_engine
from matcher.golden import golden_file
from matcher.model import Mix, Model
from matcher.policy import Policy
from matcher.ranker import Ranker
from matcher.registry import Gate, Provenance
from matcher.world import World, build_world
from training.dataset import ListingRows, Queries, draw_listings, draw_queries, joined, joined_listings
from training.figures import plain
from training.fit import Grown, compare_settings, fit_uptake, fit_value
from training.gate import Decision, judge
from training.labels import grade, read_outcomes
from training.mixing import choose_mix
from training.outcome_fit import fit_outcome, measure_outcome
from training.recipe import ForestSetting, Recipe
from training.replay import Replay, best_source, replay
from training.split import Split, split_time, suited

SIDES: Final[tuple[Side, ...]] = get_args(Side)
Say = Callable[[str, float], None]
"""Told of each step: what begins, and the share of the night that is over."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a night came to: nothing to serve where history is too short."""

    model: Model | None
    files: Mapping[str, bytes]
    provenance: Provenance
    decision: Decision
    best_source: Mapping[Side, str]
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """All that is drawn at one origin."""

    queries: Mapping[Side, tuple[Queries, ...]]
    """All pairs, and new pairs."""
    listings: ListingRows


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the fit and the early window chose."""

    settings: Mapping[Side, tuple[ForestSetting, int]]
    mix: Mix


def run_night(facts: Facts, *, policy: Policy, recipe: Recipe, threads: int, say: Say) -> Night:
    """From facts as known at a night to a judged and freshly grown model; nothing is written."""
    recipe = suited(facts, recipe)
    split = split_time(facts, recipe)
    origins = sorted({*split.everything, *split.fit, *([split.stop] if split.stop else [])})
    drawn: dict[int, _Drawn] = {}
    judge_world: World | None = None
    stop_world: World | None = None
    for place, origin in enumerate(origins):
        say(f"lists as of {shanghai_day(from_microseconds(origin))}", 0.5 * place / len(origins))
        world = build_world(take_snapshot(facts, origin), policy, threads=threads)
        drawn[origin] = _draw(facts, world, recipe, threads)
        judge_world = world if origin == split.judge else judge_world
        stop_world = world if origin == split.stop else stop_world
    if judge_world is None or split.judge is None:
        return _too_short(facts, policy, recipe)
    report: dict[str, Any] = {
        "origins": {str(shanghai_day(from_microseconds(o))): _sizes(drawn[o]) for o in origins}
    }
    replays: dict[tuple[Side, bool], Replay] = {}
    twin: Model | None = None
    chosen: _Chosen | None = None
    lacking = _lacking(drawn, split)
    if stop_world is not None and lacking is None:
        twin, settings = _twin(drawn, split, recipe, threads, say, report)
        early = build_engine(stop_world, twin, dict.fromkeys(SIDES, "popularity"))
        mix, report["mix"] = choose_mix(
            early, _graded(facts, stop_world, recipe), drawn[stop_world.snapshot.as_of_us].listings
        )
        twin, chosen = replace(twin, mix=mix), _Chosen(settings, mix)
    say("replay of the whole matcher on the judge window", 0.72)
    engine = build_engine(judge_world, twin, dict.fromkeys(SIDES, "popularity"))
    graded = _graded(facts, judge_world, recipe)
    for side in SIDES:
        for new_only in (False, True):
            replays[side, new_only] = replay(
                engine,
                graded[side],
                side,
                new_only=new_only,
                most_owners=recipe.judged_owners,
                threads=threads,
            )
    best = best_source(replays, judge_world)
    decision = judge(replays, recipe) if lacking is None else Decision(False, [lacking], {})
    model = _grow_all(drawn, split, chosen, recipe, threads, say) if chosen is not None else None
    if twin is not None and model is not None:
        report["outcome"] = measure_outcome(twin.outcome, drawn[split.judge].listings)
        model = replace(model, outcome=model.outcome.with_report(report["outcome"]))
    files = model.to_files() | golden_file(model) if model is not None else {}
    provenance = _provenance(facts, policy, recipe, decision, best, report)
    return Night(model, files, provenance, decision, best, report)


def _draw(facts: Facts, world: World, recipe: Recipe, threads: int) -> _Drawn:
    age_days = (facts.as_of_us - world.snapshot.as_of_us) / DAY_US
    outcomes = read_outcomes(facts, world.snapshot, recipe.label_days)
    queries: dict[Side, tuple[Queries, ...]] = {}
    for side in SIDES:
        graded = grade(outcomes, side, world.n_owners(side), world.n_owners(_other(side)))
        queries[side] = tuple(
            draw_queries(world, graded, side, recipe, new_only=new_only, age_days=age_days, threads=threads)
            for new_only in (False, True)
        )
    return _Drawn(queries, draw_listings(world, outcomes, recipe, age_days=age_days, threads=threads))


def _lacking(drawn: Mapping[int, _Drawn], split: Split) -> str | None:
    """What keeps a twin from being grown, stopped and judged, in words."""
    if split.stop is None or not split.fit:
        return "history is too short for three windows: nothing that is fitted could be stopped and judged"
    for window, origins in (("fit", split.fit), ("early", (split.stop,)), ("whole", split.everything)):
        for side in SIDES:
            if not any(len(part.group) for origin in origins for part in drawn[origin].queries[side]):
                return f"no candidate for {side} came to anything in the {window} window"
        if not any(len(drawn[origin].listings.units) for origin in origins):
            return f"there is no listing in the {window} window"
    return None


def _twin(
    drawn: Mapping[int, _Drawn], split: Split, recipe: Recipe, threads: int, say: Say, report: dict[str, Any]
) -> tuple[Model, Mapping[Side, tuple[ForestSetting, int]]]:
    """Grow on the fit window, stop and choose by the early one; the outcome forest beside the rankers'.

    The rankers' grow one after the other: LightGBM keeps the gains of labels once for the whole process, and two that
    grow at the same time would take each other's.
    """
    assert split.stop is not None
    early = drawn[split.stop]
    listings = joined_listings([drawn[origin].listings for origin in split.fit])

    def compare(side: Side) -> tuple[Grown, ForestSetting, list[Mapping[str, Any]]]:
        say(f"forests for {side}, compared on the early window", 0.5 + 0.08 * SIDES.index(side))
        fit = joined([part for origin in split.fit for part in drawn[origin].queries[side]])
        return compare_settings(fit, joined(early.queries[side]), recipe)

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(fit_outcome, listings, early.listings, recipe)
        wait([outcome] if threads == 1 else [])
        grown = {side: compare(side) for side in SIDES}
        say("value and outcomes", 0.66)
        model = Model(
            version="twin",
            goods_uptake=grown["goods"][0].ranker,
            shortlist_uptake=grown["shortlist"][0].ranker,
            goods_value=_value(listings, recipe),
            outcome=outcome.result(),
            mix=Mix(),
        )
    report |= {f"settings_{side}": figures for side, (_, _, figures) in grown.items()}
    return model, {side: (setting, best.rounds) for side, (best, setting, _) in grown.items()}


def _grow_all(
    drawn: Mapping[int, _Drawn], split: Split, chosen: _Chosen, recipe: Recipe, threads: int, say: Say
) -> Model:
    """The published model: what was chosen, on all mature origins; outcomes calibrated on the newest of them."""
    everything = joined_listings([drawn[origin].listings for origin in split.everything])
    assert split.judge is not None
    newest = drawn[split.judge].listings
    ends = split.judge - recipe.label_days * DAY_US
    before = [origin for origin in split.everything if origin <= ends] or split.fit
    older = joined_listings([drawn[origin].listings for origin in before])

    def grow(side: Side) -> Ranker:
        say(f"the published forest for {side}", 0.84 + 0.05 * SIDES.index(side))
        setting, rounds = chosen.settings[side]
        rows = joined([part for origin in split.everything for part in drawn[origin].queries[side]])
        return fit_uptake(rows, recipe, setting, rounds=rounds).ranker

    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(fit_outcome, older, newest, recipe)
        wait([outcome] if threads == 1 else [])
        rankers = {side: grow(side) for side in SIDES}
        say("the published value and outcomes", 0.95)
        return Model(
            version="unpublished",
            goods_uptake=rankers["goods"],
            shortlist_uptake=rankers["shortlist"],
            goods_value=_value(everything, recipe) if chosen.mix.value_ranker else None,
            outcome=outcome.result(),
            mix=chosen.mix,
        )


def _value(listings: ListingRows, recipe: Recipe) -> Ranker | None:
    """Nothing while nothing is settled."""
    return fit_value(listings, recipe).ranker if listings.settled.any() else None


def _graded(facts: Facts, world: World, recipe: Recipe) -> dict[Side, Any]:
    outcomes = read_outcomes(facts, world.snapshot, recipe.label_days)
    return {side: grade(outcomes, side, world.n_owners(side), world.n_owners(_other(side))) for side in SIDES}


def _other(side: Side) -> Side:
    return "shortlist" if side == "goods" else "goods"


def _sizes(part: _Drawn) -> dict[str, int]:
    sizes = {f"{side}_rows": sum(len(q.label) for q in queries) for side, queries in part.queries.items()}
    dropped = {f"{side}_dropped": sum(q.n_dropped for q in queries) for side, queries in part.queries.items()}
    return sizes | dropped | {"listing_rows": len(part.listings.session)}


def _too_short(facts: Facts, policy: Policy, recipe: Recipe) -> Night:
    decision = Decision(
        passed=False,
        reasons=[f"no origin has {recipe.min_history_days} days before it and {recipe.label_days} after it"],
        figures={},
    )
    best: dict[Side, str] = dict.fromkeys(SIDES, "popularity")
    return Night(None, {}, _provenance(facts, policy, recipe, decision, best, {}), decision, best, {})


def _provenance(
    facts: Facts,
    policy: Policy,
    recipe: Recipe,
    decision: Decision,
    best: Mapping[Side, str],
    report: Mapping[str, Any],
) -> Provenance:
    as_of = shanghai_day(from_microseconds(facts.as_of_us))
    first = int(facts.listings.at_us.min()) if len(facts.listings.at_us) else facts.as_of_us
    return Provenance(
        data_from=shanghai_day(from_microseconds(first)),
        as_of=as_of,
        fingerprint=fingerprint(),
        policy_version=policy.version,
        recipe=plain(recipe.as_json()),
        seeds={"recipe": recipe.seed},
        libraries={"lightgbm": lightgbm.__version__, "numpy": np.__version__, "scipy": version("scipy")},
        metrics=plain({"judged": decision.figures, "best_source": dict(best), "report": report}),
        gate=Gate(passed=decision.passed, reasons=tuple(decision.reasons)),
    )
