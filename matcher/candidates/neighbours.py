"""What have similar anchors just begun to sell? Neighbours in what they carry x what they adopted lately."""

from dataclasses import dataclass

import numpy as np

from features.kernels import F32, I32, I64
from matcher.candidates.carried import Carried, expand, nearest_rows, transpose
from matcher.candidates.said import Said, gathered

N_NEIGHBOURS = 100
MOST_SELLERS = 5_000


@dataclass(frozen=True, slots=True)
class NeighbourSource:
    """Each anchor's nearest by cosine over the SKUs they carry, rare SKUs counting more."""

    carried: Carried
    nearest: I32
    """(n_anchors, N_NEIGHBOURS), best first, -1 where there is none."""
    alike: F32
    named_by: tuple[I64, I32, F32]
    adopted: F32

    def goods(self, anchor: int) -> Said:
        """SKUs that its neighbours adopted, by how alike they are."""
        pairs, here = self.carried.pairs, self.nearest[anchor] >= 0
        near, alike = self.nearest[anchor][here], self.alike[anchor][here]
        return gathered(*expand(near, alike, pairs.starts, pairs.code, self.adopted), self.carried.n_skus)

    def shortlist(self, sku: int) -> Said:
        """Anchors that have among their neighbours those who adopted the SKU."""
        column = self.carried.column(sku)
        adopters = self.carried.pairs.anchor[column]
        return gathered(*expand(adopters, self.adopted[column], *self.named_by), self.carried.n_anchors)


def read_neighbours(carried: Carried) -> NeighbourSource:
    """Find each anchor's neighbours."""
    sellers = np.diff(carried.sellers.starts)
    rarity = np.log(carried.n_anchors / np.maximum(sellers, 1) + 1.0)
    codes = carried.pairs.code
    norm = np.sqrt(np.bincount(carried.pairs.anchor, rarity[codes] ** 2, minlength=carried.n_anchors))
    nearest, alike = nearest_rows(
        carried.pairs.starts, codes, carried.sellers.starts, carried.sellers.anchor,
        rarity**2, np.maximum(norm, 1e-12), N_NEIGHBOURS, MOST_SELLERS,
    )  # fmt: skip
    named_by = transpose(nearest, alike, carried.n_anchors)
    return NeighbourSource(carried, nearest, alike, named_by, carried.adopted)
