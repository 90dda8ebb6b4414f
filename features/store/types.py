"""How does an instant lie in the database? As whole microseconds since the epoch, in UTC, in a BIGINT.

SQLite gives naive times back and PostgreSQL aware ones in the connection's zone; an integer is the same on both,
sorts the same, and bulk reads get it without parsing.
"""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from features.units import from_microseconds, microseconds


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes outside, microseconds inside; a naive datetime is refused, not guessed.

    In SQL only comparisons make sense (`<`, `<=`, `MAX`); a difference is in microseconds.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Called by SQLAlchemy on the way in."""
        del dialect
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Called by SQLAlchemy on the way out."""
        del dialect
        return None if value is None else from_microseconds(value)


class Instants(dict[int, datetime]):
    """Microseconds -> the instant; each is made once, for rows repeat theirs."""

    def __missing__(self, at_us: int) -> datetime:
        """The first time that it is asked for."""
        made = self[at_us] = from_microseconds(at_us)
        return made

    def maybe(self, at_us: int | None) -> datetime | None:
        """The instant, where there is one."""
        return None if at_us is None else self[at_us]
