"""How is a figure written for people? Money, rates, counts, instants, each with its unit, and a dash for what nobody knows."""

from datetime import date, datetime
from typing import Final

from api.pages.words import say
from api.problems import Language
from features import units
from features.units import SHANGHAI, Fen, Ppm
from matcher.verdict import SENTENCES, Reason

UNKNOWN: Final = "—"
"""What stands for a figure that nobody knows."""


def yuan(amount_fen: float | None) -> str:
    """Money, to the fen.

    >>> yuan(123_450), yuan(None)
    ('¥1,234.50', '—')
    """
    return UNKNOWN if amount_fen is None else units.yuan(Fen(round(amount_fen)))


def percent(rate_ppm: float | None) -> str:
    """A rate, exact.

    >>> percent(205_000), percent(None)
    ('20.5 %', '—')
    """
    return UNKNOWN if rate_ppm is None else units.percent(Ppm(round(rate_ppm)))


def share(part: float | None) -> str:
    """A share from 0 to 1, in percent; with a decimal where it is small.

    >>> share(0.423), share(0.0123), share(0.05), share(None)
    ('42 %', '1.2 %', '5 %', '—')
    """
    if part is None:
        return UNKNOWN
    text = f"{100 * part:.0f}" if abs(part) >= 0.0995 else f"{100 * part:.1f}".removesuffix(".0")
    return f"{text} %"


def count(number: float | None) -> str:
    """A whole number.

    >>> count(12_345), count(None)
    ('12,345', '—')
    """
    return UNKNOWN if number is None else f"{number:,.0f}"


def decimal(number: float | None, places: int = 2) -> str:
    """A figure without a unit of its own, as a metric is.

    >>> decimal(0.61349, 3), decimal(None)
    ('0.613', '—')
    """
    return UNKNOWN if number is None else f"{number:,.{places}f}"


def short(number: float | None, language: Language) -> str:
    """A large number that is read at a glance.

    >>> short(12_345, "zh"), short(12_345, "en"), short(950, "en")
    ('1.2万', '12.3k', '950')
    """
    if number is None:
        return UNKNOWN
    steps = ((100_000_000, "亿"), (10_000, "万")) if language == "zh" else ((1_000_000, "m"), (10_000, "k"))
    for step, letter in steps:
        # What rounds up to the next step is told in it: 9,999.6 is 1万.
        if abs(round(number)) >= step:
            scaled = number / (1_000 if letter == "k" else step)
            return (
                f"{scaled:,.1f}".removesuffix(".0") + letter
                if abs(scaled) < 1_000
                else f"{scaled:,.0f}{letter}"
            )
    return f"{number:,.0f}"


def about(amount_fen: float | None, language: Language) -> str:
    """Money that was estimated: no more digits than it deserves.

    >>> about(123_450, "en"), about(1_990, "en"), about(12_345_678, "zh"), about(None, "zh")
    ('¥1,234', '¥19.9', '¥12.3万', '—')
    """
    if amount_fen is None:
        return UNKNOWN
    sign, amount = ("-" if amount_fen < 0 else ""), abs(amount_fen) / 100
    if amount < 99.95:
        return f"{sign}¥{amount:.1f}".removesuffix(".0")
    return f"{sign}¥{short(amount, language)}"


def instant(at: datetime | None) -> str:
    """An instant in Shanghai.

    >>> instant(datetime(2026, 11, 22, 8, 5, tzinfo=units.UTC)), instant(None)
    ('2026-11-22 16:05', '—')
    """
    if at is None:
        return UNKNOWN
    units.microseconds(at)  # refuses a naive datetime
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def day(on: date | None) -> str:
    """A day in Shanghai, of a date or of an instant.

    >>> day(datetime(2026, 11, 22, 16, 5, tzinfo=units.UTC)), day(date(2026, 11, 22)), day(None)
    ('2026-11-23', '2026-11-22', '—')
    """
    if on is None:
        return UNKNOWN
    return (units.shanghai_day(on) if isinstance(on, datetime) else on).isoformat()


def hours(number: float | None, language: Language) -> str:
    """How long: in minutes below two hours, in days from two days on.

    >>> hours(0.5, "en"), hours(8, "zh"), hours(60, "en"), hours(None, "en")
    ('30 minutes', '8 小时', '2.5 days', '—')
    """
    if number is None:
        return UNKNOWN
    if abs(number) < 2:
        return say("minutes", language, n=round(60 * number))
    if abs(number) < 48:
        return say("hours", language, n=_plain(number))
    return say("days", language, n=_plain(number / 24))


def sentence(reason: str, language: Language) -> str:
    """What a verdict's reason says."""
    zh, en = SENTENCES[Reason(reason)]
    return zh if language == "zh" else en


def _plain(number: float) -> int | float:
    """One decimal, and none where it would be 0."""
    rounded = round(number, 1)
    return int(rounded) if rounded == int(rounded) else rounded
