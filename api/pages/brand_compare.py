"""Which of these anchors, and why not that one? Up to four side by side, and what became of any single one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.answers import answer_list
from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.findings import pairing_document
from api.loading import Served
from api.pages.brand_invitations import just_sent
from api.pages.brand_scope import asked_ids, asked_text, scope_of_sku, show
from api.pages.brand_seen import Crowds, cards_of, crowds_of
from api.pages.brand_shortlist import MOST_COMPARED, head_of, query_of
from api.pages.brand_threads import known_invitations, threads_of
from api.pages.guarding import PageLanguage, page
from api.telling import list_request, tell
from matcher.request import Hidden

router = APIRouter()

MOST_NAMED: Final = 8
"""So many anchors of a like name are offered to choose from."""


@router.get("/skus/{sku_id}/compare", **page("brand", "operator", own="sku"))
def compare_anchors(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """Anchors of the shortlist side by side, in its order; those that are not on it are named."""
    scope = scope_of_sku(serving, served, caller, sku_id)
    row = served.sku_rows.get(sku_id)
    if row is None:
        return RedirectResponse(f"/skus/{sku_id}", 303)
    named = asked_ids(request, "anchor", most=100)
    known = [anchor_id for anchor_id in named if anchor_id in served.anchor_rows]
    chosen = known[:MOST_COMPARED]
    request_id, cards = "", []
    if chosen:
        only = np.array([served.anchor_rows[anchor_id] for anchor_id in chosen], np.int32)
        asked = replace(list_request("shortlist", row, query_of(request), Hidden()), only=only)
        answered = answer_list(served, asked, language=language, now=now)
        document = tell(serving, answered, caller, request, now)
        request_id, cards = document["request_id"], cards_of(served, row, document["items"])
    threads = threads_of(serving, served, session, scope.brand_id, now, sku_id=sku_id)
    listed = {card["anchor_id"] for card in cards}
    return show(
        request,
        "brand_compare.html",
        scope=scope,
        caller=caller,
        language=language,
        **head_of(served, row),
        cards=cards,
        most=_longest([card["crowds"] for card in cards]),
        request_id=request_id,
        missing=_named(served, [anchor_id for anchor_id in chosen if anchor_id not in listed]),
        n_left=len(known) - len(chosen),
        **known_invitations(threads, now),
        **just_sent(request, serving, served, session, threads, language, now),
        most_compared=MOST_COMPARED,
    )


@router.get("/skus/{sku_id}/why", **page("brand", "operator", own="sku"))
def show_why(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """What became of the pairing with an anchor, who is named by id or by name: its place, or why it has none."""
    scope = scope_of_sku(serving, served, caller, sku_id)
    row = served.sku_rows.get(sku_id)
    if row is None:
        return RedirectResponse(f"/skus/{sku_id}", 303)
    words = asked_text(request, "anchor")
    found = find_anchors(served, words) if words is not None else []
    fate: Mapping[str, Any] | None = None
    if len(found) == 1:
        anchor_id = found[0][0]
        fate = pairing_document(served, anchor_id, sku_id, role="brand", language=language, now=now)
    return show(
        request,
        "brand_why.html",
        scope=scope,
        caller=caller,
        language=language,
        **head_of(served, row),
        words=words,
        found=found,
        fate=fate,
        above=[] if fate is None else _named(served, fate["shortlist"]["above"]),
        crowds=None if fate is None else crowds_of(served, served.anchor_rows[found[0][0]], row),
    )


def find_anchors(served: Served, words: str) -> list[tuple[str, str]]:
    """Ids and names: the anchor of that id, else those of that very name, else a few whose names hold it."""
    roster = served.engine.world.snapshot.roster
    if words in served.anchor_rows:
        return _named(served, [words])
    names = roster.names.str.to_lowercase()
    hits = (names == words.lower()).arg_true()
    if not len(hits):
        hits = names.str.contains(words.lower(), literal=True).fill_null(value=False).arg_true()
    return _named(served, roster.ids.gather(hits.head(MOST_NAMED)).to_list())


def _longest(crowds: Sequence[Crowds]) -> dict[str, float]:
    """Of each dimension the greatest share of all of them, so that bars side by side have one scale."""
    longest: dict[str, float] = {}
    for one in (crowd for each in crowds for crowd in each.dimensions):
        longest[one.dimension] = max(longest.get(one.dimension, 0.0), one.most)
    return longest


def _named(served: Served, anchor_ids: Sequence[str]) -> list[tuple[str, str]]:
    names: pl.Series = served.engine.world.snapshot.roster.names
    return [(anchor_id, str(names[served.anchor_rows[anchor_id]])) for anchor_id in anchor_ids]
