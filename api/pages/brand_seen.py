"""What may a brand see of an anchor? Everything that its pages and its file tell is listed here, and made here.

An anchor's own figures stay the anchor's: what it earned with other brands, what was sent back to it, its violation
points, the categories that it turns away. Of a category a brand is told sums over all brands only where enough others
stand in them, so that nobody's own figure can be worked out of a sum.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from api.loading import Served
from features.audience import DIMENSIONS, Profiles
from features.kernels import F32
from features.units import from_microseconds
from matcher.reasons.wording import SEVERAL

SEEN_OF_AN_ANCHOR: Final = (
    # who it is, as its public page says
    "anchor_id",
    "anchor_name",
    "tier",
    "account_kind",
    # whom it reaches
    "fans",
    "peak_viewers",
    "crowds",
    "match",
    # how it deals with brands
    "reply_hours",
    "sample_share",
    # what it did for this brand; for the category, see `past_in_category`
    "past_with_brand",
    "past_in_category",
    # what the pairing is expected to bring, and why it stands where it does
    "rank",
    "rate_ppm",
    "expected",
    "reasons",
)
"""The keys of an anchor's card; nothing else of an anchor reaches a brand's page."""
ROLES_SHOWN: Final = ("buyer", "viewer", "repeat_buyer")
"""Whose shares stand for an anchor's crowd: the first of whom any is known."""
CITY_TIERS: Final = ("first", "new_first", "second", "third", "fourth", "fifth")
MOST_CATEGORIES: Final = 8
_PEAK: Final = "anchor_peak_viewers"


@dataclass(frozen=True, slots=True)
class Crowd:
    """One dimension of two crowds: shares by bucket, or nothing where nobody observed them."""

    dimension: str
    buckets: tuple[str, ...]
    theirs: tuple[float, ...] | None
    ours: tuple[float, ...] | None
    match: float | None
    """1 for the same crowd, 0 for crowds that share no bucket."""

    @property
    def most(self) -> float:
        """The greatest share, to draw by."""
        return max([*(self.theirs or ()), *(self.ours or ()), 1e-4])


@dataclass(frozen=True, slots=True)
class Crowds:
    """An anchor's crowd against the buyers of a SKU."""

    role: str | None
    """Who stands for the anchor's: buyers, viewers; nothing where nobody is known."""
    level: str | None
    """Whose buyers stand for the SKU's: its own, its brand's, its category's."""
    dimensions: tuple[Crowd, ...]

    @property
    def match(self) -> float | None:
        """The mean over the dimensions that both sides know."""
        known = [one.match for one in self.dimensions if one.match is not None]
        return sum(known) / len(known) if known else None


