"""What is a piece of an import file? So many rows, column by column, with the lines they stand on."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

import polars as pl

from features.errors import WrongInput
from features.store.columns import ImportTable
from features.store.intake.files import ImportFile
from features.store.intake.rejects import Fault

CHUNK_ROWS: Final = 100_000
"""Rows read, checked and written at once: what bounds the memory of an import."""
LONGEST_LINE: Final = 16 * 2**20

# How a file that is something else begins, and what to say of it.
_NOT_TEXT: Final = (
    (b"\xff\xfe", "UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16; save it as UTF-8"),
    (b"PK\x03\x04", "a ZIP or Excel file; save it as CSV (UTF-8)"),
    (b"PAR1", "Parquet; name it .parquet"),
    (b"\x1f\x8b", "compressed; name it .gz"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one file; the columns, under their names in files, are as long as `lines`."""

    columns: dict[str, pl.Series]
    lines: pl.Series
    """Where each row stands: the line, counted from 1 as an editor does; in Parquet the row."""
    unreadable: Sequence[tuple[int, Fault]]
    """Rows that are not in the columns, for nobody can tell what stands in them."""
    share_read: float
    """How much of the file has been read by now, 0..1."""


def check_header(table: ImportTable, names: Sequence[str], where: object) -> None:
    """Refuse columns that are not those of the table, naming those that are."""
    faults = []
    if unknown := [name for name in names if name not in table.file_columns]:
        is_split_otherwise = len(names) == 1 and any(mark in names[0] for mark in ";\t|")
        hint = " (put commas between the columns)" if is_split_otherwise else ""
        faults.append(f"unknown columns {', '.join(map(repr, unknown))}{hint}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"columns given twice: {', '.join(map(repr, twice))}")
    if missing := [name for name in table.required if name not in names]:
        faults.append(f"required columns are missing: {', '.join(missing)}")
    if faults:
        known = ", ".join(f"{name}*" if name in table.required else name for name in table.file_columns)
        raise WrongInput(
            f"{where}: {'; '.join(faults)}; the columns of {table.name} (* required) are {known}"
        )


def without(chunk: Chunk, faults: dict[int, Fault]) -> Chunk:
    """The chunk without the rows at these places, which become unreadable ones."""
    if not faults:
        return chunk
    places = sorted(faults)
    stays = pl.Series([True]).new_from_index(0, len(chunk.lines)).scatter(places, values=False)
    unreadable = [
        (line, faults[place]) for place, line in zip(places, chunk.lines.gather(places), strict=True)
    ]
    columns = {name: column.filter(stays) for name, column in chunk.columns.items()}
    return Chunk(columns, chunk.lines.filter(stays), [*chunk.unreadable, *unreadable], chunk.share_read)


@contextmanager
def opened_text(file: ImportFile) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """The bytes of a text file, unpacked, and how much of the file has been read by now."""
    try:
        size = max(file.size_bytes, 1)
        with file.path.open("rb") as raw:
            stream: IO[bytes] = raw
            if file.ending.endswith(".gz"):
                stream = io.BufferedReader(gzip.GzipFile(fileobj=raw))
            _check_beginning(file, stream.peek(4)[:4])  # type: ignore[attr-defined]
            yield stream, lambda: raw.tell() / size
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WrongInput(f"{file.path} is damaged: {error}; make the file again") from error
    except OSError as error:
        raise WrongInput(f"{file.path} cannot be read: {error.strerror or error}") from error


def _check_beginning(file: ImportFile, beginning: bytes) -> None:
    if not beginning:
        raise WrongInput(f"{file.path} is empty; leave it out, or write the file again")
    for mark, words in _NOT_TEXT:
        if beginning.startswith(mark):
            raise WrongInput(f"{file.path} is {words}")
    if b"\0" in beginning:
        raise WrongInput(f"{file.path} is no UTF-8 text; save it as UTF-8")
