"""What is known of each SKU by itself: price, rate of sale, novelty, reputation? One float32 row a SKU.

Counts look back from `as_of`; ratios are shrunk SKU -> brand -> category -> all, so that a new SKU starts where
its kin stand. Units and meanings are in `catalogue.py`.
"""

from itertools import pairwise

import numpy as np

from features.catalogue import SKU, stack
from features.history import Histories
from features.kernels import F32, F64, count_since, extremes, sum_by
from features.ledger import Ledger, shrunk_ratio
from features.shelf import Shelf, day_of, days_between
from features.units import DAY_US


def sku_block(shelf: Shelf, ledger: Ledger, histories: Histories) -> F32:
    """Shape (n_skus, n_sku_features), columns as the catalogue's SKU family lists them."""
    return stack(
        SKU, _price(shelf) | _life(shelf, ledger) | _sales(shelf, ledger, histories) | _ratios(shelf, ledger)
    )


def _price(shelf: Shelf) -> dict[str, F64]:
    price = np.maximum(shelf.price_fen, 1).astype(np.float64)
    log_price = np.log(price)
    n = len(shelf)
    median, place = np.empty(n), np.empty(n)
    starts = np.searchsorted(shelf.category, np.arange(len(shelf.category_paths) + 1))
    for begin, end in pairwise(starts):
        ranked = np.sort(log_price[begin:end])
        median[begin:end] = ranked[(end - begin) // 2]
        place[begin:end] = np.searchsorted(ranked, log_price[begin:end], side="right") / (end - begin)
    return {
        "sku_price": price / 100.0,
        "sku_price_place": place,
        "sku_price_gap": log_price - median,
        "sku_nonstandard": shelf.nonstandard.astype(np.float64),
        "sku_brand_goods": shelf.brand_goods.astype(np.float64),
    }


def _life(shelf: Shelf, ledger: Ledger) -> dict[str, F64]:
    seen = extremes(ledger.sku, ledger.at_us, len(shelf))
    any_row = seen[0] <= seen[1]
    first = np.where(any_row, (ledger.as_of_us - seen[0]) / DAY_US, np.nan)
    last = np.where(any_row, (ledger.as_of_us - seen[1]) / DAY_US, np.nan)
    launched = days_between(day_of(ledger.as_of_us), shelf.launched_day)
    units_28 = _sum_since(ledger, ledger.rows.units, 28)
    return {
        "sku_age": np.where(np.isnan(launched), first, launched),
        "sku_first_listed": first,
        "sku_last_listed": last,
        "sku_stock_cover": shelf.stock / np.maximum(units_28 / 28.0, 1.0 / 28.0),
        "sku_rating": shelf.rating,
        "sku_reviews": shelf.reviews,
        "sku_refund_rate": shelf.refund_rate,
    }


def _sales(shelf: Shelf, ledger: Ledger, histories: Histories) -> dict[str, F64]:
    n, pairs = len(shelf), histories.sku
    columns: dict[str, F64] = {}
    for days in (7, 30, 90):
        columns[f"sku_units_{days}d"] = _sum_since(ledger, ledger.rows.units, days)
        columns[f"sku_listings_{days}d"] = count_since(ledger.sku, ledger.at_us, ledger.since(days), n)
        columns[f"sku_anchors_{days}d"] = count_since(pairs.code, pairs.last_us, ledger.since(days), n)
    columns["sku_gmv_30d"] = _sum_since(ledger, ledger.rows.gmv_fen, 30) / 100.0
    columns["sku_anchors_365d"] = np.bincount(pairs.code, minlength=n).astype(np.float64)
    for days in (7, 14, 28):
        columns[f"sku_adoptions_{days}d"] = count_since(pairs.code, pairs.first_us, ledger.since(days), n)
    columns["sku_adoption_share"] = columns["sku_adoptions_28d"] / np.maximum(
        columns["sku_anchors_365d"], 1.0
    )
    columns["sku_growth"] = (columns["sku_listings_30d"] + 1.0) / (columns["sku_listings_90d"] / 3.0 + 1.0)
    columns["sku_growth_week"] = (columns["sku_listings_7d"] * 30 / 7 + 1.0) / (
        columns["sku_listings_30d"] + 1.0
    )
    brands = histories.brand
    recent = count_since(brands.code, brands.last_us, ledger.since(90), len(shelf.brand_ids))
    columns["brand_anchors_90d"] = recent[shelf.brand]
    columns["category_growth"] = _category_growth(shelf, columns)
    adoptions = sum_by(shelf.brand, columns["sku_adoptions_28d"], len(shelf.brand_ids))
    columns["brand_adoptions_28d"] = adoptions[shelf.brand]
    return columns


def _ratios(shelf: Shelf, ledger: Ledger) -> dict[str, F64]:
    rows, sku, prior = ledger.rows, ledger.sku, ledger.prior_exposure
    ones = np.ones(len(sku))
    mean_units = float(np.nan_to_num(rows.units).sum()) / max(len(sku), 1)
    return {
        "sku_conversion": ledger.sku_conversion,
        "category_conversion": _category_mean(shelf, ledger.sku_conversion),
        "sku_click_share": shrunk_ratio(sku, rows.clicks, rows.impressions, shelf, prior),
        "sku_gpm": shrunk_ratio(sku, rows.gmv_fen, ledger.exposure, shelf, prior) * 10.0,
        "sku_units_per_listing": shrunk_ratio(sku, rows.units, ones, shelf, 5.0),
        "sku_gmv_per_listing": shrunk_ratio(sku, rows.gmv_fen, ones, shelf, 5.0) / 100.0,
        "sku_gmv_per_explained_second": shrunk_ratio(sku, rows.gmv_fen, rows.explained_seconds, shelf, 300.0)
        / 100.0,
        "sku_refund_share": shrunk_ratio(sku, rows.refund_fen, rows.gmv_fen, shelf, _usual_gmv(ledger) * 5.0),
        "sku_repeat_share": shrunk_ratio(
            sku, rows.repeat_buyers, rows.buyers, shelf, max(mean_units * 5.0, 1e-9)
        ),
    }


def _sum_since(ledger: Ledger, values: F64, days: int) -> F64:
    recent = ledger.at_us >= ledger.since(days)
    return np.asarray(sum_by(ledger.sku[recent], values[recent], ledger.n_skus))


def _category_growth(shelf: Shelf, columns: dict[str, F64]) -> F64:
    n = len(shelf.category_paths)
    month = sum_by(shelf.category, columns["sku_listings_30d"], n)
    quarter = sum_by(shelf.category, columns["sku_listings_90d"], n)
    growth: F64 = (month + 1.0) / (quarter / 3.0 + 1.0)
    return growth[shelf.category]


def _category_mean(shelf: Shelf, values: F64) -> F64:
    n = len(shelf.category_paths)
    members = np.maximum(np.bincount(shelf.category, minlength=n), 1)
    mean: F64 = np.bincount(shelf.category, values, n) / members  # unlike `sum_by`, what is unknown stays so
    return mean[shelf.category]


def _usual_gmv(ledger: Ledger) -> float:
    gmv = ledger.rows.gmv_fen[~np.isnan(ledger.rows.gmv_fen)]
    return float(gmv.sum()) / len(gmv) if len(gmv) and gmv.sum() > 0 else 1.0
