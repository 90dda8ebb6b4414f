"""What do the operator's pages keep in mind between two requests? Nothing that a restart may not lose."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request

from api.pages.operator_findings import VerdictBoard
from api.pages.operator_importing import Imports
from api.serving import Serving

SHOWN_WITHIN: Final = timedelta(minutes=5)
"""What is shown once waits so long for the page that shows it."""
_MOST_WAITING: Final = 100
_TIMES: Final = 20
"""What was reckoned is good for so many times as long as it took."""
_MAKING: Final = threading.Lock()
_T = TypeVar("_T")


class ShownOnce:
    """Texts that a form has made and the next page shows, a single time, to whoever sent the form."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, datetime, Any]] = {}
        self._lock = threading.Lock()

    def put(self, what: Any, *, for_key: str, now: datetime) -> str:
        """A word for the address of the next page, under which it is there."""
        word = secrets.token_urlsafe(16)
        with self._lock:
            held = {w: one for w, one in self._waiting.items() if now - one[1] < SHOWN_WITHIN}
            self._waiting = dict(list(held.items())[-_MOST_WAITING:]) | {word: (for_key, now, what)}
        return word

    def take(self, word: str | None, *, for_key: str, now: datetime) -> Any:
        """What waits under the word; nothing the second time, too late, or for somebody else."""
        with self._lock:
            found = self._waiting.get(word or "")
            if found is None or found[0] != for_key:
                return None
            del self._waiting[word or ""]
        return found[2] if now - found[1] < SHOWN_WITHIN else None


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer that took a while."""

    at: datetime
    seconds: float
    what: Any


class Desk:
    """One of each application: what was imported here, what is shown once, what was reckoned lately."""

    def __init__(self, serving: Serving) -> None:
        self.imports = Imports(serving)
        self.board = VerdictBoard()
        self.shown_once = ShownOnce()
        self.began_at = serving.clock()
        self._kept: dict[str, _Kept] = {}
        self._reckoning = threading.Lock()

    def lately(
        self, name: str, make: Callable[[], _T], *, now: datetime, within: timedelta
    ) -> tuple[_T, datetime]:
        """What `make` gives, or gave not longer ago than `within`, and when; what takes long is kept for longer.

        One reckons, the others wait for it.
        """
        with self._reckoning:
            kept = self._kept.get(name)
            if kept is None or not timedelta(0) <= now - kept.at < max(
                within, timedelta(seconds=_TIMES * kept.seconds)
            ):
                began = time.perf_counter()
                what = make()
                kept = self._kept[name] = _Kept(now, time.perf_counter() - began, what)
        return kept.what, kept.at


def desk_of(request: Request) -> Desk:
    """The application's own."""
    state = request.app.state
    with _MAKING:
        if not hasattr(state, "desk"):
            state.desk = Desk(state.serving)
    desk: Desk = state.desk
    return desk


DeskNow = Annotated[Desk, Depends(desk_of)]
