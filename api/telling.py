"""How does a page of a list reach its reader, over HTTP or in a browser? Asked for, turned, and written down as shown."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from starlette.requests import Request

from api.access import Caller, Role
from api.answers import Answered, answer_list
from api.cursors import make_cursor, read_cursor
from api.loading import Served
from api.problems import Language, Problem
from api.schemas.lists import ListQuery
from api.serving import Serving
from api.wishes import hidden_of, hidden_rows, is_hidden
from features.errors import WrongInput
from features.store.db import reading
from features.store.journal import Event
from features.store.propensities import Draw
from features.units import Ppm, from_microseconds, microseconds, parse_rate, parse_yuan
from matcher.candidates.union import Side
from matcher.request import Filters, Hidden, ListRequest

GOODS_A_PAGE: Final = 50
ANCHORS_A_PAGE: Final = 20
_DEEPEST: Final = 5_000
_READERS: Final[Mapping[Side, Role]] = {"goods": "anchor", "shortlist": "brand"}
"""To whom drawn places are shown: who else looks at a list sees it as it is, and teaches nothing."""


def list_request(side: Side, owner: int, query: ListQuery, hidden: Hidden) -> ListRequest:
    """As the engine is asked: prices and rates read exactly."""
    filters = Filters(
        category=query.category.strip("/") if query.category is not None else None,
        min_price_fen=None if query.min_price is None else parse_yuan(query.min_price),
        max_price_fen=None if query.max_price is None else parse_yuan(query.max_price),
        min_rate_ppm=None if query.min_rate is None else Ppm(parse_rate(query.min_rate, "percent")),
        supply_type=query.supply_type,
        tier=query.tier,
    )
    if None not in (low := filters.min_price_fen, high := filters.max_price_fen) and low > high:  # type: ignore[operator]
        raise Problem("invalid", en="min_price is above max_price", zh="min_price 高于 max_price")
    size = query.limit or (GOODS_A_PAGE if side == "goods" else ANCHORS_A_PAGE)
    return ListRequest(
        side, owner, size, query.objective, query.new_only, query.explain, filters, hidden=hidden
    )


def turn_to(
    serving: Serving,
    served: Served,
    asked: ListRequest,
    query: ListQuery,
    *,
    path: str,
    caller: Caller,
    language: Language,
    now: datetime,
    note: Mapping[str, Any] | None = None,
) -> Answered:
    """One page of a list; a cursor is good for the very filters, caller and market that it was made in.

    `note` goes along in the cursor, for the door that turns the page: `position_of` reads it. Where the policy draws
    places, all pages of a list are dealt with the seed of the first.
    """
    market = _market(served)
    if query.cursor is not None:
        position = position_of(serving, query, path=path, caller=caller)
        if position["market"] != market:
            raise Problem("cursor_expired")
        asked = replace(
            asked, size=int(position["size"]), skip=int(position["skip"]), seed=position.get("seed")
        )
    elif served.engine.world.policy.lists.explore_slots and caller.role == _READERS[asked.side]:
        asked = replace(asked, seed=secrets.randbits(48))
    with serving.metrics.stage_seconds.labels("answer").time():
        answered = _answer(served, asked, language, now)
    skip = asked.skip + asked.size
    if not answered.is_last and skip < _DEEPEST:
        answered.document["next_cursor"] = make_cursor(
            serving.secret,
            account=caller.account,
            what=_what(query, path),
            position={**(note or {}), "size": asked.size, "skip": skip, "market": market, **_seed(asked)},
        )
    return answered


def _answer(served: Served, asked: ListRequest, language: Language, now: datetime) -> Answered:
    try:
        return answer_list(served, asked, language=language, now=now)
    except WrongInput as error:  # the engine's sentence quotes what was asked for
        tops = ", ".join(served.engine.world.snapshot.shelf.tops.head(12).to_list())
        raise Problem(
            "invalid",
            en=f"no SKU on the shelf is in that category; the shelf has {tops}",
            zh=f"货架上没有该类目的商品；现有类目：{tops}",
        ) from error


def position_of(serving: Serving, query: ListQuery, *, path: str, caller: Caller) -> Mapping[str, Any]:
    """What the query's cursor says; nothing where it has none. Problem `bad_cursor` where it is not this list's."""
    if query.cursor is None:
        return {}
    position = read_cursor(serving.secret, query.cursor, account=caller.account, what=_what(query, path))
    if "size" not in position:  # of an earlier build
        raise Problem("cursor_expired")
    if query.limit not in (None, position["size"]):
        raise Problem("bad_cursor")
    return position


def turn_goods(
    serving: Serving,
    served: Served,
    anchor_id: str,
    query: ListQuery,
    *,
    path: str,
    caller: Caller,
    language: Language,
    now: datetime,
) -> Answered:
    """One page of an anchor's goods, without what the anchor has hidden.

    A page after the first is dealt as the first one was: what has been hidden since leaves a gap in it and moves
    nothing up, for what moved up to a page that was read would never be seen.
    """
    hidden = serving.hidden.get(anchor_id, Hidden())
    dealt_us = position_of(serving, query, path=path, caller=caller).get("dealt_us")
    dealt = hidden
    if dealt_us is not None and hidden != Hidden():
        with reading(serving.store) as session:
            dealt = hidden_of(hidden_rows(session, anchor_id), until=from_microseconds(dealt_us))
    answered = turn_to(
        serving,
        served,
        list_request("goods", served.anchor_rows[anchor_id], query, dealt),
        query,
        path=path,
        caller=caller,
        language=language,
        now=now,
        note={"dealt_us": dealt_us or microseconds(now)},
    )
    if hidden != Hidden():
        answered.document["items"] = [
            line
            for line in answered.document["items"]
            if not is_hidden(hidden, line["sku_id"], line["category"])
        ]
    return answered


def tell(
    serving: Serving, answered: Answered, caller: Caller, request: Request, now: datetime, *, offset: int = 0
) -> dict[str, Any]:
    """The document under its request's id; that it was shown is written down beside the request, not in it.

    Who asks with HEAD sees nothing, so that nothing was shown.
    """
    request_id = answered.document["request_id"] = request.state.request_id
    if getattr(request.state, "is_head", False):
        return answered.document
    shown = [(line["rank"], line["anchor_id"], line["sku_id"]) for line in answered.document["items"]]
    serving.journal.note_made(
        len(shown), partial(_events, shown, answered.draws, request_id, caller.name, now, offset)
    )
    serving.remember(answered.verdicts)
    for rule, n in answered.left_out.items():
        if n:
            serving.metrics.left_out.labels(rule).inc(n)
    return answered.document


def _events(
    shown: Sequence[tuple[int, str, str]],
    draws: Mapping[int, Draw],
    request_id: str,
    source: str,
    now: datetime,
    offset: int,
) -> list[Event]:
    """Of (rank, anchor, SKU) as they were shown; for who writes them down: no reader waits for it."""
    return [
        Event(
            event_id=f"{request_id}.{offset + rank}",
            request_id=request_id,
            at=now,
            anchor_id=anchor_id,
            sku_id=sku_id,
            kind="shown",
            position=rank,
            source=source,
            draw=draws.get(rank),
        )
        for rank, anchor_id, sku_id in shown
    ]


def _seed(asked: ListRequest) -> dict[str, Any]:
    return {} if asked.seed is None else {"seed": asked.seed}


def _what(query: ListQuery, path: str) -> dict[str, Any]:
    """Which list it is: where it is asked for, and how it is narrowed. Its pages are as long as the first."""
    asked = query.model_dump(mode="json", exclude={"cursor", "explain", "limit"}, exclude_none=True)
    return {"path": path, **asked}


def _market(served: Served) -> str:
    return f"{served.engine.version}@{served.snapshot_at.isoformat()}"
