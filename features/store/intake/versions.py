"""From when does each imported version of a brand, SKU, anchor or plan hold?

A row with `observed_at` holds from then. Of the rows without, an id's first one counts as known from the start (a
plan's from its `valid_from`); a later one is news: it holds from its import, and always after what it replaces.
A row without `observed_at` that says what is known already is no news, so importing a file twice changes nothing.
"""

from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from features.store.columns import History, ImportTable
from features.units import DAWN, microseconds

_DAWN_US: Final = microseconds(DAWN)
_LAST_US: Final = microseconds(datetime.max.replace(tzinfo=UTC))
"""No version holds from later: one that would contradicts the version that holds from then already."""


def settle_versions(
    table: ImportTable, rows: pl.DataFrame, stored: pl.DataFrame, *, now: datetime
) -> pl.Series:
    """For each row the microsecond from which it holds.

    `rows` come in the order of the import (`_seq`), with `known_at` null where no `observed_at` is given; all rows
    of an id are among them. `stored` holds the latest version of every id that has a row without date, and all of
    them where it has rows with one too.
    """
    assert isinstance(table.known_by, History)
    key = table.key[0]
    content = [
        name for name in rows.columns if name in stored.columns and name not in {key, "known_at", "source"}
    ]
    dated = rows.filter(pl.col("known_at").is_not_null()).select(key, "known_at", "_seq")
    undated = rows.filter(pl.col("known_at").is_null()).unique(key, keep="first", maintain_order=True)
    if undated.is_empty():
        return rows["known_at"]
    first_from = table.known_by.first_from
    settled = (
        undated.join(_in_force(stored, dated, key), on=key, how="left", suffix="_in_force")
        .join(stored.group_by(key).agg(_latest_stored=pl.col("known_at").max()), on=key, how="left")
        .join(_latest_before(dated, undated, key), on=key, how="left")
        .select(
            key,
            pl.when(pl.col("_in_force_at").is_null() & pl.col("_latest_dated").is_null())
            .then(pl.col(first_from) if first_from else pl.lit(_DAWN_US))
            .when(pl.col("_in_force_at").is_null())
            .then(_after("_latest_dated", now))
            .when(pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_in_force")) for name in content))
            .then("_in_force_at")
            .otherwise(_after("_latest_stored", now))
            .alias("_settled"),
        )
    )
    return rows.select(
        pl.coalesce("known_at", pl.col(key).replace_strict(settled[key], settled["_settled"], default=None))
    ).to_series()


def _in_force(stored: pl.DataFrame, dated: pl.DataFrame, key: str) -> pl.DataFrame:
    """Of each id the stored version that a row without date is compared with, and since when it holds.

    The latest, leaving out those that this very import states with their date: a file that holds a first version
    and a dated later one is then no news when it comes again.
    """
    others = stored.join(dated, on=[key, "known_at"], how="anti")
    candidates: Any = pl.concat(
        [
            others.with_columns(_is_stated=pl.lit(value=False)),
            stored.with_columns(_is_stated=pl.lit(value=True)),
        ]
    )
    return (  # type: ignore[no-any-return]
        candidates.sort("_is_stated", "known_at", descending=[False, True])
        .unique(key, keep="first", maintain_order=True)
        .with_columns(_in_force_at="known_at")
        .drop("_is_stated", "known_at", "source")
    )


def _latest_before(dated: pl.DataFrame, undated: pl.DataFrame, key: str) -> pl.DataFrame:
    """Of each id the latest dated version that stands before its row without date."""
    return (
        dated.join(undated.select(key, _at="_seq"), on=key)
        .filter(pl.col("_seq") < pl.col("_at"))
        .group_by(key)
        .agg(_latest_dated=pl.col("known_at").max())
    )


def _after(column: str, now: datetime) -> pl.Expr:
    after = pl.max_horizontal(pl.lit(microseconds(now), dtype=pl.Int64), pl.col(column) + 1)
    return pl.min_horizontal(after, pl.lit(_LAST_US, dtype=pl.Int64))
