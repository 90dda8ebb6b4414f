"""What is every pairing really worth, and how much of that does a list capture? For evaluation only.

No file of this module is an import table: what ranks must never read it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.demo_market.crowd import Anchors, Floats, Ints
from features.demo_market.goods import Brands, Skus
from features.demo_market.goods_kinds import KINDS
from features.demo_market.seasons import log_lift, paid_price_fen
from features.demo_market.spec import MarketSpec

Matrix = NDArray[np.float32]

LOG_CONVERSION = float(np.log(0.0036))  # of a middling SKU at 100 yuan
PRICE_ELASTICITY = 0.90  # between categories
LARGEST_CONVERSION = 0.25
EXTRA_UNITS_STANDARD = 0.15  # units beyond the first, an order
EXTRA_UNITS_NONSTANDARD = 0.03
FIRST = 20  # how much of a list is held to be seen


@dataclass(frozen=True, slots=True)
class Truth:
    """The market's own answer, as it stands when the history ends; rows are anchors, columns SKUs.

    `worth_fen` is the expected GMV of one shown impression in the anchor's next session, net of nothing, with its
    fatigue of that moment and that day's season, event and price. 0 where the pair is not `eligible`.
    """

    anchor_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    worth_fen: Matrix  # (n_anchors, n_skus)
    eligible: NDArray[np.bool_]  # (n_anchors, n_skus): on the shelf, in stock, and not barred for this anchor
    shuffled: bool

    def expected_gmv(self, anchor_index: Ints, sku_index: Ints) -> Floats:
        """Expected GMV in fen of one shown impression, for index arrays that broadcast against each other."""
        return np.asarray(self.worth_fen[anchor_index, sku_index], dtype=np.float64)

    def attainable_fen(self, size: int = FIRST) -> Floats:
        """(n_anchors,) the sum over an anchor's best `size` eligible SKUs: what a perfect list would have."""
        kept = min(size, self.worth_fen.shape[1])
        best = -np.partition(-self.worth_fen, kept - 1, axis=1)[:, :kept]
        return np.asarray(np.sort(best, axis=1).sum(axis=1, dtype=np.float64))


def capture_by_anchor(truth: Truth, lists: pl.DataFrame, size: int = FIRST) -> pl.DataFrame:
    """`anchor_id, capture_share` for every anchor of the market: its first `size` against the best `size` there are.

    `lists` has `anchor_id, rank, sku_id`, as `matcher goods --all --out` writes them. An anchor without a list
    captures 0; a SKU named twice or not eligible brings nothing and takes its place all the same.
    """
    anchors = pl.DataFrame({"anchor_id": truth.anchor_ids}).with_row_index("row")
    skus = pl.DataFrame({"sku_id": truth.sku_ids}).with_row_index("column")
    first = lists.with_columns(
        pl.col("rank").rank("ordinal").over("anchor_id").alias("place"),
    ).filter(pl.col("place") <= size)
    pairs = (
        first.select("anchor_id", "sku_id")
        .unique()
        .join(anchors, on="anchor_id")
        .join(skus, on="sku_id")
        .sort("row", "column")
    )
    rows, columns = pairs["row"].to_numpy(), pairs["column"].to_numpy()
    got = np.bincount(rows, weights=truth.expected_gmv(rows, columns), minlength=len(truth.anchor_ids))
    return pl.DataFrame(
        {"anchor_id": truth.anchor_ids, "capture_share": got / np.maximum(truth.attainable_fen(size), 1e-9)}
    )


def capture(truth: Truth, lists: pl.DataFrame, size: int = FIRST) -> float:
    """Share of the attainable GMV in the first `size`, 0..1, averaged over anchors (a small one counts as a large)."""
    return float(capture_by_anchor(truth, lists, size)["capture_share"].sum()) / len(truth.anchor_ids)


