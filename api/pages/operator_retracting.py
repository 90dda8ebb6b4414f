"""Was an observation wrong? It is looked at, taken back for a reason, and what it changed is told at once.

The row is found first, then taken back by a form of its own; what was said before stays answerable.
"""

from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session, SQLModel

from api.checking import check_one
from api.deps import Calling, InTurn, Now, ServingNow
from api.pages.figures import day, instant, percent, yuan
from api.pages.guarding import PageLanguage, SentForm, field_of, page
from api.pages.operator_said import notice_of, said
from api.pages.rendering import render
from api.pages.words import say
from api.problems import Problem
from api.serving import Serving
from features.errors import UnknownId, WrongInput
from features.store.columns import Kind
from features.store.db import read_rows, reading, writing
from features.store.dossiers import load_calendar, load_dossier
from features.store.records import (
    RETRACTABLE,
    Retraction,
    find_observation,
    last_retractions,
    retract,
    retraction_of,
)
from features.store.tables import TABLES
from features.units import TICK
from matcher.verdict_book import Both

router = APIRouter()

_LISTED: Final = 20
_LONGEST_KEY: Final = 200
_LONGEST_REASON: Final = 500
_LOG: Final = structlog.get_logger("matcher.pages")


@router.get("/checks/retract", **page("operator"))
def ask_for_observation(
    request: Request, serving: ServingNow, caller: Calling, language: PageLanguage
) -> Response:
    """Find the row, look at it, and say why it is taken back."""
    table, key = request.query_params.get("table", ""), request.query_params.get("key", "").strip()
    found: dict[str, Any] | None = None
    with reading(serving.store) as session:
        if table in RETRACTABLE and 0 < len(key) <= _LONGEST_KEY and "\0" not in key:
            found = _found(session, table, key)
        last = last_retractions(session, _LISTED)
    return render(
        request,
        "operator_retract.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language),
        table_labels=[(name, say(f"operator.table.{name}", language)) for name in RETRACTABLE],
        table=table if table in RETRACTABLE else None,
        key=key[:_LONGEST_KEY],
        found=found,
        asked=bool(key),
        last=last,
        longest_reason=_LONGEST_REASON,
    )


@router.post("/checks/retract", **page("operator"))
def take_back(form: SentForm, serving: ServingNow, caller: Calling, now: Now, _turn: InTurn) -> Response:
    """Write the retraction; verdicts are told anew from the next snapshot on, which is asked for."""
    table, key = field_of(form, "table", most=64), field_of(form, "key", most=_LONGEST_KEY)
    reason = field_of(form, "reason", most=_LONGEST_REASON)
    if not reason:
        return said("/checks/retract", "no_reason", table=table, key=key)
    try:
        with writing(serving.store) as session:
            kept, _ = find_observation(session, table, key)
            retract(session, table, kept, reason=reason, source=caller.name, at=now)
    except UnknownId as error:
        raise Problem("not_found") from error
    _LOG.info("retracted", table=table, key=kept, by=caller.key_id)
    serving.refresh_soon()
    return RedirectResponse(f"/checks/retracted?{urlencode({'table': table, 'key': kept})}", 303)


@router.get("/checks/retracted", **page("operator"))
def tell_retracted(
    request: Request, serving: ServingNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """Since when it holds, and what the rules said the moment before and say now."""
    table, key = request.query_params.get("table", ""), request.query_params.get("key", "")
    with reading(serving.store) as session:
        try:
            kept, row = find_observation(session, table, key[:_LONGEST_KEY].replace("\0", ""))
        except (UnknownId, WrongInput) as error:
            raise Problem("not_found") from error
        retraction = retraction_of(session, table, kept)
        if retraction is None:
            raise Problem("not_found")
        scope = _scope(session, table, row)
        before = after = None
        if scope["sku_id"] is not None:
            before, after = _retold(serving, session, scope["sku_id"], retraction, now)
    return render(
        request,
        "operator_retracted.html",
        language=language,
        caller=caller,
        table=table,
        key=kept,
        retraction=retraction,
        scope=scope,
        before=before,
        after=after,
        is_behind=serving.is_behind,
    )


def _found(session: Session, table: str, key: str) -> dict[str, Any] | None:
    """The row for a reader, whom it touches, and whether it was taken back before."""
    try:
        kept, row = find_observation(session, table, key)
    except UnknownId:
        return None
    return {
        "key": kept,
        "columns": [(name, _shown(table, name, getattr(row, name))) for name in TABLES[table].columns],
        "known_at": getattr(row, "known_at", None),
        "source": getattr(row, "source", None),
        "retraction": retraction_of(session, table, kept),
        "scope": _scope(session, table, row),
    }


def _scope(session: Session, table: str, row: SQLModel) -> dict[str, Any]:
    """Whom the row is about: one SKU, all of a brand, or everybody."""
    sku_id, brand_id = getattr(row, "sku_id", None), getattr(row, "brand_id", None)
    if table == "offer_promotions":
        offers = read_rows(
            session, "SELECT sku_id FROM offers WHERE offer_id = :id", {"id": getattr(row, "offer_id", "")}
        )
        sku_id = str(offers[0][0]) if offers else None
    if sku_id is not None:
        brands = read_rows(
            session,
            "SELECT brand_id FROM skus WHERE sku_id = :id ORDER BY known_at DESC LIMIT 1",
            {"id": sku_id},
        )
        brand_id = str(brands[0][0]) if brands else None
    return {"sku_id": sku_id, "brand_id": brand_id}


def _retold(
    serving: Serving, session: Session, sku_id: str, retraction: Retraction, now: datetime
) -> tuple[Both, Both]:
    """Both verdicts the moment before the retraction and now, on live rows."""
    dossier, calendar = load_dossier(session, sku_id), load_calendar(session)
    before = check_one(dossier, calendar, None, retraction.retracted_at - TICK, serving.policy)
    after = check_one(dossier, calendar, None, max(now, retraction.retracted_at), serving.policy)
    serving.remember([after])
    return before, after


def _shown(table: str, name: str, value: Any) -> str | None:
    """A cell with its unit; nothing where it is empty."""
    kind = TABLES[table].columns[name].kind
    if value is None:
        return None
    if kind is Kind.FEN:
        return yuan(value)
    if kind is Kind.RATE:
        return percent(value)
    if isinstance(value, datetime):
        return instant(value)
    return day(value) if isinstance(value, date) else str(value)