def cards_of(served: Served, sku: int, lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a brand sees of each anchor of a shortlist's lines, in their order."""
    anchors = [served.anchor_rows[line["anchor_id"]] for line in lines]
    in_category = past_in_category(served, sku, anchors)
    return [
        _card(served, sku, anchor, line, in_category.get(anchor))
        for anchor, line in zip(anchors, lines, strict=True)
    ]


def _card(
    served: Served, sku: int, anchor: int, line: Mapping[str, Any], in_category: Mapping[str, Any] | None
) -> dict[str, Any]:
    snapshot = served.engine.world.snapshot
    stats = served.stats_of.get(anchor, {})
    sample_ppm = stats.get("sample_fulfil_rate_ppm")
    peak = float(snapshot.anchor_block[anchor, snapshot.column("anchor", _PEAK)])
    crowds = crowds_of(served, anchor, sku)
    made: dict[str, Any] = {
        "peak_viewers": None if np.isnan(peak) else peak,
        "crowds": crowds,
        "match": crowds.match,
        "sample_share": None if sample_ppm is None else sample_ppm / 1e6,
        "past_in_category": in_category,
    }
    return {name: made[name] if name in made else line[name] for name in SEEN_OF_AN_ANCHOR}


def past_in_category(served: Served, sku: int, anchors: Sequence[int]) -> dict[int, dict[str, Any]]:
    """By anchor (row): what it listed and sold in the SKU's category within the year, over all brands.

    Listings are public. Units and money are nothing where other brands, but fewer than SEVERAL, stand in the sum.
    """
    snapshot = served.engine.world.snapshot
    shelf, ledger = snapshot.shelf, snapshot.ledger
    begin, end = np.searchsorted(shelf.category, [shelf.category[sku], shelf.category[sku] + 1])
    inside = (ledger.sku >= begin) & (ledger.sku < end)
    inside[inside] = np.isin(ledger.anchor[inside], anchors)
    brand = shelf.brand[ledger.sku[inside]]
    found = (
        pl.DataFrame(
            {
                "anchor": ledger.anchor[inside],
                "other": np.where(brand == shelf.brand[sku], -1, brand),
                "units": np.nan_to_num(ledger.rows.units[inside]),
                "gmv_fen": np.nan_to_num(ledger.rows.gmv_fen[inside]),
                "at_us": ledger.at_us[inside],
            }
        )
        .group_by("anchor")
        .agg(
            listings=pl.len(),
            units=pl.col("units").sum(),
            gmv_fen=pl.col("gmv_fen").sum(),
            last_us=pl.col("at_us").max(),
            others=pl.col("other").filter(pl.col("other") >= 0).n_unique(),
        )
    )
    return {row["anchor"]: _told(row) for row in found.iter_rows(named=True)}


def crowds_of(served: Served, anchor: int, sku: int) -> Crowds:
    """The two crowds, dimension by dimension."""
    snapshot = served.engine.world.snapshot
    audiences, shelf = snapshot.audiences, snapshot.shelf
    role, theirs = _first_known([(name, getattr(audiences, name), anchor) for name in ROLES_SHOWN])
    level, ours = _first_known(
        [
            ("sku", audiences.of_sku, sku),
            ("brand", audiences.of_brand, int(shelf.brand[sku])),
            ("category", audiences.of_category, int(shelf.category[sku])),
        ]
    )
    crowds = []
    for place, dimension in enumerate(DIMENSIONS):
        columns = [k for k, (of, _) in enumerate(audiences.buckets) if of == dimension]
        left, right = _roots(theirs, place, columns), _roots(ours, place, columns)
        if left is not None or right is not None:
            match = None if left is None or right is None else float((left * right).sum())
            names = [audiences.buckets[k][1] for k in columns]
            drawn = _drawn(dimension, names, left if right is None else right)
            buckets = tuple(names[k] for k in drawn)
            crowds.append(Crowd(dimension, buckets, _shares(left, drawn), _shares(right, drawn), match))
    return Crowds(role, level, tuple(crowds))


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    is_sum = row["others"] == 0 or row["others"] >= SEVERAL
    return {
        "listings": row["listings"],
        "units": int(row["units"]) if is_sum else None,
        "gmv_fen": int(row["gmv_fen"]) if is_sum else None,
        "last_at": from_microseconds(row["last_us"]),
    }


_Known = tuple[F32, int]
"""Roots of the shares, and which dimensions are known, as bits."""


def _first_known(among: Sequence[tuple[str, Profiles, int]]) -> tuple[str | None, _Known | None]:
    for name, profiles, row in among:
        if profiles.known[row]:
            return name, (profiles.roots[row], int(profiles.known[row]))
    return None, None


def _roots(crowd: _Known | None, place: int, columns: list[int]) -> F32 | None:
    """One dimension's, or nothing where it is not known."""
    return None if crowd is None or not crowd[1] >> place & 1 else np.asarray(crowd[0][columns])


def _drawn(dimension: str, names: Sequence[str], roots: F32 | None) -> list[int]:
    """Places of the buckets that are drawn, in the order in which people think of them; of many the largest."""
    places = list(range(len(names)))
    if dimension == "category" and roots is not None:
        return sorted(places, key=lambda k: -float(roots[k]))[:MOST_CATEGORIES]
    return sorted(places, key=lambda k: _order(names[k]))


def _order(bucket: str) -> tuple[int, int, str]:
    """City tiers from the first on; what begins with a number by it: 50-100 before 100-200."""
    if bucket in CITY_TIERS:
        return 0, CITY_TIERS.index(bucket), bucket
    number = re.match(r"\d{1,9}", bucket)
    return 1, int(number[0]) if number else 0, bucket


def _shares(roots: F32 | None, places: Sequence[int]) -> tuple[float, ...] | None:
    return None if roots is None else tuple(float(roots[k]) ** 2 for k in places)
