"""May the challenger serve? For now a simple gate: the whole matcher beats every single source on the judge window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matcher.candidates.union import Side
from training.metrics import interval, paired
from training.recipe import Recipe
from training.replay import OURS, Replay


@dataclass(frozen=True, slots=True)
class Decision:
    """Passed or refused, with the sentences that say why and the figures behind them."""

    passed: bool
    reasons: Sequence[str]
    figures: Mapping[str, Any]


def judge(replays: Mapping[tuple[Side, bool], Replay], recipe: Recipe) -> Decision:
    """Compare in each direction, over all pairs and over new pairs; a direction without a query refuses nothing."""
    reasons: list[str] = []
    figures: dict[str, Any] = {}
    for (side, new_only), played in replays.items():
        if not played.queries:
            continue
        kind = f"{side}, {'new' if new_only else 'all'} pairs"
        ours = played.ndcg(OURS)
        table = {}
        for system in played.systems():
            theirs = played.ndcg(system)
            table[system] = {"ndcg10": float(theirs.mean()), "interval": interval(theirs)}
            if system == OURS:
                continue
            difference, low, high = paired(ours, theirs)
            table[system]["ours_ahead_by"] = (difference, low, high)
            if difference < -recipe.gate_tolerance:
                reasons.append(
                    f"{kind}: NDCG@10 {ours.mean():.4f} is behind {system}'s {theirs.mean():.4f} "
                    f"({difference:+.4f}, {low:+.4f} to {high:+.4f})"
                )
        figures[kind] = {"queries": len(played.queries), "systems": table}
    if not figures:
        reasons.append("nothing could be judged: no query of the judge window came to anything")
    return Decision(passed=not reasons, reasons=reasons, figures=figures)
