"""Who should sell these SKUs, together? Shortlists for several SKUs at once, in which no anchor carries too many."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.answers import answer_list
from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.pages.brand_invitations import just_sent
from api.pages.brand_scope import asked_choice, asked_ids, asked_text, rows_of, scope_of_brand, show
from api.pages.brand_seen import cards_of
from api.pages.brand_shortlist import head_of
from api.pages.brand_skus import MOST_SHARED, choose_brand
from api.pages.brand_threads import known_invitations, threads_of
from api.pages.guarding import PageLanguage, page
from api.problems import Problem
from api.telling import tell
from features.anchor import TIERS
from matcher.model import OBJECTIVES, Objective
from matcher.request import Filters, ListRequest
from matcher.sharing import share_shortlists

router = APIRouter()

SIZES: Final = ("5", "10", "20")
LOADS: Final = ("1", "2", "3", "5")
"""How many of the SKUs an anchor may carry."""


@router.get("/skus/shared", **page("brand", "operator"))
def show_shared(
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """A shortlist for each of the chosen SKUs, the anchors' load shared between them."""
    scope = scope_of_brand(request, served, caller)
    if scope is None:
        return choose_brand(request, served, caller, language)
    chosen = asked_ids(request, "sku", most=MOST_SHARED)
    if any(served.brand_of(sku_id) != scope.brand_id for sku_id in chosen):
        raise Problem("not_found")
    size = int(asked_choice(request, "size", SIZES) or SIZES[0])
    load = int(asked_choice(request, "load", LOADS) or LOADS[0])
    tier = asked_choice(request, "tier", TIERS)
    named = asked_text(request, "objective")
    objective: Objective = next((one for one in OBJECTIVES if one == named), "balanced")
    requests = [
        ListRequest("shortlist", served.sku_rows[sku_id], size, objective, filters=Filters(tier=tier), at=now)
        for sku_id in chosen
    ]
    shared = share_shortlists(served.engine, requests, load)
    lists: list[dict[str, Any]] = []
    for one in requests:
        answered = answer_list(served, replace(one, only=shared[one.owner]), language=language, now=now)
        document = tell(serving, answered, caller, request, now, offset=len(lists) * size)
        lists.append({"cards": cards_of(served, one.owner, document["items"]), **head_of(served, one.owner)})
    threads = threads_of(serving, served, session, scope.brand_id, now)
    loads = Counter(card["anchor_id"] for one in lists for card in one["cards"])
    return show(
        request,
        "brand_shared.html",
        scope=scope,
        caller=caller,
        language=language,
        lists=lists,
        loads=loads,
        **known_invitations(threads, now),
        **just_sent(request, serving, served, session, threads, language, now),
        n_skus=len(rows_of(served, scope.brand_id)),
        chosen=chosen,
        asked={"size": str(size), "load": str(load), "tier": tier, "objective": objective},
        sizes=SIZES,
        load_choices=LOADS,
        tiers=TIERS,
        objectives=OBJECTIVES,
        request_id=request.state.request_id,
    )
