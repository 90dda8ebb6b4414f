"""Which rows is a model grown on? Lists drawn at each origin as serving would have drawn them, with their labels.

Candidates come from the same sources, in the same mix, under the same rules, and through the same matrix as a
list served at that instant. Of a query's candidates all that came to something are kept and a fixed number of the
rest drawn, each as likely as the other.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from features.catalogue import NAMES
from features.kernels import F32, F64, I32, I64, Bools
from matcher.candidates.union import Side
from matcher.outcome import unit_gmv
from matcher.world import World
from training.labels import Graded, Outcomes
from training.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Queries:
    """Rows of many queries, one after the other."""

    matrix: F32
    label: I32
    group: I64
    """Rows in each query."""
    weight: F64
    """(n_rows,) of its query's age."""
    unit_gmv_fen: F64
    """(n_rows,) what a unit of the row's SKU brings."""
    n_dropped: int
    """Queries without a candidate that came to anything, or with nothing else: they teach nothing."""
    position: I32 | None = None
    """(n_rows,) the place at which each row was shown, 0 in queries that nobody was shown; nothing: none was."""


@dataclass(frozen=True, slots=True)
class ListingRows:
    """Listings after an origin with the rows that a list would have shown for them."""

    matrix: F32
    session: I64
    units: F64
    gmv_fen: F64
    net_fen: F64
    exposure: F64
    settled: Bools
    weight: F64
    unit_gmv_fen: F64


def draw_queries(
    world: World, graded: Graded, side: Side, recipe: Recipe, *, new_only: bool, age_days: float, threads: int
) -> Queries:
    """Up to `owners_a_side` queries that came to something, and their rows."""
    owners = np.flatnonzero((np.diff(graded.starts) > 0) & world.asks(side))
    rng = np.random.default_rng([recipe.seed, world.snapshot.as_of_us % 2**31, side == "goods", new_only])
    if len(owners) > recipe.owners_a_side:
        owners = np.sort(rng.choice(owners, recipe.owners_a_side, replace=False))
    seeds = rng.integers(0, 2**31, len(owners))

    brings = unit_gmv(world.snapshot)

    def draw(place: int) -> tuple[F32, I32, F64] | None:
        owner = int(owners[place])
        found = world.candidates(side, owner, world.allowed(side, owner, new_only=new_only))
        rows, labels = graded.of(owner)
        label = np.zeros(len(found.rows), np.int32)
        here = np.isin(rows, found.rows, assume_unique=True)
        label[np.searchsorted(found.rows, rows[here])] = labels[here]
        if not label.any() or label.all():
            return None
        nothing = np.flatnonzero(label == 0)
        if len(nothing) > recipe.negatives_a_query:
            nothing = np.random.default_rng(seeds[place]).choice(
                nothing, recipe.negatives_a_query, replace=False
            )
        kept = np.sort(np.concatenate([np.flatnonzero(label > 0), nothing]))
        skus = found.rows[kept] if side == "goods" else np.full(len(kept), owner)
        return world.matrix(side, owner, found.take(kept)), label[kept], brings[skus]

    drawn = [query for query in each(draw, len(owners), threads) if query is not None]
    weight = 0.5 ** (age_days / recipe.weight_half_life_days)
    return Queries(
        matrix=stacked([matrix for matrix, _, _ in drawn]),
        label=np.concatenate([label for _, label, _ in drawn]) if drawn else np.zeros(0, np.int32),
        group=np.array([len(label) for _, label, _ in drawn], np.int64),
        weight=np.full(sum(len(label) for _, label, _ in drawn), weight),
        unit_gmv_fen=np.concatenate([unit for _, _, unit in drawn]) if drawn else np.zeros(0),
        n_dropped=len(owners) - len(drawn),
    )


