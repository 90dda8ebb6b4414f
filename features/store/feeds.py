"""How fresh is what we know? Of each import table the newest row and its age, against the limit that an operator set.

A row's instant is the one from which it was known; what is only known in the future does not make a feed fresh. Where
rows carry no instant (programmes, events), or none that was told (a first file of brands), the age is unknown; and
unknown is not fresh: a table with a limit and without an age is over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, select

from features.errors import UnknownId, WrongInput
from features.store.access import FeedLimit
from features.store.columns import KnownAlways
from features.store.db import read_rows
from features.store.tables import TABLES
from features.units import from_microseconds, microseconds

MOST_HOURS: Final = 24 * 366
"""The longest limit that may be set: a year."""
DATED: Final = tuple(name for name, table in TABLES.items() if not isinstance(table.known_by, KnownAlways))
"""Tables whose rows say when they were known, so that a limit makes sense."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One import table, as it stands at an instant."""

    table: str
    n_rows: int
    newest_at: datetime | None
    """Since when its newest row was known; nothing where no row says."""
    age: timedelta | None
    max_age_hours: int | None
    """The operator's limit; nothing: none is set."""

    @property
    def is_dated(self) -> bool:
        """Whether rows of this table say when they were known."""
        return self.table in DATED

    @property
    def is_stale(self) -> bool:
        """Over its limit, or with a limit and an age that nobody knows."""
        return self.max_age_hours is not None and _is_over(self.age, self.max_age_hours)


def read_feeds(session: Session, *, at: datetime) -> list[Feed]:
    """Every import table, in the order of import; counts every row, which takes a while where there are millions."""
    limits = read_limits(session)
    feeds = []
    for name in TABLES:
        rows = read_rows(session, f"SELECT COUNT(*), {_NEWEST} FROM {name}", {"at": microseconds(at)})  # noqa: S608 - our names
        n_rows, newest_us = rows[0]
        newest = from_microseconds(newest_us) if newest_us is not None and name in DATED else None
        feeds.append(
            Feed(name, int(n_rows), newest, None if newest is None else at - newest, limits.get(name))
        )
    return feeds


def stale_feeds(session: Session, *, at: datetime) -> tuple[str, ...]:
    """The tables over their limits; asks only those that have one."""
    stale = []
    for name, hours in read_limits(session).items():
        rows = read_rows(session, f"SELECT {_NEWEST} FROM {name}", {"at": microseconds(at)})  # noqa: S608 - our names
        newest_us = rows[0][0]
        age = None if newest_us is None else at - from_microseconds(newest_us)
        if _is_over(age, hours):
            stale.append(name)
    return tuple(stale)


def read_limits(session: Session) -> Mapping[str, int]:
    """The limits that are set, in hours, in the order of import."""
    limits = {row.table_name: row.max_age_hours for row in session.exec(select(FeedLimit))}
    return {name: limits[name] for name in DATED if name in limits}


def set_limit(session: Session, table: str, max_age_hours: int | None, *, at: datetime) -> None:
    """Set the limit of a table, or, with nothing, take it away."""
    if table not in TABLES:
        raise UnknownId(f"there is no import table {table!r}")
    if table not in DATED:
        raise WrongInput(f"rows of {table} do not say when they were known, so that no age can be measured")
    if max_age_hours is not None and not 1 <= max_age_hours <= MOST_HOURS:
        raise WrongInput(f"a limit is a whole number of hours from 1 to {MOST_HOURS}")
    row = session.get(FeedLimit, table)
    if max_age_hours is None:
        if row is not None:
            session.delete(row)
    else:
        row = row or FeedLimit(table_name=table, max_age_hours=max_age_hours, set_at=at)
        row.max_age_hours, row.set_at = max_age_hours, at
        session.add(row)
    session.flush()


# 0 is "known from the start": no instant at all.
_NEWEST: Final = "MAX(CASE WHEN known_at > 0 AND known_at < :at THEN known_at END)"


def _is_over(age: timedelta | None, max_age_hours: int) -> bool:
    return age is None or age > timedelta(hours=max_age_hours)
