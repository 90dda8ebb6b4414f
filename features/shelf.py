"""Which SKUs are there, and as what do they stand on the shelf at this instant? One row a SKU, no history yet.

Rows follow (category path, sku_id): a category, with all below it, is a slice.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.facts import NO_DAY, Facts
from features.kernels import F32, F64, I32, I64, Bools
from features.units import DAY_US, SHANGHAI_OFFSET_US

N_PRICE_BANDS = 8


@dataclass(frozen=True, slots=True)
class Shelf:
    """SKUs known at an instant; every array has shape (n_skus,). Unknown numbers are NaN, unknown days `NO_DAY`."""

    ids: pl.Series
    titles: pl.Series
    brand_ids: pl.Series
    """Ids of the brands, ascending; `brand` points into it."""
    category_paths: pl.Series
    """Category paths, ascending; `category` points into it and never falls from row to row."""
    tops: pl.Series
    """First parts of the paths; `top` points into it."""
    brand: I32
    category: I32
    top: I32
    price_fen: I64
    price_band: I32
    nonstandard: F32
    brand_goods: F32
    stock: F64
    rating: F64
    reviews: F64
    refund_rate: F64
    launched_day: I32
    retired_day: I32
    on: Bools
    rows: pl.DataFrame
    """The latest version of each SKU, all columns."""
    place: I32
    """Where each SKU of `facts.sku_ids` stands here."""

    def __len__(self) -> int:
        return len(self.ids)


def day_of(instant_us: int) -> int:
    """The Shanghai day number in which an instant lies.

    >>> day_of(0), day_of(16 * 3_600_000_000)
    (0, 1)
    """
    return (instant_us + SHANGHAI_OFFSET_US) // DAY_US


def read_shelf(facts: Facts) -> Shelf:
    """The latest known version of each SKU, in shelf order."""
    latest = facts.skus.unique("sku", keep="last", maintain_order=True).with_columns(
        sku_id=pl.Series(facts.sku_ids)
    )
    rows = latest.sort("category", "sku_id")
    place = np.empty(len(rows), np.int32)
    place[rows["sku"].to_numpy()] = np.arange(len(rows), dtype=np.int32)
    brand_ids, brand = coded(rows["brand_id"])
    paths, category = coded(rows["category"])
    tops, top = coded(rows["category"].str.split("/").list.first())
    price_fen = rows["list_price_fen"].cast(pl.Int64).to_numpy()
    return Shelf(
        ids=rows["sku_id"],
        titles=rows["title"],
        brand_ids=brand_ids,
        category_paths=paths,
        tops=tops,
        brand=brand,
        category=category,
        top=top,
        price_fen=price_fen,
        price_band=_price_bands(price_fen),
        nonstandard=_is(rows["standardness"], "nonstandard"),
        brand_goods=_is(rows["supply_type"], "brand"),
        stock=_number(rows["stock"]),
        rating=_number(rows["rating_x100"]) / 100.0,
        reviews=_number(rows["review_count"]),
        refund_rate=_number(rows["refund_rate_ppm"]) / 1e6,
        launched_day=rows["launched_day"].to_numpy(),
        retired_day=rows["retired_day"].to_numpy(),
        on=rows["status"].fill_null("on").eq("on").to_numpy(),
        rows=rows,
        place=place,
    )


def coded(column: pl.Series) -> tuple[pl.Series, I32]:
    """Distinct values, ascending, and each row's place among them."""
    distinct = column.unique().sort()
    places = pl.Series(np.arange(len(distinct), dtype=np.int32))
    found = column.replace_strict(distinct, places, return_dtype=pl.Int32)
    return distinct, found.cast(pl.Int32).to_numpy()  # an empty column comes back as it was


def _price_bands(price_fen: I64) -> I32:
    """Eighths of the price range by count: a market's own bands, whatever its currency's habits."""
    if not len(price_fen):
        return np.zeros(0, np.int32)
    ranked = np.sort(price_fen)
    edges = ranked[[len(ranked) * band // N_PRICE_BANDS for band in range(1, N_PRICE_BANDS)]]
    return np.searchsorted(edges, price_fen, side="right").astype(np.int32)


def _is(column: pl.Series, value: str) -> F32:
    """1 where it is `value`, 0 where it is another, NaN where it is unknown."""
    return column.eq(value).cast(pl.Float32).fill_null(np.nan).to_numpy()


def _number(column: pl.Series) -> F64:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def days_between(day: int, earlier: I32) -> F64:
    """Days from each of `earlier` to `day`; NaN where there is none."""
    return np.where(earlier == NO_DAY, np.nan, day - earlier.astype(np.float64))