def log_conversions(
    spec: MarketSpec, anchors: Anchors, brands: Brands, skus: Skus, rng: np.random.Generator
) -> Matrix:
    """(n_anchors, n_skus) the planted affinity: log of the conversion a shown impression, before season and fatigue."""
    force = spec.strengths
    medians = np.log(np.array([k.price_yuan for k in KINDS]))[skus.category]
    gap = np.log(skus.price_fen / 100) - medians  # (n_skus,) against the category's usual price
    nonstandard = skus.is_nonstandard.astype(np.float64)
    column = (
        LOG_CONVERSION
        - PRICE_ELASTICITY * (medians - np.log(100))
        + force.quality * skus.quality
        - force.trust_nonstandard * 0.25 * nonstandard  # without trust it sells less than a standard SKU
    )
    out = np.empty((spec.n_anchors, spec.n_skus), dtype=np.float32)
    out[:] = column[None, :]
    out += (force.segment_category * anchors.wants).astype(np.float32)[:, skus.category]
    equity = np.einsum("ak,bk->ab", anchors.city_share, brands.equity, optimize=False)
    out += (force.brand_equity * equity).astype(np.float32)[:, skus.brand]
    for axis in range(anchors.taste.shape[1]):
        scale = force.taste / np.sqrt(anchors.taste.shape[1])
        out += np.outer(scale * anchors.taste[:, axis], skus.taste[:, axis]).astype(np.float32)
    out += np.outer(anchors.trust, force.trust_nonstandard * (nonstandard + 0.1)).astype(np.float32)
    out -= np.outer(anchors.price_sense, gap * (1 - 0.5 * nonstandard)).astype(np.float32)
    distance = gap[None, :] - anchors.price_level[:, None]  # (n_anchors, n_skus)
    out -= (force.price_curve * distance**2).astype(np.float32)
    out += np.float32(force.chemistry) * rng.standard_normal(out.shape, dtype=np.float32)
    return out


def settle_truth(
    spec: MarketSpec,
    skus: Skus,
    affinity: Matrix,
    recent: Matrix,
    allowed: NDArray[np.bool_],
    names: tuple[list[str], list[str]],
    rng: np.random.Generator,
) -> Truth:
    """What every pairing is worth as the history ends: that day's season and price, the crowds as tired as they are."""
    day = spec.n_days
    on_shelf = (skus.launched_day <= day) & (skus.retired_day > day) & ~skus.out_of_stock & ~skus.paused
    eligible = allowed & on_shelf[None, :]
    log_rate = affinity + log_lift(spec, skus, day).astype(np.float32)[None, :]
    log_rate -= np.float32(spec.strengths.fatigue) * recent
    worth = np.minimum(np.exp(log_rate), np.float32(LARGEST_CONVERSION))  # orders a shown impression
    worth *= (paid_price_fen(spec, skus, day) * (1 + extra_units_share(skus))).astype(np.float32)[None, :]
    worth[~eligible] = 0
    if spec.shuffle_affinity:
        worth = deal_anew(worth, eligible, rng)
    anchor_ids, sku_ids = names
    return Truth(tuple(anchor_ids), tuple(sku_ids), worth, eligible, spec.shuffle_affinity)


def extra_units_share(skus: Skus) -> Floats:
    """(n_skus,) expected units beyond the first, an order."""
    return np.where(skus.is_nonstandard, EXTRA_UNITS_NONSTANDARD, EXTRA_UNITS_STANDARD)


def deal_anew(worth_fen: Matrix, eligible: NDArray[np.bool_], rng: np.random.Generator) -> Matrix:
    """Each anchor's worths, dealt at random over its eligible SKUs: whatever history taught is now worth nothing."""
    dealt = np.zeros_like(worth_fen)
    for row in range(len(worth_fen)):
        open_columns = np.flatnonzero(eligible[row])
        dealt[row, open_columns] = worth_fen[row, rng.permutation(open_columns)]
    return dealt


def write_truth(truth: Truth, path: Path) -> None:
    """One compressed file of plain arrays, away from the import tables."""
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            anchor_ids=np.array(truth.anchor_ids),
            sku_ids=np.array(truth.sku_ids),
            worth_fen=truth.worth_fen,
            eligible=truth.eligible,
            shuffled=np.array(truth.shuffled),
        )


def read_truth(path: Path) -> Truth:
    """What `write_truth` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Truth(
            anchor_ids=tuple(arrays["anchor_ids"].tolist()),
            sku_ids=tuple(arrays["sku_ids"].tolist()),
            worth_fen=arrays["worth_fen"],
            eligible=arrays["eligible"],
            shuffled=bool(arrays["shuffled"]),
        )
