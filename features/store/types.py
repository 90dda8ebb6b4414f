"""How does an instant lie in the database? As whole microseconds since the epoch, in UTC, in a BIGINT.

SQLite gives naive times back and PostgreSQL aware ones in the connection's zone; an integer is the same on both,
sorts the same, and bulk reads get it without parsing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes outside, microseconds inside; a naive datetime is refused, not guessed.

    Only whole comparison makes sense in SQL (`<`, `<=`, `BETWEEN`, `MAX`); differences are microseconds.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        del dialect
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"instant {value.isoformat()} has no offset; attach one before it is stored")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else _EPOCH + int(value) * _MICROSECOND
