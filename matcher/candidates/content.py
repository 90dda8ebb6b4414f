"""Which SKUs have titles like those that this anchor carries? Works from a SKU's first hour."""

from dataclasses import dataclass

from features.kernels import F32, I32, I64
from features.snapshot import Snapshot
from matcher.candidates.carried import Carried, expand, transpose
from matcher.candidates.said import Said, gathered


@dataclass(frozen=True, slots=True)
class ContentSource:
    """Sum of squared title cosines between the SKU and what is carried."""

    carried: Carried
    named_by: tuple[I64, I32, F32]
    """For each SKU, those that have it among their nearest."""
    nearest: I32
    strength: F32
    fresh: F32

    def goods(self, anchor: int) -> Said:
        """SKUs that have carried ones among their nearest, fresh ones counting more."""
        row = self.carried.row(anchor)
        skus, scores = expand(self.carried.pairs.code[row], self.fresh[row], *self.named_by)
        return gathered(skus, scores, self.carried.n_skus)

    def shortlist(self, sku: int) -> Said:
        """Anchors that carry the SKU's nearest."""
        here = self.nearest[sku] >= 0
        sellers = self.carried.sellers
        anchors, scores = expand(
            self.nearest[sku][here],
            self.strength[sku][here],
            sellers.starts,
            sellers.anchor,
            self.fresh[sellers.group],
        )
        return gathered(anchors, scores, self.carried.n_anchors)


def read_content_source(snapshot: Snapshot, carried: Carried) -> ContentSource:
    """From the snapshot's nearest titles."""
    content = snapshot.content
    strength = content.cosine**2
    return ContentSource(
        carried=carried,
        named_by=transpose(content.nearest, strength, carried.n_skus),
        nearest=content.nearest,
        strength=strength,
        fresh=carried.fresh,
    )
