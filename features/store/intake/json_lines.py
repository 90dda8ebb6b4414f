"""Which values stand on which line of a JSON lines file? An object a line, its numbers exactly as written."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, NoReturn

import polars as pl

from features.store.columns import ImportColumn, ImportTable, Kind
from features.store.intake.chunks import CHUNK_ROWS, LONGEST_LINE, Chunk, check_header, opened_text, without
from features.store.intake.files import ImportFile
from features.store.intake.rejects import Code, Fault, shown
from features.store.intake.values import Digits, Odd, as_text

Row = tuple[int, dict[str, Any]]

_UNIT: Final = ImportColumn(Kind.TEXT)
_NUMBERS: Final = frozenset({Kind.WHOLE, Kind.FEN, Kind.NUMBER, Kind.SHARE, Kind.RATE})


def read_json_lines(file: ImportFile) -> Iterator[Chunk]:
    """The rows of a JSON lines file; empty lines are passed over."""
    with opened_text(file) as (stream, share_read):
        n_lines = 0
        while lines := list(islice(iter(lambda: stream.readline(LONGEST_LINE), b""), CHUNK_ROWS)):
            if n_lines == 0:
                lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            rows: list[Row] = []
            unreadable: list[tuple[int, Fault]] = []
            for number, line in enumerate(lines, start=n_lines + 1):
                try:
                    if line.strip():
                        rows.append((number, read_object(line)))
                except Odd as odd:
                    text = shown(line.decode("utf-8", "backslashreplace").rstrip())
                    unreadable.append((number, Fault("", text, odd.code, odd.sentence)))
            n_lines += len(lines)
            chunk = read_objects(file.table, rows, file.path)
            yield Chunk(chunk.columns, chunk.lines, [*unreadable, *chunk.unreadable], share_read())


def read_objects(table: ImportTable, rows: Sequence[Row], where: object) -> Chunk:
    """Objects, each with its line, column by column; a value of a type that its column does not take is unreadable."""
    forms = {
        tuple(row): line for line, row in reversed(rows)
    }  # each order of names, with the first line that has it
    for form, line in forms.items():
        if not set(form) <= set(table.file_columns):
            check_header(
                table,
                [*form, *(name for name in table.required if name not in form)],
                f"{where}: line {line}",
            )
    declared = {column.name or name: column for name, column in table.columns.items()}
    faults: dict[int, Fault] = {}
    columns = {
        name: _column(name, declared.get(name, _UNIT), [row.get(name) for _, row in rows], faults)
        for name in dict.fromkeys((*table.required, *chain.from_iterable(forms)))
    }
    lines = pl.Series([line for line, _ in rows], dtype=pl.Int64)
    return without(Chunk(columns, lines, [], 1.0), faults)


def read_object(line: bytes) -> dict[str, Any]:
    """One object; a number keeps its digits, a name is given once. Odd says what is wrong."""
    try:
        row = DECODER.decode(line.decode().strip())
    except UnicodeDecodeError as error:
        raise Odd(Code.NOT_UTF8, "it is not UTF-8; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Odd(Code.BAD_JSON, f"it is no JSON: {str(error).split(':')[0].lower()}") from error
    if not isinstance(row, dict):
        raise Odd(Code.BAD_JSON, "it is no object; write {...}")
    return row


def _column(name: str, column: ImportColumn, values: Sequence[Any], faults: dict[int, Fault]) -> pl.Series:
    types = set(map(type, values)) - {type(None)}
    try:
        if types <= {str}:
            return pl.Series(name, values, dtype=pl.String)
        if types == {int} and column.kind in _NUMBERS:
            return pl.Series(name, values, dtype=pl.Int64)
    except (UnicodeEncodeError, OverflowError, TypeError):
        pass
    texts: list[str | None] = []
    for place, value in enumerate(values):
        text = None
        try:
            text = as_text(column, value)
            if text is not None:
                text.encode()
        except Odd as odd:
            faults.setdefault(place, Fault(name, shown(value), odd.code, odd.sentence))
        except UnicodeEncodeError:
            text = None
            sentence = "half of a surrogate pair stands in it; write whole characters"
            faults.setdefault(place, Fault(name, shown(value), Code.NOT_UTF8, sentence))
        texts.append(text)
    return pl.Series(name, texts, dtype=pl.String)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("A name is given twice")
    return row


def _no_number(_word: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no numbers")


DECODER: Final = json.JSONDecoder(parse_float=Digits, parse_constant=_no_number, object_pairs_hook=_once)
"""What it cannot decode is a ValueError, or, nested too deeply, a RecursionError."""
