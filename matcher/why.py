"""What became of one pairing? Not a candidate, refused by a rule, or its rank and what stands above it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.kernels import Bools
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.explain import Reason
from matcher.request import ListRequest

N_ABOVE = 5


@dataclass(frozen=True, slots=True)
class Fate:
    """One pairing as seen from one side's list."""

    side: Side
    status: str
    """RANKED, NOT_A_CANDIDATE, or the rule that refused it."""
    rank: int | None
    """Among all candidates, from 1; the list shows the first of them."""
    score: float | None
    considered: int
    said: Mapping[str, float]
    """Source -> what it said of the pairing; 0 is nothing."""
    brought_by: Sequence[str]
    """Sources that brought it."""
    above: Sequence[str]
    """Ids of the best that stand above it, at most N_ABOVE."""
    reasons: Sequence[Reason]


def why(engine: Engine, anchor: int, sku: int, request: ListRequest) -> tuple[Fate, Fate]:
    """The pairing in the anchor's goods and in the SKU's shortlist."""
    goods = replace(request, side="goods", owner=anchor)
    shortlist = replace(request, side="shortlist", owner=sku)
    return _fate(engine, goods, sku), _fate(engine, shortlist, anchor)


def _fate(engine: Engine, request: ListRequest, row: int) -> Fate:
    among, _ = engine.among(request)
    refusal = _refusal(engine, request, row, among)
    rows = np.array([row], np.int32)
    described = engine.world.described(request.side, request.owner, rows)
    said = {name: float(described.scores[0, k]) for k, name in enumerate(engine.world.sources)}
    brought = [name for k, name in enumerate(engine.world.sources) if not np.isnan(described.ranks[0, k])]
    if refusal is not None:
        return Fate(request.side, refusal, None, None, 0, said, brought, (), ())
    found, matrix, scores = engine.rank(request, among)
    place = np.flatnonzero(found.rows == row)
    if not len(place):
        return Fate(request.side, "NOT_A_CANDIDATE", None, None, len(found.rows), said, brought, (), ())
    order = np.argsort(-scores, kind="stable")
    rank = int(np.flatnonzero(order == place[0])[0])
    snapshot = engine.world.snapshot
    ids = snapshot.shelf.ids if request.side == "goods" else snapshot.roster.ids
    return Fate(
        side=request.side,
        status="RANKED",
        rank=rank + 1,
        score=float(scores[place[0]]),
        considered=len(found.rows),
        said=said,
        brought_by=brought,
        above=[ids[int(found.rows[other])] for other in order[: min(rank, N_ABOVE)]],
        reasons=engine.reasons(request, matrix, place)[0],
    )


def _refusal(engine: Engine, request: ListRequest, row: int, among: Bools) -> str | None:
    """The first rule that the pairing breaks."""
    for reason, broken in engine.refusals(request):
        if broken[row]:
            return reason
    return None if among[row] else "FILTERED"
