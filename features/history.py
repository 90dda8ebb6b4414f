"""What do this anchor and this SKU, brand, category, price band have behind them? Looked up pair by pair.

For each level the year's listings are grouped by (anchor, code) once; a pair's features are then a binary search
in its anchor's row. "Against expectation" is units sold over units that the anchor's usual crowd would have
bought of such SKUs, drawn to 1.
"""

from dataclasses import dataclass

import numpy as np

from features.kernels import F32, F64, I32, I64, counting_order, find, jit, row_starts
from features.ledger import Ledger
from features.shelf import N_PRICE_BANDS, Shelf
from features.units import DAY_US

N_LAST = 4
FATIGUE_DAYS = 28


@dataclass(frozen=True, slots=True)
class Level:
    """(anchor, code) groups sorted by anchor, then code; arrays of shape (n_groups,) but `starts`.

    `anchor` of a group is implied by `starts` (n_anchors + 1,). `last` holds the last N_LAST results against
    expectation, newest first, NaN where there were fewer: shape (n_groups, N_LAST).
    """

    starts: I64
    anchor: I32
    code: I32
    n: F64
    n_recent: F64
    sold: F64
    units: F64
    expected: F64
    first_us: I64
    last_us: I64
    last: F64
    usual: float
    """Expected units of a usual listing: what a group's ratio is drawn to 1 by."""
    share: F64
    """Each code's share of all listings, (n_codes,)."""


@dataclass(frozen=True, slots=True)
class Histories:
    """The four levels at which a pair can have history."""

    sku: Level
    brand: Level
    category: Level
    band: Level


def read_histories(ledger: Ledger, shelf: Shelf) -> Histories:
    """Group the ledger at every level."""
    return Histories(
        sku=group_level(ledger, ledger.sku, len(shelf)),
        brand=group_level(ledger, shelf.brand[ledger.sku], len(shelf.brand_ids)),
        category=group_level(ledger, shelf.category[ledger.sku], len(shelf.category_paths)),
        band=group_level(ledger, shelf.price_band[ledger.sku], N_PRICE_BANDS),
    )


def group_level(ledger: Ledger, code: I32, n_codes: int) -> Level:
    """Sort by (anchor, code, time) with two counting passes, then one pass over the runs."""
    order = _by_time(ledger.at_us)
    order = counting_order(code, n_codes, order)
    order = counting_order(ledger.anchor, ledger.n_anchors, order)
    usual = float(ledger.expected_units.sum()) / max(len(code), 1)
    n_groups = _count_runs(ledger.anchor, code, order)
    numbers = np.zeros((n_groups, 5), np.float64)
    last = np.full((n_groups, N_LAST), np.nan)
    anchor, codes = np.empty(n_groups, np.int32), np.empty(n_groups, np.int32)
    spans = np.empty((n_groups, 2), np.int64)
    units = np.nan_to_num(ledger.rows.units)
    recent_us = ledger.since(FATIGUE_DAYS)
    _fill_runs(
        order, ledger.anchor, code, ledger.at_us, units, ledger.expected_units, recent_us, usual,
        anchor, codes, numbers, spans, last,
    )  # fmt: skip
    return Level(
        starts=row_starts(anchor, ledger.n_anchors),
        anchor=anchor,
        code=codes,
        n=numbers[:, 0],
        n_recent=numbers[:, 1],
        sold=numbers[:, 2],
        units=numbers[:, 3],
        expected=numbers[:, 4],
        first_us=spans[:, 0],
        last_us=spans[:, 1],
        last=last,
        usual=max(usual, 1e-12),
        share=np.bincount(code, minlength=n_codes) / max(len(code), 1),
    )


@dataclass(frozen=True, slots=True)
class ByCode:
    """A level read the other way: groups sorted by code, then anchor."""

    starts: I64
    """(n_codes + 1,)."""
    group: I64
    """Places in the level's arrays."""
    anchor: I32


def by_code(level: Level) -> ByCode:
    """Who has history with each code."""
    n_codes = len(level.share)
    group = counting_order(level.code, n_codes, np.arange(len(level.code), dtype=np.int64))
    return ByCode(starts=row_starts(level.code, n_codes), group=group, anchor=level.anchor[group])


