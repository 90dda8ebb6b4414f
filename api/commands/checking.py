"""How are promises checked at the command line? Dossiers from the store, verdicts from the rules, records kept."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine as Store
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from api.checking import check_one, compare_takers, find_event, keep
from api.commands.console import note
from api.commands.progress import tracked
from api.stores import open_known_store
from features.errors import Fault, WrongInput
from features.settings import Settings
from features.store.db import read_rows, reading
from features.store.dossier import BigEvent, Calendar, Dossier
from features.store.dossiers import load_calendar, load_dossiers
from features.store.intake.json_lines import read_object
from features.store.intake.values import Odd
from features.store.planned import Planned, read_planned
from matcher.everybody import sink
from matcher.policy import Policy
from matcher.verdict import Verdict
from matcher.verdict_book import Both

_SKUS_A_WRITE = 2_000
_SCHEMA = {
    "sku_id": pl.String,
    "rule": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "margin": pl.Int64,
    "evidence": pl.String,
    "provisional": pl.Boolean,
}

Counts = Counter[tuple[str, str, str]]
"""(rule, status, reason) -> SKUs."""


def check_each(
    session: Session, calendar: Calendar, event: BigEvent | None, at: datetime, policy: Policy
) -> Iterator[tuple[Dossier, Both]]:
    """Of every SKU ever stored, by id, with a bar."""
    ids = [row[0] for row in read_rows(session, "SELECT DISTINCT sku_id FROM skus")]
    with _without_cycles():
        for dossier in tracked(load_dossiers(session, ids), "checks", total=len(ids)):
            yield dossier, check_one(dossier, calendar, event, at, policy)


def check_all(
    store: Store,
    out: Path | None,
    event_id: str | None,
    at: datetime,
    policy: Policy,
    rows: list[dict[str, Any]] | None = None,
) -> Counts:
    """A row a rule for every SKU ever stored, into a file, if one is named, when it is complete; counts by answer.

    Into `rows` too, where they are given.
    """
    counts: Counts = Counter()
    with reading(store) as session:
        calendar = load_calendar(session)
        event = None if event_id is None else find_event(calendar, event_id)
        answers = (both for _, both in check_each(session, calendar, event, at, policy))
        with nullcontext() if out is None else sink(out) as file:
            for batch in _batches(answers):
                verdicts = [verdict for both in batch for verdict in both]
                counts.update(answer_of(verdict) for verdict in verdicts)
                if file is not None:
                    file.write(_frame(verdicts))
                if rows is not None:
                    rows += _frame(verdicts).to_dicts()
            if file is not None and not counts:
                file.write(_frame([]))
    return counts


def answer_of(verdict: Verdict) -> tuple[str, str, str]:
    """As answers are counted."""
    return verdict.rule, str(verdict.status), str(verdict.reason)


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Verdicts and dossiers refer to nothing that refers back; looking for such rings took a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_plan_file(file: Path, sku_id: str, at: datetime, policy: Policy) -> Planned:
    """What a JSON document plans for a SKU."""
    try:
        document = read_object(file.read_bytes())
    except OSError as error:
        raise WrongInput(f"--plan {file} cannot be read: {error.strerror}") from error
    except Odd as odd:
        raise WrongInput(f"--plan {file}: {odd.sentence}") from odd
    return read_planned(
        document, sku_id=sku_id, at=at, home_platform=policy.home_platform, where=f"--plan {file}"
    )


def read_takers(settings: Settings, dossier: Dossier) -> dict[str, Any] | None:
    """As `compare_takers`, by the store's market of now."""
    from api.commands.opening import open_list_engine

    return compare_takers(open_list_engine(settings, None), dossier)


def keep_or_say(settings: Settings, answers: Iterable[Both], policy: Policy) -> None:
    """As `keep`, after the answer was given: it is no less good where that cannot be done, and that is said."""
    try:
        store = open_known_store(settings, wait_seconds=2)
        try:
            keep(store, answers, policy)
        finally:
            store.dispose()
    except (Fault, DatabaseError) as error:
        note(f"what was shown was not written down: {error}")


def _batches(answers: Iterable[Both]) -> Iterator[list[Both]]:
    held: list[Both] = []
    for both in answers:
        held.append(both)
        if len(held) == _SKUS_A_WRITE:
            yield held
            held = []
    if held:
        yield held


def _frame(verdicts: list[Verdict]) -> pl.DataFrame:
    rows = [
        (v.sku_id, v.rule, str(v.status), str(v.reason), v.margin, v.evidence_ids, v.provisional)
        for v in verdicts
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
