"""Are money, rates, instants and days read and written exactly, and is all else refused?"""

from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import WrongInput
from features.units import (
    COMMISSION_LIMIT,
    DAWN,
    DAY_US,
    RATE_UNITS,
    SHANGHAI_OFFSET_US,
    WHOLE,
    Fen,
    Ppm,
    commission_fen,
    day_number,
    from_day_number,
    from_microseconds,
    microseconds,
    midnight,
    parse_day,
    parse_instant,
    parse_rate,
    parse_yuan,
    percent,
    shanghai_day,
    yuan,
)

INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("20", "percent"),
        ("200", "permille"),
        ("2000", "bp"),
        ("20000", "1e-5"),
        ("200000", "ppm"),
        ("2E1", "percent"),
    ],
)
def test_the_same_rate_in_every_unit_is_the_same_ppm(text: str, unit: str) -> None:
    assert parse_rate(text, unit) == 200_000


def test_the_smallest_step_is_read_and_a_tenth_of_it_is_refused() -> None:
    assert parse_rate("0.0001", "percent") == 1
    with pytest.raises(WrongInput, match="whole number of ppm"):
        parse_rate("0.00001", "percent")


def test_a_rate_at_its_limit_passes_and_one_ppm_above_is_refused() -> None:
    assert parse_rate("100", "percent") == WHOLE
    assert parse_rate("90", "percent", limit=COMMISSION_LIMIT) == COMMISSION_LIMIT
    for text, limit in (("100.0001", WHOLE), ("90.0001", COMMISSION_LIMIT)):
        with pytest.raises(WrongInput, match="check its unit"):
            parse_rate(text, "percent", limit=limit)


def test_a_rate_of_nothing_passes_and_one_below_is_refused() -> None:
    assert parse_rate("0", "ppm") == 0
    with pytest.raises(WrongInput, match="not within"):
        parse_rate("-1", "ppm")


@pytest.mark.parametrize(
    "text", ["", " 1", "1_0", "nan", "Infinity", "1,5", "十", "１", "0x1", "1e999", "+1", "1\n", "1" * 41]
)
def test_what_is_no_plain_number_is_no_rate(text: str) -> None:
    with pytest.raises(WrongInput):
        parse_rate(text, "percent")


@pytest.mark.parametrize("unit", ["", "%", "Percent", "1e-6"])
def test_a_unit_is_never_guessed(unit: str) -> None:
    with pytest.raises(WrongInput, match="name one of percent, permille, bp, 1e-5, ppm"):
        parse_rate("1", unit)


@given(st.integers(0, WHOLE), st.sampled_from(list(RATE_UNITS)))
def test_every_rate_survives_being_written_in_every_unit(ppm: int, unit: str) -> None:
    digits = f"{ppm:08d}"
    power = RATE_UNITS[unit]
    text = f"{digits[:-power]}.{digits[-power:]}" if power else digits
    assert parse_rate(text, unit) == ppm


@given(st.integers(0, 10**15), st.integers(0, WHOLE))
def test_commission_is_the_exact_product_rounded_down_and_never_more_than_its_base(
    base: int, ppm: int
) -> None:
    commission = commission_fen(Fen(base), Ppm(ppm))
    assert 0 <= commission <= base
    assert commission <= Fraction(base * ppm, WHOLE) < commission + 1


def test_a_commission_of_a_negative_base_is_a_fault() -> None:
    with pytest.raises(ValueError, match="below 0"):
        commission_fen(Fen(-1), Ppm(1))


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T08:00:00+08:00", 0),
        ("1970-01-01 08:00+0800", 0),
        ("19700101T000000,000001z", 1),
        ("1969-12-31T23:59:59.9999999Z", -1),
    ],
)
def test_an_instant_with_an_offset_is_read(text: str, expected_us: int) -> None:
    assert microseconds(parse_instant(text)) == expected_us


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-11T00:00:00",
        "2026-11-11",
        "2026-11-11x00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-11T24:01:00Z",
        "0001-01-01T00:00:00+08:00",
        "1762819200",
        "",
    ],
)
def test_a_time_without_an_offset_or_off_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="ISO 8601"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["2026-11-31", "20261111", "2026-W46-3", "11/11/2026", "2026-11-11T00:00"])
def test_only_year_month_day_is_a_day(text: str) -> None:
    assert parse_day("2026-11-11") == date(2026, 11, 11)
    with pytest.raises(WrongInput, match="YYYY-MM-DD"):
        parse_day(text)


def test_the_day_changes_at_midnight_in_shanghai_and_not_a_microsecond_before() -> None:
    start = midnight(date(2026, 11, 11))
    assert start == datetime(2026, 11, 10, 16, tzinfo=UTC)
    assert shanghai_day(start) == date(2026, 11, 11)
    assert shanghai_day(start - timedelta(microseconds=1)) == date(2026, 11, 10)


def test_a_day_is_the_same_whatever_offset_the_instant_was_written_with() -> None:
    west = datetime(2026, 11, 10, 8, tzinfo=timezone(timedelta(hours=-8)))
    assert shanghai_day(west) == date(2026, 11, 11)


@given(INSTANTS)
def test_an_instant_survives_its_microseconds(instant: datetime) -> None:
    assert from_microseconds(microseconds(instant)) == instant


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive by hypothesis' rule
def test_the_day_number_of_an_array_agrees_with_the_day_of_an_instant(instant: datetime) -> None:
    number = (microseconds(instant) + SHANGHAI_OFFSET_US) // DAY_US
    assert from_day_number(number) == shanghai_day(instant)
    assert day_number(shanghai_day(instant)) == number


def test_a_naive_instant_is_refused_and_never_guessed() -> None:
    naive = datetime(2026, 11, 11)  # noqa: DTZ001 - the point of the test
    for function in (microseconds, shanghai_day):
        with pytest.raises(ValueError, match="no offset"):
            function(naive)


def test_dawn_is_zero_microseconds() -> None:
    assert microseconds(DAWN) == 0


@pytest.mark.parametrize(("text", "fen"), [("0", 0), ("19.9", 1990), ("19.90", 1990), (".01", 1)])
def test_yuan_are_read_to_the_fen(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize("text", ["19.905", "-1", "¥5", "", "inf"])
def test_an_amount_that_is_no_whole_number_of_fen_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="yuan"):
        parse_yuan(text)


@given(st.integers(0, WHOLE))
def test_a_printed_percentage_reads_back_as_the_same_rate(ppm: int) -> None:
    assert parse_rate(percent(Ppm(ppm)).removesuffix(" %"), "percent") == ppm


@given(st.integers(0, 10**14))
def test_printed_money_reads_back_as_the_same_amount(fen: int) -> None:
    assert parse_yuan(yuan(Fen(fen)).removeprefix("¥").replace(",", "")) == fen
