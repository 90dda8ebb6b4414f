"""What is left of a chunk once every cell, row and reference has been checked? Good rows, in the table's own columns."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from features.store.columns import History, ImportTable, KnownAlways, KnownAt
from features.store.intake.cells import read_column
from features.store.intake.chunks import Chunk
from features.store.intake.references import References
from features.store.intake.rejects import Findings, Rejects, shown
from features.store.intake.row_rules import check_rows
from features.units import DAY_US, SHANGHAI_OFFSET_US

FILE: Final = "_file"
LINE: Final = "_line"


def read_cells(table: ImportTable, chunk: Chunk) -> tuple[pl.DataFrame, Findings]:
    """The chunk's columns as they are stored, and what is wrong with single cells and rows; asks no database."""
    findings = Findings()
    read: dict[str, pl.Series] = {}
    for own, column in table.columns.items():
        name = column.name or own
        if name in chunk.columns:
            units = chunk.columns.get(column.unit_column or "")
            read[own] = read_column(column, name, chunk.columns[name], units, findings)
    rows = pl.DataFrame(read)

    def written(own: str, place: int) -> str:
        return shown(chunk.columns[table.columns[own].name or own][place])

    check_rows(table, rows, written, findings)
    return rows, findings


def good_rows(
    table: ImportTable,
    chunk: Chunk,
    rows: pl.DataFrame,
    findings: Findings,
    references: References,
    report: Rejects,
    *,
    file_number: int,
) -> pl.DataFrame:
    """The rows with nothing wrong, with `known_at` (null: not settled yet), their file and line; the others reported."""
    known_with = references.check(table, rows, findings)
    faults = [(chunk.lines[place], fault) for place, fault in findings.faults.items()]
    report.add(file_number, [*chunk.unreadable, *faults])
    rows = rows.with_columns(
        _known_at(table, rows, known_with).alias("known_at"),
        pl.lit(file_number, dtype=pl.Int64).alias(FILE),
        chunk.lines.alias(LINE),
    )
    if not findings.faults:
        return rows
    stays = pl.repeat(value=True, n=len(rows), eager=True).scatter(list(findings.faults), values=False)
    return rows.filter(stays)


def with_every_column(
    table: ImportTable, rows: pl.DataFrame, types: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """The rows with those columns too that their file does not have, empty."""
    missing = [name for name in table.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=types[name]).alias(name) for name in missing)


def _known_at(table: ImportTable, rows: pl.DataFrame, known_with: pl.Series | None) -> pl.Expr | pl.Series:
    """When each row was known, in microseconds."""
    rule = table.known_by
    if isinstance(rule, KnownAlways):
        return pl.lit(0, dtype=pl.Int64)
    if isinstance(rule, KnownAt):
        return pl.coalesce(_as_instant(rows[name]) for name in rule.columns if name in rows.columns)
    if isinstance(rule, History):
        return pl.col("known_at") if "known_at" in rows.columns else pl.lit(None, dtype=pl.Int64)
    assert known_with is not None
    return known_with


def _as_instant(column: pl.Series) -> pl.Series:
    """A day's figures are known when the day is over in Shanghai: at its last microsecond."""
    if column.dtype == pl.Date:
        return (column.dt.epoch("d").cast(pl.Int64) + 1) * DAY_US - SHANGHAI_OFFSET_US - 1
    return column
