"""What does an anchor want, and not want? Picks, what is hidden, and the answer to an invitation: forms of its pages.

Each form works without JavaScript: it is answered by the page it came from, which then says what was done. Our own
script asks for the changed part alone.
"""

import re
from typing import Final

from fastapi import APIRouter, Response
from starlette.datastructures import FormData

from api.deps import InTurn
from api.feedback import take_once
from api.outcomes import answer_id, dealings_of, pick_id
from api.pages.anchor_desk import AtDesk, Desk, say_next, wants_part
from api.pages.guarding import SentForm, back_to, field_of, page
from api.problems import Problem
from api.schemas.feedback import EventAsked
from api.wishes import Kind, hide, show_again
from features.store.columns import ID_PATTERN
from features.store.db import reading

router = APIRouter()

_ID: Final = re.compile(ID_PATTERN, re.ASCII)
_LONGEST_ADDRESS: Final = 2_000
_MOST_PLACES: Final = 100_000


@router.post("/goods/pick", **page("anchor"))
def pick(desk: AtDesk, form: SentForm) -> Response:
    """Take a SKU up: written down before it is answered, with what the two rules say of it on the rows of now."""
    sku_id = _known_sku(desk, form)
    dealing = dealings_of(desk.serving, desk.session, desk.owner, now=desk.now, sku_id=sku_id).get(sku_id)
    what = (
        "picked"
        if dealing is not None and dealing.pick_at(desk.now) is not None
        else _pick(desk, form, sku_id)
    )
    if not wants_part(desk.request):
        return say_next(f"{_back(form)}#card-{sku_id}", what, sku_id)
    sku = desk.goods([sku_id])[sku_id] | {"what": what, "verdicts": desk.live_verdicts(sku_id)}
    return desk.render("anchor_picked.html", said=sku, picked_at=desk.now)


@router.post("/goods/hide", **page("anchor"))
def hide_goods(desk: AtDesk, form: SentForm, _turn: InTurn) -> Response:
    """Show the SKU no more, or nothing of its category."""
    sku_id = _known_sku(desk, form)
    sku = desk.goods([sku_id])[sku_id]
    kind = _kind(form)
    value = sku_id if kind == "sku" else str(sku["category"])
    hide(desk.serving, desk.owner, kind, value, now=desk.now)
    if not wants_part(desk.request):
        return say_next(f"{_back(form)}#said", f"hidden_{kind}", sku_id)
    return desk.render("anchor_hidden.html", said=sku | {"what": f"hidden_{kind}"}, back=_back(form))


@router.post("/goods/show", **page("anchor"))
def show_goods_again(desk: AtDesk, form: SentForm, _turn: InTurn) -> Response:
    """Take back what was hidden."""
    kind, value = _kind(form), field_of(form, "value")
    show_again(desk.serving, desk.owner, kind, value)
    if not wants_part(desk.request):
        sku_id = value if kind == "sku" else field_of(form, "sku_id")
        return say_next(f"{_back(form)}#said", "shown", sku_id or "-")
    return desk.render("anchor_shown.html")


@router.post("/picks/answer", **page("anchor"))
def answer_invitation(desk: AtDesk, form: SentForm) -> Response:
    """Accept what a brand proposes, or decline it."""
    sku_id, kind = field_of(form, "sku_id"), field_of(form, "kind")
    dealing = dealings_of(desk.serving, desk.session, desk.owner, now=desk.now, sku_id=sku_id).get(sku_id)
    if dealing is None or dealing.last("invited") is None or kind not in {"accepted", "declined"}:
        raise Problem("not_found")
    asked = dealing.invitation
    if asked is not None:
        event = EventAsked.model_validate(
            {
                "event_id": answer_id(desk.serving.secret, asked, kind),
                "request_id": asked.request_id,
                "at": desk.now,
                "anchor_id": desk.owner,
                "sku_id": sku_id,
                "kind": kind,
            }
        )
        take_once(desk.serving, event, desk.caller, desk.language, desk.now)
    if not wants_part(desk.request):
        return say_next(f"{_back(form)}#dealing-{sku_id}", kind, sku_id)
    with reading(desk.serving.store) as session:  # a moment that begins after the answer
        after = dealings_of(desk.serving, session, desk.owner, now=desk.now, sku_id=sku_id)
    return desk.render(
        "anchor_dealing.html", dealing=after[sku_id], sku=desk.goods([sku_id])[sku_id], back=_back(form)
    )


def _pick(desk: Desk, form: FormData, sku_id: str) -> str:
    """What became of it: `picked`, or `refused` where the policy bars what fails a rule."""
    request_id, position = field_of(form, "request_id"), field_of(form, "position")
    event = EventAsked.model_validate(
        {
            "event_id": pick_id(desk.serving.secret, desk.owner, sku_id, desk.now),
            "request_id": request_id if _ID.fullmatch(request_id) else None,
            "at": desk.now,
            "anchor_id": desk.owner,
            "sku_id": sku_id,
            "kind": "picked",
            "position": int(position) if position.isdecimal() and int(position) < _MOST_PLACES else None,
        }
    )
    try:
        take_once(desk.serving, event, desk.caller, desk.language, desk.now)
    except Problem as problem:
        if problem.code != "refused":
            raise
        return "refused"
    return "picked"


def _known_sku(desk: Desk, form: FormData) -> str:
    sku_id = field_of(form, "sku_id")
    if sku_id not in desk.served.sku_rows:
        raise Problem("not_found")
    return sku_id


def _kind(form: FormData) -> Kind:
    return "category" if field_of(form, "kind") == "category" else "sku"


def _back(form: FormData) -> str:
    """The page that the form stood on."""
    return back_to(field_of(form, "back", most=_LONGEST_ADDRESS), "/goods").partition("#")[0]
