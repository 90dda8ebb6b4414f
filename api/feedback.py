"""May these events be taken, and what do they commit to? Who tells them, of whom, and the two rules on live rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session

from api.access import Caller
from api.answers import verdict_lines
from api.problems import Language, Problem
from api.schemas.feedback import EventAsked
from api.serving import Serving
from features.store.db import read_rows_of
from features.store.dossiers import load_calendar, load_dossiers
from features.store.journal import Event, stored_events
from matcher.verdict import RULES
from matcher.verdict_book import BARRED, Both, VerdictBook, check

TOLD_BY: Final[Mapping[str, frozenset[str]]] = {
    "anchor": frozenset({"shown", "clicked", "saved", "picked", "accepted", "declined", "listed"}),
    "brand": frozenset({"shown", "clicked", "saved", "invited", "accepted", "declined", "sample_sent"}),
}
"""What each side may tell; operators and jobs may tell everything."""
COMMITTING: Final = frozenset({"picked", "invited"})
AHEAD: Final = timedelta(minutes=5)
"""A clock may be so much ahead of ours."""


def take_events(
    serving: Serving,
    session: Session,
    asked: Sequence[EventAsked],
    caller: Caller,
    language: Language,
    now: datetime,
) -> dict[str, Any]:
    """All of them on disk, or none: the numbers of new and of known ones, and the verdicts on what they commit to."""
    events = [Event(source=caller.name, **dict(one)) for one in asked]
    # before the session's first read: what the journal has handed on by then is in the store that the session sees
    waiting = serving.journal.waiting([event.event_id for event in events])
    _refuse_what_is_not_theirs(session, events, caller)
    fresh = _refuse_contradictions(waiting, session, events, now)
    commitments = {one.event_id: one.sku_id for one in fresh if one.kind in COMMITTING}
    verdicts = _check_commitments(serving, session, commitments, [one.event_id for one in events], now)
    if fresh:
        serving.journal.append(fresh)
    serving.remember(verdicts.values())
    return {
        "accepted": len(fresh),
        "repeated": len(events) - len(fresh),
        "commitments": [
            {"event_id": event_id, "sku_id": sku_id, "verdicts": verdict_lines(verdicts[sku_id], language)}
            for event_id, sku_id in commitments.items()
        ],
    }


def _refuse_what_is_not_theirs(session: Session, events: Sequence[Event], caller: Caller) -> None:
    told = TOLD_BY.get(caller.role)
    if told is not None and any(event.kind not in told for event in events):
        raise Problem(
            "forbidden", en=f"a key of this role tells {', '.join(sorted(told))}", zh="此角色不能上报这类事件"
        )
    if caller.role == "anchor" and any(event.anchor_id != caller.subject for event in events):
        raise Problem("not_found")
    brands = _latest(session, "skus", "sku_id", "brand_id", {event.sku_id for event in events})
    anchors = _latest(session, "anchors", "anchor_id", "name", {event.anchor_id for event in events})
    is_brand = caller.role == "brand"
    unknown = [
        {
            "place": ["body", "events", str(k), column],
            "code": "unknown_id",
            "sentence": f"no such {column} is stored",
            "sentence_zh": f"没有这个 {column}",
        }
        for k, event in enumerate(events)
        for column, value, known in (
            ("sku_id", event.sku_id, brands),
            ("anchor_id", event.anchor_id, anchors),
        )
        if value not in known or (is_brand and column == "sku_id" and known[value] != caller.subject)
    ]
    if unknown:
        raise Problem("not_found", errors=unknown)


def _refuse_contradictions(
    waiting: Mapping[str, Event], session: Session, events: Sequence[Event], now: datetime
) -> list[Event]:
    """The events that are new; a known id with another content is a conflict, an instant to come an error."""
    late = [
        {
            "place": ["body", "events", str(k), "at"],
            "code": "in_the_future",
            "sentence": "it lies in the future",
            "sentence_zh": "该时间尚未到来",
        }
        for k, event in enumerate(events)
        if event.at > now + AHEAD
    ]
    if late:
        raise Problem("invalid", errors=late)
    ids = [event.event_id for event in events]
    known = stored_events(session, ids) | dict(waiting)
    fresh: list[Event] = []
    clashes = []
    for k, event in enumerate(events):
        before = known.get(event.event_id)
        if before is None:
            fresh.append(event)
            known[event.event_id] = event
        elif before != event:
            clashes.append(
                {
                    "place": ["body", "events", str(k), "event_id"],
                    "code": "conflict",
                    "sentence": "this event_id is known with another content",
                    "sentence_zh": "这个 event_id 已有内容不同的记录",
                }
            )
    if clashes:
        raise Problem("conflict", errors=clashes)
    return fresh


def _check_commitments(
    serving: Serving, session: Session, commitments: Mapping[str, str], order: Sequence[str], now: datetime
) -> dict[str, Both]:
    """Both verdicts of each SKU that is picked or invited for, on live rows; refused where the policy bars it."""
    if not commitments:
        return {}
    calendar, policy = load_calendar(session), serving.policy
    found = {
        dossier.sku_id: check(dossier, calendar, now, policy)
        for dossier in load_dossiers(session, sorted(set(commitments.values())))
    }
    book = VerdictBook({}, calendar, policy)
    barred = [
        {
            "place": ["body", "events", str(order.index(event_id))],
            "code": rule.upper(),
            "sentence": f"{found[sku_id].of(rule).status}: {found[sku_id].of(rule).reason}",
        }
        for event_id, sku_id in commitments.items()
        for rule in RULES
        if found[sku_id].of(rule).status in BARRED[book.mode(rule)]
    ]
    if barred:
        raise Problem("refused", errors=barred)
    return found


def _latest(session: Session, table: str, key: str, column: str, ids: set[str]) -> dict[str, str]:
    """The column of the latest version of each of these ids that the store knows."""
    rows = read_rows_of(
        session,
        f"SELECT {key}, {column} FROM {table} WHERE {key} IN (:ids) ORDER BY known_at",  # noqa: S608 - our own names
        sorted(ids),
    )
    return {str(id_): str(value) for id_, value in rows}
