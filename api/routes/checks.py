"""Is a promise kept, and would it be? Both rules on live rows: of what is stored, and of what is only planned."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.access import declare
from api.checking import check_one
from api.deps import Calling, GuardedRoute, Now, Reading, ServingNow, brand_of, guarded, json_answer
from api.documents import document
from api.findings import checks_document, planned_document
from api.problems import Problem
from api.schemas.checks import Checks, PlannedAsked
from api.schemas.types import Id, Instant
from features.store.dossiers import load_calendar, load_dossier

router = APIRouter(prefix="/v1", tags=["checks"], route_class=GuardedRoute)


@router.get(
    "/skus/{sku_id}/checks",
    response_model=Checks,
    **guarded(declare("brand", "operator", "anchor", own="sku"), "not_found", "invalid"),
)
def get_checks(
    sku_id: Annotated[Id, Path()],
    request: Request,
    serving: ServingNow,
    session: Reading,
    caller: Calling,
    now: Now,
    at: Annotated[Instant | None, Query(description="Of which instant; without it: now.")] = None,
) -> Response:
    """Both verdicts of a SKU with their evidence; an anchor sees the verdicts alone."""
    dossier = load_dossier(session, sku_id)
    both = check_one(dossier, load_calendar(session), None, at or now, serving.policy)
    serving.remember([both])
    return json_answer(
        {
            "request_id": request.state.request_id,
            "takers": None,
            **checks_document(document(both, dossier, serving.policy), caller.role),
        }
    )


@router.post(
    "/checks",
    response_model=Checks,
    **guarded(
        declare("brand", "operator", own="row"),
        "not_found",
        "invalid",
        "bad_request",
        "too_large",
        "unsupported_media_type",
    ),
)
def check_planned(
    asked: PlannedAsked,
    request: Request,
    serving: ServingNow,
    session: Reading,
    caller: Calling,
    now: Now,
    at: Annotated[Instant | None, Query(description="Of which instant; without it: now.")] = None,
) -> Response:
    """The same on a planned offer or plan, before it is published; with plans, who is expected to take the SKU up.

    That is told of now alone, without `at`: the model and its market are of now.
    """
    if caller.role == "brand" and brand_of(serving, asked.sku_id) != caller.subject:
        raise Problem("not_found")
    return json_answer(
        {
            "request_id": request.state.request_id,
            **planned_document(serving, session, asked, caller.role, now, at),
        }
    )
