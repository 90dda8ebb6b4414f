"""Which rows does a request hand in? A JSON array or JSON lines; for one row, the key in the path with the body.

What cannot be read takes its row's place as a fault, so that one answer names every bad row. The work is bounded by
the body's length; numbers keep their digits, as in files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

from api.row_words import row_fault
from features.errors import RowFault, RowsRefused, UnknownId
from features.store.columns import ImportColumn, ImportTable, Kind
from features.store.intake.json_lines import DECODER, read_object
from features.store.intake.rejects import Code
from features.store.intake.values import Odd, Value, as_text, parse_value
from features.store.tables import TABLES

Row = Mapping[str, Any]

MOST_ROWS: Final = 10_000
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_TORN: Final = re.compile("[\udc80-\udcff]")
_MOST_KEY_CHARACTERS: Final = 600
_LONGEST_ID: Final = 64


def read_batch(lines: Iterable[bytes]) -> list[Row | RowFault]:
    """The rows of a body, which comes line by line (a binary file does): an array of objects, or an object a line.

    A bad line is a fault in its row's place; after a bad element of an array no more can be told apart. Empty lines
    are passed over. RowsRefused at the first row past MOST_ROWS.
    """
    lines = (line for line in lines if line.strip())
    first = next(lines, b"").removeprefix(_BOM)
    whole = chain([first], lines)
    read = _elements(b"".join(whole)) if first.lstrip().startswith(b"[") else map(_object, whole)
    rows = [
        row_fault(index, row) if isinstance(row, Code) else row
        for index, row in enumerate(islice(read, MOST_ROWS + 1))
    ]
    if len(rows) > MOST_ROWS:
        raise RowsRefused([row_fault(MOST_ROWS, Code.TOO_MANY_ROWS)])
    return rows


def read_row(body: bytes) -> Row:
    """The one object that a body is; RowsRefused where it is none."""
    row = _object(body.removeprefix(_BOM))
    if isinstance(row, Code):
        raise RowsRefused([row_fault(0, row)])
    return row


def key_row(table: str, key: str, body: Row) -> Row:
    """The body with the path's key, percent-encoding undone; RowsRefused where the two do not agree.

    The parts of a key are joined by `:`, which ids and instants may hold themselves. What the body names of them is
    compared as it would be stored; what it leaves open is split off in the one way in which each part may stand in
    its column.
    """
    if table not in TABLES:
        raise UnknownId(f"there is no such table; the tables are {', '.join(TABLES)}")
    declared = TABLES[table]
    columns = [name for name in declared.key if declared.columns[name].key]
    named = {name: text for name in columns if (text := _named(declared, name, body.get(name))) is not None}
    if len(named) == len(columns) and ":".join(named.values()) == key:
        return body
    if len(columns) == 1:
        found: list[tuple[str, ...]] = [] if named else [(key,)]
    else:
        wanted = [_stored(declared.columns[name], named[name]) if name in named else None for name in columns]
        found = list(islice(_splits(key[: _MOST_KEY_CHARACTERS + 1], declared, columns, wanted), 2))
    if len(found) != 1 or len(key) > _MOST_KEY_CHARACTERS:
        raise RowsRefused(
            [row_fault(0, Code.KEY_AMBIGUOUS if len(found) > 1 else Code.KEY_MISMATCH, declared)]
        )
    return {**body, **{name: part for name, part in zip(columns, found[0], strict=True) if name not in named}}


def _object(line: bytes) -> Row | Code:
    try:
        return read_object(line)
    except Odd as odd:
        return odd.code


def _elements(body: bytes) -> Iterator[Row | Code]:
    """The objects of an array one by one, so that a bad one is known by its place, and no more are read than taken."""
    try:
        text, is_torn = body.decode(), False
    except UnicodeDecodeError:
        text, is_torn = body.decode(errors="surrogateescape"), True
    place = _after_space(text, text.index("[") + 1)
    if text.startswith("]", place):
        if _after_space(text, place + 1) < len(text):
            yield Code.BAD_JSON
        return
    while True:
        try:
            value, end = DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            yield Code.BAD_JSON
            return
        after = _after_space(text, end)
        goes_on = text.startswith(",", after)
        ends_well = text.startswith("]", after) and _after_space(text, after + 1) == len(text)
        if not isinstance(value, dict) or not (goes_on or ends_well):
            yield Code.BAD_JSON
        elif is_torn and _TORN.search(text, place, end):
            yield Code.NOT_UTF8
        else:
            yield value
        if not goes_on:
            return
        place = _after_space(text, after + 1)


def _after_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    assert space is not None
    return space.end()


def _named(table: ImportTable, name: str, value: object) -> str | None:
    """A part of the key as the body has it, in text; RowsRefused where it is of a type that is none."""
    try:
        return as_text(table.columns[name], value)
    except Odd as odd:
        raise RowsRefused([row_fault(0, odd.code, table, name)]) from odd


def _splits(
    key: str, table: ImportTable, columns: Sequence[str], wanted: Sequence[Value | None]
) -> Iterator[tuple[str, ...]]:
    """Every way to take the key apart such that each part may stand in its column, and is what is wanted there."""
    column = table.columns[columns[0]]
    if len(columns) == 1:
        if _fits(column, key, wanted[0]):
            yield (key,)
        return
    for mark in re.finditer(":", key):
        if column.kind is Kind.ID and mark.start() > _LONGEST_ID:
            return
        part = key[: mark.start()]
        if _fits(column, part, wanted[0]):
            for rest in _splits(key[mark.end() :], table, columns[1:], wanted[1:]):
                yield (part, *rest)


def _fits(column: ImportColumn, part: str, wanted: Value | None) -> bool:
    stored = _stored(column, part)
    return stored is not None and (wanted is None or stored == wanted)


def _stored(column: ImportColumn, text: str) -> Value | None:
    try:
        return parse_value(column, text)
    except Odd:
        return None
