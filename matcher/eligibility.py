"""May this anchor sell this SKU? Hard rules of a pairing, asked for all of one side at once.

Denied by the SKU, its category denied by the anchor, below the SKU's tier, owner of a brand that competes, shut out
by somebody's exclusive plan. The order is the priority: a pairing that breaks two is counted under the first.
A brand competes where it has a SKU, not off the shelf, in the very category of the SKU that is offered.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from features.kernels import I32, I64, Bools, row_starts
from features.snapshot import Snapshot
from matcher.candidates.union import Side
from matcher.ids import id_lists, places, tier_ranks


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of (anchor, other), to be looked up from either end. Read-only."""

    by_anchor: I64
    """(n_anchors + 1,) where each anchor's run in `others` begins."""
    others: I64
    by_other: I64
    """(n_others + 1,) where each other's run in `anchors` begins."""
    anchors: I64

    @classmethod
    def of(cls, frame: pl.DataFrame, n_anchors: int, n_others: int) -> "Pairs":
        """From rows of `anchor` and `other`."""
        ends = frame.select(pl.col("anchor").cast(pl.Int64), pl.col("other").cast(pl.Int64)).unique()
        one, two = ends.sort("anchor", "other"), ends.sort("other", "anchor")
        return cls(
            row_starts(one["anchor"].to_numpy(), n_anchors), one["other"].to_numpy(),
            row_starts(two["other"].to_numpy(), n_others), two["anchor"].to_numpy(),
        )  # fmt: skip

    def of_anchor(self, anchor: int) -> I64:
        """The others of an anchor, ascending."""
        return self.others[self.by_anchor[anchor] : self.by_anchor[anchor + 1]]

    def of_other(self, other: int) -> I64:
        """The anchors of another, ascending."""
        return self.anchors[self.by_other[other] : self.by_other[other + 1]]


@dataclass(frozen=True, slots=True)
class PairRules:
    """What the rules of a pairing read, at one instant."""

    denied: Pairs
    """Anchors and SKUs that turn them away."""
    denied_categories: Pairs
    """Anchors and the categories that they do not sell, with all that lies below."""
    owned: Pairs
    """Anchors and the places of their own brands."""
    competing: Pairs
    """Anchors and the categories in which a brand of theirs sells."""
    is_exclusive: Bools
    """(n_skus,) some exclusive plan is in force."""
    holders: Pairs
    """Anchors and the SKUs whose exclusive plans name them."""
    least_tier: I64
    tier: I64
    category: I32
    brand: I32

    def refusals(self, side: Side, owner: int) -> Iterator[tuple[str, Bools]]:
        """Each rule, in order, with the rows of the other side that it refuses to the owner."""
        for reason, rule in PAIR_RULES:
            yield reason, rule(self, side, owner)

    def refused(self, side: Side, owner: int) -> Bools:
        """Rows that any of them refuses."""
        hits = [hit for _, hit in self.refusals(side, owner)]
        return np.asarray(np.logical_or.reduce(hits))


def _denied(rules: PairRules, side: Side, owner: int) -> Bools:
    if side == "goods":
        return _mask(rules.denied.of_anchor(owner), len(rules.category))
    return _mask(rules.denied.of_other(owner), len(rules.tier))


def _category_denied(rules: PairRules, side: Side, owner: int) -> Bools:
    if side == "goods":
        return _in_categories(rules, rules.denied_categories.of_anchor(owner))
    return _mask(rules.denied_categories.of_other(int(rules.category[owner])), len(rules.tier))


def _tier_too_low(rules: PairRules, side: Side, owner: int) -> Bools:
    if side == "goods":
        return np.asarray(rules.least_tier > rules.tier[owner])
    return np.asarray(rules.tier < rules.least_tier[owner])


def _competing_brand(rules: PairRules, side: Side, owner: int) -> Bools:
    if side == "goods":
        own = rules.owned.of_anchor(owner)
        if not len(own):
            return np.zeros(len(rules.category), np.bool_)
        return _in_categories(rules, rules.competing.of_anchor(owner)) & ~np.isin(rules.brand, own)
    competing = _mask(rules.competing.of_other(int(rules.category[owner])), len(rules.tier))
    competing[rules.owned.of_other(int(rules.brand[owner]))] = False
    return competing


def _exclusive_held(rules: PairRules, side: Side, owner: int) -> Bools:
    if side == "goods":
        shut = rules.is_exclusive.copy()
        shut[rules.holders.of_anchor(owner)] = False
        return shut
    shut = np.full(len(rules.tier), rules.is_exclusive[owner])
    shut[rules.holders.of_other(owner)] = False
    return shut


