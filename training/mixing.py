"""How much of each? The weights of an objective's parts, chosen on the early window and never on the judge's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from features.kernels import F64, I64, Bools
from matcher.balance import PAGE, Chances, balanced_scores, standing
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.model import Balance, Mix, Model
from training.dataset import ListingRows
from training.fit import session_grades
from training.labels import Graded
from training.metrics import grouped_ndcg, ndcg, paired

SHARES: Final = (0.0, 0.25, 0.5, 0.75)
WEIGHTS: Final = (0.03, 0.05, 0.07, 0.1, *(k / 100 for k in range(12, 24)), 0.25, 0.3, 0.4, 0.6)
UPTAKE_KEPT: Final[Mapping[Side, float]] = {"goods": 0.895, "shortlist": 0.915}
"""`balanced` may give up a tenth of either objective; what is kept later differs from the early window by as much."""
N_OWNERS: Final = 250
N_RANKS: Final = 150


@dataclass(frozen=True, slots=True)
class _List:
    """One replayed query: uptake scores, expected GMV, and what was relevant among the candidates."""

    uptake: F64
    gmv: F64
    hit: Bools
    n_relevant: int


def choose_mix(
    engine: Engine, graded: Mapping[Side, Graded], listings: ListingRows
) -> tuple[Mix, Mapping[str, Any]]:
    """Weights for the model of an engine at the early window's origin, and the figures behind them.

    The value ranker gets the smallest share that nothing beats beyond doubt: none, where the outcome model alone
    is as good. `balanced` gets the least weight that keeps `UPTAKE_KEPT` of `fit`'s NDCG@10. What it keeps of
    `gmv`'s page is reported, and decides nothing: by its own estimate the page that is best by it always shines.
    """
    model = engine.model
    assert model is not None, "there is nothing to mix without a model"
    share, by_share = _value_share(model, listings)
    engine = replace(engine, model=replace(model, mix=replace(model.mix, value_ranker=share)))
    balances: dict[Side, Balance] = {}
    report: dict[str, Any] = {"value_ranker": by_share}
    for side in get_args(Side):
        balances[side], report[f"balanced_{side}"] = _balance(engine, graded[side], side)
    return Mix(share, balances["goods"], balances["shortlist"]), report


def _value_share(model: Model, listings: ListingRows) -> tuple[float, Mapping[str, float]]:
    kept = np.flatnonzero(listings.settled)
    if model.goods_value is None or not len(kept):
        return 0.0, {}
    label, group = session_grades(listings, kept)
    matrix, unit_gmv_fen = listings.matrix[kept], listings.unit_gmv_fen[kept]
    values: dict[float, F64] = {}
    for share in SHARES:
        mixed = replace(model, mix=replace(model.mix, value_ranker=share))
        scores = _by_group(group, _valued(mixed, matrix, unit_gmv_fen))
        values[share] = grouped_ndcg(scores, np.exp2(label) - 1.0, group)
    judged = ~np.isnan(values[0.0])
    best = 0.0
    for share in SHARES[1:]:
        if judged.any() and paired(values[share][judged], values[best][judged])[1] > 0:
            best = share
    return best, {str(share): float(v[judged].mean()) for share, v in values.items() if judged.any()}


def _valued(model: Model, matrix: Any, unit_gmv_fen: F64) -> Callable[[slice], F64]:
    return lambda rows: model.value("goods", matrix[rows], unit_gmv_fen[rows])


def _balance(engine: Engine, graded: Graded, side: Side) -> tuple[Balance, Mapping[str, Any]]:
    lists = _replayed(engine, graded, side, new_only=False)
    if not lists:
        return Balance(), {}
    chances, chances_new = _chances(lists), _chances(_replayed(engine, graded, side, new_only=True))
    most_taken = float(np.mean([_ndcg(one, one.uptake) for one in lists]))
    most_brought = sum(_brought(one, one.gmv) for one in lists)
    chance = [chances.of(one.uptake) for one in lists]
    report: dict[str, Any] = {}
    chosen: float | None = None
    for weight in WEIGHTS:
        scores = [
            balanced_scores(one.uptake, one.gmv, known, weight)
            for one, known in zip(lists, chance, strict=True)
        ]
        kept = [_ndcg(one, score) for one, score in zip(lists, scores, strict=True)]
        brought = [_brought(one, score) for one, score in zip(lists, scores, strict=True)]
        taken_kept = float(np.mean(kept)) / max(most_taken, 1e-12)
        gmv_kept = sum(brought) / max(most_brought, 1e-12)
        report[str(weight)] = {"uptake_kept": taken_kept, "gmv_kept": gmv_kept}
        if chosen is None and taken_kept >= UPTAKE_KEPT[side]:
            chosen = weight
    chosen = WEIGHTS[-1] if chosen is None else chosen
    return Balance(chosen, chances, chances_new), report | {"chosen": chosen}


def _replayed(engine: Engine, graded: Graded, side: Side, *, new_only: bool) -> Sequence[_List]:
    model, world = engine.model, engine.world
    assert model is not None, "there is nothing to mix without a model"
    owners = np.flatnonzero((np.diff(graded.starts) > 0) & world.asks(side))
    if len(owners) > N_OWNERS:
        owners = owners[:: len(owners) // N_OWNERS]
    lists = []
    for owner in map(int, owners):
        rows, labels = graded.of(owner)
        relevant = rows[labels >= 3]
        if new_only:
            relevant = np.setdiff1d(relevant, world.sold_together(side, owner))
        found = world.candidates(side, owner, world.allowed(side, owner, new_only=new_only))
        if not len(relevant) or not len(found.rows):
            continue
        matrix = world.matrix(side, owner, found)
        skus = found.rows if side == "goods" else np.full(len(found.rows), owner)
        value = model.value(side, matrix, engine.unit_gmv_fen[skus])
        lists.append(
            _List(
                uptake=model.uptake(side).score(matrix),
                gmv=np.exp(value),
                hit=np.isin(found.rows, relevant),
                n_relevant=len(relevant),
            )
        )
    return lists


def _chances(lists: Sequence[_List]) -> Chances:
    """A logistic curve through what came of the first candidates of each list; the usual one where all are alike."""
    firsts = [np.argsort(-one.uptake, kind="stable")[:N_RANKS] for one in lists]
    hit = np.concatenate(
        [one.hit[first] for one, first in zip(lists, firsts, strict=True)] or [np.zeros(0, bool)]
    )
    if not hit.any() or hit.all():
        return Chances()
    rows = np.concatenate([standing(one.uptake)[first] for one, first in zip(lists, firsts, strict=True)])
    with threadpool_limits(limits=1, user_api="blas"):
        fitted = LogisticRegression(C=10.0, max_iter=500, fit_intercept=False).fit(rows, hit)
    return Chances(tuple(round(float(one), 6) for one in fitted.coef_[0]))


def _ndcg(one: _List, scores: F64) -> float:
    return ndcg(one.hit[np.argsort(-scores, kind="stable")[:10]], one.n_relevant)


def _brought(one: _List, scores: F64) -> float:
    """The page's expected GMV as a share of the best page's, so that a small anchor counts as a large."""
    page = np.argsort(-scores, kind="stable")[:PAGE]
    return float(one.gmv[page].sum() / max(np.sort(one.gmv)[-PAGE:].sum(), 1e-12))


def _by_group(group: I64, score: Callable[[slice], F64]) -> F64:
    parts, begin = [], 0
    for size in group:
        parts.append(score(slice(begin, begin + int(size))))
        begin += int(size)
    return np.concatenate(parts) if parts else np.zeros(0)
