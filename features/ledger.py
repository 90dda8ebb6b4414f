"""What did each listing bring, against what could be expected? The year before an instant, ready to be counted.

The ledger is the one reading of history from which every block is made: listings of the last `YEAR_DAYS` days,
recoded to shelf order, with an exposure and an expectation each.
"""

from dataclasses import dataclass

import numpy as np

from features.facts import Facts, Listings
from features.kernels import F64, I32, I64, jit, ratio_sums, shrink, sum_by
from features.shelf import Shelf
from features.units import DAY_US

YEAR_DAYS = 365
PRIOR_LISTINGS = 5.0
"""A ratio is drawn to its prior as if that had been seen in this many usual listings."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Listings of the year before `as_of_us`, oldest known first; `sku` is in shelf order."""

    as_of_us: int
    n_anchors: int
    n_skus: int
    rows: Listings
    sku: I32
    exposure: F64
    """Impressions; where unknown the anchor's usual, then everybody's; 1 a listing where nobody counts any."""
    expected_units: F64
    """exposure x the SKU's shrunk units an exposure x the anchor's shrunk ratio to expectation."""
    sku_conversion: F64
    """Units an exposure, shrunk SKU -> brand -> category -> all; (n_skus,)."""
    anchor_ratio: F64
    """Units against what its SKUs usually sell, shrunk to 1; (n_anchors,)."""
    prior_exposure: float

    @property
    def anchor(self) -> I32:
        """Each row's anchor, in the order of `facts.anchor_ids`."""
        return self.rows.anchor

    @property
    def at_us(self) -> I64:
        """When each row's session began."""
        return self.rows.at_us

    def since(self, days: int) -> int:
        """The instant `days` days before this ledger's."""
        return self.as_of_us - days * DAY_US


def read_ledger(facts: Facts, shelf: Shelf) -> Ledger:
    """Cut the year and work out exposures and expectations."""
    begin_us = facts.as_of_us - YEAR_DAYS * DAY_US
    rows = facts.listings.take(facts.listings.at_us >= begin_us)
    sku = shelf.place[rows.sku]
    n_anchors, n_skus = len(facts.anchor_ids), len(shelf)
    exposure = _exposures(rows, n_anchors)
    units = np.nan_to_num(rows.units)
    prior = PRIOR_LISTINGS * (float(exposure.sum()) / len(exposure) if len(exposure) else 1.0)
    conversion = shrunk_ratio(sku, units, exposure, shelf, prior)
    base = exposure * conversion[sku]
    anchor_sums = ratio_sums(rows.anchor, units, base, n_anchors)
    usual = float(base.sum()) / max(len(base), 1)
    ratio = shrink(anchor_sums[0], anchor_sums[1], np.ones(n_anchors), max(PRIOR_LISTINGS * usual, 1e-12))
    return Ledger(
        as_of_us=facts.as_of_us,
        n_anchors=n_anchors,
        n_skus=n_skus,
        rows=rows,
        sku=sku,
        exposure=exposure,
        expected_units=base * ratio[rows.anchor],
        sku_conversion=conversion,
        anchor_ratio=ratio,
        prior_exposure=prior,
    )


def shrunk_ratio(sku: I32, above: F64, below: F64, shelf: Shelf, strength: float) -> F64:
    """`above / below` of each SKU, drawn to its brand's, that to its category's, that to all; (n_skus,).

    Rows where either is unknown do not count; NaN everywhere if no row does.
    """
    sums = ratio_sums(sku, above, below, len(shelf))
    if not sums[1].sum() > 0:
        return np.full(len(shelf), np.nan)
    overall = sums[0].sum() / sums[1].sum()
    category = _level(sums, shelf.category, len(shelf.category_paths), np.full(len(shelf), overall), strength)
    brand = _level(sums, shelf.brand, len(shelf.brand_ids), category[shelf.category], strength)
    return shrink(sums[0], sums[1], brand[shelf.brand], strength)


def _level(sums: F64, group: I32, n_groups: int, prior: F64, strength: float) -> F64:
    """Ratios of groups of SKUs, each drawn to the mean of its members' priors."""
    members = np.maximum(np.bincount(group, minlength=n_groups), 1)
    mean_prior = sum_by(group, prior, n_groups) / members
    return shrink(sum_by(group, sums[0], n_groups), sum_by(group, sums[1], n_groups), mean_prior, strength)


def _exposures(rows: Listings, n_anchors: int) -> F64:
    known = rows.impressions > 0
    if not known.any():
        return np.ones(len(rows.sku))
    counts = np.bincount(rows.anchor[known], minlength=n_anchors)
    usual = sum_by(rows.anchor[known], rows.impressions[known], n_anchors) / np.maximum(counts, 1)
    overall = float(rows.impressions[known].sum()) / int(known.sum())
    fallback = np.where(counts > 0, usual, overall)
    return _filled(rows.impressions, rows.anchor, fallback)


@jit
def _filled(values: F64, codes: I32, fallback: F64) -> F64:
    out = values.copy()
    for i in range(len(out)):
        if not out[i] > 0:
            out[i] = fallback[codes[i]]
    return out
