"""Who holds a key? Made and shown once, listed with their last use, revoked for good."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.deps import Calling, InTurn, Now, ServingNow
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_desk import DeskNow
from api.pages.operator_said import notice_of, offset_of, said
from api.pages.rendering import render
from api.problems import Problem
from api.security import create_key
from features.errors import UnknownId, WrongInput
from features.store.access import ROLES, ApiKey
from features.store.db import reading, writing
from features.store.keys import all_keys, revoke_key

router = APIRouter()

A_PAGE: Final = 50
DEFAULT_DAYS: Final = 365
MOST_DAYS: Final = 3_650
LONGEST_NOTE: Final = 200
_SOON: Final = timedelta(days=14)
_STATES: Final = ("open", "soon", "expired", "revoked")
_LOG: Final = structlog.get_logger("matcher.pages")
KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


@router.get("/keys", **page("operator"))
def show_keys(
    request: Request, serving: ServingNow, desk: DeskNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """Every key, the latest first, with the form that makes one; a key just made is shown this once."""
    query = request.query_params
    asked = {
        "role": query.get("role", "") if query.get("role", "") in ROLES else "",
        "state": query.get("state", "") if query.get("state", "") in _STATES else "",
        "subject": query.get("subject", "").strip()[:64],
    }
    with reading(serving.store) as session:
        rows = [_line(row, now, caller.key_id) for row in reversed(all_keys(session))]
    found = [row for row in rows if _is_asked(row, asked)]
    begin = offset_of(request)
    return render(
        request,
        "operator_keys.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language, most=MOST_DAYS),
        made=desk.shown_once.take(query.get("made"), for_key=caller.key_id, now=now),
        asked=asked,
        n_filters=sum(bool(value) for value in asked.values()),
        roles=ROLES,
        states=_STATES,
        keys=found[begin : begin + A_PAGE],
        n_found=len(found),
        n_keys=len(rows),
        begin=begin,
        next_begin=begin + A_PAGE if begin + A_PAGE < len(found) else None,
        default_days=DEFAULT_DAYS,
        most_days=MOST_DAYS,
        longest_note=LONGEST_NOTE,
    )


@router.post("/keys", **page("operator"))
def make_key(
    form: SentForm, serving: ServingNow, desk: DeskNow, caller: Calling, now: Now, _turn: InTurn
) -> Response:
    """Make a key, and show it on the next page, once."""
    role, subject = field_of(form, "role", most=16), field_of(form, "subject", most=64)
    note, days = field_of(form, "note", most=LONGEST_NOTE), field_of(form, "days", most=8)
    if not (days.isascii() and days.isdecimal() and 1 <= int(days) <= MOST_DAYS):
        return said("/keys", "bad_days")
    try:
        with writing(serving.store) as session:
            row, key = create_key(
                session,
                role=role,
                subject=subject or None,
                note=note or None,
                expires_at=now + timedelta(days=int(days)),
                now=now,
            )
    except UnknownId:
        return said("/keys", "no_subject")
    except WrongInput:
        return said("/keys", "bad_key")
    _LOG.info("key_made", key=row.key_id, role=role, subject=subject, by=caller.key_id)
    word = desk.shown_once.put((row.key_id, key, row.role, row.subject), for_key=caller.key_id, now=now)
    return RedirectResponse(f"/keys?made={word}", 303)


@router.post("/keys/{key_id}/revoke", **page("operator"))
def take_key_back(
    key_id: KeyId, _form: SentForm, serving: ServingNow, caller: Calling, now: Now, _turn: InTurn
) -> Response:
    """From now on the key opens nothing; one's own ends this session too."""
    try:
        with writing(serving.store) as session:
            revoke_key(session, key_id, at=now)
    except UnknownId as error:
        raise Problem("not_found") from error
    serving.keys.forget(key_id)
    _LOG.info("key_revoked", key=key_id, by=caller.key_id)
    return said("/keys", "revoked")


def _line(row: ApiKey, now: datetime, own: str) -> dict[str, Any]:
    """A key as the list shows it."""
    state = "open"
    if row.revoked_at is not None:
        state = "revoked"
    elif row.expires_at is not None and row.expires_at <= now:
        state = "expired"
    elif row.expires_at is not None and row.expires_at - now < _SOON:
        state = "soon"
    return {
        "key_id": row.key_id,
        "role": row.role,
        "subject": row.subject,
        "note": row.note,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
        "state": state,
        "is_own": row.key_id == own,
    }


def _is_asked(row: dict[str, Any], asked: dict[str, str]) -> bool:
    """Does the filter let it through? A key that soon expires is open as well."""
    states = {"open": ("open", "soon")}.get(asked["state"], (asked["state"],))
    return (
        asked["role"] in ("", row["role"])
        and (not asked["state"] or row["state"] in states)
        and asked["subject"] in ("", row["subject"])
    )
