"""Is this anchor's crowd the one that buys such goods? Profiles of crowds by role, and how far two overlap.

A profile is the square roots of the shares of each dimension (gender, age, city tier, price band, category), so
that a dot product is the Bhattacharyya coefficient: 1 for the same crowd, 0 for crowds that share no bucket; the
mean over the dimensions that both sides know. What nobody observed stays NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from features.facts import Facts
from features.history import Histories
from features.kernels import F32, F64, I32, I64, jit
from features.shelf import Shelf

DIMENSIONS = ("age", "category", "city_tier", "gender", "price_band")
ROLES = ("viewer", "buyer", "repeat_buyer")
_N_KNOWN = np.array([bits.bit_count() for bits in range(2 ** len(DIMENSIONS))])


@dataclass(frozen=True, slots=True)
class Profiles:
    """Crowds of several owners: roots (n, n_buckets) float32, and which dimensions each knows, as bits (n,)."""

    roots: F32
    known: I64


@dataclass(frozen=True, slots=True)
class Audiences:
    """Anchors' crowds by role; buyers of SKUs, brands and categories as the sellers' buyers, weighted by units."""

    viewer: Profiles
    buyer: Profiles
    repeat_buyer: Profiles
    of_sku: Profiles
    of_brand: Profiles
    of_category: Profiles
    buckets: tuple[tuple[str, str], ...]
    """What each column of the roots counts: a dimension and its bucket."""


def read_audiences(facts: Facts, shelf: Shelf, histories: Histories) -> Audiences:
    """The latest observation of each anchor, role and dimension."""
    latest = (
        facts.audiences.filter(
            pl.col("observed_day") == pl.col("observed_day").max().over("anchor", "role", "dimension")
        )
        .filter(pl.col("dimension").is_in(DIMENSIONS))
        .sort("dimension", "bucket", "anchor", "role")
    )
    buckets = latest.select("dimension", "bucket").unique(maintain_order=True).with_row_index("column")
    latest = latest.join(buckets, on=["dimension", "bucket"], maintain_order="left")
    dimension_of = np.array([DIMENSIONS.index(name) for name in buckets["dimension"]], np.int64)
    n = len(facts.anchor_ids)
    shares = {role: _shares(latest.filter(pl.col("role") == role), n, len(buckets)) for role in ROLES}
    crowd = {role: _profiles(shares[role], dimension_of) for role in ROLES}
    buyers = np.where(shares["buyer"].sum(axis=1, keepdims=True) > 0, shares["buyer"], shares["viewer"])
    pairs = histories.sku
    of_sku = _weighted(pairs.anchor, pairs.code, pairs.units, buyers, len(shelf))
    return Audiences(
        viewer=crowd["viewer"],
        buyer=crowd["buyer"],
        repeat_buyer=crowd["repeat_buyer"],
        of_sku=_profiles(of_sku, dimension_of),
        of_brand=_profiles(_grouped(of_sku, shelf.brand, len(shelf.brand_ids)), dimension_of),
        of_category=_profiles(_grouped(of_sku, shelf.category, len(shelf.category_paths)), dimension_of),
        buckets=tuple(buckets.select("dimension", "bucket").iter_rows()),
    )


def audience_columns(
    audiences: Audiences, shelf: Shelf, anchors: I32, skus: I32, out: F32, first: int
) -> None:
    """Write the audience family into `out[:, first:]`, in the catalogue's order."""
    brands, categories = shelf.brand[skus], shelf.category[skus]
    for crowd, goods, rows in (
        (audiences.viewer, audiences.of_sku, skus),
        (audiences.viewer, audiences.of_brand, brands),
        (audiences.viewer, audiences.of_category, categories),
        (audiences.buyer, audiences.of_sku, skus),
        (audiences.buyer, audiences.of_brand, brands),
        (audiences.buyer, audiences.of_category, categories),
        (audiences.repeat_buyer, audiences.of_sku, skus),
        (audiences.repeat_buyer, audiences.of_category, categories),
    ):
        _overlap(crowd.roots, crowd.known, anchors, goods.roots, goods.known, rows, out, first)
        first += 1


def overlap(crowd: Profiles, anchors: I32, goods: Profiles, rows: I32) -> F32:
    """The overlap of each pair, (n,) float32; NaN where no dimension is known on both sides."""
    out = np.empty((len(anchors), 1), np.float32)
    _overlap(crowd.roots, crowd.known, anchors, goods.roots, goods.known, rows, out, 0)
    return out[:, 0]


def _shares(rows: pl.DataFrame, n: int, n_buckets: int) -> F64:
    out = np.zeros((n, n_buckets))
    out[rows["anchor"].to_numpy(), rows["column"].to_numpy()] = rows["share"].to_numpy()
    return out


def _profiles(weights: F64, dimension_of: I64) -> Profiles:
    """Each dimension's weights made to sum to 1, then rooted."""
    roots = np.zeros(weights.shape, np.float32)
    known = np.zeros(len(weights), np.int64)
    for place in range(len(DIMENSIONS)):
        columns = np.flatnonzero(dimension_of == place)
        if len(columns):
            _root(weights, columns, place, roots, known)
    return Profiles(roots=roots, known=known)


def _grouped(weights: F64, group: I32, n_groups: int) -> F64:
    rows = np.arange(len(group), dtype=np.int32)
    return _weighted(rows, group, np.ones(len(group)), weights, n_groups)


@jit
def _root(weights: F64, columns: I64, place: int, roots: F32, known: I64) -> None:
    for i in range(weights.shape[0]):
        total = 0.0
        for c in columns:
            total += weights[i, c]
        if total > 0:
            known[i] |= 1 << place
            for c in columns:
                roots[i, c] = np.sqrt(weights[i, c] / total)


@jit
def _weighted(rows: I32, codes: I32, amounts: F64, weights: F64, n_codes: int) -> F64:
    out = np.zeros((n_codes, weights.shape[1]))
    for g in range(len(rows)):
        for c in range(weights.shape[1]):
            out[codes[g], c] += amounts[g] * weights[rows[g], c]
    return out


@jit
def _overlap(
    left: F32, left_known: I64, anchors: I32, right: F32, right_known: I64, rows: I32, out: Any, first: int
) -> None:
    """Four pairs side by side: each is summed in its own order, and none waits for another's sum."""
    end = len(anchors) - 1
    for i in range(0, len(anchors), 4):
        j, k, m = min(i + 1, end), min(i + 2, end), min(i + 3, end)
        a, b, c, d = anchors[i], anchors[j], anchors[k], anchors[m]
        e, f, g, h = rows[i], rows[j], rows[k], rows[m]
        s, t, u, v = 0.0, 0.0, 0.0, 0.0
        for column in range(left.shape[1]):
            s += left[a, column] * right[e, column]
            t += left[b, column] * right[f, column]
            u += left[c, column] * right[g, column]
            v += left[d, column] * right[h, column]
        out[i, first] = _mean(s, left_known[a] & right_known[e])
        out[j, first] = _mean(t, left_known[b] & right_known[f])
        out[k, first] = _mean(u, left_known[c] & right_known[g])
        out[m, first] = _mean(v, left_known[d] & right_known[h])


@jit
def _mean(total: float, both: int) -> float:
    """Over the dimensions that both sides know; NaN where there is none."""
    dimensions = _N_KNOWN[both]
    return total / dimensions if dimensions else np.nan
