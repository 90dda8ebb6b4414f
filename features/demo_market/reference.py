"""What would a list without any learning be? The two that every ranker is held against, from the import tables alone."""

import datetime as dt

import polars as pl

from features.demo_market.market import Market
from features.units import midnight

RECENT_DAYS = 28


def popularity(market: Market, size: int = 20) -> pl.DataFrame:
    """`anchor_id, rank, sku_id`: for everybody the SKUs that most anchors sold in the last four weeks, ties by units.

    Only what is on the shelf and in stock: a list of goods that nobody can sell would be no opponent.
    """
    top = _carried(market).head(size).with_row_index("rank", offset=1)
    return market.anchors.select(pl.col("anchor_id").unique().sort()).join(
        top.select(pl.col("rank").cast(pl.Int64), "sku_id"), how="cross"
    )


def own_best_sellers(market: Market, size: int = 20) -> pl.DataFrame:
    """`anchor_id, rank, sku_id`: of each anchor the SKUs that brought it the most GMV in all its history.

    Only what is on the shelf and in stock; an anchor with fewer goes on with what is popular.
    """
    carried = _carried(market).with_row_index("popular_rank")
    sold = (
        _sold(market)
        .group_by("anchor_id", "sku_id")
        .agg(pl.col("gmv_fen").sum())
        .filter(pl.col("gmv_fen") > 0)
    )
    everybody = market.anchors.select(pl.col("anchor_id").unique().sort())
    return (
        everybody.join(carried.select("sku_id", "popular_rank"), how="cross")
        .join(sold, on=["anchor_id", "sku_id"], how="left")
        .sort("anchor_id", pl.col("gmv_fen").fill_null(0), "popular_rank", descending=[False, True, False])
        .group_by("anchor_id", maintain_order=True)
        .head(size)
        .select("anchor_id", (pl.int_range(pl.len()).over("anchor_id") + 1).alias("rank"), "sku_id")
    )


def _carried(market: Market) -> pl.DataFrame:
    """Every SKU on the shelf, the one that most anchors sold of late first."""
    since = midnight(market.as_of) - dt.timedelta(days=RECENT_DAYS)
    recent = (
        _sold(market)
        .filter((pl.col("started_at") >= since) & (pl.col("units") > 0))
        .group_by("sku_id")
        .agg(pl.col("anchor_id").n_unique().alias("n_anchors"), pl.col("units").sum())
    )
    latest = (
        market.skus.sort("sku_id", "observed_at", nulls_last=False)
        .group_by("sku_id", maintain_order=True)
        .last()
    )
    on_shelf = latest.filter((pl.col("status") == "on") & (pl.col("stock").fill_null(1) > 0))
    return (
        on_shelf.select("sku_id")
        .join(recent, on="sku_id", how="left")
        .with_columns(pl.col("n_anchors", "units").fill_null(0))
        .sort("n_anchors", "units", "sku_id", descending=[True, True, False])
    )


def _sold(market: Market) -> pl.DataFrame:
    return market.listings.join(
        market.live_sessions.select("live_session_id", "anchor_id", "started_at"), on="live_session_id"
    )
