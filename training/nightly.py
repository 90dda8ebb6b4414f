"""How does a night go? Facts, windows, rows, a twin that is judged, then the model that is published if the twin won.

The twin is grown on the fit window, stopped by the early one and judged, with the whole matcher around it, on the
newest. What is published is grown anew by the same recipe, with the rounds and weights that the twin's night
chose, on all mature origins: fresher than what was judged, and made from no choice that saw the judge window.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from typing import Any

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
from matcher.verdict_book import VerdictBook
from matcher.world import World, build_world
from training.dataset import ListingRows, joined, joined_listings
from training.figures import plain
from training.fit import Grown, compare_settings, fit_uptake, fit_value
from training.gate import Decision
from training.kept_work import KeptWork
from training.logged import judge_logs
from training.mixing import choose_mix
from training.origins import SIDES, Drawn, draw_at, enough_shown, graded_at, sizes_of, uptake_rows
from training.outcome_fit import fit_outcome
from training.recipe import ForestSetting, Recipe
from training.replay import CHALLENGER, CHAMPION, best_source
from training.split import Split, split_time, suited, too_short
from training.trial import hold_trial, replay_window, without_trial

__all__ = ["SIDES", "Night", "Say", "judge_day", "run_night"]

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
class _Chosen:
    """What the fit and the early window chose."""

    settings: Mapping[Side, tuple[ForestSetting, int]]
    mix: Mix
    shown: Mapping[Side, bool]
    """Whether lists that were shown are among the rows."""


def judge_day(facts: Facts, recipe: Recipe) -> date | None:
    """The day at which a night on these facts judges: a champion may be compared whose data end by then."""
    judge_us = split_time(facts, suited(facts, recipe)).judge
    return shanghai_day(from_microseconds(judge_us)) if judge_us is not None else None


def run_night(
    facts: Facts,
    *,
    policy: Policy,
    recipe: Recipe,
    threads: int,
    say: Say,
    champion: Model | None = None,
    champion_then: Mapping[str, Any] | None = None,
    verdicts: VerdictBook | None = None,
    kept: KeptWork | None = None,
) -> Night:
    """From facts as known at a night to a judged and freshly grown model; nothing is written but to `kept`.

    `champion`: the newest model that passed its gate and whose data end by `judge_day`, with the tables of its own
    night (`judged` in its manifest); `verdicts`: needed where the policy has the two rules leave pairings out.
    """
    recipe = suited(facts, recipe)
    split = split_time(facts, recipe)
    origins = sorted({*split.everything, *split.fit, *([split.stop] if split.stop else [])})
    drawn: dict[int, Drawn] = {}
    judge_world: World | None = None
    stop_world: World | None = None
    for place, origin in enumerate(origins):
        say(f"lists as of {shanghai_day(from_microseconds(origin))}", 0.5 * place / len(origins))
        before = kept.drawn(origin) if kept is not None else None
        if before is not None and origin not in (split.judge, split.stop):
            drawn[origin] = before
            continue
        world = build_world(take_snapshot(facts, origin), policy, threads=threads)
        drawn[origin] = before or draw_at(facts, world, recipe, threads)
        if kept is not None and before is None:
            kept.keep(origin, drawn[origin])
        judge_world = world if origin == split.judge else judge_world
        stop_world = world if origin == split.stop else stop_world
    if judge_world is None or split.judge is None:
        return _too_short(facts, policy, recipe)
    report: dict[str, Any] = {
        "origins": {str(shanghai_day(from_microseconds(o))): sizes_of(drawn[o]) for o in origins}
    }
    twin: Model | None = None
    chosen: _Chosen | None = None
    lacking = _lacking(drawn, split, too_short(facts, recipe))
    if stop_world is not None and lacking is None:
        shown = {side: enough_shown(drawn, split.fit, side, recipe, report) for side in SIDES}
        twin, settings = _twin(drawn, split, recipe, shown, threads, say, report)
        early = build_engine(stop_world, twin, dict.fromkeys(SIDES, "popularity"))
        mix, report["mix"] = choose_mix(
            early, graded_at(facts, stop_world, recipe), drawn[stop_world.snapshot.as_of_us].listings
        )
        twin, chosen = replace(twin, mix=mix), _Chosen(settings, mix, shown)
    beside: dict[str, Model] = {}
    if champion is not None and twin is not None and chosen is not None:
        say("the challenger, as fresh as the champion", 0.69)
        beside = {CHALLENGER: _as_fresh(twin, drawn, split, chosen, recipe), CHAMPION: champion}
    say("replay of the whole matcher on the judge window", 0.72)
    engine = build_engine(judge_world, twin, dict.fromkeys(SIDES, "popularity"), verdicts)
    replays = replay_window(facts, engine, recipe, beside=beside, threads=threads)
    best = best_source(replays, judge_world)
    if twin is not None:
        decision = hold_trial(facts, engine, replays, drawn, split, recipe, champion_then, report, champion)
    else:
        decision = without_trial(facts, policy.gate, lacking or "nothing was grown")
    if twin is not None and (logged := judge_logs(facts, judge_world, twin, recipe, threads=threads)):
        report["off_policy"] = logged
    model = _grow_all(drawn, split, chosen, recipe, threads, say) if chosen is not None else None
    if model is not None:
        model = replace(model, outcome=model.outcome.with_report(report["outcome"]))
    files = model.to_files() | golden_file(model) if model is not None else {}
    provenance = _provenance(facts, policy, recipe, decision, best, report)
    return Night(model, files, provenance, decision, best, report)


def _lacking(drawn: Mapping[int, Drawn], split: Split, too_short: str) -> str | None:
    """What keeps a twin from being grown, stopped and judged, in words."""
    if split.stop is None or not split.fit:
        return too_short
    for window, origins in (("fit", split.fit), ("early", (split.stop,)), ("whole", split.everything)):
        for side in SIDES:
            if not any(len(part.group) for origin in origins for part in drawn[origin].queries[side]):
                return f"no candidate for {side} came to anything in the {window} window"
        if not any(len(drawn[origin].listings.units) for origin in origins):
            return f"there is no listing in the {window} window"
    return None


def _twin(
    drawn: Mapping[int, Drawn],
    split: Split,
    recipe: Recipe,
    shown: Mapping[Side, bool],
    threads: int,
    say: Say,
    report: dict[str, Any],
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
        fit = uptake_rows(drawn, split.fit, side, shown=shown[side])
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


def _as_fresh(
    twin: Model, drawn: Mapping[int, Drawn], split: Split, chosen: _Chosen, recipe: Recipe
) -> Model:
    """The twin's rankers grown anew on all that was mature on the judge day: what this night would have published then.

    So it knows as much as a champion whose data end there, and nothing of the judge window.
    """
    assert split.judge is not None
    ends = split.judge - recipe.label_days * DAY_US
    origins = sorted((origin for origin in drawn if origin <= ends), reverse=True)[: recipe.n_origins]
    goods, shortlist = (_uptake(drawn, origins, side, chosen, recipe) for side in SIDES)
    return replace(twin, version=CHALLENGER, goods_uptake=goods, shortlist_uptake=shortlist)


def _uptake(
    drawn: Mapping[int, Drawn], origins: Sequence[int], side: Side, chosen: _Chosen, recipe: Recipe
) -> Ranker:
    setting, rounds = chosen.settings[side]
    rows = uptake_rows(drawn, origins, side, shown=chosen.shown[side])
    return fit_uptake(rows, recipe, setting, rounds=rounds).ranker


def _grow_all(
    drawn: Mapping[int, Drawn], split: Split, chosen: _Chosen, recipe: Recipe, threads: int, say: Say
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
        return _uptake(drawn, split.everything, side, chosen, recipe)

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


def _too_short(facts: Facts, policy: Policy, recipe: Recipe) -> Night:
    decision = without_trial(facts, policy.gate, too_short(facts, recipe))
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
        metrics=plain(
            {
                "judged": decision.figures,
                "gate": decision.as_json(),
                "best_source": dict(best),
                "report": report,
            }
        ),
        gate=Gate(passed=decision.passed, reasons=tuple(decision.reasons)),
    )
