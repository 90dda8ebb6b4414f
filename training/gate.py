"""May the challenger serve? The whole matcher against every single source and the champion, and bounds on all else.

Ours, the twin, has to be at least as good as every source and baseline. Where a champion has not seen the judge window,
the challenger (ours, grown on all that the champion could know) is held against it, as a whole and in every segment;
where there is none, ours is held against the best source in every segment, which warns. Whatever else was found about the night
(calibration, drift, feeds, hard rules) is handed in and weighs the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from rich.table import Table

from features.catalogue import SOURCES
from features.kernels import F64, I32, Bools
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.policy import GatePolicy
from matcher.request import ListRequest
from training.bounds import Finding, Level, refusals, refused_if
from training.figures import plain
from training.metrics import interval, ndcg, paired
from training.recipe import Recipe
from training.replay import CHALLENGER, CHAMPION, OURS, SIZE, Replay, pooled

DECIDES: Final = "all and new pairs together"
"""By which figures a direction is refused, and its best source is chosen."""
Segments = Mapping[Side, tuple[Mapping[str, Bools], Mapping[str, Bools]]]
"""Of each direction masks over owners, and over rows of the other side."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Passed or refused, with the sentences that say why and the figures behind them."""

    passed: bool
    reasons: Sequence[str]
    figures: Mapping[str, Any]
    """Every system on the judge window, a table a direction and mode."""
    findings: Sequence[Finding] = ()
    """All that was looked at besides, whatever it came to."""

    def as_json(self) -> list[dict[str, Any]]:
        """The findings, for the manifest."""
        told: list[dict[str, Any]] = plain([asdict(finding) for finding in self.findings])
        return told


def judge(
    replays: Mapping[tuple[Side, bool], Replay],
    recipe: Recipe,
    *,
    gate: GatePolicy | None = None,
    segments: Segments | None = None,
    champion_then: Mapping[str, Any] | None = None,
    findings: Sequence[Finding] = (),
) -> Decision:
    """Refuse where a system is ahead in a direction, its queries over all pairs and over new pairs taken together.

    A direction without a query refuses nothing; nothing judged at all refuses. `champion_then`: the tables of the
    champion's own night; `findings`: what other checks came to.
    """
    gate = gate or GatePolicy()
    reasons: list[str] = []
    figures: dict[str, Any] = {}
    found: list[Finding] = []
    for side, together in pooled(replays).items():
        for (of, new_only), played in replays.items():
            if of == side and played.queries:
                figures[f"{side}, {'new' if new_only else 'all'} pairs"] = _figures(played)
        if not together.queries:
            continue
        decides = figures[f"{side}, {DECIDES}"] = _figures(together)
        lost = _behind_sources(side, decides, recipe)
        against = _against_champion(side, decides, champion_then, recipe, gate)
        reasons += lost
        found += against
        if segments is not None:
            is_lost = bool(lost or refusals(against))
            found += _in_segments(together, segments[side], _sides(decides), recipe, gate, is_lost=is_lost)
    if not figures:
        reasons.append("nothing could be judged: no query of the judge window came to anything")
    found += findings
    reasons += refusals(found)
    return Decision(passed=not reasons, reasons=reasons, figures=figures, findings=found)


