"""Which commission rate applies, and why do the others not? From live rows."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.access import declare
from api.deps import Calling, GuardedRoute, Now, Reading, ServingNow, guarded, json_answer
from api.findings import rate_document
from api.problems import Problem
from api.schemas.checks import Rate
from api.schemas.types import Id, Instant
from features.store.plans import load_standing, load_terms
from matcher.rates import resolve_rate

router = APIRouter(prefix="/v1", tags=["checks"], route_class=GuardedRoute)


@router.get(
    "/skus/{sku_id}/rate",
    response_model=Rate,
    **guarded(declare("brand", "anchor", "operator", own="sku"), "not_found", "invalid"),
)
def get_rate(
    sku_id: Annotated[Id, Path()],
    request: Request,
    serving: ServingNow,
    session: Reading,
    caller: Calling,
    now: Now,
    anchor_id: Annotated[
        Id | None, Query(description="For whom; without it the open rate, for an anchor its own.")
    ] = None,
    at: Annotated[Instant | None, Query(description="Of which instant; without it: now.")] = None,
) -> Response:
    """The rate that applies, and the others with their reasons."""
    if caller.role == "anchor":
        if anchor_id is not None and anchor_id != caller.subject:
            raise Problem("not_found")
        anchor_id = caller.subject
    instant = at or now
    terms = load_terms(session, sku_id, at=instant)
    standing = None if anchor_id is None else load_standing(session, anchor_id, sku_id, at=instant)
    answer = resolve_rate(terms, standing, instant, policy=serving.policy)
    return json_answer({"request_id": request.state.request_id, **rate_document(answer, caller.role)})
