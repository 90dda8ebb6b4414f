"""What would the whole matcher have recommended then, and what came next? Every system on the same queries.

A query is an owner (an anchor for goods, a SKU for shortlists) for whom something relevant came: a pairing that
sold within the label window, and, of new pairs only, one that had not sold together in the year before. Systems:
ours under an objective, every candidate source alone, and the platform's GMV formula.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from features.catalogue import NAMES
from features.kernels import F32, F64, I32, Bools
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.list_ import ListTerms, choose
from matcher.model import Model, Objective
from matcher.request import ListRequest
from matcher.world import World
from training.labels import Graded
from training.metrics import ListScore, score_list

SIZE = 50
OURS = "ours"
CHAMPION = "champion"
CHALLENGER = "challenger"
"""Ours, grown on as much as the champion was; listed only where there is one."""
FORMULA = "gmv_formula"
Score = Callable[[World, Side, F32, I32, I32], F64]


@dataclass(frozen=True, slots=True)
class Query:
    """One owner, what came, and each system's list."""

    owner: int
    relevant: I32
    n_found: int
    """Relevant rows that were among the candidates: the ceiling."""
    lists: Mapping[str, I32]


@dataclass(frozen=True, slots=True)
class Replay:
    """All queries of a side at one origin."""

    side: Side
    queries: Sequence[Query]

    def scores(self, system: str) -> list[ListScore]:
        """Each query's figures, in order."""
        return [score_list(query.lists[system], query.relevant) for query in self.queries]

    def ndcg(self, system: str) -> F64:
        """NDCG@10 of each query."""
        return np.array([score.ndcg10 for score in self.scores(system)])

    def systems(self) -> list[str]:
        """Ours first."""
        return list(self.queries[0].lists) if self.queries else []


def replay(
    engine: Engine,
    graded: Graded,
    side: Side,
    *,
    new_only: bool,
    objectives: Sequence[Objective] = ("fit",),
    most_owners: int | None = None,
    threads: int = 1,
    seed: int = 7,
    beside: Mapping[str, Model] | None = None,
) -> Replay:
    """Rank for every owner with something relevant, or for a drawn sample of them.

    `beside`: other models by name; each ranks the same candidates under `fit`, as ours does.
    """
    owners = np.flatnonzero(np.diff(graded.starts) > 0)
    if most_owners is not None and len(owners) > most_owners:
        owners = np.sort(np.random.default_rng(seed).choice(owners, most_owners, replace=False))

    def one(owner: int) -> Query | None:
        return _query(engine, graded, side, int(owner), new_only, objectives, beside or {})

    with ThreadPoolExecutor(threads) as pool:
        return Replay(side=side, queries=[query for query in pool.map(one, owners) if query is not None])


def system_name(objective: Objective) -> str:
    """`ours` is ours under `fit`, which is what relevance here means."""
    return OURS if objective == "fit" else f"{OURS}:{objective}"


def _query(
    engine: Engine,
    graded: Graded,
    side: Side,
    owner: int,
    new_only: bool,
    objectives: Sequence[Objective],
    beside: Mapping[str, Model],
) -> Query | None:
    world = engine.world
    rows, labels = graded.of(owner)
    relevant = rows[labels >= 3]
    if new_only:
        relevant = np.setdiff1d(relevant, world.sold_together(side, owner))
    if not len(relevant):
        return None
    if not world.asks(side)[owner]:
        return None
    allowed = _allowed(engine, side, owner, new_only=new_only)
    found = world.candidates(side, owner, allowed)
    lists: dict[str, I32] = {}
    if engine.model is not None and len(found.rows):
        matrix = world.matrix(side, owner, found)
        owners = np.full(len(found.rows), owner, np.int32)
        anchors, skus = (owners, found.rows) if side == "goods" else (found.rows, owners)
        rate_ppm = world.rates.at(anchors, skus)
        terms = engine.terms(ListRequest(side, owner, SIZE, new_only=new_only), found)
        for objective in objectives:
            scores = engine.model.score(
                objective, side, matrix, engine.unit_gmv_fen[skus], rate_ppm, new_only=new_only
            )
            lists[system_name(objective)] = found.rows[choose(scores, terms)]
        for name, model in beside.items():
            lists[name] = found.rows[choose(model.uptake(side).score(matrix), terms)]
        formula = np.nan_to_num(matrix[:, NAMES.index("formula_gmv")].astype(np.float64), nan=-1.0)
        lists[FORMULA] = found.rows[choose(formula, ListTerms(size=SIZE))]
    elif engine.model is not None:
        names = [*(system_name(objective) for objective in objectives), *beside, FORMULA]
        lists |= dict.fromkeys(names, found.rows)
    for name, source in world.sources.items():
        lists[name] = getattr(source, side)(owner).top(allowed, SIZE)
    return Query(owner, relevant, int(np.isin(relevant, found.rows).sum()), lists)


def _allowed(engine: Engine, side: Side, owner: int, *, new_only: bool) -> Bools:
    """Rows that may be recommended: by the hard rules, and by the two rules where the policy has them leave some out."""
    if engine.verdicts is None or not engine.verdicts.bars:
        return engine.world.allowed(side, owner, new_only=new_only)
    return engine.among(ListRequest(side, owner, SIZE, new_only=new_only))[0]


def pooled(replays: Mapping[tuple[Side, bool], Replay]) -> dict[Side, Replay]:
    """Each direction's queries over all pairs and over new pairs taken together, as one replay: what decides."""
    together: dict[Side, Replay] = {}
    for (side, _), played in replays.items():
        before = together[side].queries if side in together else ()
        together[side] = Replay(side, [*before, *played.queries])
    return together


def best_source(replays: Mapping[tuple[Side, bool], Replay], world: World) -> dict[Side, str]:
    """The source with the highest pooled mean NDCG@10 in each direction; popularity where nothing was replayed."""
    best: dict[Side, str] = {}
    for side, played in pooled(replays).items():
        if not played.queries:
            best[side] = "popularity"
            continue
        means = {name: float(played.ndcg(name).mean()) for name in world.sources}
        best[side] = max(means, key=lambda name: means[name])
    return best


def segments_of(world: World, side: Side) -> tuple[dict[str, Bools], dict[str, Bools]]:
    """Masks over owners and over rows of the other side: new and known, tiers, categories."""
    snapshot = world.snapshot
    pairs = snapshot.histories.sku
    carried = np.diff(pairs.starts) > 0
    sold = np.bincount(pairs.code, minlength=len(snapshot.shelf)) > 0
    anchors: dict[str, Bools] = {"new anchor": ~carried, "known anchor": carried}
    for place, tier in enumerate(("tail", "waist", "head")):
        anchors[f"tier {tier}"] = snapshot.roster.tier == place
    skus: dict[str, Bools] = {"new SKU": ~sold, "known SKU": sold}
    for place, top in enumerate(snapshot.shelf.tops):
        skus[f"category {top}"] = snapshot.shelf.top == place
    return (anchors, skus) if side == "goods" else (skus, anchors)
