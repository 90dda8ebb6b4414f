"""Which lists did the last night leave? From its files, so that they are there while nothing is loaded yet.

They hold what the night ranked, without verdicts and rates: what reaches an anchor or a brand is asked for live.
"""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Path, Request, Response

from api.access import declare
from api.deps import GuardedRoute, ServingNow, guarded, json_answer
from api.problems import Problem
from api.schemas.nightly_lists import NightlyList, NightlyLists
from api.schemas.types import Id
from features.errors import Fault
from features.units import from_microseconds
from matcher.candidates.union import Side
from matcher.kept_lists import find_lists, list_of

router = APIRouter(prefix="/v1", tags=["lists"], route_class=GuardedRoute)

_FOR_PROGRAMS = declare("operator", "job")
_LOG: Final = structlog.get_logger("matcher.http")


@router.get("/lists", response_model=NightlyLists, **guarded(_FOR_PROGRAMS, "conflict"))
def get_nightly_lists(request: Request, serving: ServingNow) -> Response:
    """What the lists of everybody were made of that the last night left; all null before the first."""
    try:
        found = find_lists(serving.settings.home)
    except Fault as error:
        raise _not_as_published(error) from error
    return json_answer(
        {
            "as_of": None if found is None else found.as_of,
            "model_version": None if found is None else found.model_version,
            "snapshot_at": None if found is None else from_microseconds(found.snapshot_at_us),
            "policy_version": None if found is None else found.policy_version,
            "objective": None if found is None else found.objective,
            "lists": None if found is None else found.lists,
            "rows": None if found is None else found.rows,
            "request_id": request.state.request_id,
        }
    )


@router.get(
    "/lists/{side}/{owner_id}",
    response_model=NightlyList,
    **guarded(_FOR_PROGRAMS, "not_found", "invalid", "conflict"),
)
def get_nightly_list(
    side: Annotated[Side, Path(description="`goods` of an anchor, or `shortlist` of a SKU.")],
    owner_id: Annotated[Id, Path()],
    request: Request,
    serving: ServingNow,
) -> Response:
    """One owner's list as the night left it, best first; 404 where it made none."""
    try:
        found = list_of(serving.settings.home, side, owner_id)
    except Fault as error:
        raise _not_as_published(error) from error
    if found is None or found[1].is_empty():
        raise Problem("not_found")
    lists, rows = found
    return json_answer(
        {
            "as_of": lists.as_of,
            "model_version": lists.model_version,
            "snapshot_at": from_microseconds(lists.snapshot_at_us),
            "items": rows.to_dicts(),
            "next_cursor": None,
            "request_id": request.state.request_id,
        }
    )


def _not_as_published(error: Fault) -> Problem:
    _LOG.error("lists_not_read", error=str(error))
    return Problem(
        "conflict",
        en="the lists that the night left are not as it published them; the next night makes them anew",
        zh="夜间生成的列表与发布时不一致，下一夜会重新生成",
    )
