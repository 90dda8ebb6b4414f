"""Whose goods does a brand's page show, and what does its address ask for?

A brand sees its own. An operator may look at any brand's pages and changes nothing there. What is foreign and what
is not there are one and the same problem.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from api.access import Caller
from api.deps import brand_of
from api.loading import Served
from api.pages.rendering import render
from api.pages.words import WORDS, say
from api.pages.words.categories import category_name
from api.problems import Language, Problem
from api.serving import Serving
from features.store.columns import ID_PATTERN

_ID: Final = re.compile(ID_PATTERN.removesuffix("$"), re.ASCII)
_DEEPEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The brand whose page it is, and whether it is the brand itself that looks."""

    brand_id: str
    brand_name: str
    looks_on: bool
    """An operator's look: nothing can be sent from the page."""

    @property
    def acting_for(self) -> str | None:
        """For the banner."""
        return self.brand_name if self.looks_on else None

    @property
    def kept(self) -> dict[str, str]:
        """What the addresses of this page's links go on saying."""
        return {"brand_id": self.brand_id} if self.looks_on else {}


def scope_of_brand(request: Request, served: Served, caller: Caller) -> Scope | None:
    """The brand that looks, or that an operator named; nothing where an operator named none."""
    if caller.role == "brand":
        assert caller.subject is not None
        return _scope(served, caller, caller.subject)
    brand_id = asked_text(request, "brand_id")
    if brand_id is None:
        return None
    if brand_id not in served.brand_names:
        raise Problem("not_found")
    return _scope(served, caller, brand_id)


def scope_of_sku(serving: Serving, served: Served, caller: Caller, sku_id: str) -> Scope:
    """The brand of a SKU that the caller may see."""
    brand_id = brand_of(serving, sku_id) if is_id(sku_id) else None
    if brand_id is None or (caller.role == "brand" and brand_id != caller.subject):
        raise Problem("not_found")
    return _scope(served, caller, brand_id)


def require_brand(scope: Scope) -> None:
    """What is sent, a brand sends itself."""
    if scope.looks_on:
        raise Problem("forbidden")


def show(
    request: Request, template: str, *, scope: Scope, caller: Caller, language: Language, **context: Any
) -> Response:
    """A page of that brand's; beside `context` it has `scope`, `words_of(key, otherwise)` and `category_name(path)`."""
    return render(
        request,
        template,
        language=language,
        caller=caller,
        acting_for=scope.acting_for,
        scope=scope,
        words_of=partial(_words_of, language),
        category_name=partial(category_name, language=language),
        **context,
    )


def is_id(text: str) -> bool:
    """As ids of ours are written."""
    return _ID.fullmatch(text) is not None


def rows_of(served: Served, brand_id: str) -> list[int]:
    """Where a brand's SKUs stand on the shelf; none for one without any."""
    shelf = served.engine.world.snapshot.shelf
    codes = (shelf.brand_ids == brand_id).arg_true()
    return np.flatnonzero(shelf.brand == codes[0]).tolist() if len(codes) else []


def asked_text(request: Request, name: str, *, most: int = 100) -> str | None:
    """A parameter of the address, stripped; nothing where it is empty, too long, or no text."""
    value = request.query_params.get(name, "").strip()
    is_text = bool(value) and len(value) <= most and value.isprintable()
    return value if is_text else None


def asked_choice(request: Request, name: str, among: Collection[str]) -> str | None:
    """The same, where it is one of these."""
    value = asked_text(request, name)
    return value if value in among else None


def asked_ids(request: Request, name: str, *, most: int) -> Sequence[str]:
    """Ids that the address names, each once, at most so many."""
    values = [value for value in request.query_params.getlist(name) if is_id(value)]
    return list(dict.fromkeys(values))[:most]


def asked_place(request: Request, a_page: int) -> int:
    """From which place on, by the parameter `cursor`: a number of whole pages."""
    value = asked_text(request, "cursor") or "0"
    place = int(value) if value.isdecimal() and value.isascii() and len(value) < 9 else 0
    return min(place, _DEEPEST) // a_page * a_page


def _words_of(language: Language, key: str, otherwise: str) -> str:
    """What is said of a word that imports may bring; the word itself, where nothing is."""
    return say(key, language) if key in WORDS else otherwise


def _scope(served: Served, caller: Caller, brand_id: str) -> Scope:
    name = served.brand_names.get(brand_id, brand_id)
    return Scope(brand_id, name, looks_on=caller.role != "brand")
