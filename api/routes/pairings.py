"""What became of one pairing, either way? As `matcher why`, without the other side's private figures."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.access import declare
from api.deps import Calling, GuardedRoute, Now, ServedNow, Speaking, guarded, json_answer
from api.findings import pairing_document
from api.schemas.lists import Pairing
from api.schemas.types import Id

router = APIRouter(prefix="/v1", tags=["lists"], route_class=GuardedRoute)


@router.get(
    "/pairings/{anchor_id}/{sku_id}",
    response_model=Pairing,
    **guarded(declare("anchor", "brand", "operator", own="pairing"), "not_found", "invalid"),
)
def get_pairing(
    anchor_id: Annotated[Id, Path()],
    sku_id: Annotated[Id, Path()],
    request: Request,
    served: ServedNow,
    caller: Calling,
    language: Speaking,
    now: Now,
) -> Response:
    """Not a candidate, refused by a rule, or its rank, score, reasons, and what stands above it."""
    document = pairing_document(served, anchor_id, sku_id, role=caller.role, language=language, now=now)
    return json_answer({"request_id": request.state.request_id, **document})