def history_columns(
    histories: Histories, shelf: Shelf, anchors: I32, skus: I32, as_of_us: int, out: F32, first: int
) -> None:
    """Write the pair-history family into `out[:, first:]`, in the catalogue's order."""
    pairs = histories.sku
    _sku_columns(
        pairs.starts, pairs.code, pairs.n, pairs.n_recent, pairs.sold, pairs.units, pairs.expected, pairs.last_us,
        pairs.usual, pairs.last, anchors, skus, as_of_us, out, first,
    )  # fmt: skip
    first += 6 + N_LAST
    for level, code in (
        (histories.brand, shelf.brand),
        (histories.category, shelf.category),
        (histories.band, shelf.price_band),
    ):
        _group_columns(
            level.starts, level.code, level.n, level.units, level.expected, level.last_us, level.usual, level.share,
            anchors, code[skus], as_of_us, out, first,
        )  # fmt: skip
        first += 4


def _by_time(at_us: I64) -> I64:
    """Rows by instant; the ledger is nearly in that order, so the stable sort is close to one pass."""
    if np.all(at_us[1:] >= at_us[:-1]):
        return np.arange(len(at_us), dtype=np.int64)
    return np.argsort(at_us, kind="stable")


@jit
def _count_runs(anchor: I32, code: I32, order: I64) -> int:
    n = 0
    for k in range(len(order)):
        i = order[k]
        if k == 0 or anchor[i] != anchor[order[k - 1]] or code[i] != code[order[k - 1]]:
            n += 1
    return n


@jit
def _fill_runs(
    order: I64, anchor: I32, code: I32, at_us: I64, units: F64, expected: F64, recent_us: int, usual: float,
    out_anchor: I32, out_code: I32, numbers: F64, spans: I64, last: F64,
) -> None:  # fmt: skip
    g = -1
    for k in range(len(order)):
        i = order[k]
        if g < 0 or anchor[i] != out_anchor[g] or code[i] != out_code[g]:
            g += 1
            out_anchor[g] = anchor[i]
            out_code[g] = code[i]
            spans[g, 0] = at_us[i]
        spans[g, 1] = at_us[i]
        numbers[g, 0] += 1.0
        numbers[g, 1] += at_us[i] >= recent_us
        numbers[g, 2] += units[i] > 0
        numbers[g, 3] += units[i]
        numbers[g, 4] += expected[i]
        for j in range(N_LAST - 1, 0, -1):
            last[g, j] = last[g, j - 1]
        last[g, 0] = (units[i] + usual) / (expected[i] + usual)


@jit
def _sku_columns(
    starts: I64, code: I32, n: F64, n_recent: F64, sold: F64, units: F64, expected: F64, last_us: I64,
    usual: float, last: F64, anchors: I32, skus: I32, as_of_us: int, out: F32, first: int,
) -> None:  # fmt: skip
    for i in range(len(anchors)):
        a = anchors[i]
        g = find(code, starts[a], starts[a + 1], skus[i])
        if g < 0:
            for j in range(6 + N_LAST):
                out[i, first + j] = np.nan
            out[i, first] = 0.0
            out[i, first + 5] = 0.0
            continue
        out[i, first] = n[g]
        out[i, first + 1] = sold[g] / n[g]
        out[i, first + 2] = (as_of_us - last_us[g]) / DAY_US
        out[i, first + 3] = units[g]
        out[i, first + 4] = (units[g] + 2.0 * usual) / (expected[g] + 2.0 * usual)
        out[i, first + 5] = n_recent[g]
        for j in range(N_LAST):
            out[i, first + 6 + j] = last[g, j]


@jit
def _group_columns(
    starts: I64, code: I32, n: F64, units: F64, expected: F64, last_us: I64, usual: float, share: F64,
    anchors: I32, codes: I32, as_of_us: int, out: F32, first: int,
) -> None:  # fmt: skip
    total, seen = 0.0, -1
    for i in range(len(anchors)):
        a = anchors[i]
        if a != seen:
            total, seen = 0.0, a
            for k in range(starts[a], starts[a + 1]):
                total += n[k]
        g = find(code, starts[a], starts[a + 1], codes[i])
        if g < 0:
            out[i, first] = 0.0
            out[i, first + 1] = 20.0 / (total + 20.0)
            out[i, first + 2] = np.nan
            out[i, first + 3] = np.nan
            continue
        usual_share = max(share[codes[i]], 1e-9)
        out[i, first] = n[g]
        out[i, first + 1] = (n[g] + 20.0 * usual_share) / (total + 20.0) / usual_share
        out[i, first + 2] = (as_of_us - last_us[g]) / DAY_US
        out[i, first + 3] = (units[g] + 5.0 * usual) / (expected[g] + 5.0 * usual)
