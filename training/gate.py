"""May the challenger serve? For now a simple gate: the whole matcher beats every single source on the judge window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matcher.candidates.union import Side
from training.metrics import interval, paired
from training.recipe import Recipe
from training.replay import OURS, Replay, pooled

DECIDES: Final = "all and new pairs together"
"""By which figures a direction is refused, and its best source is chosen."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Passed or refused, with the sentences that say why and the figures behind them."""

    passed: bool
    reasons: Sequence[str]
    figures: Mapping[str, Any]


def judge(replays: Mapping[tuple[Side, bool], Replay], recipe: Recipe) -> Decision:
    """Refuse where a system is ahead in a direction, its queries over all pairs and over new pairs taken together.

    A direction without a query refuses nothing; nothing judged at all refuses.
    """
    reasons: list[str] = []
    figures: dict[str, Any] = {}
    for side, together in pooled(replays).items():
        for (of, new_only), played in replays.items():
            if of == side and played.queries:
                figures[f"{side}, {'new' if new_only else 'all'} pairs"] = _figures(played)
        if not together.queries:
            continue
        decides = figures[f"{side}, {DECIDES}"] = _figures(together)
        for system, figure in decides["systems"].items():
            difference, low, high = figure.get("ours_ahead_by", (0.0, 0.0, 0.0))
            if difference < -recipe.gate_tolerance:
                ours = decides["systems"][OURS]["ndcg10"]
                reasons.append(
                    f"{side}: NDCG@10 {ours:.4f} is behind {system}'s {figure['ndcg10']:.4f} "
                    f"({difference:+.4f}, {low:+.4f} to {high:+.4f}) over all and new pairs together; "
                    f"the tolerance is {recipe.gate_tolerance:.4f}"
                )
    if not figures:
        reasons.append("nothing could be judged: no query of the judge window came to anything")
    return Decision(passed=not reasons, reasons=reasons, figures=figures)


def _figures(played: Replay) -> Mapping[str, Any]:
    """Every system's mean with its interval, and how far ours is ahead of it, paired by query."""
    ours, table = played.ndcg(OURS), {}
    for system in played.systems():
        theirs = played.ndcg(system)
        table[system] = {"ndcg10": float(theirs.mean()), "interval": interval(theirs)}
        if system != OURS:
            table[system]["ours_ahead_by"] = paired(ours, theirs)
    return {"queries": len(played.queries), "systems": table}
