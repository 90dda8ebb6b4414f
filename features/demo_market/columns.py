"""How are a day, an instant, a rate and a list of ids written as a column of an import table?"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.demo_market.crowd import Bools, Ints
from features.demo_market.spec import MarketSpec
from features.units import RATE_UNITS, day_number, microseconds, midnight

DAY_S: Final = 86_400


class Ids(NamedTuple):
    """Every id of the market, in the order of the arrays."""

    anchors: list[str]
    skus: list[str]
    brands: list[str]


def name_ids(spec: MarketSpec) -> Ids:
    """`A0001`, `S00001`, `B0001`."""
    return Ids(
        anchors=[f"A{i:04d}" for i in range(1, spec.n_anchors + 1)],
        skus=[f"S{i:05d}" for i in range(1, spec.n_skus + 1)],
        brands=[f"B{i:04d}" for i in range(1, spec.n_brands + 1)],
    )


def instants(spec: MarketSpec, seconds: Ints, *, missing: Bools | None = None) -> pl.Series:
    """Seconds since the history's first Shanghai midnight, as UTC instants."""
    at_us = microseconds(midnight(spec.start_on)) + seconds.astype(np.int64) * 1_000_000
    return with_holes(at_us, missing).cast(pl.Datetime("us", "UTC"))


def days(spec: MarketSpec, day: Ints, *, missing: Bools | None = None) -> pl.Series:
    """Days since the history's first, as Shanghai dates."""
    return with_holes(day_number(spec.start_on) + day, missing).cast(pl.Int32).cast(pl.Date)


def rate_columns(
    name: str, ppm: Ints, units: Sequence[str], *, missing: Bools | None = None
) -> dict[str, pl.Series]:
    """The two columns of a rate: `name` as text, so that it stays exact, and `name_unit`."""
    told = [True] * len(units) if missing is None else (~missing).tolist()
    texts = [rate_text(p, u) if t else None for p, u, t in zip(ppm.tolist(), units, told, strict=True)]
    named = [u if t else None for u, t in zip(units, told, strict=True)]
    return {name: pl.Series(texts, dtype=pl.String), f"{name}_unit": pl.Series(named, dtype=pl.String)}


def rate_text(ppm: int, unit: str) -> str:
    """A rate as a supplier writes it, exact.

    >>> rate_text(125_000, "percent"), rate_text(125_000, "bp"), rate_text(8_450, "permille")
    ('12.5', '1250', '8.45')
    """
    places = RATE_UNITS[unit]
    whole, rest = divmod(ppm, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0") if rest else str(whole)


def id_lists(ids: Sequence[str], chosen: Sequence[Sequence[int]]) -> pl.Series:
    """Ids joined by `;`; an empty list is an empty field."""
    return pl.Series([";".join(ids[i] for i in sorted(row)) or None for row in chosen], dtype=pl.String)


def picked(names: Sequence[str], index: NDArray[np.integer] | Bools) -> pl.Series:
    """Texts by their index; a negative one is unknown."""
    at = index.astype(np.int64)
    return pl.Series(names, dtype=pl.String).gather(with_holes(at, at < 0))


def with_holes(values: NDArray[np.generic], missing: Bools | None) -> pl.Series:
    """Numbers, unknown where `missing`."""
    column = pl.Series(values)
    return column if missing is None or not missing.any() else column.set(pl.Series(missing), None)
