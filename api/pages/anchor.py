"""What may an anchor sell next? Recommended goods as cards, and everything about one of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Response
from sqlmodel import Session

from api.findings import pairing_document, rate_document
from api.loading import Served
from api.outcomes import dealings_of
from api.pages.anchor_desk import AtDesk, Desk, say_next
from api.pages.goods_filters import OBJECTIVES, SUPPLY_TYPES, category_choices, read_filters
from api.pages.guarding import page
from api.pages.words import say
from api.pages.words.categories import category_name
from api.problems import Language, Problem
from api.schemas.lists import ListQuery
from api.telling import tell, turn_goods
from features.store.db import read_rows
from features.store.plans import load_standing, load_terms
from features.units import from_microseconds
from matcher.rates import resolve_rate
from matcher.request import Hidden

router = APIRouter()

MOST_SESSIONS: Final = 10
_NOTHING: Final[Mapping[str, Any]] = {
    "items": [],
    "next_cursor": None,
    "left_out": {},
    "considered": 0,
    "request_id": None,
}


@router.get("/goods", **page("anchor", "operator"))
def show_goods(desk: AtDesk) -> Response:
    """A page of recommended goods, narrowed as the address says."""
    if desk.anchor_id is None:
        return desk.render("anchor_choose.html", address="/goods")
    filters = read_filters(desk.request.query_params, desk.served)
    document = _NOTHING
    if filters.query is not None and desk.row is not None:
        try:
            document = _answer(desk, filters.query)
        except Problem as problem:
            if problem.code not in {"bad_cursor", "cursor_expired"}:
                raise
            return say_next(_first_page(desk), "first_page")
    dealings = dealings_of(desk.serving, desk.session, desk.owner, now=desk.now)
    return desk.render(
        "goods.html",
        filters=filters,
        wrong={name: say(key, desk.language) for name, key in filters.errors.items()},
        choices=_choices(desk.served, desk.language),
        cards=document["items"],
        next_cursor=document["next_cursor"],
        considered=document["considered"],
        left_out=[(code, n) for code, n in document["left_out"].items() if n],
        request_id=document["request_id"],
        dealings=dealings,
        said=desk.said(dealings),
    )


@router.get("/goods/{sku_id}", **page("anchor", "operator"))
def show_pairing(sku_id: str, desk: AtDesk) -> Response:
    """One SKU as the anchor stands to it: why it is where it is, what it pays, and what came of it so far."""
    if desk.anchor_id is None:
        return desk.render("anchor_choose.html", address=f"/goods/{sku_id}")
    pairing = pairing_document(
        desk.served, desk.owner, sku_id, role="anchor", language=desk.language, now=desk.now
    )
    goods = desk.goods([sku_id, *pairing["goods"]["above"]])
    dealings = dealings_of(desk.serving, desk.session, desk.owner, now=desk.now, sku_id=sku_id)
    terms = load_terms(desk.session, sku_id, at=desk.now)
    standing = load_standing(desk.session, desk.owner, sku_id, at=desk.now)
    rate = resolve_rate(terms, standing, desk.now, policy=desk.serving.policy)
    sku = goods[sku_id]
    return desk.render(
        "anchor_sku.html",
        sku=sku,
        pairing=pairing,
        above=[goods[other] for other in pairing["goods"]["above"]],
        rate=rate_document(rate, "anchor"),
        verdicts=desk.live_verdicts(sku_id),
        dealing=dealings.get(sku_id),
        sessions=_sessions(desk.session, desk.owner, sku_id),
        hidden_by=_hidden_by(desk.hidden, sku_id, sku["category"]),
        said=desk.said(dealings),
    )


def _answer(desk: Desk, query: ListQuery) -> Mapping[str, Any]:
    """The page of the list; what an anchor was shown is written down, what an operator looked at is not."""
    answered = turn_goods(
        desk.serving,
        desk.served,
        desk.owner,
        query,
        path=f"/goods/{desk.owner}",
        caller=desk.caller,
        language=desk.language,
        now=desk.now,
    )
    if not desk.is_own:
        return {**answered.document, "request_id": None}
    return tell(desk.serving, answered, desk.caller, desk.request, desk.now)


def _choices(served: Served, language: Language) -> dict[str, list[tuple[str, str]]]:
    """What may be chosen in each select: values, and how they are called."""
    return {
        "category": [(path, category_name(path, language)) for path in category_choices(served)],
        "supply_type": [(one, say(f"anchor.supply.{one}", language)) for one in SUPPLY_TYPES],
        "objective": [(one, say(f"anchor.objective.{one}", language)) for one in OBJECTIVES],
    }


def _sessions(session: Session, anchor_id: str, sku_id: str) -> Sequence[Mapping[str, Any]]:
    """The last live sessions in which the anchor put the SKU up, the latest first."""
    rows = read_rows(
        session,
        "SELECT s.started_at, l.role, l.units, l.gmv_fen FROM live_sessions s JOIN listings l"
        " ON l.live_session_id = s.live_session_id WHERE s.anchor_id = :anchor AND l.sku_id = :sku"
        " ORDER BY s.started_at DESC LIMIT :most",
        {"anchor": anchor_id, "sku": sku_id, "most": MOST_SESSIONS},
    )
    return [
        {"at": from_microseconds(at_us), "role": role, "units": units, "gmv_fen": gmv_fen}
        for at_us, role, units, gmv_fen in rows
    ]


def _hidden_by(hidden: Hidden, sku_id: str, category: str) -> list[tuple[str, str]]:
    """What hides the SKU from the anchor: kinds and values."""
    by_category = [
        ("category", path)
        for path in sorted(hidden.categories)
        if category == path or category.startswith(f"{path}/")
    ]
    return ([("sku", sku_id)] if sku_id in hidden.sku_ids else []) + by_category


def _first_page(desk: Desk) -> str:
    kept = desk.request.url.remove_query_params("cursor")
    return f"{kept.path}?{kept.query}" if kept.query else kept.path
