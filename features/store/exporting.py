"""How do rows leave the store? As files that `matcher ingest` takes: the same columns, and no value changed.

Into an empty store they make the same rows, since when each was known included: of brands, SKUs, anchors and plans
every version is written with its `observed_at`, all else is known by its own columns. What the import tables have no
column for cannot be in them: who supplied a row, and what the house keeps for itself (retractions, keys, what was
shown). All tables are read in one session, so they are of one moment; a table is read in pieces by its key.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
import pyarrow.parquet
from sqlmodel import Session

from features.errors import Fault, UnknownId, WrongInput
from features.store.columns import ImportColumn, ImportTable, Kind
from features.store.copies.files import aside, sync
from features.store.db import Parameter, frame_schema, read_frame, read_rows
from features.store.tables import TABLES
from features.units import microseconds

FORMATS: Final = ("csv", "parquet", "jsonl")
Say = Callable[[str, float], None]
"""Told the table at work, and the share of all rows that is written."""
_ROWS_A_PIECE: Final = 50_000
_UNIT: Final = "ppm"
_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%.f+00:00"  # in UTC: no instant of ours leaves the years 1 to 9999 there


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one table."""

    n_rows: int
    file: Path | None
    """Nothing where a table without rows has no file: JSON lines without a line are no import file."""
    sources: Mapping[str, int]
    """Who supplied the rows, and how many; the file does not say it."""
    retracted: tuple[str, ...]
    """Keys of rows that were taken back: they are in the file as they are, and nothing in it says so."""


def choose_tables(names: Sequence[str]) -> tuple[ImportTable, ...]:
    """The import tables of these names, in the order of import; all of them where none is named."""
    if unknown := [name for name in names if name not in TABLES]:
        raise UnknownId(f"there is no import table {unknown[0]!r}; the tables are {', '.join(TABLES)}")
    return tuple(table for name, table in TABLES.items() if not names or name in names)


def export(
    session: Session,
    tables: Sequence[ImportTable],
    folder: Path,
    *,
    ending: str,
    as_of: datetime | None = None,
    source: str | None = None,
    say: Say = lambda _table, _share: None,
) -> dict[str, Exported]:
    """A file a table in `folder`, made if need be; all are written aside, synced, and then named.

    `as_of`: only what was known before that instant; `source`: only what that supplier told. A file of the same name
    is replaced; one of the same table with another ending is WrongInput, for an import would read both.
    """
    cut = None if as_of is None else microseconds(as_of)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(f"--out {folder} cannot be made: {error.strerror}") from error
    _refuse_others(folder, tables, ending)
    n_rows = {table.name: _count(session, table) for table in tables}
    total, n_before = max(sum(n_rows.values()), 1), 0
    written: dict[str, Exported] = {}
    try:
        with aside(folder, "export") as made:
            for table in tables:
                before = n_before

                def show(n: int, name: str = table.name, before: int = before) -> None:
                    say(name, (before + n) / total)

                written[table.name] = _write(
                    session, table, made, folder, ending=ending, cut=cut, source=source, show=show
                )
                n_before += n_rows[table.name]
            for name, one in written.items():
                target = folder / f"{name}.{ending}"
                if one.file is None:
                    target.unlink(missing_ok=True)
                else:
                    (made / target.name).replace(target)
            sync(folder)
    except OSError as error:
        raise Fault(f"nothing was exported: {error}; make room, or name another folder with --out") from error
    return written


def _write(
    session: Session,
    table: ImportTable,
    made: Path,
    folder: Path,
    *,
    ending: str,
    cut: int | None,
    source: str | None,
    show: Callable[[int], None],
) -> Exported:
    sources: Counter[str] = Counter()
    name = f"{table.name}.{ending}"
    with _Sink(made / name, ending) as sink:
        sink.write(as_file(table, pl.DataFrame(schema=frame_schema(table.model)), ending))  # the header
        for rows in _pieces(session, table, cut, source):
            sink.write(as_file(table, _as_known(table, rows, cut), ending))
            sources.update(dict(rows["source"].value_counts().iter_rows()))
            show(sources.total())
    is_left_out = ending == "jsonl" and not sources
    return Exported(
        sources.total(),
        None if is_left_out else folder / name,
        dict(sorted(sources.items())),
        _retracted(session, table, cut),
    )


