"""How does a page come about? One Jinja environment, one render(), and figures written the way people read them.

Every figure passes through a filter that writes its unit; what is not known is a dash. A name that a template does not
get is an error, not a gap. Nothing is inline: the content security policy of the pages allows only our own files.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse

from api.access import Caller
from api.pages.drawing import LinePlot, draw_lines
from api.pages.words import WORDS, say
from api.problems import Language
from features import units
from features.units import SHANGHAI, Fen, Ppm
from matcher.verdict import SENTENCES, Reason

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
STATIC: Final = Path(__file__).parents[1] / "static"
UNKNOWN: Final = "—"
"""What stands for a figure that nobody knows."""
HEADERS: Final[Mapping[str, str]] = {
    "Vary": "Cookie, Accept-Language",
    "Cache-Control": "private, no-store",
}

NAVIGATION: Final[Mapping[str, tuple[str, ...]]] = {
    "anchor": ("goods", "picks"),
    "brand": ("skus", "invitations"),
    "operator": ("nights", "models", "feeds", "checks", "keys", "imports", "privacy"),
}
"""Of each role, its pages: `goods` is at /goods and is called by the words `nav.goods`."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What a page stands on, told in its banner and at its foot; put on `request.state.footing`."""

    model_version: str | None = None
    snapshot_at: datetime | None = None
    simulated: bool = False
    """All that is shown is a pretend market."""
    stale_feeds: tuple[str, ...] = ()
    """Names of feeds over their limit of age, as an operator is told them."""


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    language: Language,
    caller: Caller | None,
    **context: Any,
) -> HTMLResponse:
    """The page, in the reader's language; kept by nobody but the reader.

    Beside `context`, a template has `path`, `language`, `csrf`, `footing`, `stands_at` (where to come back to, for no
    page need be where a form went), `signed_in` (the caller: Jinja's macros keep the word "caller" for themselves), and
    the functions `t(key, **values)`, `here(**changes)`, `asset(name)`. `acting_for` (whose page an operator looks at)
    and `notice` (`{"kind": "good", "text": ...}`) are None unless given.
    """
    names = {
        "path": request.url.path,
        "language": language,
        "status": status,
        "signed_in": caller,
        "csrf": getattr(request.state, "csrf", ""),
        "footing": getattr(request.state, "footing", None) or Footing(),
        "acting_for": None,
        "notice": None,
        "t": partial(_say, language),
        "here": partial(_here, request),
        "stands_at": _here(request) if request.method == "GET" else "/",
    }
    text = _environment().get_template(template).render(names | context)
    return HTMLResponse(text, status, {**HEADERS, "Content-Language": language})


def render_problem(
    request: Request,
    status: int,
    *,
    language: Language,
    caller: Caller | None,
    code: str | None = None,
    detail: str | None = None,
    request_id: str | None = None,
) -> HTMLResponse:
    """What a person is told where there is no page; `detail` is a sentence of ours, never what was handed in.

    By its status, but for the code `busy`: 503 speaks of what is still being loaded.
    """
    wanted = ("busy", 500) if code == "busy" else (status, 500 if status >= 500 else 400)
    told = next(one for one in wanted if f"problem.{one}" in WORDS)
    return render(
        request,
        "problem.html",
        status=status,
        language=language,
        caller=caller,
        told=told,
        detail=detail,
        request_id=request_id,
    )


def asset_url(name: str) -> str:
    """Where a static file is served; another content has another address, so that it may be kept for ever."""
    return f"/static/{name}?v={_digest(name)}"


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


def _say(language: Language, key: str, /, **values: Any) -> str:
    return say(key, language, **values)


def _here(request: Request, /, **changes: Any) -> str:
    """The address of this page with other parameters: None takes one away, a list repeats it."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
    for name, value in changes.items():
        values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        kept += [(name, str(one)) for one in values]
    query = urlencode(kept)
    return f"{request.url.path}?{query}" if query else request.url.path


def _plain(number: float) -> int | float:
    """One decimal, and none where it would be 0."""
    rounded = round(number, 1)
    return int(rounded) if rounded == int(rounded) else rounded


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )
    environment.filters |= {
        "yuan": yuan,
        "percent": percent,
        "share": share,
        "count": count,
        "decimal": decimal,
        "instant": instant,
        "day": day,
        "short": _in_language(short),
        "about": _in_language(about),
        "hours": _in_language(hours),
        "sentence": _in_language(sentence),
    }
    environment.globals |= {"asset": asset_url, "plotted": _plotted, "NAVIGATION": NAVIGATION}
    return environment


@pass_context
def _plotted(context: Context, series: Sequence[Mapping[str, Any]], kind: str, from_zero: bool) -> LinePlot:
    """The geometry of a plot whose figures are written as `kind` of figure: the name of a filter."""
    write = context.environment.filters[kind]
    speaks = kind in ("short", "about", "hours")
    return draw_lines(series, (lambda value: write(context, value)) if speaks else write, from_zero=from_zero)


def _in_language(write: Callable[[Any, Language], str]) -> Callable[[Context, Any], str]:
    """A filter that writes in the page's language."""

    @pass_context
    def written(context: Context, value: Any) -> str:
        return write(value, context["language"])

    return written
