"""Is each cell of a column what its declaration says? A column at a time; only odd cells are looked at one by one.

Each kind has a quick way for cells of the usual form, in whole columns. What that way does not recognise goes, each
different value once, to `values.py`, which decides and words the refusal: so both ways agree.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import polars as pl

from features.store.columns import ID_PATTERN, ImportColumn, Kind
from features.store.intake.rejects import Code, Fault, Findings
from features.store.intake.values import (
    BIGGEST,
    FLAGS,
    SAYS_NONE,
    SPACES,
    Odd,
    Value,
    parse_value,
    parse_value_with_unit,
    refuse_type,
)
from features.units import DAY_US, RATE_UNITS, SHANGHAI_OFFSET_US

_DECIMALS: Final = 9
_INSTANT: Final = (
    r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
)
_INSTANT_FORMS: Final = (
    (_INSTANT + r"[+-]([01][0-9]|2[0-3]):[0-5][0-9]$", "%Y-%m-%dT%H:%M:%S%.f%:z"),
    (_INSTANT + r"Z$", "%Y-%m-%dT%H:%M:%S%.fZ"),
)
_TEXT_KINDS: Final = frozenset({Kind.TEXT, Kind.NOTE, Kind.PATH, Kind.PATHS, Kind.ID, Kind.IDS})


def read_column(
    column: ImportColumn, name: str, cells: pl.Series, units: pl.Series | None, findings: Findings
) -> pl.Series:
    """The column as it is stored (instants as Int64 microseconds); a bad cell is marked, and null.

    `cells` come as a file gives them: text from CSV, text or a native type from JSON lines and Parquet.
    `units` is the column that names a rate's unit, where the file has it.
    """
    cells = _plain(cells)
    if column.kind is Kind.RATE:
        units = (
            pl.Series([None], dtype=pl.String).new_from_index(0, len(cells))
            if units is None
            else _plain(units)
        )
        read = _read_rates(column, name, cells, units, findings)
    else:
        read = _QUICK[column.kind](cells, column)
        if read.null_count() > cells.null_count():
            read = _look_closely(column, name, cells, read, findings)
    if column.required and cells.null_count():
        _mark_missing(name, cells.is_null().arg_true(), findings)
    return read


def _plain(cells: pl.Series) -> pl.Series:
    """Lists joined by `;`, categories as text, empty text as null."""
    if isinstance(cells.dtype, pl.List) and cells.dtype.inner in {pl.String, pl.Null}:
        cells = cells.cast(pl.List(pl.String)).list.join(";")
    elif isinstance(cells.dtype, pl.Categorical | pl.Enum) or cells.dtype == pl.Null:
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        cells = _where(cells, cells != "")
    return cells


def _look_closely(
    column: ImportColumn, name: str, cells: pl.Series, read: pl.Series, findings: Findings
) -> pl.Series:
    """`read`, with the cells that the quick way left null looked at one by one."""
    places = (read.is_null() & cells.is_not_null()).arg_true()
    values = list(map(_as_text, cells.gather(places).to_list()))
    outcomes: dict[str, Value | Odd | None]
    if cells.dtype != pl.String and column.kind in _TEXT_KINDS:
        outcomes = {value: refuse_type(column, value, f"of type {cells.dtype}") for value in set(values)}
    else:
        outcomes = {value: _outcome(column, value) for value in set(values)}
    mended: dict[int, Value] = {}
    for place, value in zip(places.to_list(), values, strict=True):
        outcome = outcomes[value]
        if isinstance(outcome, Odd):
            findings.mark(place, Fault(name, value, outcome.code, outcome.sentence))
        elif outcome is not None:
            mended[place] = outcome
        elif column.required:
            _mark_missing(name, [place], findings)
    return _mend(read, mended)


def _outcome(column: ImportColumn, value: str) -> Value | Odd | None:
    try:
        return parse_value(column, value)
    except Odd as odd:
        return odd


def _mend(read: pl.Series, mended: Mapping[int, Value]) -> pl.Series:
    return read.scatter(list(mended), pl.Series(list(mended.values()), dtype=read.dtype)) if mended else read


def _mark_missing(name: str, places: Iterable[int], findings: Findings) -> None:
    for place in places:
        findings.mark(place, Fault(name, "", Code.MISSING, f"{name} is required and empty"))


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_rates(
    column: ImportColumn, name: str, cells: pl.Series, units: pl.Series, findings: Findings
) -> pl.Series:
    """Whole ppm: the digits as one integer of 9 decimals, divided by what the unit leaves of them."""
    if cells.dtype.is_numeric():
        cells = cells.cast(pl.String)
    if cells.dtype != pl.String or units.dtype != pl.String:
        read = _nothing(cells, pl.Int64)
    else:
        parts = pl.select(
            whole=cells.str.extract(r"^([0-9]{1,9})(?:\.[0-9]{1,9})?$", 1).cast(pl.Int64),
            decimals=cells.str.extract(r"\.([0-9]{1,9})$", 1).fill_null("").str.pad_end(_DECIMALS, "0"),
            divisor=units.replace_strict(_DIVISORS, default=None, return_dtype=pl.Int64),
        )
        scaled = pl.col("whole") * 10**_DECIMALS + pl.col("decimals").cast(pl.Int64)
        ppm = scaled // pl.col("divisor")
        is_fine = (scaled % pl.col("divisor") == 0) & (ppm <= column.at_most)
        read = parts.select(pl.when(is_fine).then(ppm).alias(name)).to_series()
    if read.null_count() == cells.null_count():
        return read
    mended: dict[int, Value] = {}
    for place in (read.is_null() & cells.is_not_null()).arg_true():
        value, unit = _as_text(cells[place]), None if units[place] is None else _as_text(units[place])
        try:
            mended[place] = parse_value_with_unit(column, value, unit)
        except Odd as odd:
            where = (column.unit_column or "", unit or "") if odd.code is Code.BAD_UNIT else (name, value)
            findings.mark(place, Fault(*where, odd.code, odd.sentence))
    return _mend(read, mended)


# The quick ways: null where a cell is not of the usual form.


def _quick_id(cells: pl.Series, _column: ImportColumn) -> pl.Series:
    if cells.dtype != pl.String:
        return _nothing(cells, pl.String)
    return _where(cells, cells.str.contains(ID_PATTERN))


def _quick_text(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype.is_integer():
        cells = cells.cast(pl.String)
    if cells.dtype != pl.String:
        return _nothing(cells, pl.String)
    stripped = cells.str.strip_chars(SPACES)
    has_nul = stripped.str.contains("\0", literal=True)
    return _where(
        stripped, (stripped != "") & (stripped.str.len_chars() <= (column.at_most or BIGGEST)) & ~has_nul
    )


def _quick_note(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype == pl.Boolean:
        cells = cells.replace_strict({True: "true"}, default=None, return_dtype=pl.String)
    read = _quick_text(cells, column)
    return _where(read, ~read.str.to_lowercase().is_in(SAYS_NONE))


def _quick_path(cells: pl.Series, column: ImportColumn) -> pl.Series:
    read = _quick_text(cells, column)
    return _where(read, ~read.str.contains(rf"(^|/)[{SPACES}]*(/|$)"))


def _quick_never(cells: pl.Series, _column: ImportColumn) -> pl.Series:
    return _nothing(cells, pl.String)


def _quick_choice(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype != pl.String:
        return _nothing(cells, pl.String)
    return _where(cells, cells.is_in(column.choices))


def _quick_whole(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype.is_integer():
        read = cells.cast(pl.Int64, strict=False)
    elif cells.dtype == pl.String:
        read = _where(cells, cells.str.contains(r"^-?[0-9]{1,19}$")).cast(pl.Int64, strict=False)
    else:
        return _nothing(cells, pl.Int64)
    return read if column.at_least is None else _where(read, read >= column.at_least)


def _quick_decimal(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype == pl.String:
        read = _where(cells, cells.str.contains(r"^[0-9]{1,15}(\.[0-9]{1,18})?$")).cast(
            pl.Float64, strict=False
        )
    elif cells.dtype.is_numeric():
        read = cells.cast(pl.Float64)
    else:
        return _nothing(cells, pl.Float64)
    least = float("-inf") if column.at_least is None else column.at_least
    most = float("inf") if column.at_most is None else column.at_most
    return _where(read, read.is_finite() & (read >= least) & (read <= most))


def _quick_flag(cells: pl.Series, _column: ImportColumn) -> pl.Series:
    if cells.dtype == pl.Boolean:
        return cells
    if cells.dtype.is_integer():
        cells = cells.cast(pl.String)
    if cells.dtype != pl.String:
        return _nothing(cells, pl.Boolean)
    return cells.str.to_lowercase().replace_strict(FLAGS, default=None, return_dtype=pl.Boolean)


def _quick_instant(cells: pl.Series, _column: ImportColumn) -> pl.Series:
    if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone:
        return _where(cells.dt.epoch("us"), cells.dt.year().is_between(1, 9999))
    if cells.dtype != pl.String:
        return _nothing(cells, pl.Int64)
    for form, wording in _INSTANT_FORMS:
        usual = cells.str.contains(form)
        if usual.any():
            read = _where(cells, usual)
            return read.str.to_datetime(wording, time_unit="us", time_zone="UTC", strict=False).dt.epoch("us")
    return _nothing(cells, pl.Int64)


def _quick_until(cells: pl.Series, column: ImportColumn) -> pl.Series:
    if cells.dtype == pl.Date:
        return (cells.dt.epoch("d").cast(pl.Int64) + 1) * DAY_US - SHANGHAI_OFFSET_US
    return _quick_instant(cells, column)


def _quick_date(cells: pl.Series, _column: ImportColumn) -> pl.Series:
    if cells.dtype == pl.Date:
        return _where(cells, cells.dt.year().is_between(1, 9999))
    if cells.dtype != pl.String:
        return _nothing(cells, pl.Date)
    usual = cells.str.contains(r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$")
    return _where(cells, usual).str.to_date("%Y-%m-%d", strict=False)


def _nothing(cells: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return pl.Series(cells.name, [None], dtype=dtype).new_from_index(0, len(cells))


def _where(cells: pl.Series, is_fine: pl.Series) -> pl.Series:
    """The cells, null where they are not fine."""
    return cells if is_fine.all() else cells.set(~is_fine, None)


_DIVISORS: Final = {unit: 10 ** (_DECIMALS - power) for unit, power in RATE_UNITS.items()}
_QUICK: Final[Mapping[Kind, Callable[[pl.Series, ImportColumn], pl.Series]]] = {
    Kind.ID: _quick_id,
    Kind.IDS: _quick_never,
    Kind.TEXT: _quick_text,
    Kind.NOTE: _quick_note,
    Kind.PATH: _quick_path,
    Kind.PATHS: _quick_never,
    Kind.CHOICE: _quick_choice,
    Kind.CHOICES: _quick_never,
    Kind.WHOLE: _quick_whole,
    Kind.FEN: _quick_whole,
    Kind.NUMBER: _quick_decimal,
    Kind.SHARE: _quick_decimal,
    Kind.FLAG: _quick_flag,
    Kind.INSTANT: _quick_instant,
    Kind.UNTIL: _quick_until,
    Kind.DATE: _quick_date,
}
