"""How is a snippet drawn in a test? As a page that takes in the macros would: no application stands behind it."""

import re
from typing import Any

from starlette.requests import Request

from api.pages import rendering
from api.pages.words import say


def request_for(path: str = "/goods", query: str = "") -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "state": {},
    }
    return Request(scope)


def drawn(source: str, language: str = "en", query: str = "", **context: Any) -> str:
    """A snippet, as a page that takes in the macros would draw it."""
    environment = rendering._environment().overlay()
    names = {
        "language": language,
        "path": "/goods",
        "csrf": "token<1>",
        "t": lambda key, **values: say(key, language, **values),
        "here": lambda **changes: rendering._here(request_for(query=query), **changes),
    }
    template = environment.from_string('{% import "parts.html" as parts with context %}' + source)
    return template.render(names | context)


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())
