"""Recommended goods for an anchor, recommended anchors for a SKU: over HTTP."""

import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

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
    get_asking,
    guarded,
    json_answer,
)
from api.problems import Problem
from api.schemas.lists import GoodsList, ListQuery, SharedShortlists, Shortlist, ShortlistsAsked
from api.schemas.types import Id
from api.telling import list_request, tell, turn_goods, turn_to
from matcher.request import Filters, Hidden, ListRequest
from matcher.sharing import share_shortlists

_OWNER_ID: Final = TypeAdapter(Id)


class ListRoute(GuardedRoute):
    """Whose list, its query, the request and who asks: read at once.

    FastAPI reads them field by field and asks each dependency by itself, the guard once more: half a millisecond of
    each list. What it makes of the declarations, and whatever has a body, is its own.
    """

    def reader(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The operation is called as it declares itself: (owner's id, query, request, asking)."""
        if self.body_field is not None:
            return super().reader()
        [owner] = self.param_convertors

        async def read(request: Request) -> Response:
            with _faults_in("path", owner):
                owner_id = _OWNER_ID.validate_python(request.path_params[owner])
            with _faults_in("query"):
                query = ListQuery.model_validate(dict(request.query_params))
            asking = await get_asking(request)
            response: Response = await run_in_threadpool(self.endpoint, owner_id, query, request, asking)
            return response

        return read


@contextmanager
def _faults_in(*place: str) -> Iterator[None]:
    """What pydantic finds, as FastAPI has it."""
    try:
        yield
    except ValidationError as error:
        raise RequestValidationError(
            [{**fault, "loc": (*place, *fault["loc"])} for fault in error.errors()]
        ) from None


router = APIRouter(prefix="/v1", tags=["lists"], route_class=ListRoute)

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
