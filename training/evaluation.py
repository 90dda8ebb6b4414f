"""How did the lists do over a period? Replays of the whole matcher, ours beside every source, by segment.

At each origin of the period the model that was published by then ranks in a world of what was known by then;
relevant is what sold in the days after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.facts import Facts
from features.kernels import F64, I32, Bools
from matcher.candidates.union import Side
from matcher.engine import Engine
from training.figures import plain
from training.labels import grade, read_outcomes
from training.metrics import gini, interval, paired_ratio, score_list
from training.replay import OURS, Replay, replay, segments_of

MetricRow = dict[str, Any]
LEAST_QUERIES = 10
"""A segment with fewer is not reported: its mean says nothing."""


@dataclass(frozen=True, slots=True)
class Period:
    """One origin's replay with the masks of its segments."""

    origin_us: int
    model_version: str
    played: Replay
    owner_segments: Mapping[str, Bools]
    row_segments: Mapping[str, Bools]
    n_rows: int
    tier_of_row: I32 | None
    """Of the other side, where that is anchors."""


def replay_origin(
    facts: Facts,
    engine: Engine,
    side: Side,
    *,
    days: int,
    new_only: bool,
    most_owners: int | None,
    threads: int,
) -> Period:
    """Replay one side at the engine's instant against the `days` after it."""
    world = engine.world
    other: Side = "shortlist" if side == "goods" else "goods"
    graded = grade(
        read_outcomes(facts, world.snapshot, days), side, world.n_owners(side), world.n_owners(other)
    )
    owners, rows = segments_of(world, side)
    return Period(
        origin_us=world.snapshot.as_of_us,
        model_version=engine.model_version(side),
        played=replay(engine, graded, side, new_only=new_only, most_owners=most_owners, threads=threads),
        owner_segments=owners,
        row_segments=rows,
        n_rows=world.n_owners(other),
        tier_of_row=world.snapshot.roster.tier if side == "shortlist" else None,
    )


def summarise(periods: Sequence[Period]) -> dict[str, Any]:
    """Tables as JSON has them: overall by system, by segment, by origin."""
    systems = list(dict.fromkeys(name for period in periods for name in period.played.systems()))
    told: dict[str, Any] = plain(
        {
            "queries": sum(len(period.played.queries) for period in periods),
            "recall_ceiling": _ceiling(periods),
            "systems": {name: _system(periods, name) for name in systems},
            "ours_to_best": _against_best(periods, systems),
            "segments": _segments(periods, systems),
            "origins": [
                {
                    "origin_us": period.origin_us,
                    "model_version": period.model_version,
                    "queries": len(period.played.queries),
                    "ndcg10": {name: _mean(period.played.ndcg(name)) for name in period.played.systems()},
                }
                for period in periods
            ],
        }
    )
    return told


def _system(periods: Sequence[Period], name: str) -> MetricRow:
    scores = [score for period in periods for score in _scores(period, name)]
    values = np.array([[score.ndcg10, score.hit10, score.recall50] for score in scores]).reshape(-1, 3)
    shown = [_exposures(period, name) for period in periods if name in period.played.systems()]
    return {
        "ndcg10": _mean(values[:, 0]),
        "ndcg10_interval": interval(values[:, 0]),
        "hit10": _mean(values[:, 1]),
        "recall50": _mean(values[:, 2]),
        "coverage": float(np.mean([(counts > 0).mean() for counts in shown])) if shown else None,
        "gini": float(np.mean([gini(counts) for counts in shown])) if shown else None,
        "exposure_by_tier": _by_tier(periods, name),
    }


def _exposures(period: Period, name: str) -> F64:
    """How often each row of the other side stood among the first 10."""
    tops = [query.lists[name][:10] for query in period.played.queries]
    rows = np.concatenate(tops) if tops else np.zeros(0, np.int64)
    return np.bincount(rows, minlength=period.n_rows).astype(np.float64)


def _by_tier(periods: Sequence[Period], name: str) -> dict[str, float] | None:
    totals = np.zeros(3)
    for period in periods:
        if period.tier_of_row is not None and name in period.played.systems():
            known = period.tier_of_row >= 0
            totals += np.bincount(period.tier_of_row[known], _exposures(period, name)[known], 3)
    if not totals.sum() > 0:
        return None
    return {tier: float(totals[k] / totals.sum()) for k, tier in enumerate(("tail", "waist", "head"))}


def _against_best(periods: Sequence[Period], systems: Sequence[str]) -> MetricRow | None:
    """Ours to the best of the others, where ours was there: on the same queries."""
    ours = [period for period in periods if OURS in period.played.systems()]
    if not ours:
        return None
    means = {name: _mean(_all(ours, name)) or 0.0 for name in systems if not name.startswith(OURS)}
    best = max(means, key=lambda name: means[name])
    ratio, low, high = paired_ratio(_all(ours, OURS), _all(ours, best))
    return {"best": best, "ratio": ratio, "interval": (low, high)}


def _segments(periods: Sequence[Period], systems: Sequence[str]) -> dict[str, MetricRow]:
    """NDCG@10 by system: of owners in a segment, and of relevant rows in a segment."""
    out: dict[str, MetricRow] = {}
    for name in dict.fromkeys(name for period in periods for name in period.owner_segments):
        _add_segment(out, name, [(period, _owner_part(period, name)) for period in periods], systems)
    for name in dict.fromkeys(name for period in periods for name in period.row_segments):
        _add_segment(out, name, [(period, _row_part(period, name)) for period in periods], systems)
    return out


Part = Sequence[tuple[int, I32]]
"""(place of the query, relevant rows that count)."""


def _owner_part(period: Period, name: str) -> Part:
    mask = period.owner_segments.get(name)
    queries = enumerate(period.played.queries)
    return [(k, query.relevant) for k, query in queries if mask is not None and mask[query.owner]]


def _row_part(period: Period, name: str) -> Part:
    mask = period.row_segments.get(name)
    parts = []
    for k, query in enumerate(period.played.queries):
        relevant = query.relevant[mask[query.relevant]] if mask is not None else query.relevant[:0]
        if len(relevant):
            parts.append((k, relevant))
    return parts


def _add_segment(
    out: dict[str, MetricRow], name: str, parts: Sequence[tuple[Period, Part]], systems: Sequence[str]
) -> None:
    n = sum(len(part) for _, part in parts)
    if n < LEAST_QUERIES:
        return
    out[name] = {
        "queries": n,
        "ndcg10": {
            system: _mean(
                np.array(
                    [
                        score_list(period.played.queries[k].lists[system], relevant).ndcg10
                        for period, part in parts
                        if system in period.played.systems()
                        for k, relevant in part
                    ]
                )
            )
            for system in systems
        },
    }


def _ceiling(periods: Sequence[Period]) -> float | None:
    """Share of relevant pairings that were among the candidates."""
    relevant = sum(len(query.relevant) for period in periods for query in period.played.queries)
    found = sum(query.n_found for period in periods for query in period.played.queries)
    return found / relevant if relevant else None


def _scores(period: Period, name: str) -> Sequence[Any]:
    return period.played.scores(name) if name in period.played.systems() else []


def _all(periods: Sequence[Period], name: str) -> F64:
    return np.concatenate([period.played.ndcg(name) for period in periods if name in period.played.systems()])


def _mean(values: F64) -> float | None:
    return float(values.mean()) if len(values) else None