PAIR_RULES: Final[Sequence[tuple[str, Callable[[PairRules, Side, int], Bools]]]] = (
    ("ANCHOR_DENIED", _denied),
    ("CATEGORY_DENIED", _category_denied),
    ("TIER_TOO_LOW", _tier_too_low),
    ("COMPETING_BRAND", _competing_brand),
    ("EXCLUSIVE_HELD", _exclusive_held),
)


def read_pair_rules(snapshot: Snapshot) -> PairRules:
    """From the latest versions of anchors, SKUs and plans known at the snapshot's instant."""
    shelf, roster = snapshot.shelf, snapshot.roster
    n_anchors, n_skus = len(roster), len(shelf)
    anchors = roster.rows
    owned = _listed(anchors["own_brand_ids"], shelf.brand_ids)
    sells_in = pl.DataFrame({"other": shelf.brand, "category": shelf.category}).filter(pl.Series(shelf.on))
    competing = (
        owned.with_columns(pl.col("other").cast(pl.Int32))
        .join(sells_in.unique(), on="other")
        .select("anchor", other="category")
    )
    denied = _listed(shelf.rows["denied_anchor_ids"], roster.ids).select(anchor="other", other="anchor")
    exclusive = _exclusive_plans(snapshot)
    held = _listed(exclusive["anchor_ids"], roster.ids)
    holders = pl.DataFrame({"anchor": held["other"], "other": exclusive["sku"].gather(held["anchor"])})
    is_exclusive = np.zeros(n_skus, np.bool_)
    is_exclusive[exclusive["sku"].to_numpy()] = True
    return PairRules(
        denied=Pairs.of(denied, n_anchors, n_skus),
        denied_categories=Pairs.of(
            _denied_categories(anchors, shelf.category_paths), n_anchors, len(shelf.category_paths)
        ),
        owned=Pairs.of(owned, n_anchors, len(shelf.brand_ids)),
        competing=Pairs.of(competing, n_anchors, len(shelf.category_paths)),
        is_exclusive=is_exclusive,
        holders=Pairs.of(holders, n_anchors, n_skus),
        least_tier=tier_ranks(shelf.rows["min_tier"]),
        tier=tier_ranks(roster.rows["tier"]),
        category=shelf.category,
        brand=shelf.brand,
    )


def _exclusive_plans(snapshot: Snapshot) -> pl.DataFrame:
    """`sku` (its row), `anchor_ids` of exclusive plans in force: on, within their window, in their latest version."""
    at_us = snapshot.as_of_us - 1  # as rates are resolved
    latest = snapshot.plans.sort("plan_id", "known_us").unique("plan_id", keep="last", maintain_order=True)
    in_force = latest.filter(
        pl.col("plan_type") == "exclusive",
        pl.col("status").fill_null("on") == "on",
        pl.col("valid_from_us") <= at_us,
        pl.col("valid_to_us").is_null() | (pl.col("valid_to_us") > at_us),
    )
    return in_force.select(places("sku_id", snapshot.shelf.ids).alias("sku"), "anchor_ids").drop_nulls("sku")


def _denied_categories(anchors: pl.DataFrame, paths: pl.Series) -> pl.DataFrame:
    """`anchor`, `other`: a category and all below a denied path."""
    rows = [
        (anchor, place)
        for anchor, joined in anchors.with_row_index("row")
        .select("row", "denied_categories")
        .drop_nulls()
        .iter_rows()
        for denied in joined.split(";")
        for place, path in enumerate(paths)
        if path == denied or path.startswith(denied + "/")
    ]
    return pl.DataFrame(rows, schema={"anchor": pl.Int64, "other": pl.Int64}, orient="row")


def _listed(lists: pl.Series, ids: pl.Series) -> pl.DataFrame:
    """`;` lists, one an anchor, as rows: `anchor`, the list's number, and `other`, the place of each known id."""
    starts, found = id_lists(lists, ids)
    return pl.DataFrame({"anchor": np.repeat(np.arange(len(lists)), np.diff(starts)), "other": found})


def _mask(rows: I64, n: int) -> Bools:
    out = np.zeros(n, np.bool_)
    out[rows] = True
    return out


def _in_categories(rules: PairRules, categories: I64) -> Bools:
    """(n_skus,); rows of a category are a slice of the shelf."""
    out = np.zeros(len(rules.category), np.bool_)
    for category in categories:
        first, last = np.searchsorted(rules.category, [category, category + 1])
        out[first:last] = True
    return out
