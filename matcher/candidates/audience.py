"""Whose crowd buys such goods? Overlap of the anchor's crowd with the buyers of a SKU, or of its kin."""

from dataclasses import dataclass

import numpy as np

from features.audience import Profiles, overlap
from features.kernels import F32, I32, I64
from features.snapshot import Snapshot
from matcher.candidates.said import Said, nothing

MOST_SCANNED = 20_000
"""SKUs looked at for one anchor: whole categories, best match first, until there are so many."""


@dataclass(frozen=True, slots=True)
class AudienceSource:
    """Buyers of a new SKU are taken to be those of its brand, else of its category."""

    crowd: Profiles
    """Anchors' buyers, or viewers where nobody knows the buyers."""
    goods_of: Profiles
    of_category: Profiles
    category_starts: I64
    n_anchors: int

    def goods(self, anchor: int) -> Said:
        """SKUs of the categories whose buyers are most like the anchor's crowd."""
        if not self.crowd.known[anchor]:
            return nothing()
        scanned = self._categories(anchor)
        scores = overlap(self.crowd, np.full(len(scanned), anchor, np.int32), self.goods_of, scanned)
        return Said(scores=np.nan_to_num(scores), ids=scanned)

    def shortlist(self, sku: int) -> Said:
        """Anchors by how like their crowd is to the SKU's buyers."""
        if not self.goods_of.known[sku]:
            return nothing()
        everybody = np.arange(self.n_anchors, dtype=np.int32)
        scores = overlap(self.crowd, everybody, self.goods_of, np.full(self.n_anchors, sku, np.int32))
        return Said(scores=np.nan_to_num(scores))

    def _categories(self, anchor: int) -> I32:
        n = len(self.category_starts) - 1
        match = overlap(
            self.crowd, np.full(n, anchor, np.int32), self.of_category, np.arange(n, dtype=np.int32)
        )
        begin, size = self.category_starts[:-1], np.diff(self.category_starts)
        best = np.argsort(-np.nan_to_num(match), kind="stable")
        best = best[: max(int(np.searchsorted(np.cumsum(size[best]), MOST_SCANNED, side="right")), 1)]
        rows = [
            np.arange(begin[c], begin[c] + min(size[c], MOST_SCANNED), dtype=np.int32) for c in np.sort(best)
        ]
        return np.concatenate(rows) if rows else np.zeros(0, np.int32)


def read_audience_source(snapshot: Snapshot) -> AudienceSource:
    """Profiles with the gaps filled from kin."""
    audiences, shelf = snapshot.audiences, snapshot.shelf
    goods_of = _filled(
        _filled(audiences.of_sku, audiences.of_brand, shelf.brand), audiences.of_category, shelf.category
    )
    everybody = np.arange(len(snapshot.roster), dtype=np.int32)
    return AudienceSource(
        crowd=_filled(audiences.buyer, audiences.viewer, everybody),
        goods_of=goods_of,
        of_category=audiences.of_category,
        category_starts=np.searchsorted(shelf.category, np.arange(len(shelf.category_paths) + 1)),
        n_anchors=len(snapshot.roster),
    )


def _filled(own: Profiles, kin: Profiles, kin_row: I32) -> Profiles:
    gap = own.known == 0
    roots: F32 = own.roots.copy()
    roots[gap] = kin.roots[kin_row[gap]]
    return Profiles(roots=roots, known=np.where(gap, kin.known[kin_row], own.known))
