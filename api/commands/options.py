"""What can be said after any command? Where the store, the home and the policy are, and how values are typed."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from features.errors import WrongInput
from features.units import midnight, parse_day, parse_instant, parse_rate, parse_yuan

if TYPE_CHECKING:
    from matcher.request import Filters

T = TypeVar("T")

Database = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="The store. \\[env: MATCHER_DATABASE_URL]", show_default=False
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="FOLDER", help="Models and reports. \\[env: MATCHER_HOME]", show_default=False
    ),
]
Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="The business's choices. \\[env: MATCHER_POLICY]", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]


AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        help="Use only what was known before that day began in Shanghai, facts and model alike. [default: now]",
        show_default=False,
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="T",
        help="An instant with its offset, or a day: its beginning in Shanghai. Without it: now.",
        show_default=False,
    ),
]
Size = Annotated[int, typer.Option("--size", metavar="N", help="Lines in a list, at most 1000.")]
NewOnly = Annotated[
    bool, typer.Option("--new-only", help="Leave out what the pair sold together in the 365 days before.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Up to three reasons a line.")]
Objective = Annotated[
    str,
    typer.Option(
        help="What best first means: fit (likely taken up), gmv, commission, balanced (taken up and bringing)."
    ),
]
Category = Annotated[
    str | None, typer.Option(metavar="PATH", help="That category and all below it.", show_default=False)
]
MinPrice = Annotated[
    str | None, typer.Option(metavar="YUAN", help="List price at least.", show_default=False)
]
MaxPrice = Annotated[str | None, typer.Option(metavar="YUAN", help="List price at most.", show_default=False)]
MinRate = Annotated[
    str | None, typer.Option(metavar="PERCENT", help="Commission rate at least.", show_default=False)
]
SupplyType = Annotated[
    str | None, typer.Option(metavar="TYPE", help="source or brand goods.", show_default=False)
]
Tier = Annotated[
    str | None,
    typer.Option("--tier", metavar="TIER", help="head, waist or tail anchors.", show_default=False),
]
Language = Annotated[str, typer.Option("--language", metavar="LANG", help="Of the reasons: en or zh.")]


def read_filters(
    category: str | None,
    min_price: str | None,
    max_price: str | None,
    min_rate: str | None,
    supply_type: str | None,
    tier: str | None,
) -> "Filters":
    """Filters as typed: prices in yuan, the rate in percent."""
    from features.anchor import TIERS
    from matcher.request import Filters

    if supply_type not in (None, "source", "brand"):
        raise WrongInput(f"--supply-type {supply_type!r} is not known; name source or brand")
    if tier is not None and tier not in TIERS:
        raise WrongInput(f"--tier {tier!r} is not known; name head, waist or tail")
    low, high = _read("--min-price", min_price, parse_yuan), _read("--max-price", max_price, parse_yuan)
    if low is not None and high is not None and low > high:
        raise WrongInput(f"--min-price {min_price} is above --max-price {max_price}")
    return Filters(
        category=category.strip("/") if category is not None else None,
        min_price_fen=low,
        max_price_fen=high,
        min_rate_ppm=_read("--min-rate", min_rate, lambda text: parse_rate(text, "percent")),
        supply_type=supply_type,
        tier=tier,
    )


def _read(option: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    """What was typed, if it was; the message names the option."""
    try:
        return None if text is None else parse(text)
    except WrongInput as error:
        raise WrongInput(f"{option}: {error}") from error


def read_day(as_of: str | None) -> date | None:
    """The day that `--as-of` named, if it did."""
    return read_begun(as_of, "--as-of") if as_of is not None else None


def read_instant(text: str) -> datetime:
    """An instant, or a day: its beginning in Shanghai."""
    try:
        return midnight(parse_day(text))
    except WrongInput:
        try:
            return parse_instant(text)
        except WrongInput as error:
            raise WrongInput(f"--at: {error}, or a day like 2026-11-11") from error


def read_begun(text: str, option: str) -> date:
    """A day that has begun: nothing is known of another."""
    day = parse_day(text)
    if day.year < 1971 or midnight(day) > datetime.now(UTC):
        raise WrongInput(f"{option} {day} is not between 1971 and today; name a day that has begun")
    return day


def check_file(file: Path, option: str, *endings: str) -> None:
    """Refuse a file that cannot be written, before there is anything to write."""
    if file.suffix not in endings:
        raise WrongInput(f"{option} {file}: the name has to end in {' or '.join(endings)}")
    if not file.parent.is_dir():
        raise WrongInput(f"{option} {file}: there is no folder {file.parent}")
    if file.is_dir():
        raise WrongInput(f"{option} {file}: there is a folder of that name")


def check_home(home: Path) -> None:
    """Refuse a home that cannot be made, before a night is spent on it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(f"--home {home} cannot be made: {error.strerror}") from error


def check_language(language: str) -> None:
    """Refuse a language that no reason is written in."""
    if language not in ("en", "zh"):
        raise WrongInput(f"--language {language!r} is not known; name en or zh")
