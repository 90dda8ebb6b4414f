"""What was made of the lists that were shown? Their places with what came of each, as queries beside those that are drawn.

A list teaches what drawn candidates cannot: what its reader passed over. It also misleads: what stands low is looked
at less, so that whatever the old model put there seems bad. So every row carries its place, for LightGBM to tell apart
what the place did: score = what the pairing is worth + what the place adds. And *every* place that was shown counts,
not only those above the last one that was taken: a page that ends with a success teaches that low places are good, and
once places are told nothing is gained by it (measured in tests/logged_market.py).

A list shown in the days from one origin to the next is described as known at that origin, and what came of it
counts until the origin's own labels end: no window reaches further than those of drawn queries do.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from features.facts import Facts
from features.kernels import F32, F64, I32, I64
from features.snapshot import Snapshot
from features.units import DAY_US
from matcher.candidates.union import Side
from matcher.outcome import unit_gmv
from matcher.request import MOST_LISTED
from matcher.world import World
from training.dataset import Queries, each, stacked
from training.labels import INTERESTED, rows_in
from training.recipe import Recipe

NEVER_SHOWN: Final = 0
"""The place of rows that come from no list. All rows of their queries have it, and within a query only differences
of places count: it adds nothing to anybody."""
_EDGES: Final = (*range(1, 21), 30, 50, 100, 200)
"""Places beyond the first twenty are taken together: too few look there to tell one from the next."""
_LONG_AGO: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Impressions:
    """Lists of one side, one after the other, each in order of position; rows are those of a snapshot."""

    starts: I64
    """Where each list begins, and where the last one ends."""
    owner: I32
    """(n_lists,)"""
    row: I32
    """(n,) of the other side."""
    position: I32
    label: I32
    """(n,) 0 shown and nothing, 1 picked, saved, invited, accepted or sampled afterwards, 2 listed, 3 sold. No 4: of one
    page too little is sold for a quarter of it to mean anything."""
    propensity: F64
    drawn_from: pl.Series
    """(n,) ids with a space between them; null where the place was certain."""

    def __len__(self) -> int:
        return len(self.owner)


def read_impressions(
    facts: Facts, snapshot: Snapshot, side: Side, *, days: int, label_days: int
) -> Impressions:
    """Lists shown within `days` after the snapshot; what came of them within `label_days` after it, as the facts know it.

    Places whose anchor or SKU the snapshot does not know yet are left out; so are lists of fewer than two of the others, and of
    more than any list has, which would be no list, and too long for LightGBM.
    """
    begin = snapshot.as_of_us
    owner, other = ("anchor", "sku") if side == "goods" else ("sku", "anchor")
    rows = facts.showings.filter(
        (pl.col("is_goods") == (side == "goods"))
        & pl.col("at_us").is_between(begin, begin + days * DAY_US, closed="left")
    )
    places = {
        "anchor": rows_in(facts.anchor_ids, snapshot.roster.ids),
        "sku": rows_in(facts.sku_ids, snapshot.shelf.ids),
    }
    label = _labels(facts, rows, begin, begin + label_days * DAY_US)
    rows = (
        rows.with_columns(pl.Series("label", label), *(pl.Series(k, at[rows[k].to_numpy()]) for k, at in places.items()))
        .filter((pl.col("anchor") >= 0) & (pl.col("sku") >= 0))
        .unique(("list", owner, other), keep="first", maintain_order=True)
        .filter(pl.len().over("list", owner).is_between(2, MOST_LISTED))
        .sort("list", owner, "position", maintain_order=True)
    )  # fmt: skip
    key = rows.select(pl.struct("list", owner).rle_id())[:, 0].to_numpy()
    starts = np.searchsorted(key, np.arange(int(key[-1]) + 2 if len(key) else 1))
    return Impressions(
        starts=starts,
        owner=rows[owner].to_numpy()[starts[:-1]],
        row=rows[other].to_numpy(),
        position=rows["position"].to_numpy(),
        label=rows["label"].to_numpy(),
        propensity=rows["propensity"].to_numpy(),
        drawn_from=rows["drawn_from"],
    )


def draw_shown(
    world: World, shown: Impressions, side: Side, recipe: Recipe, *, age_days: float, threads: int
) -> Queries:
    """Up to `shown_lists_an_origin` of the lists of which something came, and not of all of it, with their places.

    However often an owner looked, its lists of a window weigh as much together as one drawn query.
    """
    teaches = np.array([_differs(shown.label[a:b]) for a, b in _spans(shown.starts)], np.bool_)
    lists = np.flatnonzero(teaches & world.asks(side)[shown.owner])
    if len(lists) > recipe.shown_lists_an_origin:
        rng = np.random.default_rng([recipe.seed, world.snapshot.as_of_us % 2**31, side == "goods", 3])
        lists = np.sort(rng.choice(lists, recipe.shown_lists_an_origin, replace=False))
    spans = [slice(int(shown.starts[k]), int(shown.starts[k + 1])) for k in lists]
    owners = shown.owner[lists]
    _, which, times = np.unique(owners, return_inverse=True, return_counts=True)

    def matrix(place: int) -> F32:
        rows, where = np.unique(shown.row[spans[place]], return_inverse=True)
        owner = int(owners[place])
        return world.matrix(side, owner, world.described(side, owner, rows))[where]

    group = np.array([span.stop - span.start for span in spans], np.int64)
    rows = np.concatenate([np.arange(span.start, span.stop) for span in spans] or [np.zeros(0, np.int64)])
    skus = shown.row[rows] if side == "goods" else np.repeat(owners, group)
    weight = 0.5 ** (age_days / recipe.weight_half_life_days) / times[which]
    return Queries(
        matrix=stacked(each(matrix, len(lists), threads)),
        label=shown.label[rows],
        group=group,
        weight=np.repeat(weight, group),
        unit_gmv_fen=unit_gmv(world.snapshot)[skus],
        n_dropped=len(shown) - len(lists),
        position=place_of(shown.position[rows]),
    )


def place_of(position: I32) -> I32:
    """The place that stands for a position, from 1.

    >>> place_of(np.array([1, 20, 21, 30, 31, 5_000])).tolist()
    [1, 20, 21, 21, 22, 25]
    """
    return (1 + np.searchsorted(_EDGES, position, side="left")).astype(np.int32)


def _labels(facts: Facts, rows: pl.DataFrame, begin: int, end: int) -> I32:
    """(n,) of each place that was shown, by what came of its pair at that instant or later, and before `end`."""
    n_skus = len(facts.sku_ids)
    listings = facts.listings
    happened = (listings.at_us >= begin) & (listings.at_us < end)
    listed = listings.take(happened)
    interest = facts.feedback.filter(
        pl.col("kind").is_in(INTERESTED) & pl.col("at_us").is_between(begin, end, closed="left")
    )
    pair = rows["anchor"].to_numpy().astype(np.int64) * n_skus + rows["sku"].to_numpy()
    at_us = rows["at_us"].to_numpy()
    label = np.zeros(len(pair), np.int32)
    sold = listed.take(np.nan_to_num(listed.units) > 0)
    for grade, anchor, sku, came_us in (
        (1, interest["anchor"].to_numpy(), interest["sku"].to_numpy(), interest["at_us"].to_numpy()),
        (2, listed.anchor, listed.sku, listed.at_us),
        (3, sold.anchor, sold.sku, sold.at_us),
    ):
        label[_last(pair, anchor.astype(np.int64) * n_skus + sku, came_us) >= at_us] = grade
    return label


def _last(pair: I64, came: I64, came_us: I64) -> I64:
    """(n,) when something last came of each pair; long ago where nothing did."""
    out = np.full(len(pair), _LONG_AGO)
    if len(came):
        order = np.lexsort((came_us, came))
        came, came_us = came[order], came_us[order]
        at = np.searchsorted(came, pair, side="right") - 1
        hit = (at >= 0) & (came[at] == pair)
        out[hit] = came_us[at[hit]]
    return out


def _differs(label: I32) -> bool:
    return bool(label.min() < label.max())


def _spans(starts: I64) -> list[tuple[int, int]]:
    return list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
