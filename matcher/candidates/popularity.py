"""What sells at large, what is being taken up at large, and what sells in this anchor's own categories?"""

from dataclasses import dataclass

import numpy as np

from features.history import ByCode, Level, by_code
from features.kernels import F32, I32, I64
from features.snapshot import Snapshot
from features.units import DAY_US
from matcher.candidates.carried import Carried, counts
from matcher.candidates.said import Said, gathered, same_for_all

N_LEADERS = 100
N_CATEGORIES = 10


@dataclass(frozen=True, slots=True)
class SameForAll:
    """One order of SKUs and one of anchors."""

    skus: Said
    anchors: Said

    def goods(self, _anchor: int) -> Said:
        """The same SKUs for everybody."""
        return self.skus

    def shortlist(self, _sku: int) -> Said:
        """The same anchors for everything."""
        return self.anchors


def read_popularity(carried: Carried, as_of_us: int) -> SameForAll:
    """SKUs by how many anchors listed them in 28 days; anchors by how many SKUs they carry."""
    recent = (carried.pairs.last_us >= as_of_us - 28 * DAY_US).astype(np.float32)
    everything = np.ones(len(recent), np.float32)
    return SameForAll(
        skus=same_for_all(counts(carried.pairs.code, recent, carried.n_skus)),
        anchors=same_for_all(counts(carried.pairs.anchor, everything, carried.n_anchors)),
    )


def read_adoption(carried: Carried) -> SameForAll:
    """SKUs by first listings in 28 days; anchors by how many SKUs they listed for the first time."""
    return SameForAll(
        skus=same_for_all(counts(carried.pairs.code, carried.adopted, carried.n_skus)),
        anchors=same_for_all(counts(carried.pairs.anchor, carried.adopted, carried.n_anchors)),
    )


@dataclass(frozen=True, slots=True)
class CategorySource:
    """Leaders of each category x the anchor's share of listings there."""

    level: Level
    by_category: ByCode
    category: I32
    leader_starts: I64
    leaders: I32
    leader_scores: F32
    n_skus: int
    n_anchors: int

    def goods(self, anchor: int) -> Said:
        """Leaders of the categories that the anchor lists most."""
        row = slice(int(self.level.starts[anchor]), int(self.level.starts[anchor + 1]))
        codes, n = self.level.code[row], self.level.n[row]
        best = np.argsort(-n, kind="stable")[:N_CATEGORIES]
        total = max(float(n.sum()), 1.0)
        rows = [np.arange(self.leader_starts[c], self.leader_starts[c + 1]) for c in codes[best]]
        places = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        weight = np.repeat(n[best] / total, [len(r) for r in rows])
        return gathered(
            self.leaders[places], (self.leader_scores[places] * weight).astype(np.float32), self.n_skus
        )

    def shortlist(self, sku: int) -> Said:
        """Anchors by how much they list in the SKU's category."""
        c = self.category[sku]
        column = slice(int(self.by_category.starts[c]), int(self.by_category.starts[c + 1]))
        return Said(
            scores=self.level.n[self.by_category.group[column]].astype(np.float32),
            ids=self.by_category.anchor[column],
        )


def read_category(snapshot: Snapshot, carried: Carried) -> CategorySource:
    """The N_LEADERS most listed SKUs of each category in 90 days."""
    shelf, level = snapshot.shelf, snapshot.histories.category
    recent = (carried.pairs.last_us >= snapshot.as_of_us - 90 * DAY_US).astype(np.float32)
    popular = counts(carried.pairs.code, recent, carried.n_skus)
    order = np.lexsort((-popular, shelf.category))
    starts = np.searchsorted(shelf.category, np.arange(len(shelf.category_paths) + 1))
    kept = order[(np.arange(len(order)) - starts[shelf.category[order]]) < N_LEADERS]
    return CategorySource(
        level=level,
        by_category=by_code(level),
        category=shelf.category,
        leader_starts=np.searchsorted(shelf.category[kept], np.arange(len(shelf.category_paths) + 1)),
        leaders=kept.astype(np.int32),
        leader_scores=popular[kept],
        n_skus=carried.n_skus,
        n_anchors=carried.n_anchors,
    )
