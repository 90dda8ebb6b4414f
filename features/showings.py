"""Which lists were shown, place by place? What readers of lists had before them, cut at an instant.

A list counts where it went to whom it was made for: goods to the anchor itself, a shortlist to a brand. What an
operator looked at, or a job handed on, says nothing of what a reader would do. Rows are many, twenty or fifty a
request, so they carry no strings but the rare `drawn_from`.
"""

from typing import Final

import polars as pl
from sqlmodel import Session

from features.store.db import read_frame

_READ: Final = {
    "event_id": pl.String,
    "request_id": pl.String,
    "at_us": pl.Int64,
    "known_us": pl.Int64,
    "anchor_id": pl.String,
    "sku_id": pl.String,
    "position": pl.Int64,
    "source": pl.String,
    "propensity": pl.Float64,
    "drawn_from": pl.String,
}
_SHOWN: Final = """
SELECT f.event_id, f.request_id, f.at AS at_us, f.known_at AS known_us, f.anchor_id, f.sku_id, f.position, f.source,
  e.propensity, e.drawn_from
FROM feedback f LEFT JOIN exposures e ON e.event_id = f.event_id
WHERE f.kind = 'shown' AND f.known_at < :cut AND f.request_id IS NOT NULL AND f.position IS NOT NULL
  AND (f.source = 'anchor:' || f.anchor_id OR f.source LIKE 'brand:%')
"""
_DEEPEST: Final = 1_000_000
_SCHEMA: Final = {
    "list": pl.Int32,
    "is_goods": pl.Boolean,
    "anchor": pl.Int32,
    "sku": pl.Int32,
    "position": pl.Int32,
    "at_us": pl.Int64,
    "known_us": pl.Int64,
    "propensity": pl.Float64,
    "drawn_from": pl.String,
}


def load_showings(session: Session, cut_us: int, anchor: pl.Expr, sku: pl.Expr) -> pl.DataFrame:
    """Places shown and known before the cut, by (known_us, event_id); `anchor`, `sku` turn ids into codes.

    `list` numbers requests by their first row, so that an earlier cut numbers them the same. `propensity` is 1 where
    nothing was drawn. One request can hold several shortlists: a list is a request and an owner.
    """
    rows = read_frame(session, _SHOWN, {"cut": cut_us}, schema=_READ).sort("known_us", "event_id")
    requests = rows.select("request_id").unique(maintain_order=True).with_row_index("list")
    return (
        rows.join(requests, on="request_id", how="left", maintain_order="left")
        .with_columns(
            anchor,
            sku,
            pl.col("source").str.starts_with("anchor:").alias("is_goods"),
            pl.col("position").clip(0, _DEEPEST),  # some tell us their own, and nobody knows how deep
            pl.col("propensity").fill_null(1.0),
        )
        .drop_nulls(("anchor", "sku"))
        .select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())
    )


def no_showings() -> pl.DataFrame:
    """Where nothing was shown."""
    return pl.DataFrame(schema=_SCHEMA)
