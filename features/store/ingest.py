"""How do files become rows of the store? Checked column by column, resolved, and written: all of them, or none.

One import is one transaction, whatever it holds: a file with bad rows stops all of it, unless bad rows are to be
skipped, and a process that is killed leaves nothing. Every bad row is reported once, in `rejects/<table>.csv`; a row
that refers to a rejected row is bad too. A file that cannot be read as its table at all (its columns, its
compression, its quotes) is an error, and no rows of it are skipped.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import polars as pl
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from features.errors import Fault, RejectedRows, WrongInput
from features.store.columns import ImportTable
from features.store.db import is_out_of_room
from features.store.intake.checked import read_cells
from features.store.intake.chunks import Chunk
from features.store.intake.csv_files import check_csv, read_csv
from features.store.intake.files import ImportFile, find_files
from features.store.intake.filling import Filling
from features.store.intake.json_lines import Row, read_json_lines, read_objects
from features.store.intake.parquet_files import check_parquet, read_parquet
from features.store.intake.references import References
from features.store.intake.rejects import Fault as BadRow
from features.store.intake.rejects import Findings, HeldRejects, RejectReport
from features.store.tables import TABLES

Progress = Callable[[Path, float], None]
"""Told the file at work and how much of it has been read, 0..1."""

_T = TypeVar("_T")
_SOURCE: Final = re.compile(r"operator|job|(brand|anchor):[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class TableImport:
    """What became of one table's rows; `report` is where the rejected ones are listed."""

    n_new: int
    n_unchanged: int
    n_rejected: int
    report: Path | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do."""

    tables: Mapping[str, TableImport]
    left_alone: tuple[Path, ...]
    """What lay in a folder and is no import file."""
    is_refused: bool
    """Bad rows were found and not to be skipped: nothing is imported."""

    def require_all(self) -> None:
        """Raise where the import was refused."""
        if self.is_refused:
            bad = [
                f"{table.n_rejected} bad rows of {name}: {table.report}"
                for name, table in self.tables.items()
                if table.report is not None
            ]
            raise RejectedRows(
                f"nothing was imported; {'; '.join(bad)}; mend them, or import the good rows with --skip-bad"
            )


def ingest(
    session: Session,
    paths: Sequence[Path],
    *,
    now: datetime,
    source: str = "operator",
    rejects: Path = Path("rejects"),
    skip_bad: bool = False,
    dry_run: bool = False,
    on_progress: Progress = lambda _file, _share: None,
) -> Imported:
    """Import the files at `paths` (folders, files) into `session`, which is a writing one of this import's own.

    The caller commits. What must not stay (bad rows and not `skip_bad`; `dry_run`) is rolled back here already.
    `now` is the instant of the import; `source` who supplied the rows; `rejects` the folder for the reports.
    """
    _check_source(source)
    found = find_files(paths)
    for file in found.files:
        if file.path.parent.resolve() == rejects.resolve():  # the report would take the file's place
            raise WrongInput(f"{file.path} lies in the folder for reports; name another with --rejects")
    _check_headers(found.files)
    with _as_fault():
        tables = _fill(session, found.files, now=now, source=source, rejects=rejects, on_progress=on_progress)
    is_refused = not skip_bad and any(table.n_rejected for table in tables.values())
    if is_refused or dry_run:
        session.rollback()
    return Imported(tables, found.left_alone, is_refused)


@dataclass(frozen=True, slots=True)
class RowsImported:
    """What became of rows that came from memory; `bad` has each bad row once, by its number."""

    n_new: int
    n_unchanged: int
    bad: tuple[tuple[int, BadRow], ...]


def ingest_rows(
    session: Session, table: ImportTable, rows: Sequence[Row], *, now: datetime, source: str
) -> RowsImported:
    """Import rows of one table, each with its number, as from a JSON lines file; no other columns than the table's.

    Good rows are written beside bad ones: whoever wants all or none rolls back where `bad` holds any.
    """
    _check_source(source)
    rejects = HeldRejects()
    with TemporaryDirectory(prefix="fenxiao-ingest-") as folder, _as_fault():
        filling = Filling(
            session,
            table,
            References(session),
            rejects,
            source=source,
            now=now,
            folder=Path(folder, table.name),
        )
        chunk = read_objects(table, rows, table.name)
        filling.take(chunk, *read_cells(table, chunk), 0)
        filling.finish()
    counts = filling.counts
    return RowsImported(counts.n_new, counts.n_unchanged, tuple(sorted(rejects.rows)))


def _check_source(source: str) -> None:
    if not _SOURCE.fullmatch(source):
        raise WrongInput(f"source {source!r} is none of operator, job, brand:<id>, anchor:<id>")


@contextmanager
def _as_fault() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        if is_out_of_room(error):  # `writing` says which store
            raise
        raise Fault(f"the store did not take the rows, and nothing was imported: {error}") from error


def _fill(
    session: Session,
    found: Sequence[ImportFile],
    *,
    now: datetime,
    source: str,
    rejects: Path,
    on_progress: Progress,
) -> dict[str, TableImport]:
    """Every table in turn, each after those that it refers to."""
    references = References(session)
    tables: dict[str, TableImport] = {}
    with TemporaryDirectory(prefix="fenxiao-ingest-") as folder:
        for name, group in groupby(found, key=lambda file: file.table.name):
            files = list(group)
            with closing(RejectReport(rejects, name, [file.path for file in files])) as report:
                filling = Filling(
                    session,
                    TABLES[name],
                    references,
                    report,
                    source=source,
                    now=now,
                    folder=Path(folder, name),
                )
                for number, file in enumerate(files):
                    for chunk, cells, findings in _ahead(_read_cells(file)):
                        filling.take(chunk, cells, findings, number)
                        on_progress(file.path, chunk.share_read)
                    on_progress(file.path, 1.0)
                filling.finish()
            counts = filling.counts
            tables[name] = TableImport(
                counts.n_new,
                counts.n_unchanged,
                report.n_rejected,
                report.path if report.n_rejected else None,
            )
    return tables


def read_file(file: ImportFile) -> Iterator[Chunk]:
    """The rows of an import file, chunk by chunk, in the way its ending says."""
    if file.ending == ".parquet":
        return read_parquet(file)
    return read_csv(file) if file.ending.startswith(".csv") else read_json_lines(file)


def _read_cells(file: ImportFile) -> Iterator[tuple[Chunk, pl.DataFrame, Findings]]:
    for chunk in read_file(file):
        yield chunk, *read_cells(file.table, chunk)


def _ahead(source: Iterator[_T]) -> Iterator[_T]:
    """The same, each made while the one before it is still being used: reading needs no database."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = reader.submit(next, source, None)
        while (current := upcoming.result()) is not None:
            upcoming = reader.submit(next, source, None)
            yield current


def _check_headers(files: Sequence[ImportFile]) -> None:
    """Refuse files whose columns are not their table's, all at once, before anything is written."""
    faults = []
    for file in files:
        try:
            if file.ending == ".parquet":
                check_parquet(file)
            elif file.ending.startswith(".csv"):
                check_csv(file)
        except WrongInput as error:
            faults.append(str(error))
    if faults:
        raise WrongInput("\n".join(faults))
