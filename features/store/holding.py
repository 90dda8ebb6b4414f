"""Who is telling these events at this moment? Ids that are being told are held: who tells one of them too comes after.

Whether an id is known is asked of the journal and of the store, and takes a while; between the question and the line
in the journal nobody else may write another content under it.
"""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from features.errors import StoreBusy


class Holding:
    """The ids that are held; safe for threads. All of a request's are taken at once, so that no two wait for each other."""

    def __init__(self) -> None:
        self._freed = threading.Condition()
        self._held: set[str] = set()

    @contextmanager
    def alone(self, event_ids: Collection[str], *, wait_seconds: float = 5) -> Iterator[None]:
        """Within it nobody else is; StoreBusy where one of the ids is not let go of in time."""
        wanted = frozenset(event_ids)
        with self._freed:
            if not self._freed.wait_for(lambda: self._held.isdisjoint(wanted), wait_seconds):
                raise StoreBusy("another request tells the same events at this moment; try again")
            self._held |= wanted
        try:
            yield
        finally:
            with self._freed:
                self._held -= wanted
                self._freed.notify_all()
