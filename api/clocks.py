"""What time is it? The machine's, but in a simulated market, where the last day that was simulated has just ended.

One clock for the site and for every command: it stands at nine on the morning after that day, or at the newest thing that
was written since, and goes on from there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from api.stores import is_simulated, open_known_store
from features.settings import Settings
from features.store.db import read_rows, reading
from features.units import from_microseconds, microseconds, midnight, shanghai_day

_OPENS: Final = timedelta(hours=9)
_WRITTEN: Final = ("feedback", "skus", "anchors", "plans", "offers", "cps_quotes")


def now_utc() -> datetime:
    """The machine's."""
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """The clock of this store's market."""
    start = _simulated_now(settings) if is_simulated(settings) else None
    if start is None:
        return now_utc
    began = now_utc()
    return lambda: start + (now_utc() - began)


def now_of(settings: Settings) -> datetime:
    """What that clock shows."""
    return clock_of(settings)()


def _simulated_now(settings: Settings) -> datetime | None:
    """Nothing where no day was simulated yet."""
    store = open_known_store(settings)
    try:
        with reading(store) as session:
            newest_us = read_rows(session, "SELECT MAX(known_at) FROM live_sessions")[0][0]
            if newest_us is None:
                return None
            morning = midnight(shanghai_day(from_microseconds(newest_us)) + timedelta(days=1))
            ends_us = microseconds(morning + timedelta(days=1))
            written = [
                read_rows(session, f"SELECT MAX(known_at) FROM {table} WHERE known_at < :ends", {"ends": ends_us})[0][0]  # noqa: S608 - names of ours
                for table in _WRITTEN
            ]  # fmt: skip
    finally:
        store.dispose()
    newest = max((from_microseconds(at_us) for at_us in written if at_us is not None), default=morning)
    return max(morning + _OPENS, newest + timedelta(seconds=1))
