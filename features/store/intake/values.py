"""May this one value stand in this column? The careful way, which words every refusal.

`cells.py` reads whole columns and comes here with what is not of the usual form.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from features.errors import WrongInput
from features.store.columns import ID_PATTERN, ImportColumn, Kind
from features.store.intake.rejects import Code, shown
from features.units import (
    DAY_US,
    RATE_UNITS,
    SHANGHAI_OFFSET_US,
    Ppm,
    day_number,
    microseconds,
    parse_day,
    parse_instant,
    parse_rate,
)

Value = int | float | str | bool | date

BIGGEST: Final = 2**63 - 1
FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}
SAYS_NONE: Final = frozenset({"false", "no", "none", "0"})
"""What stands in a note that says there is none."""

SPACES: Final = " \t\r\n\v\f\u00a0\u3000\ufeff"
"""What is taken off both ends of a text; a full-width space is one too."""

_ID = re.compile(ID_PATTERN.removesuffix("$"), re.ASCII)
_INTEGER = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_MOST_DIGITS = 4_000  # int() refuses more than 4 300, with an error of its own


class Digits:
    """A number with a point or an exponent, as it is written in JSON: exact, where a float would not be."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Odd(Exception):
    """A value that its column cannot take."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def parse_value(column: ImportColumn, value: str) -> Value | None:
    """The value as it is stored (instants in microseconds), nothing where it says nothing; else raises `Odd`."""
    return _WAYS[column.kind](value, column)


def parse_value_with_unit(column: ImportColumn, value: str, unit: str | None) -> int:
    """A rate in ppm; else raises `Odd`."""
    if unit is None:
        raise Odd(Code.BAD_UNIT, f"{column.unit_column} is empty; name one of {', '.join(RATE_UNITS)}")
    if unit not in RATE_UNITS:
        raise Odd(Code.BAD_UNIT, f"{_quoted(unit)} is no unit of a rate; name one of {', '.join(RATE_UNITS)}")
    assert column.at_most is not None
    try:
        return parse_rate(value, unit, limit=Ppm(column.at_most))
    except WrongInput as error:
        raise Odd(Code.BAD_RATE, str(error)) from error


def as_text(column: ImportColumn, value: Any) -> str | None:
    """What a JSON value would be in a CSV cell; raises `Odd` where its type says that something else is meant."""
    kind = column.kind
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, list) and kind in {Kind.IDS, Kind.PATHS, Kind.CHOICES}:
        if all(isinstance(part, str) and part and ";" not in part for part in value):
            return ";".join(value) or None
    elif isinstance(value, bool):
        if kind in {Kind.FLAG, Kind.NOTE}:
            return str(value).lower()
    elif (isinstance(value, int) and kind not in _ONLY_TEXT) or (
        isinstance(value, Digits | float) and kind in _NUMERIC
    ):
        return str(value)
    raise refuse_type(column, value, next(words for type_, words in _WORDS if isinstance(value, type_)))


def refuse_type(column: ImportColumn, value: object, written_as: str) -> Odd:
    """Words for a value of a type that its column does not take."""
    kind = column.kind
    if kind in {Kind.ID, Kind.IDS}:
        is_number = any(word in written_as for word in ("number", "Int", "Float", "Decimal"))
        code = Code.NUMBER_AS_ID if is_number else Code.BAD_ID
        return Odd(code, f"{shown(value)} is {written_as}; write ids as text, for platform ids pass 2^53")
    code = {Kind.FLAG: Code.BAD_FLAG, Kind.DATE: Code.BAD_DATE, Kind.RATE: Code.BAD_RATE}.get(
        kind, Code.BAD_TEXT
    )
    if kind in {Kind.WHOLE, Kind.FEN, Kind.NUMBER, Kind.SHARE}:
        code = Code.BAD_NUMBER
    elif kind in {Kind.INSTANT, Kind.UNTIL}:
        code = Code.BAD_INSTANT
    return Odd(code, f"{shown(value)} is {written_as}; {kind.value} is wanted")


def _id(value: str, _column: ImportColumn) -> str:
    if not _ID.fullmatch(value):
        raise Odd(Code.BAD_ID, f"{_quoted(value)} is no id; one has 1 to 64 of A-Z a-z 0-9 . _ : -")
    return value


def _ids(value: str, column: ImportColumn) -> str | None:
    return _list(value, column, _id, Code.BAD_ID)


def _list(
    value: str, column: ImportColumn, parse: Callable[[str, ImportColumn], str | None], code: Code
) -> str | None:
    parts = value.split(";")
    if not all(part.strip(SPACES) for part in parts):
        raise Odd(code, f"{_quoted(value)} has an empty place; write one ; between two, none at the ends")
    return ";".join(sorted({part for part in (parse(part, column) for part in parts) if part}))


def _text(value: str, column: ImportColumn) -> str | None:
    stripped = value.strip(SPACES)
    if "\0" in stripped:
        raise Odd(Code.BAD_TEXT, "a NUL character stands in it; remove it")
    if column.at_most is not None and len(stripped) > column.at_most:
        raise Odd(Code.BAD_TEXT, f"it has {len(stripped)} characters; at most {column.at_most} are taken")
    return stripped or None


def _note(value: str, column: ImportColumn) -> str | None:
    return None if value.strip(SPACES).lower() in SAYS_NONE else _text(value, column)


def _path(value: str, column: ImportColumn) -> str | None:
    stripped = _text(value, column)
    if stripped is not None and not all(step.strip(SPACES) for step in stripped.split("/")):
        raise Odd(Code.BAD_TEXT, f"{_quoted(value)} has an empty step; write it like beauty/skincare/mask")
    return stripped


def _paths(value: str, column: ImportColumn) -> str | None:
    return _list(value, column, _path, Code.BAD_TEXT)


def _choice(value: str, column: ImportColumn) -> str:
    if value not in column.choices:
        raise Odd(Code.BAD_CHOICE, f"{_quoted(value)} is none of {', '.join(column.choices)}")
    return value


def _choices(value: str, column: ImportColumn) -> str | None:
    return _list(value, column, _choice, Code.BAD_CHOICE)


def _whole(value: str, column: ImportColumn) -> int:
    if not _INTEGER.fullmatch(value):
        hint = "; money is in whole fen" if column.kind is Kind.FEN else ""
        raise Odd(Code.BAD_NUMBER, f"{_quoted(value)} is no whole number{hint}")
    number = int(value) if len(value) < _MOST_DIGITS else BIGGEST + 1
    if column.at_least is not None and number < column.at_least:
        raise Odd(Code.OUT_OF_RANGE, f"{shown(value)} is below {column.at_least}")
    if abs(number) > BIGGEST:
        raise Odd(Code.OUT_OF_RANGE, f"{shown(value)} is beyond 2^63 - 1, the most that can be kept")
    return number


def _decimal(value: str, column: ImportColumn) -> float:
    if not _DECIMAL.fullmatch(value):
        raise Odd(Code.BAD_NUMBER, f"{_quoted(value)} is no number")
    number = float(value)
    if column.at_least is not None and number < column.at_least:
        raise Odd(Code.OUT_OF_RANGE, f"{shown(value)} is below {column.at_least}")
    if number == float("inf") or (column.at_most is not None and number > column.at_most):
        raise Odd(Code.OUT_OF_RANGE, f"{shown(value)} is above {column.at_most or 'all that can be kept'}")
    return number


def _flag(value: str, _column: ImportColumn) -> bool:
    flag = FLAGS.get(value.lower())
    if flag is None:
        raise Odd(Code.BAD_FLAG, f"{_quoted(value)} is neither true nor false")
    return flag


def _instant(value: str, _column: ImportColumn) -> int:
    try:
        return microseconds(parse_instant(value))
    except WrongInput as error:
        raise Odd(Code.BAD_INSTANT, str(error)) from error


def _until(value: str, column: ImportColumn) -> int:
    if len(value) != len("2026-11-11"):
        return _instant(value, column)
    return (day_number(_day(value, column)) + 1) * DAY_US - SHANGHAI_OFFSET_US


def _day(value: str, _column: ImportColumn) -> date:
    try:
        return parse_day(value)
    except WrongInput as error:
        raise Odd(Code.BAD_DATE, str(error)) from error


def _rate(value: str, column: ImportColumn) -> int:
    return parse_value_with_unit(column, value, None)


def _quoted(value: str) -> str:
    return repr(shown(value))


_ONLY_TEXT: Final = frozenset(
    {Kind.ID, Kind.IDS, Kind.PATHS, Kind.CHOICES, Kind.INSTANT, Kind.UNTIL, Kind.DATE}
)
_NUMERIC: Final = frozenset({Kind.WHOLE, Kind.FEN, Kind.RATE, Kind.NUMBER, Kind.SHARE})
_WORDS: Final = (
    (bool, "true or false"),
    ((int, float, Digits), "a number"),
    (list, "a list"),
    (dict, "an object"),
    (object, "something else"),
)
_WAYS: Final[Mapping[Kind, Callable[[str, ImportColumn], Value | None]]] = {
    Kind.ID: _id,
    Kind.IDS: _ids,
    Kind.TEXT: _text,
    Kind.NOTE: _note,
    Kind.PATH: _path,
    Kind.PATHS: _paths,
    Kind.CHOICE: _choice,
    Kind.CHOICES: _choices,
    Kind.WHOLE: _whole,
    Kind.FEN: _whole,
    Kind.RATE: _rate,
    Kind.NUMBER: _decimal,
    Kind.SHARE: _decimal,
    Kind.FLAG: _flag,
    Kind.INSTANT: _instant,
    Kind.UNTIL: _until,
    Kind.DATE: _day,
}