def _pieces(
    session: Session, table: ImportTable, cut: int | None, source: str | None
) -> Iterator[pl.DataFrame]:
    """The rows in the order of their key, so many at a time: each piece begins behind the last key of the one before."""
    schema = frame_schema(table.model)
    key, is_postgres = table.key, session.connection().dialect.name == "postgresql"
    parameters: dict[str, Parameter] = {"cut": cut, "source": source}
    known = [f"{name} {sign} :{mark}" for name, sign, mark in _LIMITS if parameters[mark] is not None]
    parameters = {mark: value for mark, value in parameters.items() if value is not None}
    # A day goes to the driver as text; only PostgreSQL has to be told that it is one.
    marks = [
        f"CAST(:k{n} AS DATE)" if is_postgres and schema[name] is pl.Date else f":k{n}"
        for n, name in enumerate(key)
    ]
    behind = f"({', '.join(key)}) > ({', '.join(marks)})"
    last: dict[str, Parameter] = {}
    while True:
        conditions = [*known, *([behind] if last else [])]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = read_frame(
            session,
            f"SELECT {', '.join(schema)} FROM {table.name}{where} ORDER BY {', '.join(key)} LIMIT {_ROWS_A_PIECE}",  # noqa: S608 - our names
            parameters | last,
            schema,
        )
        if rows.is_empty():
            return
        yield rows
        final = rows.select(pl.col(key)).with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).row(-1)
        last = {f"k{n}": value for n, value in enumerate(final)}


_LIMITS: Final = (("known_at", "<", "cut"), ("source", "=", "source"))


def as_file(table: ImportTable, rows: pl.DataFrame, ending: str) -> pl.DataFrame:
    """Rows as a file of this ending has them: its names, its order, rates with their unit; types only in Parquet."""
    is_typed = ending == "parquet"
    columns: dict[str, pl.Expr] = {}
    for own, column in table.columns.items():
        columns[column.name or own] = _cell(own, column, is_typed=is_typed)
    for unit in dict.fromkeys(column.unit_column for column in table.columns.values() if column.unit_column):
        rates = [own for own, column in table.columns.items() if column.unit_column == unit]
        is_given = pl.any_horizontal(pl.col(own).is_not_null() for own in rates)
        columns[unit] = pl.when(is_given).then(pl.lit(_UNIT))
    return rows.select(columns[name].alias(name) for name in table.file_columns)


def _cell(own: str, column: ImportColumn, *, is_typed: bool) -> pl.Expr:
    cell = pl.col(own)
    if column.kind.is_instant:
        instant = pl.from_epoch(cell, "us").dt.replace_time_zone("UTC")
        return instant if is_typed else instant.dt.strftime(_INSTANT)
    if column.kind is Kind.DATE and not is_typed:
        return cell.dt.to_string("%Y-%m-%d")
    return cell


def _as_known(table: ImportTable, rows: pl.DataFrame, cut: int | None) -> pl.DataFrame:
    """A listing's refunds are only known once they are settled: before an instant, those settled before it."""
    if cut is None or table.name != "listings":
        return rows
    is_settled = pl.col("settled_at") < cut
    return rows.with_columns(
        pl.when(is_settled).then(name).alias(name) for name in ("refund_fen", "settled_at")
    )


def _retracted(session: Session, table: ImportTable, cut: int | None) -> tuple[str, ...]:
    found = read_rows(
        session,
        "SELECT DISTINCT row_key FROM retractions WHERE table_name = :name AND (:cut = 0 OR retracted_at < :cut)"
        " ORDER BY row_key",
        {"name": table.name, "cut": cut or 0},
    )
    return tuple(str(row[0]) for row in found)


def _count(session: Session, table: ImportTable) -> int:
    return int(read_rows(session, f"SELECT COUNT(*) FROM {table.name}")[0][0])  # noqa: S608 - our name


def _refuse_others(folder: Path, tables: Sequence[ImportTable], ending: str) -> None:
    for table in tables:
        for other in sorted(folder.glob(f"{table.name}.*")):
            if other.name != f"{table.name}.{ending}":
                raise WrongInput(
                    f"{other} is of the same table, and an import would read both; remove it, or name another folder"
                )


class _Sink:
    """A file that is written a frame at a time, every frame of the same columns; synced when it is closed."""

    def __init__(self, path: Path, ending: str) -> None:
        self._ending = ending
        self._file = path.open("xb")
        self._parquet: Any = None
        self._is_new = True

    def __enter__(self) -> Self:
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        if self._ending == "csv":
            frame.write_csv(self._file, include_header=self._is_new)
        elif self._ending == "jsonl":
            frame.write_ndjson(self._file)
        else:
            rows = frame.to_arrow()
            self._parquet = self._parquet or pyarrow.parquet.ParquetWriter(
                self._file, rows.schema, compression="zstd"
            )
            self._parquet.write_table(rows)
        self._is_new = False

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if self._parquet is not None:
                self._parquet.close()
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
