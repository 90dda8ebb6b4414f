"""Whose pages are looked at, with what at hand, and what was just done there? What all pages of an anchor stand on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from api.access import Caller
from api.answers import rate_change, verdict_lines
from api.checking import check_one
from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.loading import Served
from api.outcomes import Dealing
from api.pages.guarding import PageLanguage
from api.pages.rendering import render
from api.pages.words.categories import category_name
from api.problems import Language, Problem
from api.serving import Serving
from api.wishes import is_hidden
from features.store.columns import ID_PATTERN
from features.store.dossiers import load_calendar, load_dossier
from features.units import Fen, Ppm, commission_fen
from matcher.request import Hidden

SAID_COOKIE: Final = "fx_said"
PART_HEADER: Final = "X-Fenxiao-Part"
"""Sent by our own script: it asks for the part that has changed instead of the whole page."""

_ID: Final = re.compile(ID_PATTERN, re.ASCII)
_SAID_SECONDS: Final = 60
_TOLD_OF_A_SKU: Final = (
    "title",
    "brand_id",
    "category",
    "list_price_fen",
    "stock",
    "sample",
    "rating_x100",
    "supply_type",
)
_NOTHING_TOLD: Final[Mapping[str, None]] = dict.fromkeys(
    (*_TOLD_OF_A_SKU, "brand_name", "rate_ppm", "commission_fen_a_unit", "rate_change")
)
"""Of a SKU that the snapshot does not know, or not yet: a brand may invite for one that is newer."""


@dataclass(frozen=True)
class Desk:
    """Everything that a page of an anchor is made from. Nobody's as long as an operator has named no anchor."""

    request: Request
    serving: Serving
    served: Served
    session: Session
    caller: Caller
    language: Language
    now: datetime
    anchor_id: str | None

    @property
    def is_own(self) -> bool:
        """Else an operator looks, who may change nothing."""
        return self.caller.role == "anchor"

    @property
    def owner(self) -> str:
        """The anchor, on pages that are somebody's."""
        assert self.anchor_id is not None
        return self.anchor_id

    @cached_property
    def row(self) -> int | None:
        """The anchor's in the roster; nothing for one that the snapshot does not know yet."""
        return self.served.anchor_rows.get(self.owner)

    @property
    def hidden(self) -> Hidden:
        """What the anchor does not want to see."""
        return self.serving.hidden.get(self.owner, Hidden())

    @property
    def address(self) -> str:
        """Of this page, as it was asked for."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    def render(self, template: str, **context: Any) -> HTMLResponse:
        """A page, or a part of one; what was to be said is said, and a reload does not say it again."""
        response = render(
            self.request,
            template,
            language=self.language,
            caller=self.caller,
            acting_for=None if self.is_own or self.anchor_id is None else self._name(),
            desk=self,
            kept={} if self.is_own else {"anchor_id": self.anchor_id},
            category=partial(category_name, language=self.language),
            **context,
        )
        if SAID_COOKIE in self.request.cookies:
            response.delete_cookie(SAID_COOKIE, httponly=True, samesite="lax")
        return response

    def goods(self, sku_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What those SKUs are, and pay the anchor now: from memory, all at once; an unknown one by its id alone."""
        known = [sku_id for sku_id in sku_ids if sku_id in self.served.sku_rows]
        skus = np.array([self.served.sku_rows[sku_id] for sku_id in known], np.int32)
        engine = self.served.engine
        rates = [-1] * len(known)
        if self.row is not None:
            rates = engine.world.rates.at(np.full(len(skus), self.row, np.int32), skus).tolist()
        book = engine.verdicts
        verdicts = book.of_page(known, self.now) if book is not None else [None] * len(known)
        rows = engine.world.snapshot.shelf.rows.select(_TOLD_OF_A_SKU)[skus].rows(named=True)
        found: dict[str, dict[str, Any]] = {
            sku_id: {**_NOTHING_TOLD, "sku_id": sku_id, "verdicts": []} for sku_id in sku_ids
        }
        for sku_id, row, rate_ppm, both in zip(known, rows, rates, verdicts, strict=True):
            change = None if self.row is None else rate_change(self.served, self.owner, sku_id, self.now)
            found[sku_id] |= row | {
                "brand_name": self.served.brand_names.get(row["brand_id"], row["brand_id"]),
                "rate_ppm": rate_ppm if rate_ppm >= 0 else None,
                "commission_fen_a_unit": None
                if rate_ppm < 0
                else commission_fen(Fen(row["list_price_fen"]), Ppm(rate_ppm)),
                "rate_change": change,
                "verdicts": verdict_lines(both, self.language),
            }
        return found

    def live_verdicts(self, sku_id: str) -> list[dict[str, Any]]:
        """Both rules on the rows of this moment, without their evidence; written down as shown."""
        dossier, calendar = load_dossier(self.session, sku_id), load_calendar(self.session)
        both = check_one(dossier, calendar, None, self.now, self.serving.policy)
        self.serving.remember([both])
        return verdict_lines(both, self.language)

    def said(self, dealings: Mapping[str, Dealing]) -> dict[str, Any] | None:
        """What was done just before, as far as the page finds it to be so."""
        what, _, sku_id = self.request.cookies.get(SAID_COOKIE, "").partition(":")
        if what == "first_page":
            return {"what": what, "sku_id": None}
        if not self.is_own or not _ID.fullmatch(sku_id) or sku_id not in self.served.sku_rows:
            return None
        sku = self.goods([sku_id])[sku_id]
        dealing = dealings.get(sku_id)
        is_so = {
            "picked": dealing is not None and dealing.pick_at(self.now) is not None,
            "refused": dealing is None or dealing.pick_at(self.now) is None,
            "hidden_sku": sku_id in self.hidden.sku_ids,
            "hidden_category": sku["category"] in self.hidden.categories,
            "shown": not is_hidden(self.hidden, sku_id, sku["category"]),
        }
        if not is_so.get(what, False):
            return None
        if what in {"picked", "refused"}:
            sku["verdicts"] = self.live_verdicts(sku_id)
        return {"what": what, **sku}

    def _name(self) -> str:
        names = self.served.engine.world.snapshot.roster.rows["name"]
        return self.owner if self.row is None else f"{names[self.row]} ({self.owner})"


def find_desk(
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Desk:
    """An anchor's own, or, for an operator, that of the anchor whom the address names.

    Problem `not_found` for an anchor that names another, and for a name that is nobody's.
    """
    asked = request.query_params.get("anchor_id") or None
    if caller.role == "anchor":
        if asked not in {None, caller.subject}:
            raise Problem("not_found")
        asked = caller.subject
    elif asked is not None and asked not in served.anchor_rows:
        raise Problem("not_found")
    return Desk(request, serving, served, session, caller, language, now, asked)


AtDesk = Annotated[Desk, Depends(find_desk)]


def wants_part(request: Request) -> bool:
    """Did our script ask?"""
    return PART_HEADER in request.headers


def say_next(address: str, what: str, sku_id: str = "-") -> Response:
    """Go on to an address, and have the page there say what was done."""
    response = RedirectResponse(address, 303)
    response.set_cookie(SAID_COOKIE, f"{what}:{sku_id}", max_age=_SAID_SECONDS, httponly=True, samesite="lax")
    return response
