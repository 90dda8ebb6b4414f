"""What did this pair sell before? Listings of the pair, fresh ones counting more, those that sold well most."""

from dataclasses import dataclass

import numpy as np

from features.kernels import F32, I32
from matcher.candidates.carried import Carried
from matcher.candidates.said import Said


@dataclass(frozen=True, slots=True)
class HistorySource:
    """Score: freshness x log of listings x units against expectation."""

    carried: Carried
    score: F32
    """(n_pairs,)."""

    def goods(self, anchor: int) -> Said:
        """SKUs that the anchor has listed."""
        row = self.carried.row(anchor)
        return Said(scores=self.score[row], ids=self.carried.pairs.code[row])

    def sold_with(self, side: str, owner: int) -> I32:
        """Rows of the other side with which the owner sold anything in the year."""
        groups = self.carried.row(owner) if side == "goods" else self.carried.column(owner)
        rows = self.carried.pairs.code[groups] if side == "goods" else self.carried.pairs.anchor[groups]
        return np.asarray(rows[self.carried.pairs.sold[groups] > 0], np.int32)

    def shortlist(self, sku: int) -> Said:
        """Anchors that have listed the SKU."""
        column = self.carried.column(sku)
        return Said(scores=self.score[column], ids=self.carried.pairs.anchor[column])


def read_history(carried: Carried) -> HistorySource:
    """Weigh every pair."""
    pairs = carried.pairs
    ratio = (pairs.units + 2.0 * pairs.usual) / (pairs.expected + 2.0 * pairs.usual)
    return HistorySource(carried, (carried.fresh * np.log1p(pairs.n) * ratio).astype(np.float32))
