"""How much is it, at which rate, and when? Money in fen, rates in ppm, instants in UTC, days in Shanghai.

Nothing here rounds silently and no float takes part: what cannot be said exactly is refused.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal
from functools import lru_cache
from typing import Final, NewType

from features.errors import WrongInput

Fen = NewType("Fen", int)
"""Money: 1 yuan = 100 fen."""
Ppm = NewType("Ppm", int)
"""A rate in parts per million: 1 % = 10 000 ppm."""

WHOLE: Final = Ppm(1_000_000)
"""The most any rate can be: everything."""
COMMISSION_LIMIT: Final = Ppm(900_000)
"""The most a commission can be; above it a unit was mistaken."""

RATE_UNITS: Final = {"percent": 4, "permille": 3, "bp": 2, "1e-5": 1, "ppm": 0}
"""Names a rate's unit may have, with the power of ten that takes it to ppm."""

DAWN: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The instant from which a fact holds that was "known from the start"; 0 microseconds."""
SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""One offset all along: the summer times of 1986 to 1991 are older than any fact here."""
SHANGHAI_OFFSET_US: Final = 8 * 3_600_000_000
DAY_US: Final = 86_400_000_000

TICK: Final = timedelta(microseconds=1)
"""The least that one instant lies after another."""

_EPOCH_ORDINAL = DAWN.date().toordinal()
_EXACT = Context(prec=100)
_MOST_CHARACTERS = 40
# Decimal() alone would take "1_000", "Infinity", and digits of any script.
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
# datetime.fromisoformat() alone would take any character between date and time.
_INSTANT = re.compile(r"[0-9W-]{8,10}[Tt ][0-9:.,]+(?:[Zz]|[+-][0-9:]+)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_rate(text: str, unit: str, *, limit: Ppm = WHOLE) -> Ppm:
    """The rate in ppm, exactly; a rate that is no whole number of ppm, below 0 or above `limit` is refused.

    >>> parse_rate("12.5", "percent"), parse_rate("125", "permille"), parse_rate("12500", "1e-5")
    (125000, 125000, 125000)
    """
    power = RATE_UNITS.get(unit)
    if power is None:
        raise WrongInput(f"rate unit {unit!r} is not known; name one of {', '.join(RATE_UNITS)}")
    ppm = _whole(text, power)
    if ppm is None:
        raise WrongInput(
            f"rate {text!r} {unit} is no whole number of ppm; give at most {power} decimal places"
        )
    if not 0 <= ppm <= limit:
        raise WrongInput(f"rate {text!r} {unit} is not within 0 % and {percent(limit)}; check its unit")
    return Ppm(ppm)


def parse_yuan(text: str) -> Fen:
    """An amount typed in yuan, exactly.

    >>> parse_yuan("19.9")
    1990
    """
    fen = _whole(text, 2)
    if fen is None or fen < 0:
        raise WrongInput(f"{text!r} is no amount in yuan; write it like 19.90")
    return Fen(fen)


def commission_fen(base_fen: Fen, rate_ppm: Ppm) -> Fen:
    """What an order line of `base_fen` pays at `rate_ppm`, rounded down to the fen.

    >>> commission_fen(Fen(999), Ppm(200_000))
    199
    """
    if base_fen < 0 or rate_ppm < 0:
        raise ValueError(f"commission of {base_fen} fen at {rate_ppm} ppm: neither may be below 0")
    return Fen(base_fen * rate_ppm // WHOLE)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with an offset, in UTC; digits past the microsecond are dropped.

    >>> parse_instant("2026-11-11T00:00:00+08:00").isoformat()
    '2026-11-10T16:00:00+00:00'
    """
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise WrongInput(f"{text!r} is no instant; write ISO 8601 with an offset, like 2026-11-11T20:00:00+08:00")


def parse_day(text: str) -> date:
    """A `YYYY-MM-DD` day of Shanghai."""
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise WrongInput(f"{text!r} is no day; write YYYY-MM-DD, like 2026-11-11")


def shanghai_day(instant: datetime) -> date:
    """The day in Shanghai on which `instant` lies.

    >>> shanghai_day(datetime(2026, 11, 10, 16, 0, tzinfo=UTC))
    datetime.date(2026, 11, 11)
    """
    microseconds(instant)  # refuses a naive datetime
    return instant.astimezone(SHANGHAI).date()


def shanghai_time(instant: datetime) -> str:
    """An instant as people read it.

    >>> shanghai_time(datetime(2026, 11, 10, 16, 30, tzinfo=UTC))
    '2026-11-11 00:30 (Shanghai)'
    """
    microseconds(instant)  # refuses a naive datetime
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M} (Shanghai)"


@lru_cache(maxsize=4_096)
def shanghai_year(instant: datetime) -> int:
    """The calendar year in Shanghai in which `instant` lies."""
    return shanghai_day(instant).year


def midnight(day: date) -> datetime:
    """The instant at which `day` begins in Shanghai, in UTC: what `as_of` a day means."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


def microseconds(instant: datetime) -> int:
    """Whole microseconds since the epoch; a naive datetime is refused, not guessed."""
    if instant.utcoffset() is None:
        raise ValueError(f"instant {instant.isoformat()} has no offset; attach one first")
    return (instant - DAWN) // TICK


def from_microseconds(at_us: int) -> datetime:
    """The instant in UTC; exact over all of `datetime`'s range, which a float timestamp is not."""
    return DAWN + at_us * TICK


def day_number(day: date) -> int:
    """Days since 1970-01-01; of an instant in Shanghai: `(at_us + SHANGHAI_OFFSET_US) // DAY_US`, arrays too."""
    return day.toordinal() - _EPOCH_ORDINAL


def from_day_number(number: int) -> date:
    """The day that is `number` days after 1970-01-01."""
    return date.fromordinal(number + _EPOCH_ORDINAL)


def yuan(amount_fen: Fen) -> str:
    """Money for a reader.

    >>> yuan(Fen(123_450)), yuan(Fen(-5))
    ('¥1,234.50', '-¥0.05')
    """
    whole, cents = divmod(abs(amount_fen), 100)
    return f"{'-' if amount_fen < 0 else ''}¥{whole:,}.{cents:02d}"


def percent(rate_ppm: Ppm) -> str:
    """A rate for a reader, exact, with no more decimals than it has.

    >>> percent(Ppm(125_000)), percent(Ppm(1)), percent(Ppm(-50_000))
    ('12.5 %', '0.0001 %', '-5 %')
    """
    whole, rest = divmod(abs(rate_ppm), 10_000)
    decimals = f".{rest:04d}".rstrip("0") if rest else ""
    return f"{'-' if rate_ppm < 0 else ''}{whole}{decimals} %"


def _whole(text: str, power: int) -> int | None:
    """`text` x 10^power as an integer, or nothing where it is no plain number or would not be whole."""
    if len(text) > _MOST_CHARACTERS or not _NUMBER.fullmatch(text):
        return None
    scaled = Decimal(text).scaleb(power, _EXACT)
    return int(scaled) if scaled == scaled.to_integral_value() else None
