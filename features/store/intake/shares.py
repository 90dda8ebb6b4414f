"""Do the shares of each dimension make a whole? Over what is stored and what would be."""

from typing import Final

import polars as pl

from features.store.intake.rejects import Code, Fault

GROUP: Final = ("anchor_id", "observed_on", "role", "dimension")
# The law is 1e-3; the rest is what adding floats may cost.
_TOLERANCE: Final = 1e-3 + 1e-9


def check_shares(rows: pl.DataFrame, stored: pl.DataFrame) -> dict[int, Fault]:
    """The places of the rows that would leave the shares of a dimension summing to something else than 1.

    `stored` are the stored rows of the same anchors. A row that is stored already is never at fault; the others of
    such a dimension are, all of them: nobody can tell which is wrong, or missing.
    """
    bucket = [*GROUP, "bucket"]
    columns = [*bucket, "share"]
    # What would be stored: a stored row stands, of several new ones for a bucket the first.
    whole = pl.concat([stored.select(columns), rows.select(columns)]).unique(
        bucket, keep="first", maintain_order=True
    )
    sums = whole.group_by(GROUP).agg(_sum=pl.col("share").sum())
    broken = sums.filter((pl.col("_sum") - 1).abs() > _TOLERANCE)
    if broken.is_empty():
        return {}
    at_fault = (
        rows.select(columns)
        .with_row_index("_place")
        .join(stored.select(bucket), on=bucket, how="anti")
        .join(broken, on=GROUP)
    )
    return {
        place: Fault("share", str(share), Code.SHARES_SUM, _words(anchor, day, role, dimension, total))
        for place, share, anchor, day, role, dimension, total in at_fault.select(
            "_place", "share", *GROUP, "_sum"
        ).iter_rows()
    }


def _words(anchor_id: str, day: object, role: str, dimension: str, total: float) -> str:
    return (
        f"shares of {dimension} of anchor {anchor_id}'s {role}s on {day} sum to {total:.6g} over the rows that can be "
        "taken, not to 1 within 0.001"
    )
