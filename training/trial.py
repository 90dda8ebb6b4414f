"""How is a night's model tried? The whole matcher replayed on the judge window, and all that the gate weighs, in one place."""

from collections.abc import Mapping
from typing import Any

from features.facts import Facts
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.model import Model
from matcher.policy import GatePolicy
from training.bounds import Finding, check_feeds, check_outcome, check_settled
from training.drift import check_drift
from training.gate import Decision, check_lists, judge
from training.origins import SIDES, Drawn, graded_at
from training.outcome_fit import measure_outcome
from training.recipe import Recipe
from training.replay import Replay, replay, segments_of
from training.split import Split


def replay_window(
    facts: Facts, engine: Engine, recipe: Recipe, *, beside: Mapping[str, Model], threads: int
) -> dict[tuple[Side, bool], Replay]:
    """Both directions, over all pairs and over new pairs."""
    graded = graded_at(facts, engine.world, recipe)
    return {
        (side, new_only): replay(
            engine,
            graded[side],
            side,
            new_only=new_only,
            most_owners=recipe.judged_owners,
            threads=threads,
            beside=beside,
        )
        for side in SIDES
        for new_only in (False, True)
    }


def hold_trial(
    facts: Facts,
    engine: Engine,
    replays: Mapping[tuple[Side, bool], Replay],
    drawn: Mapping[int, Drawn],
    split: Split,
    recipe: Recipe,
    champion_then: Mapping[str, Any] | None,
    report: dict[str, Any],
    champion: Model | None = None,
) -> Decision:
    """What the gate says of the engine's model; its outcome model's figures and all drift go into the report."""
    assert engine.model is not None
    assert split.judge is not None
    gate, judged = engine.world.policy.gate, drawn[split.judge].listings
    outcome = measure_outcome(engine.model.outcome, judged)
    drift = check_drift(facts, drawn, split, recipe.label_days, gate)
    fit = [drawn[origin].listings for origin in split.fit]
    findings: list[Finding] = [
        *check_lists(engine, replays),
        *check_outcome(outcome, gate, measure_outcome(champion.outcome, judged) if champion else None),
        *drift,
        *check_feeds(facts, gate),
        check_settled(facts, fit, judged, gate),
    ]
    report |= {"outcome": outcome, "drift": {finding.about: finding.says for finding in drift}}
    segments = {side: segments_of(engine.world, side) for side in SIDES}
    return judge(
        replays, recipe, gate=gate, segments=segments, champion_then=champion_then, findings=findings
    )


def without_trial(facts: Facts, gate: GatePolicy, lacking: str) -> Decision:
    """Nothing was grown: refused for what was lacking, with what can be said of the feeds all the same."""
    return Decision(passed=False, reasons=[lacking], figures={}, findings=check_feeds(facts, gate))
