"""What is asked for? A list for one owner, narrowed by filters; checked before anything is computed."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from features.anchor import TIERS
from features.errors import WrongInput
from features.kernels import I32, Bools
from features.snapshot import Snapshot
from features.units import Fen, Ppm
from matcher.candidates.union import Side
from matcher.model import Objective

MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Filters:
    """A pairing passes if its SKU and its anchor do; nothing given narrows nothing."""

    category: str | None = None
    """A path: that category and all below it."""
    min_price_fen: Fen | None = None
    max_price_fen: Fen | None = None
    min_rate_ppm: Ppm | None = None
    supply_type: str | None = None
    tier: str | None = None

    def skus(self, snapshot: Snapshot) -> Bools:
        """(n_skus,) those that pass, but for the rate, which depends on the anchor."""
        shelf = snapshot.shelf
        passed = np.ones(len(shelf), np.bool_)
        if self.category is not None:
            passed &= self._inside(snapshot)
        if self.min_price_fen is not None:
            passed &= shelf.price_fen >= self.min_price_fen
        if self.max_price_fen is not None:
            passed &= shelf.price_fen <= self.max_price_fen
        if self.supply_type is not None:
            passed &= shelf.brand_goods == (1.0 if self.supply_type == "brand" else 0.0)
        return passed

    def anchors(self, snapshot: Snapshot) -> Bools:
        """(n_anchors,) those that pass."""
        if self.tier is None:
            return np.ones(len(snapshot.roster), np.bool_)
        return np.array(snapshot.roster.tier == TIERS.index(self.tier))

    def _inside(self, snapshot: Snapshot) -> Bools:
        shelf, below = snapshot.shelf, f"{self.category}/"
        inside = np.array(
            [path == self.category or path.startswith(below) for path in shelf.category_paths], np.bool_
        )
        if not inside.any():
            known = ", ".join(shelf.tops.head(12).to_list())
            raise WrongInput(f"category {self.category!r} is not on the shelf; the shelf has {known}")
        return np.asarray(inside[shelf.category])


@dataclass(frozen=True, slots=True)
class Hidden:
    """What an anchor does not want recommended: single SKUs, and categories with all below them."""

    sku_ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    def skus(self, snapshot: Snapshot) -> Bools:
        """(n_skus,) those that are hidden."""
        shelf = snapshot.shelf
        hidden = np.zeros(len(shelf), np.bool_)
        if self.categories:
            inside = [
                any(path == one or path.startswith(f"{one}/") for one in self.categories)
                for path in shelf.category_paths
            ]
            hidden |= np.array(inside, np.bool_)[shelf.category]
        if self.sku_ids:
            hidden |= shelf.ids.is_in(list(self.sku_ids)).to_numpy()
        return hidden


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One list: `owner` is an anchor's or a SKU's row."""

    side: Side
    owner: int
    size: int
    objective: Objective = "balanced"
    new_only: bool = False
    explain: bool = False
    filters: Filters = field(default_factory=Filters)
    at: datetime | None = None
    """The instant of the two rules' verdicts; nothing: the snapshot's."""
    skip: int = 0
    """Places before the first that is wanted: a number of whole pages of `size`."""
    hidden: Hidden = field(default_factory=Hidden)
    """What the owner of a goods list does not want to see."""
    only: I32 | None = None
    """Rows of the other side that are listed, ranked among all; nothing: those that the list would have."""
    seed: int | None = None
    """Of the draws, where the policy has any; nothing: the list is certain. All pages of a list have the same."""

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MOST_LISTED:
            raise WrongInput(f"size {self.size} is not within 1 and {MOST_LISTED}")
