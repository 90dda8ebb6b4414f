"""Who should sell this SKU? Its shortlist with all that a brand decides by, and an invitation beside each anchor."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.loading import Served
from api.pages.brand_invitations import just_sent
from api.pages.brand_scope import asked_choice, asked_text, scope_of_sku, show
from api.pages.brand_seen import cards_of
from api.pages.brand_threads import known_invitations, threads_of
from api.pages.guarding import PageLanguage, page
from api.problems import Problem
from api.schemas.lists import ListQuery
from api.telling import list_request, tell, turn_to
from features.anchor import TIERS
from matcher.model import OBJECTIVES
from matcher.request import Hidden

router = APIRouter()

MOST_COMPARED: Final = 4


@router.get("/skus/{sku_id}/shortlist", **page("brand", "operator", own="sku"))
def show_shortlist(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """The SKU's shortlist, best first, a page at a time; that it was shown is written down."""
    scope = scope_of_sku(serving, served, caller, sku_id)
    row = served.sku_rows.get(sku_id)
    if row is None:
        return RedirectResponse(f"/skus/{sku_id}", 303)
    query = query_of(request)
    kept = str(request.url.remove_query_params(["cursor", "told"]).query)
    try:
        answered = turn_to(
            serving,
            served,
            list_request("shortlist", row, query, Hidden()),
            query,
            path=request.url.path,
            caller=caller,
            language=language,
            now=now,
        )
    except Problem as problem:
        if problem.code not in {"cursor_expired", "bad_cursor"}:
            raise
        return RedirectResponse(f"{request.url.path}{'?' if kept else ''}{kept}", 303)
    document = tell(serving, answered, caller, request, now)
    threads = threads_of(serving, served, session, scope.brand_id, now, sku_id=sku_id)
    return show(
        request,
        "brand_shortlist.html",
        scope=scope,
        caller=caller,
        language=language,
        **head_of(served, row),
        cards=cards_of(served, row, document["items"]),
        document=document,
        left_out={rule: n for rule, n in document["left_out"].items() if n and rule != "NOT_A_CANDIDATE"},
        no_candidates=document["left_out"].get("NOT_A_CANDIDATE", 0),
        **known_invitations(threads, now),
        query=query,
        here_csv=f"/skus/{sku_id}/shortlist.csv{'?' if kept else ''}{kept}",
        objectives=OBJECTIVES,
        tiers=TIERS,
        most_compared=MOST_COMPARED,
        **just_sent(request, serving, served, session, threads, language, now),
    )


def query_of(request: Request) -> ListQuery:
    """How the address narrows and orders the list; what cannot be meant narrows nothing."""
    return ListQuery.model_validate(
        {
            "objective": asked_choice(request, "objective", OBJECTIVES) or "balanced",
            "tier": asked_choice(request, "tier", TIERS),
            "new_only": asked_choice(request, "new_only", ("1",)) is not None,
            "cursor": asked_text(request, "cursor", most=1_024),
            "explain": True,
        }
    )


def head_of(served: Served, row: int) -> dict[str, Any]:
    """What stands over every page of a SKU."""
    shelf = served.engine.world.snapshot.shelf
    rate_ppm = int(served.engine.world.rates.open_ppm[row])
    return {
        "sku_id": str(shelf.ids[row]),
        "title": str(shelf.titles[row]),
        "list_price_fen": int(shelf.price_fen[row]),
        "open_ppm": rate_ppm if rate_ppm >= 0 else None,
    }
