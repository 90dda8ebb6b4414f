"""Do the quick way, a column at a time, and the careful way, a value at a time, always say the same?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.errors import WrongInput
from features.store.columns import ImportColumn, Kind
from features.store.intake.cells import read_column
from features.store.intake.rejects import Findings
from features.store.intake.values import Odd, parse_value
from features.units import DAWN, RATE_UNITS, Ppm, parse_instant, parse_rate

COLUMNS = {
    Kind.ID: ImportColumn(Kind.ID),
    Kind.IDS: ImportColumn(Kind.IDS),
    Kind.TEXT: ImportColumn(Kind.TEXT, at_most=5),
    Kind.NOTE: ImportColumn(Kind.NOTE, at_most=5),
    Kind.PATH: ImportColumn(Kind.PATH, at_most=9),
    Kind.PATHS: ImportColumn(Kind.PATHS, at_most=9),
    Kind.CHOICE: ImportColumn(Kind.CHOICE, choices=("a", "b")),
    Kind.CHOICES: ImportColumn(Kind.CHOICES, choices=("a", "b")),
    Kind.WHOLE: ImportColumn(Kind.WHOLE, at_least=1),
    Kind.FEN: ImportColumn(Kind.FEN, at_least=0),
    Kind.NUMBER: ImportColumn(Kind.NUMBER, at_least=0),
    Kind.SHARE: ImportColumn(Kind.SHARE, at_least=0, at_most=1),
    Kind.FLAG: ImportColumn(Kind.FLAG),
    Kind.INSTANT: ImportColumn(Kind.INSTANT),
    Kind.UNTIL: ImportColumn(Kind.UNTIL),
    Kind.DATE: ImportColumn(Kind.DATE),
}

_CLOCK = st.sampled_from(["", "T20:00", "T20:00:00", " 20:00:00", "t20:00:00", "T20:00:60", "T24:00:00", "T20:00:00.5", "T20:00:00.123456789", "T2000"])  # fmt: skip
_OFFSET = st.sampled_from(["", "Z", "z", "+08:00", "-08:00", "+0800", "+08", "+24:00", "+08:00:30", "-23:59", " +08:00"])  # fmt: skip
_DAY = st.one_of(
    st.dates().map(date.isoformat),
    st.sampled_from(["2026-02-29", "2024-02-29", "2026-13-01", "0000-01-01", "9999-12-31", "0001-01-01", "1969-12-31", "26-1-1", "20260101"]),
)  # fmt: skip
CELLS = st.one_of(
    st.text(max_size=8),
    st.text("abAB01-._: ;/\0٣", max_size=8),
    st.integers().map(str),
    st.integers(-3, 3).map(str),
    st.sampled_from([str(2**63), str(2**63 - 1), str(-(2**63)), "-0", "007", "+1", "1_0", "1.0", "1e0", ".5", "5.", "NaN", "inf", "true", "False", "a;b", "b;a;a", "no"]),
    st.decimals(0, 2, allow_nan=False, places=4).map(str),
    st.floats().map(repr),
    st.tuples(_DAY, _CLOCK, _OFFSET).map("".join),
    st.dates().map(date.isoformat),
)  # fmt: skip


def careful(column: ImportColumn, cell: str) -> Any:
    """What is stored, or the sentence that refuses it."""
    try:
        return parse_value(column, cell)
    except Odd as odd:
        return odd.code, odd.sentence


@pytest.mark.parametrize("kind", COLUMNS)
@given(cells=st.lists(st.none() | CELLS, min_size=1, max_size=20))
def test_a_column_is_read_as_each_of_its_cells_would_be(kind: Kind, cells: list[str | None]) -> None:
    findings = Findings()
    read = read_column(COLUMNS[kind], "name", pl.Series(cells, dtype=pl.String), None, findings)
    for place, cell in enumerate(cells):
        wanted = careful(COLUMNS[kind], cell) if cell else None
        fault = findings.faults.get(place)
        if isinstance(wanted, tuple):
            assert fault is not None
            assert (fault.code, fault.sentence) == wanted
            assert read[place] is None
        else:
            assert fault is None
            assert read[place] == wanted


@given(
    cells=st.lists(
        st.tuples(
            CELLS | st.decimals(0, 100, places=6).map(str),
            st.sampled_from([*RATE_UNITS, "%", "Percent"]),
        ),
        min_size=1,
        max_size=20,
    )
)
@example(cells=[("0.29", "percent"), ("12.50000", "percent"), ("1e1", "percent"), (".5", "bp")])
@example(cells=[("90", "percent"), ("90.0001", "percent"), ("900000", "ppm"), ("900001", "ppm")])
def test_a_rate_is_read_as_the_units_say(cells: list[tuple[str, str]]) -> None:
    column = ImportColumn(Kind.RATE, at_least=0, at_most=900_000, unit_column="rate_unit")
    findings = Findings()
    texts, units = (pl.Series(values, dtype=pl.String) for values in zip(*cells, strict=True))
    read = read_column(column, "rate", texts, units, findings)
    for place, (text, unit) in enumerate(cells):
        wanted = None
        if text:
            try:
                wanted = parse_rate(text, unit, limit=Ppm(900_000))
            except WrongInput:
                assert place in findings.faults
        assert read[place] == wanted
        assert (place in findings.faults) == bool(text and wanted is None)


@given(
    st.lists(st.datetimes(timezones=st.sampled_from([UTC])), min_size=1, max_size=9),
    st.sampled_from(["us", "ms", "ns"]),
)
def test_an_instant_of_a_native_type_is_read_to_its_microsecond(instants: list[datetime], unit: Any) -> None:
    if unit == "ns":
        instants = [
            instant.replace(year=1700 + instant.year % 500) for instant in instants if instant.day < 29
        ]
    native = pl.Series(instants, dtype=pl.Datetime("us", "UTC")).dt.cast_time_unit(unit)
    findings = Findings()
    read = read_column(COLUMNS[Kind.INSTANT], "at", native, None, findings)
    wanted = [
        instant - timedelta(microseconds=instant.microsecond % (1000 if unit == "ms" else 1))
        for instant in instants
    ]
    assert [DAWN + timedelta(microseconds=at) for at in read.to_list()] == wanted
    assert findings.faults == {}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-31", "2027-01-01T00:00:00+08:00"),
        ("2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z"),
    ],
)
def test_until_a_day_counts_to_its_end_in_shanghai(text: str, instant: str) -> None:
    wanted = parse_instant(instant)
    for cells in (pl.Series([text]), pl.Series([date(2026, 12, 31)])):
        read = read_column(COLUMNS[Kind.UNTIL], "authorised_until", cells, None, Findings())
        if cells.dtype == pl.String or len(text) == 10:
            assert DAWN + timedelta(microseconds=read[0]) == wanted