def check_lists(engine: Engine, replays: Mapping[tuple[Side, bool], Replay]) -> list[Finding]:
    """Does any replayed list hold what a hard rule leaves out? Each is asked again, a rule at a time: none may."""
    broken: dict[str, int] = {}
    n_lists = n_rows = 0
    for (side, new_only), played in replays.items():
        for query in played.queries:
            rows = np.concatenate(list(query.lists.values()))
            n_lists, n_rows = n_lists + len(query.lists), n_rows + len(rows)
            for rule, refused in engine.refusals(ListRequest(side, query.owner, SIZE, new_only=new_only)):
                if hits := int(np.count_nonzero(refused[rows])):
                    broken[rule] = broken.get(rule, 0) + hits
    n = sum(broken.values())
    named = f" ({', '.join(f'{rule} {hits}' for rule, hits in broken.items())})" if broken else ""
    told = f"{n} of {n_rows} places in {n_lists} replayed lists break a hard rule{named}; none may"
    figures = {"lists": n_lists, "places": n_rows, "broken": broken}
    findings = [Finding("hard rules", refused_if(n > 0), told, figures)]
    modes = engine.world.policy.modes
    if engine.verdicts is None and (modes.cps_floor, modes.price_parity) != ("advise", "advise"):
        told = (
            "the policy has verdicts leave pairings out, and none were at hand: the replay did without them"
        )
        findings.append(Finding("verdicts", "unknown", told))
    return findings


def findings_table(findings: Sequence[Finding]) -> Table:
    """For the terminal: what was checked besides, the worst first."""
    table = Table(title="what the gate looked at besides")
    for heading in ("about", "came to", "in words"):
        table.add_column(heading, overflow="fold")
    order: Sequence[Level] = ("refused", "warned", "unknown", "held")
    for finding in sorted(findings, key=lambda one: order.index(one.level)):
        table.add_row(finding.about, finding.level, finding.says)
    return table


def _figures(played: Replay) -> Mapping[str, Any]:
    """Every system's mean with its interval, and how far ours is ahead of it, paired by query.

    The challenger stands beside the systems: it is ours once more, with what the champion knew.
    """
    ours, table = played.ndcg(OURS), {}
    for system in played.systems():
        theirs = played.ndcg(system)
        table[system] = {"ndcg10": float(theirs.mean()), "interval": interval(theirs)}
        if system != OURS:
            table[system]["ours_ahead_by"] = paired(ours, theirs)
    told: dict[str, Any] = {"queries": len(played.queries), "systems": table}
    if CHALLENGER in table:
        ahead = paired(played.ndcg(CHALLENGER), played.ndcg(CHAMPION))
        told[CHALLENGER] = {**table.pop(CHALLENGER), "ahead_of_champion_by": ahead}
    return told


def _behind_sources(side: Side, decides: Mapping[str, Any], recipe: Recipe) -> list[str]:
    lost = []
    for system, figure in decides["systems"].items():
        difference, low, high = figure.get("ours_ahead_by", (0.0, 0.0, 0.0))
        if system != CHAMPION and difference < -recipe.gate_tolerance:
            ours = decides["systems"][OURS]["ndcg10"]
            lost.append(
                f"{side}: NDCG@10 {ours:.4f} is behind {system}'s {figure['ndcg10']:.4f} "
                f"({difference:+.4f}, {low:+.4f} to {high:+.4f}) over {DECIDES}; "
                f"the tolerance is {recipe.gate_tolerance:.4f}"
            )
    return lost


def _against_champion(
    side: Side, decides: Mapping[str, Any], then: Mapping[str, Any] | None, recipe: Recipe, gate: GatePolicy
) -> list[Finding]:
    """Refused where it is behind by more than the policy allows, and beyond doubt: with the whole of its 95 % interval.

    And the champion's figure against that of its own night: the same model on other facts tells if these are sound.
    """
    about, n = f"champion, {side}", decides["queries"]
    if CHAMPION not in decides["systems"]:
        told = f"{side}: no model that passed its gate had its data end before the judge window: the sources alone decide"
        return [Finding(about, "unknown", told)]
    ours, theirs = decides[CHALLENGER]["ndcg10"], decides["systems"][CHAMPION]["ndcg10"]
    difference, low, high = decides[CHALLENGER]["ahead_of_champion_by"]
    tolerance = max(gate.champion_tolerance, recipe.gate_tolerance)
    told = (
        f"{side}: NDCG@10 {ours:.4f}, grown on what the champion knew, against its {theirs:.4f} "
        f"({difference:+.4f}, {low:+.4f} to {high:+.4f}) over {n} queries, {DECIDES}; refused where it is "
        f"behind by more than {tolerance:.4f}, and beyond doubt"
    )
    figures = {"queries": n, "challenger": ours, "champion": theirs, "ahead_by": (difference, low, high)}
    findings = [Finding(about, _behind(n, difference < -tolerance and high < 0, high, gate), told, figures)]
    before = (
        then.get(f"{side}, {DECIDES}", {}).get("systems", {}).get(OURS, {}).get("ndcg10") if then else None
    )
    if before:
        kept, least = theirs / before, gate.least_level_share
        told = (
            f"{side}: the champion's NDCG@10 is {theirs:.4f} on this judge window and was {before:.4f} on its own, "
            f"{kept:.0%}; under {least:.0%} the facts are in doubt"
        )
        level: Level = "unknown" if n < gate.least_queries else refused_if(kept < least)
        findings.append(Finding(f"level, {side}", level, told, {"now": theirs, "then": before, "queries": n}))
    return findings


