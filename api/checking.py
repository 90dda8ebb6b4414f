"""What do the two rules say of one SKU, and what is written down of it? For the command line and for HTTP."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine as Store
from sqlmodel import Session

from features.errors import UnknownId
from features.store.db import writing
from features.store.dossier import BigEvent, Calendar, Dossier
from features.store.records import ShownVerdict, keep_shown, shown_verdicts
from matcher.cps import check_cps
from matcher.engine import Engine
from matcher.parity import check_parity_final
from matcher.policy import Policy
from matcher.takers import expect_takers
from matcher.verdict import Status, Verdict
from matcher.verdict_book import Both, check

_TICK: Final = timedelta(microseconds=1)


def check_one(
    dossier: Dossier, calendar: Calendar, event: BigEvent | None, at: datetime, policy: Policy
) -> Both:
    """Both verdicts; that on prices the final one of an event, where one is named."""
    if event is None:
        return check(dossier, calendar, at, policy)
    parity = check_parity_final(dossier, calendar, event, at, policy)
    return Both(check_cps(dossier, calendar, at, policy), parity)


def find_event(calendar: Calendar, event_id: str) -> BigEvent:
    """An event by its id."""
    for event in calendar.events:
        if event.event_id == event_id:
            return event
    raise UnknownId(f"no event {event_id} is stored; `matcher ingest` brings events in")


def keep(store: Store, answers: Iterable[Both], policy: Policy) -> None:
    """Write down what was shown, in the order in which it was, but for rules that do not apply.

    Where a rule said several things of a SKU, each of them is compared with the one before, and has its own instant.
    """
    now = datetime.now(UTC)
    turns: list[list[ShownVerdict]] = []
    said: Counter[tuple[str, str]] = Counter()
    for verdict in (one for both in answers for one in both if one.status is not Status.NOT_APPLICABLE):
        turn = said[verdict.sku_id, verdict.rule]
        said[verdict.sku_id, verdict.rule] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(shown_row(verdict, now + turn * _TICK))
    if not turns:
        return
    with writing(store) as session:
        for rows in turns:
            keep_shown(session, rows, policy_version=policy.version, policy=policy.model_dump_json(), at=now)


def says_the_same(one: Both, other: Both) -> bool:
    """Whether a reader would see no difference; the instants that the two are about may differ."""
    return one is other or all(
        _told(verdict) == _told(before) for verdict, before in zip(one, other, strict=True)
    )


def _told(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.sku_id, verdict.rule, verdict.status, verdict.reason, verdict.margin, verdict.evidence,
        verdict.provisional, verdict.policy_version,
    )  # fmt: skip


def shown_of(session: Session, sku_id: str) -> list[ShownVerdict]:
    """What was ever shown of a SKU; UnknownId where nothing was."""
    found = shown_verdicts(session, sku_id)
    if not found:
        raise UnknownId(f"no verdict on SKU {sku_id} was ever shown; NOT_APPLICABLE is not kept")
    return found


def shown_row(verdict: Verdict, now: datetime) -> ShownVerdict:
    """A verdict as it is kept."""
    evidence = json.dumps([[row.id, row.table, row.observed_at.isoformat()] for row in verdict.evidence])
    said = (
        verdict.sku_id, verdict.rule, verdict.status, verdict.reason, verdict.margin, evidence, verdict.provisional,
        verdict.policy_version,
    )  # fmt: skip
    return ShownVerdict(
        digest=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        sku_id=verdict.sku_id,
        rule=verdict.rule,
        status=str(verdict.status),
        reason=str(verdict.reason),
        margin=verdict.margin,
        evidence=evidence,
        provisional=verdict.provisional,
        policy_version=verdict.policy_version,
        first_checked_at=verdict.checked_at,
        first_shown_at=now,
    )


def compare_takers(engine: Engine, dossier: Dossier) -> dict[str, Any] | None:
    """Who is expected to take the SKU up, under today's rates and the planned ones; nothing where no model serves."""
    if engine.model is None:
        return None
    sku = engine.row("shortlist", dossier.sku_id)
    answers = {"now": expect_takers(engine, sku), "planned": expect_takers(engine, sku, dossier)}
    return {name: asdict(takers) for name, takers in answers.items() if takers is not None}
