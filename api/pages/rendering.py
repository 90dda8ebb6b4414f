"""How does a page come about? One Jinja environment, one render(), and figures written the way people read them.

Every figure passes through a filter that writes its unit; what is not known is a dash. A name that a template does not
get is an error, not a gap. Nothing is inline: the content security policy of the pages allows only our own files.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from api.pages.figures import (
    about,
    count,
    day,
    decimal,
    hours,
    instant,
    percent,
    sentence,
    share,
    short,
    yuan,
)
from api.pages.words import WORDS, say
from api.problems import Language

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
STATIC: Final = Path(__file__).parents[1] / "static"
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