def _sides(decides: Mapping[str, Any]) -> tuple[str, str]:
    """Who is held against whom in segments: the challenger against the champion, or ours against the best source."""
    systems = decides["systems"]
    if CHAMPION in systems:
        return CHALLENGER, CHAMPION
    return OURS, max((name for name in SOURCES if name in systems), key=lambda name: systems[name]["ndcg10"])


def _in_segments(
    played: Replay,
    segments: tuple[Mapping[str, Bools], Mapping[str, Bools]],
    sides: tuple[str, str],
    recipe: Recipe,
    gate: GatePolicy,
    *,
    is_lost: bool,
) -> list[Finding]:
    """Every segment of owners, and of relevant rows; against the champion a segment may refuse.

    Where the whole direction is lost they are told and refuse nothing; nor where there is no champion: the whole is then
    ahead of every source, and a source that serves everybody for the sake of one segment would serve the others worse.
    """
    tolerance = max(gate.segment_tolerance, recipe.gate_tolerance)
    bound = f"; refused where all of it lies under {-tolerance:.4f}" if sides[1] == CHAMPION else ""
    findings = []
    for name, mask, of_owners in [
        *((name, mask, True) for name, mask in segments[0].items()),
        *((name, mask, False) for name, mask in segments[1].items()),
    ]:
        ours, theirs = _segment_ndcg(played, sides, mask, of_owners=of_owners)
        n = len(ours)
        if not n:
            continue
        difference, low, high = paired(ours, theirs)
        told = (
            f"{played.side}, {name}: NDCG@10 {ours.mean():.4f} against {sides[1]}'s {theirs.mean():.4f} "
            f"({difference:+.4f}, {low:+.4f} to {high:+.4f}) over {n} queries{bound}"
        )
        figures = {
            "queries": n,
            "ours": float(ours.mean()),
            "theirs": float(theirs.mean()),
            "they": sides[1],
            "ahead_by": (difference, low, high),
        }
        level = _behind(n, bool(bound) and high < -tolerance and not is_lost, high, gate)
        findings.append(Finding(f"segment, {played.side}, {name}", level, told, figures))
    return findings


def _segment_ndcg(played: Replay, sides: tuple[str, str], mask: Bools, *, of_owners: bool) -> tuple[F64, F64]:
    """NDCG@10 of both sides: of owners in the segment, or of the relevant rows in it."""
    scores = []
    for query in played.queries:
        relevant = query.relevant if of_owners else query.relevant[mask[query.relevant]]
        if len(relevant) and (not of_owners or mask[query.owner]):
            scores.append([_of(query.lists[system], relevant) for system in sides])
    both = np.array(scores, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _of(rows: I32, relevant: I32) -> float:
    return ndcg(np.isin(rows[:10], relevant), len(relevant))


def _behind(n: int, refuses: bool, high: float, gate: GatePolicy) -> Level:
    if n < gate.least_queries:
        return "unknown"
    if refuses:
        return "refused"
    return "warned" if high < 0 else "held"
