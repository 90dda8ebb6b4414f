"""Recommended goods for an anchor, recommended anchors for a SKU: over HTTP."""

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api.access import declare
from api.answers import Answered, answer_list
from api.deps import (
    Asking,
    AskingNow,
    Calling,
    GuardedRoute,
    Now,
    ServedNow,
    ServingNow,
    Speaking,
    guarded,
    json_answer,
)
from api.problems import Problem
from api.schemas.lists import GoodsList, ListQuery, SharedShortlists, Shortlist, ShortlistsAsked
from api.schemas.types import Id
from api.telling import list_request, tell, turn_goods, turn_to
from matcher.request import Filters, Hidden, ListRequest
from matcher.sharing import share_shortlists

router = APIRouter(prefix="/v1", tags=["lists"], route_class=GuardedRoute)

_CODES = ("not_found", "invalid", "bad_cursor", "cursor_expired")


@router.get(
    "/anchors/{anchor_id}/goods",
    response_model=GoodsList,
    **guarded(declare("anchor", "operator", own="anchor"), *_CODES),
)
def get_goods(
    anchor_id: Annotated[Id, Path()],
    query: Annotated[ListQuery, Query()],
    request: Request,
    asking: AskingNow,
) -> Response:
    """Recommended goods for an anchor, best first."""
    if anchor_id not in asking.served.anchor_rows:
        raise Problem("not_found")
    answered = turn_goods(
        asking.serving,
        asking.served,
        anchor_id,
        query,
        path=request.url.path,
        caller=asking.caller,
        language=asking.language,
        now=asking.now,
    )
    return _told(answered, request, asking)


@router.get(
    "/skus/{sku_id}/shortlist",
    response_model=Shortlist,
    **guarded(declare("brand", "operator", own="sku"), *_CODES),
)
def get_shortlist(
    sku_id: Annotated[Id, Path()],
    query: Annotated[ListQuery, Query()],
    request: Request,
    asking: AskingNow,
) -> Response:
    """Recommended anchors for a SKU, best first."""
    row = asking.served.sku_rows.get(sku_id)
    if row is None:
        raise Problem("not_found")
    answered = turn_to(
        asking.serving,
        asking.served,
        list_request("shortlist", row, query, Hidden()),
        query,
        path=request.url.path,
        caller=asking.caller,
        language=asking.language,
        now=asking.now,
    )
    return _told(answered, request, asking)


@router.post(
    "/brands/{brand_id}/shortlists",
    response_model=SharedShortlists,
    **guarded(
        declare("brand", "operator", own="brand"),
        "not_found",
        "invalid",
        "bad_request",
        "too_large",
        "unsupported_media_type",
    ),
)
def share_anchors(
    brand_id: Annotated[Id, Path()],
    asked: ShortlistsAsked,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    caller: Calling,
    language: Speaking,
    now: Now,
) -> Response:
    """Shortlists for several SKUs of a brand at once; no anchor is proposed for more of them than asked."""
    if any(served.brand_of(sku_id) != brand_id for sku_id in asked.sku_ids):
        raise Problem("not_found")
    requests = [
        ListRequest(
            "shortlist",
            served.sku_rows[sku_id],
            asked.size,
            asked.objective,
            asked.new_only,
            asked.explain,
            Filters(tier=asked.tier),
            at=now,
        )
        for sku_id in dict.fromkeys(asked.sku_ids)
    ]
    shared = share_shortlists(served.engine, requests, asked.most_skus_an_anchor)
    items: list[dict[str, Any]] = []
    for one in requests:
        answered = answer_list(served, replace(one, only=shared[one.owner]), language=language, now=now)
        items.append(tell(serving, answered, caller, request, now, offset=len(items) * asked.size))
    return json_answer(
        {
            "brand_id": brand_id,
            "items": items,
            "next_cursor": None,
            "request_id": request.state.request_id,
        }
    )


def _told(answered: Answered, request: Request, asking: Asking) -> Response:
    began = time.perf_counter()
    response = json_answer(tell(asking.serving, answered, asking.caller, request, asking.now))
    asking.serving.metrics.stage_seconds.labels("write").observe(time.perf_counter() - began)
    return response
