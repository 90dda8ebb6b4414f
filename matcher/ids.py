"""Where does each id stand? Lists of ids, single ids and tiers, as the arrays that rules of many pairs are asked in."""

import numpy as np
import polars as pl

from features.kernels import I64, row_starts
from matcher.rates import TIER_RANKS


def tier_ranks(tiers: pl.Series) -> I64:
    """Unknown is the lowest: of an anchor the least that it may be, of a SKU the least that it may ask."""
    ranks = tiers.fill_null("tail").replace_strict(TIER_RANKS, return_dtype=pl.Int64)
    return ranks.to_numpy()


def id_lists(joined: pl.Series, ids: pl.Series) -> tuple[I64, I64]:
    """`;` lists as runs of ascending places in `ids`, a run a row; ids that are not among them are left out."""
    lists = (
        pl.DataFrame({"ids": joined})
        .with_row_index("row")
        .drop_nulls("ids")
        .with_columns(pl.col("ids").str.split(";"))
        .explode("ids")
        .with_columns(place=places("ids", ids))
        .drop_nulls("place")
        .sort("row", "place")
    )
    return row_starts(lists["row"].to_numpy(), len(joined)), lists["place"].to_numpy()


def places(column: str, ids: pl.Series) -> pl.Expr:
    """The place of each id of a column among `ids`; null where it is not there."""
    found = pl.Series(np.arange(len(ids), dtype=np.int64))
    return pl.col(column).replace_strict(ids, found, default=None, return_dtype=pl.Int64)
