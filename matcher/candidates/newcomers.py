"""Which new SKUs, and which new anchors, deserve a trial here? They have no history: words, crowd and kind decide."""

from dataclasses import dataclass

import numpy as np

from features.audience import overlap
from features.facts import NO_DAY
from features.history import Level
from features.kernels import F32, I32, I64, Bools
from features.shelf import day_of
from features.snapshot import Snapshot
from matcher.candidates.audience import AudienceSource
from matcher.candidates.said import Said

NEW_DAYS = 45
FEW_PAIRS = 3
MOST_NEW = 4_000


@dataclass(frozen=True, slots=True)
class NewcomerSource:
    """Score of a new SKU: its category's share of the anchor's listings, and the match of crowds."""

    audience: AudienceSource
    categories: Level
    category: I32
    new_skus: I32
    new_anchors: I32
    sku_novelty: F32
    """(n_new_skus,) just above 0, the newest highest: it breaks ties, and speaks where nothing else does."""
    anchor_novelty: F32

    def goods(self, anchor: int) -> Said:
        """New SKUs, most fitting first."""
        level = self.categories
        row = slice(int(level.starts[anchor]), int(level.starts[anchor + 1]))
        share = np.zeros(len(level.share), np.float32)
        share[level.code[row]] = level.n[row] / max(float(level.n[row].sum()), 1.0)
        anchors = np.full(len(self.new_skus), anchor, np.int32)
        match = overlap(self.audience.crowd, anchors, self.audience.goods_of, self.new_skus)
        scores = share[self.category[self.new_skus]] + np.nan_to_num(match) + self.sku_novelty
        return Said(scores=scores.astype(np.float32), ids=self.new_skus)

    def shortlist(self, sku: int) -> Said:
        """New anchors, by the match of crowds."""
        skus = np.full(len(self.new_anchors), sku, np.int32)
        match = overlap(self.audience.crowd, self.new_anchors, self.audience.goods_of, skus)
        return Said(scores=np.nan_to_num(match) + self.anchor_novelty, ids=self.new_anchors)


def read_newcomers(snapshot: Snapshot, audience: AudienceSource) -> NewcomerSource:
    """New: launched or joined within NEW_DAYS, or with fewer than FEW_PAIRS pairings; the newest MOST_NEW."""
    shelf, roster, pairs = snapshot.shelf, snapshot.roster, snapshot.histories.sku
    today = day_of(snapshot.as_of_us)
    sellers = np.bincount(pairs.code, minlength=len(shelf)).astype(np.int64)
    new_skus, sku_novelty = _newest(shelf.launched_day, sellers, shelf.launched_day <= today, today)
    carried = np.diff(pairs.starts)
    new_anchors, anchor_novelty = _newest(roster.joined_day, carried, roster.has_joined, today)
    return NewcomerSource(
        audience=audience,
        categories=snapshot.histories.category,
        category=shelf.category,
        new_skus=new_skus,
        new_anchors=new_anchors,
        sku_novelty=sku_novelty,
        anchor_novelty=anchor_novelty,
    )


def _newest(since_day: I32, pairings: I64, here: Bools, today: int) -> tuple[I32, F32]:
    age = np.where(since_day == NO_DAY, 10_000, today - since_day)
    rows = np.flatnonzero(here & ((age <= NEW_DAYS) | (pairings < FEW_PAIRS)))
    rows = np.sort(rows[np.argsort(age[rows], kind="stable")[:MOST_NEW]])
    return rows.astype(np.int32), (1e-3 / (1.0 + age[rows])).astype(np.float32)