def draw_listings(
    world: World, outcomes: Outcomes, recipe: Recipe, *, age_days: float, threads: int
) -> ListingRows:
    """Listings after the origin: whole sessions at random, at most `listing_rows_an_origin` rows; a session together."""
    rng = np.random.default_rng([recipe.seed, world.snapshot.as_of_us % 2**31, 2])
    sessions = rng.permutation(np.unique(outcomes.session))
    sizes = np.bincount(outcomes.session)[sessions] if len(sessions) else np.zeros(0, np.int64)
    sessions = sessions[: int(np.searchsorted(np.cumsum(sizes), recipe.listing_rows_an_origin, side="right"))]
    kept = np.flatnonzero(np.isin(outcomes.session, sessions))
    kept = kept[np.lexsort((outcomes.sku[kept], outcomes.session[kept], outcomes.anchor[kept]))]
    anchors, begins = np.unique(outcomes.anchor[kept], return_index=True)
    ends = [*begins[1:], len(kept)]

    def rows_of(place: int) -> F32:
        skus = outcomes.sku[kept[begins[place] : ends[place]]]
        distinct, where = np.unique(skus, return_inverse=True)
        owner = int(anchors[place])
        found = world.described("goods", owner, distinct.astype(np.int32))
        return world.matrix("goods", owner, found)[where]

    matrix = stacked(each(rows_of, len(anchors), threads))
    return ListingRows(
        matrix=matrix,
        session=outcomes.session[kept],
        units=outcomes.units[kept],
        gmv_fen=outcomes.gmv_fen[kept],
        net_fen=outcomes.net_fen[kept],
        exposure=outcomes.exposure[kept],
        settled=outcomes.settled[kept],
        weight=np.full(len(kept), 0.5 ** (age_days / recipe.weight_half_life_days)),
        unit_gmv_fen=unit_gmv(world.snapshot)[outcomes.sku[kept]],
    )


def joined(parts: Sequence[Queries]) -> Queries:
    """Queries of several origins, in order."""
    return Queries(
        matrix=stacked([part.matrix for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        group=np.concatenate([part.group for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        unit_gmv_fen=np.concatenate([part.unit_gmv_fen for part in parts]),
        n_dropped=sum(part.n_dropped for part in parts),
        position=None
        if all(part.position is None for part in parts)
        else np.concatenate([_position(part) for part in parts]),
    )


def without_shown(queries: Queries) -> Queries:
    """Those of the queries that were drawn: for who cannot tell what a place did."""
    if queries.position is None:
        return queries
    drawn = queries.position[np.cumsum(queries.group) - queries.group] == 0
    rows = np.repeat(drawn, queries.group)
    columns = ("matrix", "label", "weight", "unit_gmv_fen")
    return replace(
        queries,
        group=queries.group[drawn],
        position=None,
        **{name: getattr(queries, name)[rows] for name in columns},
    )


def joined_listings(parts: Sequence[ListingRows]) -> ListingRows:
    """Listings of several origins; sessions of different origins stay apart."""
    return ListingRows(
        matrix=stacked([part.matrix for part in parts]),
        session=np.concatenate([part.session * len(parts) + k for k, part in enumerate(parts)]),
        units=np.concatenate([part.units for part in parts]),
        gmv_fen=np.concatenate([part.gmv_fen for part in parts]),
        net_fen=np.concatenate([part.net_fen for part in parts]),
        exposure=np.concatenate([part.exposure for part in parts]),
        settled=np.concatenate([part.settled for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        unit_gmv_fen=np.concatenate([part.unit_gmv_fen for part in parts]),
    )


def _position(part: Queries) -> I32:
    return np.zeros(len(part.label), np.int32) if part.position is None else part.position


def each(work: Callable[[int], T], n: int, threads: int) -> list[T]:
    """`work(0) .. work(n - 1)` in order, by as many threads; the loops behind it hold no lock."""
    if threads == 1:
        return [work(place) for place in range(n)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(n)))


def stacked(parts: Sequence[F32]) -> F32:
    """One matrix; without rows where there are no parts."""
    return np.concatenate(parts) if parts else np.zeros((0, len(NAMES)), np.float32)
