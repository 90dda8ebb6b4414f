"""Has somebody asked to be forgotten? An anchor's personal data is looked at, and taken away once its id is typed."""

from typing import Final

import structlog
from fastapi import APIRouter, Request, Response

from api.deps import Calling, InTurn, Now, ServingNow
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_desk import DeskNow
from api.pages.operator_said import notice_of, said
from api.pages.rendering import render
from api.problems import Problem
from features.errors import UnknownId, WrongInput
from features.store.db import reading, writing
from features.store.forgetting import (
    EMPTIED,
    NEUTRAL_NAME,
    NEUTRALISED,
    Leftover,
    all_forgotten,
    forget,
    held_of,
    scrub,
)

router = APIRouter()

LONGEST_REQUEST: Final = 200
_LISTED: Final = 100
_LONGEST_ID: Final = 64
_LOG: Final = structlog.get_logger("matcher.pages")


@router.get("/privacy", **page("operator"))
def show_privacy(request: Request, serving: ServingNow, caller: Calling, language: PageLanguage) -> Response:
    """What is held of an anchor that is not for ever, the form that takes it away, and who was forgotten before."""
    anchor_id = request.query_params.get("anchor_id", "").strip()
    held = None
    with reading(serving.store) as session:
        if anchor_id and len(anchor_id) <= _LONGEST_ID and "\0" not in anchor_id:
            try:
                held = held_of(session, anchor_id)
            except UnknownId:
                held = None
        forgotten = all_forgotten(session)
    served = serving.current
    left = request.query_params.get("left", "")
    response = render(
        request,
        "operator_privacy.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language, anchor=anchor_id[:_LONGEST_ID]),
        anchor_id=anchor_id[:_LONGEST_ID],
        held=held,
        earlier=[one for one in forgotten if one.anchor_id == anchor_id],
        forgotten=forgotten[:_LISTED],
        n_forgotten=len({one.anchor_id for one in forgotten}),
        still_shown=_still_shown(serving.is_behind, served is not None),
        neutral_name=NEUTRAL_NAME,
        emptied=EMPTIED,
        left=left if left in set(Leftover) else None,
        database=serving.store.dialect.name,
        longest_request=LONGEST_REQUEST,
    )
    if serving.is_behind and "said" in request.query_params:
        response.headers["Refresh"] = "3"
    return response


@router.post("/privacy/forget", **page("operator"))
def forget_anchor(
    form: SentForm, serving: ServingNow, desk: DeskNow, caller: Calling, now: Now, _turn: InTurn
) -> Response:
    """Forget an anchor whose id was typed once more; a snapshot without the name is asked for at once."""
    anchor_id, typed = (
        field_of(form, "anchor_id", most=_LONGEST_ID),
        field_of(form, "typed", most=_LONGEST_ID),
    )
    asked_by = field_of(form, "asked_by", most=LONGEST_REQUEST)
    if typed != anchor_id:
        return said("/privacy", "not_typed", anchor_id=anchor_id)
    try:
        with writing(serving.store) as session:
            record = forget(session, anchor_id, asked_by=asked_by, done_by=caller.key_id, at=now)
    except UnknownId as error:
        raise Problem("not_found") from error
    except WrongInput:
        return said("/privacy", "no_request", anchor_id=anchor_id)
    _LOG.info(
        "anchor_forgotten",
        anchor_id=record.anchor_id,
        asked_by=record.asked_by,
        by=caller.key_id,
        at=now.isoformat(),
    )
    serving.refresh_soon()
    desk.imports.drop_reports(NEUTRALISED)
    return said("/privacy", "forgotten", anchor_id=anchor_id, left=str(scrub(serving.store)))


def _still_shown(is_behind: bool, is_served: bool) -> bool:
    """Pages may show the name until the snapshot that was asked for is there."""
    return is_behind and is_served
