"""Whom did I invite, and what became of it? Invitations are feedback events; both rules are checked on live rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlmodel import Session

from api.access import Caller
from api.checking import check_one
from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.feedback import COMMITTING, take_once
from api.loading import Served
from api.pages.brand_promises import told
from api.pages.brand_scope import (
    Scope,
    asked_choice,
    asked_place,
    asked_text,
    is_id,
    require_brand,
    scope_of_brand,
    scope_of_sku,
    show,
)
from api.pages.brand_skus import choose_brand
from api.pages.brand_threads import STATES, Thread, thread_of, threads_of, told_event_id
from api.pages.guarding import PageLanguage, SentForm, back_to, field_of, page
from api.pages.words import say
from api.problems import Language, Problem
from api.schemas.feedback import EventAsked
from api.serving import Serving
from features.store.db import reading
from features.store.dossiers import load_calendar, load_dossier

router = APIRouter()

THREADS_A_PAGE: Final = 50
ANSWERS: Final = ("accepted", "declined", "sample_sent")
"""What a brand may tell of an invitation: the anchor's answer where it came by another way, and the sample."""


@router.get("/invitations", **page("brand", "operator"))
def show_invitations(
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """The brand's invitations, the newest first."""
    scope = scope_of_brand(request, served, caller)
    if scope is None:
        return choose_brand(request, served, caller, language)
    threads = threads_of(serving, served, session, scope.brand_id, now)
    counts = Counter(thread.state for thread in threads)
    state = asked_choice(request, "state", STATES)
    chosen = [thread for thread in threads if state in (None, thread.state)]
    place = asked_place(request, THREADS_A_PAGE)
    shown = chosen[place : place + THREADS_A_PAGE]
    written = asked_text(request, "told")
    return show(
        request,
        "brand_invitations.html",
        scope=scope,
        caller=caller,
        language=language,
        lines=[(thread, *_names(served, thread)) for thread in shown],
        counts={one: counts[one] for one in STATES},
        n_all=len(threads),
        state=state,
        place=place,
        next_place=place + THREADS_A_PAGE if place + THREADS_A_PAGE < len(chosen) else None,
        answers=ANSWERS,
        notice={"kind": "good", "text": say("brand.told", language)}
        if written and any(written == event.event_id for one in threads for event in one.events)
        else None,
    )


@router.post("/skus/{sku_id}/invite", **page("brand", own="sku"))
def invite(
    sku_id: str,
    form: SentForm,
    serving: ServingNow,
    served: ServedNow,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """Invite an anchor for a SKU; again while that stands, nothing more is sent."""
    scope = scope_of_sku(serving, served, caller, sku_id)
    anchor_id = field_of(form, "anchor_id")
    if anchor_id not in served.anchor_rows:
        raise Problem("not_found")
    with reading(serving.store) as session:
        threads = threads_of(serving, served, session, scope.brand_id, now, sku_id=sku_id)
        known = thread_of(threads, sku_id, anchor_id)
        if known is not None and known.is_open(now):
            event_id = known.event_id
        else:
            n = sum(one.anchor_id == anchor_id for one in threads)
            event_id = told_event_id(serving.secret, caller.name, sku_id, anchor_id, "invited", n)
            place = field_of(form, "position")
            request_id = field_of(form, "request_id")
            event = {
                "event_id": event_id,
                "request_id": request_id if is_id(request_id) else None,
                "at": now,
                "anchor_id": anchor_id,
                "sku_id": sku_id,
                "kind": "invited",
                "position": int(place) if place.isdecimal() and place.isascii() and len(place) < 7 else None,
            }
            _tell(serving, event, caller, language, now)
    address = back_to(field_of(form, "next", most=2_000), f"/skus/{sku_id}/shortlist")
    return RedirectResponse(f"{_without_told(address)}told={event_id}#a-{anchor_id}", 303)


@router.post("/invitations/tell", **page("brand"))
def tell_answer(
    form: SentForm,
    serving: ServingNow,
    served: ServedNow,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """Write down what became of an invitation: accepted, declined, or a sample sent."""
    sku_id, anchor_id, kind = (field_of(form, name) for name in ("sku_id", "anchor_id", "kind"))
    scope: Scope = scope_of_sku(serving, served, caller, sku_id)
    require_brand(scope)
    if kind not in ANSWERS:
        raise Problem("invalid")
    with reading(serving.store) as session:
        threads = threads_of(serving, served, session, scope.brand_id, now, sku_id=sku_id)
        known = thread_of(threads, sku_id, anchor_id)
        if known is None:
            raise Problem("not_found")
        before = [event for event in known.events if event.kind == kind]
        n = sum(event.kind == kind for one in threads for event in one.events if one.anchor_id == anchor_id)
        event_id = (
            before[-1].event_id
            if before
            else told_event_id(serving.secret, caller.name, sku_id, anchor_id, kind, n)
        )
        if not before:
            event = {
                "event_id": event_id,
                "at": now,
                "anchor_id": anchor_id,
                "sku_id": sku_id,
                "kind": kind,
            }
            _tell(serving, event, caller, language, now)
    address = back_to(field_of(form, "next", most=2_000), "/invitations")
    return RedirectResponse(f"{_without_told(address)}told={event_id}", 303)


def just_sent(
    request: Request,
    serving: Serving,
    served: Served,
    session: Session,
    threads: Sequence[Thread],
    language: Language,
    now: datetime,
) -> dict[str, Any]:
    """For the page that is shown after an invitation: to whom it went, and both verdicts as they stand on live rows."""
    event_id = asked_text(request, "told")
    sent = next((one for one in threads if one.event_id == event_id), None)
    if sent is None:
        return {"sent": None}
    dossier = load_dossier(session, sent.sku_id)
    both = check_one(dossier, load_calendar(session), None, now, serving.policy)
    return {
        "sent": sent,
        "sent_name": _names(served, sent)[1],
        "sent_verdicts": [told(verdict, dossier, serving.policy, language) for verdict in both],
    }


def _tell(
    serving: Serving,
    event: Mapping[str, object],
    caller: Caller,
    language: Language,
    now: datetime,
) -> None:
    """One event; a refusal says by which rule, and what was told twice at once counts once."""
    try:
        take_once(serving, EventAsked.model_validate(event), caller, language, now)
    except ValidationError as error:
        raise Problem("invalid") from error
    except Problem as problem:
        if problem.code != "refused" or event["kind"] not in COMMITTING:
            raise
        rules = [str(one["code"]).lower() for one in problem.errors]
        zh, en = (
            say("brand.invite.refused", one, rules="、".join(say(f"rule.{rule}", one) for rule in rules))
            for one in ("zh", "en")
        )
        raise Problem("refused", zh=zh, en=en) from problem


def _names(served: Served, thread: Thread) -> tuple[str, str]:
    """The title of its SKU and the name of its anchor; their ids, where the snapshot does not know them."""
    snapshot = served.engine.world.snapshot
    sku, anchor = served.sku_rows.get(thread.sku_id), served.anchor_rows.get(thread.anchor_id)
    return (
        thread.sku_id if sku is None else str(snapshot.shelf.titles[sku]),
        thread.anchor_id if anchor is None else str(snapshot.roster.names[anchor]),
    )


def _without_told(address: str) -> str:
    """An address to which a parameter can be put, without the notice of the time before."""
    path, _, query = address.partition("#")[0].partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith("told=")]
    return f"{path}?{'&'.join([*kept, ''])}"
