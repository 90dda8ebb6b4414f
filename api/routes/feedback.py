"""What became of recommendations? On disk before it is answered; picks and invitations are checked on live rows."""

from fastapi import APIRouter, Request, Response

from api.access import declare
from api.deps import Calling, GuardedRoute, Now, ServingNow, Speaking, guarded, json_answer
from api.feedback import take_events
from api.schemas.feedback import Accepted, FeedbackAsked

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=GuardedRoute)


@router.post(
    "/feedback",
    status_code=202,
    response_model=Accepted,
    **guarded(
        declare("anchor", "brand", "operator", "job", own="row"),
        "not_found", "invalid", "bad_request", "conflict", "refused", "too_large", "unsupported_media_type",
    ),
)  # fmt: skip
def tell_events(
    asked: FeedbackAsked,
    request: Request,
    serving: ServingNow,
    caller: Calling,
    language: Speaking,
    now: Now,
) -> Response:
    """Up to 1 000 events, idempotent by `event_id`: all of them are taken, or none."""
    taken = take_events(serving, asked.events, caller, language, now)
    return json_answer({"request_id": request.state.request_id, **taken}, 202)
