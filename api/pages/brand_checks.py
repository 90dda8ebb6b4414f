"""Are my promises kept, on what does that rest, and what if I changed something? One SKU's page, from live rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from api.checking import check_one
from api.deps import Calling, Now, Reading, ServedNow, ServingNow
from api.loading import Served
from api.pages.brand_promises import platform_word, price_sum, told
from api.pages.brand_scope import Scope, scope_of_sku, show
from api.pages.brand_skus import SkuLine, lines_of
from api.pages.brand_what_if import FIELDS, Standing, WhatIf, answer_what_if, read_what_if, standing_of
from api.pages.guarding import PageLanguage, page
from api.problems import Language
from api.serving import Serving
from features.store.db import read_rows
from features.store.dossier import BigEvent, Calendar, Dossier, version_at
from features.store.dossiers import load_calendar, load_dossier
from matcher.ours import latest_of_each_audience
from matcher.verdict import Reason
from matcher.verdict_book import Both

router = APIRouter()


class _Sku(NamedTuple):
    """A SKU as it stands in the store, and in memory where it is there already."""

    dossier: Dossier
    calendar: Calendar
    both: Both
    title: str
    line: SkuLine | None
    standing: Standing


@router.get("/skus/{sku_id}", **page("brand", "operator", own="sku"))
def show_sku(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """Both verdicts with all that stands behind them, prices as sums, other platforms' rates, and the what-if."""
    scope = scope_of_sku(serving, served, caller, sku_id)
    sku = _load(serving, served, session, sku_id, now)
    serving.remember([sku.both])
    policy = serving.policy
    verdicts = {verdict.rule: told(verdict, sku.dossier, policy, language) for verdict in sku.both}
    final = _last_final(serving, sku, now)
    alone = latest_of_each_audience(sku.dossier.offers, version_at(sku.dossier.versions, now), now, policy)
    return show(
        request,
        "brand_sku.html",
        scope=scope,
        caller=caller,
        language=language,
        sku_id=sku_id,
        title=sku.title,
        line=sku.line,
        verdicts=verdicts,
        final=None if final is None else told(final[1].price_parity, sku.dossier, policy, language),
        final_event=None if final is None else final[0],
        prices=[price_sum(price, language) for price in alone],
        platforms=_platforms(verdicts["cps_floor"], language),
        **_what_if(request, serving, session, sku, language, now),
    )


@router.get("/skus/{sku_id}/what-if", **page("brand", "operator", own="sku"))
def show_what_if(
    sku_id: str,
    request: Request,
    serving: ServingNow,
    served: ServedNow,
    session: Reading,
    caller: Calling,
    language: PageLanguage,
    now: Now,
) -> Response:
    """The what-if alone: what the SKU's page puts in its place as one types, and a page where no script runs."""
    scope: Scope = scope_of_sku(serving, served, caller, sku_id)
    sku = _load(serving, served, session, sku_id, now)
    return show(
        request,
        "brand_what_if.html",
        scope=scope,
        caller=caller,
        language=language,
        sku_id=sku_id,
        title=sku.title,
        **_what_if(request, serving, session, sku, language, now),
    )


def _load(serving: Serving, served: Served, session: Session, sku_id: str, now: datetime) -> _Sku:
    dossier, calendar = load_dossier(session, sku_id), load_calendar(session)
    row = served.sku_rows.get(sku_id)
    line = None if row is None else lines_of(served, [row], now)[0]
    return _Sku(
        dossier=dossier,
        calendar=calendar,
        both=check_one(dossier, calendar, None, now, serving.policy),
        title=_stored_title(session, sku_id) if line is None else line.title,
        line=line,
        standing=standing_of(dossier, serving.policy, now, None if line is None else line.list_price_fen),
    )


def _stored_title(session: Session, sku_id: str) -> str:
    """Of a SKU that came in after the snapshot."""
    sql = "SELECT title FROM skus WHERE sku_id = :sku ORDER BY known_at DESC LIMIT 1"
    return str(read_rows(session, sql, {"sku": sku_id})[0][0])


def _what_if(
    request: Request, serving: Serving, session: Session, sku: _Sku, language: Language, now: datetime
) -> dict[str, Any]:
    """The form as it was typed, and the answer where something differs from what stands."""
    given = {name: request.query_params.get(name, "") for name in FIELDS}
    asked: WhatIf = read_what_if(given, sku.standing)
    answer = None
    if asked.is_asked:
        answer = answer_what_if(
            serving, session, sku.dossier, sku.calendar, asked, sku.standing, language, now
        )
    stands = sku.standing.typed()
    return {
        "typed": {name: asked.typed[name] or stands[name] for name in FIELDS},
        "stands": stands,
        "errors": asked.errors,
        "what_if": answer,
    }


def _last_final(serving: Serving, sku: _Sku, now: datetime) -> tuple[BigEvent, Both] | None:
    """The last big promotion with its final verdicts, where none runs now."""
    if sku.both.price_parity.reason is not Reason.NO_EVENT:
        return None
    events = sku.calendar.as_known(now).big_promotions(serving.policy.home_platform)
    over = [event for event in events if event.ends_at <= now]
    if not over:
        return None
    last = max(over, key=lambda event: event.ends_at)
    return last, check_one(sku.dossier, sku.calendar, last, now, serving.policy)


def _platforms(floor: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    """What other platforms pay, as it was seen, the highest first."""
    account = floor["floor"]
    if account is None:
        return []
    seen = sorted(account.theirs, key=lambda one: (not one.is_fresh, -one.rate_ppm, one.quote.platform))
    return [
        {
            "platform": platform_word(one.quote.platform, language),
            "rate_ppm": one.rate_ppm,
            "is_range": one.quote.rate_high_ppm is not None,
            "observed_at": one.quote.observed_at,
            "is_fresh": one.is_fresh,
            "stale_at": one.goes_stale_at if one.is_fresh else None,
            "quote_id": one.quote.quote_id,
            "source": one.quote.source,
        }
        for one in seen
    ]
