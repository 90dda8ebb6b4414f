"""May these events be taken, and what do they commit to? Who tells them, of whom, and the two rules on live rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlmodel import Session

from api.access import Caller
from api.answers import verdict_lines
from api.problems import Language, Problem
from api.schemas.feedback import EventAsked
from api.serving import Serving
from features.errors import Fault
from features.store.db import read_rows_of, reading
from features.store.dossiers import load_calendar, load_dossiers
from features.store.journal import Event, stored_events
from matcher.verdict import RULES, SENTENCES
from matcher.verdict_book import BARRED, Both, VerdictBook, check

TOLD_BY: Final[Mapping[str, frozenset[str]]] = {
    "anchor": frozenset({"shown", "clicked", "saved", "picked", "accepted", "declined", "listed"}),
    "brand": frozenset({"shown", "clicked", "saved", "invited", "accepted", "declined", "sample_sent"}),
}
"""What each side may tell; operators and jobs may tell everything."""
COMMITTING: Final = frozenset({"picked", "invited"})
AHEAD: Final = timedelta(minutes=5)
"""A clock may be so much ahead of ours."""
_LOG: Final = structlog.get_logger("matcher.http")


def take_events(
    serving: Serving,
    asked: Sequence[EventAsked],
    caller: Caller,
    language: Language,
    now: datetime,
) -> dict[str, Any]:
    """All of them on disk, or none: the numbers of new and of known ones, and the verdicts on what they commit to.

    Who tells one of these events at the same moment comes before or after, never between the check and the disk.
    """
    events = [Event(source=caller.name, **dict(one)) for one in asked]
    ids = [event.event_id for event in events]
    commitments = {one.event_id: one.sku_id for one in events if one.kind in COMMITTING}
    with serving.journal.telling.alone(ids):
        # before the session's first read: what the journal has handed on by then is in the store that the session sees
        waiting = serving.journal.waiting(ids)
        with reading(serving.store) as session:
            _refuse_what_is_not_theirs(session, events, caller)
            fresh = _refuse_contradictions(waiting, session, events, now)
            verdicts = _check_commitments(serving, session, commitments, fresh, ids, now)
        _write_down(serving, fresh)
    serving.remember(verdicts.values())
    return {
        "accepted": len(fresh),
        "repeated": len(events) - len(fresh),
        "commitments": [
            {"event_id": event_id, "sku_id": sku_id, "verdicts": verdict_lines(verdicts[sku_id], language)}
            for event_id, sku_id in commitments.items()
        ],
    }


def take_once(serving: Serving, event: EventAsked, caller: Caller, language: Language, now: datetime) -> None:
    """What a page tells under an id that it makes: the same told a moment before, by another click, is this one.

    Problem `conflict` where something else stands under the id: then nothing was written.
    """
    try:
        take_events(serving, [event], caller, language, now)
    except Problem as problem:
        if problem.code != "conflict":
            raise
        waiting = serving.journal.waiting([event.event_id])
        with reading(serving.store) as session:
            known = stored_events(session, [event.event_id]) | waiting
        before = known.get(event.event_id)
        told = (event.anchor_id, event.sku_id, event.kind, caller.name)
        if before is None or (before.anchor_id, before.sku_id, before.kind, before.source) != told:
            raise Problem(
                "conflict",
                en="it was not written down: something else is stored in its place; tell the operator",
                zh="未能记录：相同编号下已有其他内容，请联系运营",
            ) from problem


def _write_down(serving: Serving, fresh: Sequence[Event]) -> None:
    """On disk, or a problem that says that nothing was taken."""
    try:
        serving.journal.append(fresh)
    except Fault as error:
        _LOG.error("journal_refused", error=str(error))
        raise Problem(
            "busy",
            en="nothing of it could be written down, and nothing was taken; send it again",
            zh="暂时无法记录，未接受任何内容，请稍后重试",
            headers={"Retry-After": "5"},
        ) from error


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
    serving: Serving,
    session: Session,
    commitments: Mapping[str, str],
    fresh: Sequence[Event],
    order: Sequence[str],
    now: datetime,
) -> dict[str, Both]:
    """Both verdicts of each SKU that is picked or invited for, on live rows; refused where the policy bars it.

    What is known already was taken then, whatever the policy would say of it today.
    """
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
            "sentence_zh": SENTENCES[found[sku_id].of(rule).reason][0],
        }
        for event_id, sku_id in ((one.event_id, one.sku_id) for one in fresh if one.kind in COMMITTING)
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
