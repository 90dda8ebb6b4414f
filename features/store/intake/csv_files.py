"""Which cells stand on which line of a CSV file? Read as a stream; what is in a broken row is never guessed."""

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, islice

import polars as pl

from features.errors import WrongInput
from features.store.intake.chunks import CHUNK_ROWS, LONGEST_LINE, Chunk, check_header, opened_text, without
from features.store.intake.files import ImportFile
from features.store.intake.rejects import Code, Fault

_BAD_QUOTES = Fault(
    "", "", Code.BAD_QUOTES, "text follows a closing quote; double the quotes inside a quoted cell"
)


def read_csv(file: ImportFile) -> Iterator[Chunk]:
    """The rows of a CSV file with a header, all as text; empty lines are passed over.

    A cell may hold line breaks, so lines and rows are counted apart. A row with a cell too many or too few, with a
    stray quote, or with bytes that are not UTF-8 is unreadable. A quote that never closes is an error of the whole
    file: after it nobody can tell the rows apart.
    """
    with opened_text(file) as (stream, share_read):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(iter(partial(text.readline, LONGEST_LINE), ""), strict=True)
        names = _header(file, reader)
        while True:
            first_line = reader.line_num + 1
            rows: list[list[str]] = []
            fault = ""
            try:
                rows.extend(islice(reader, CHUNK_ROWS))  # keeps the rows before a broken one
            except csv.Error as error:
                fault = str(error)
            if not rows and not fault:
                return
            lines = _lines(rows, first_line, reader.line_num - first_line + 1 - bool(fault))
            unreadable = []
            if fault:
                broken_line = first_line + sum(map(_n_lines, rows))
                if "expected after" not in fault:
                    raise WrongInput(_endless(file, broken_line))
                unreadable.append((broken_line, _BAD_QUOTES))
            yield _chunk(names, rows, lines, Chunk({}, pl.Series(dtype=pl.Int64), unreadable, share_read()))


def check_csv(file: ImportFile) -> None:
    """Refuse a file whose header is not its table's."""
    with opened_text(file) as (stream, _):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        _header(file, csv.reader(iter(partial(text.readline, LONGEST_LINE), ""), strict=True))


def _header(file: ImportFile, reader: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip() for name in next(reader)]
    except StopIteration:
        names = []
    except csv.Error as error:
        raise WrongInput(_endless(file, 1)) from error
    check_header(file.table, names, file.path)
    return names


def _endless(file: ImportFile, line: int) -> str:
    return (
        f"{file.path}: a cell on line {line} does not end, within {csv.field_size_limit()} characters or the file; "
        "close its quote, or double the quote where it is text"
    )


def _lines(rows: Sequence[list[str]], first_line: int, n_lines: int) -> pl.Series:
    """The line on which each row begins."""
    if n_lines == len(rows):
        return pl.int_range(first_line, first_line + n_lines, eager=True)
    return pl.Series(list(accumulate(map(_n_lines, rows), initial=first_line))[:-1], dtype=pl.Int64)


def _n_lines(row: list[str]) -> int:
    return 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in row)


def _chunk(names: list[str], rows: list[list[str]], lines: pl.Series, rest: Chunk) -> Chunk:
    faults: dict[int, Fault] = {}
    if set(map(len, rows)) - {len(names)}:
        full = pl.Series([bool(row) for row in rows], dtype=pl.Boolean)
        lines = lines.filter(full)
        rows = [row for row in rows if row]
        for place, row in enumerate(rows):
            if len(row) != len(names):
                faults[place] = _ragged(row, len(names))
                rows[place] = [""] * len(names)
    try:
        columns = _columns(names, rows)
    except UnicodeEncodeError:
        for place, row in enumerate(rows):
            if not _is_utf8(row):
                faults.setdefault(
                    place, Fault("", ",".join(row), Code.NOT_UTF8, "it is not UTF-8; save it as UTF-8")
                )
                rows[place] = [""] * len(names)
        columns = _columns(names, rows)
    return without(Chunk(columns, lines, rest.unreadable, rest.share_read), faults)


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, pl.Series]:
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    return {name: pl.Series(name, column, dtype=pl.String) for name, column in zip(names, cells, strict=True)}


def _ragged(row: Sequence[str], n_columns: int) -> Fault:
    sentence = (
        f"{len(row)} cells where the header has {n_columns}; put quotes around a cell that holds a comma"
    )
    return Fault("", ",".join(row), Code.RAGGED, sentence)


def _is_utf8(row: Sequence[str]) -> bool:
    return not any("\ud800" <= character <= "\udfff" for cell in row for character in cell)
