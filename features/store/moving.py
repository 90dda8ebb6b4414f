"""How do the journal's lines get into the store? A segment at a time, in batches; what is no row is set aside and stops no other."""

import logging
from operator import attrgetter
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, IntegrityError

from features.store.db import writing
from features.store.propensities import keep_draws
from features.store.written import COLUMNS, Event, Segment, line_of
from features.units import microseconds

_LOG: Final = logging.getLogger("features")
_ROWS_A_BATCH: Final = 5_000  # a transaction: others want the pen as well
_INSERT: Final = text(
    f"INSERT INTO feedback ({', '.join(COLUMNS)}, known_at)"  # noqa: S608 - names of our own
    f" VALUES (:{', :'.join(COLUMNS)}, :known_at) ON CONFLICT DO NOTHING"
)
_NOT_A_ROW: Final = (DataError, IntegrityError, OverflowError, ValueError)
_VALUES: Final = attrgetter(*COLUMNS)


def move_segment(segment: Segment, store: Engine) -> int:
    """Its rows into the store, then the file away; the number of rows that are new."""
    events, damaged = segment.read()
    n_new = 0
    for start in range(0, len(events), _ROWS_A_BATCH):
        n_new += _insert(events[start : start + _ROWS_A_BATCH], store, damaged)
    if damaged:
        _LOG.warning("journal: %d lines set aside: %s", len(damaged), segment.set_aside(damaged))
    segment.remove()
    return n_new


def _insert(events: list[Event], store: Engine, refused: list[bytes]) -> int:
    """The number of rows that are new; an event that is no row for the store is `refused`, and stops no other."""
    try:
        rows = [_row(event) for event in events]  # before the pen is taken: others wait for it
        with writing(store) as session:
            n_new = session.connection().execute(_INSERT, rows).rowcount
            keep_draws(session, events)
            return n_new
    except _NOT_A_ROW as error:
        if len(events) == 1:
            _LOG.warning("journal: the store does not take event %r: %s", events[0].event_id, error)
            refused.append(line_of(events[0], noted=False).rstrip(b"\n"))
            return 0
    middle = len(events) // 2
    return _insert(events[:middle], store, refused) + _insert(events[middle:], store, refused)


def _row(event: Event) -> dict[str, object]:
    at_us = microseconds(event.at)
    return dict(zip(COLUMNS, _VALUES(event), strict=True)) | {"at": at_us, "known_at": at_us}
