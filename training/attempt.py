"""Who is at work on which date, and how far has the work come? The lease while it is held, and the row of the attempt.

Two nights never run at once: the lease is renewed beside the work, and asked for again before anything that others can
see. Each step is written down as it begins, with what it took as it ends; so a killed one shows where it died.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Engine as Store
from sqlalchemy.exc import DatabaseError

from features.errors import FenxiaoError, LeaseHeld, NoRoom, is_full, needs_room, no_room
from features.store.db import writing
from features.store.nights import (
    NIGHTLY,
    RENEW_SECONDS,
    Held,
    begin_night,
    give_back,
    renew,
    shorten_lease,
    take_lease,
    write_night,
)
from matcher.candidates.union import Side
from matcher.everybody import Watch
from matcher.policy import Policy
from training.night_figures import write_figures
from training.recipe import Recipe

_LOG: Final = logging.getLogger("training")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Shift:
    """What a night works with. The clock stamps rows and the lease; it decides nothing about the model."""

    store: Store
    home: Path
    policy: Policy
    recipe: Recipe
    threads: int
    clock: Callable[[], datetime]
    holder: str
    say: Progress = lambda _step, _share: None
    watches: Mapping[Side, Watch] = field(default_factory=dict)
    lists: bool = True
    """Make everybody's lists too."""
    models_kept: int | None = None
    """So many models that passed stay in the registry; all of them where nothing is said."""


class Attempt(AbstractContextManager["Attempt"]):
    """The lease while it is held, renewed beside the work, and the row that tells how far the work has come."""

    def __init__(self, shift: Shift, as_of: date) -> None:
        self._shift = shift
        self._as_of = as_of
        self._held = Held(NIGHTLY, shift.holder)
        self._lost: str | None = None
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._steps: list[dict[str, Any]] = []
        self._began = perf_counter()
        self._counted: dict[str, int] = {}
        self._number = 0
        self._started_at = datetime.min.replace(tzinfo=UTC)
        self._outcome: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        """Take the lease, or raise; open a row."""
        now = self._shift.clock()
        with writing(self._shift.store) as session:
            shorten_lease(session, NIGHTLY, now=now)
        with writing(self._shift.store) as session:
            self._held = take_lease(session, NIGHTLY, holder=self._shift.holder, now=now)
            night = begin_night(session, self._as_of, holder=self._shift.holder, now=now)
            self._number, self._started_at = night.attempt, night.started_at
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Say how it ended, and give the lease back."""
        self._over.set()
        self._beating.join()
        self._finish_step()
        told = self._told(error)
        outcome = self._outcome or {
            "state": "failed",
            "report": json.dumps({"error": str(told) if told else ""}),
        }
        ended_at = max(self._shift.clock(), self._started_at)  # a clock may have gone back
        changes = outcome | {"ended_at": ended_at, "steps": json.dumps(self._steps)}
        try:
            with writing(self._shift.store) as session:
                write_night(session, self._as_of, self._number, changes)
                give_back(session, self._held)
        except (FenxiaoError, DatabaseError) as last:
            _LOG.warning("the end of the night could not be written down: %s", last)
            if error is None:
                raise
        _LOG.info("night_ended", extra={"as_of": str(self._as_of), "state": outcome["state"]})
        try:
            with needs_room(self._shift.home, "the figures of the night, which is over,"):
                write_figures(self._shift.home, str(outcome["state"]), self._steps, self._shift.clock())
        except NoRoom as last:
            if error is None:
                raise
            _LOG.warning("%s", last)
        if told is not error:
            assert told is not None
            raise told from error

    def step(self, name: str, share: float) -> None:
        """The next step begins; the one before is over."""
        self._finish_step()
        self._shift.say(name, share)
        self._steps.append({"step": name, "seconds": None})
        self._began = perf_counter()
        with writing(self._shift.store) as session:
            write_night(
                session, self._as_of, self._number, {"step": name[:32], "steps": json.dumps(self._steps)}
            )

    def part(self, begin: float, end: float) -> Progress:
        """For a room that tells its own steps and the share of its own work."""
        return lambda name, share: self.step(name, begin + (end - begin) * share)

    def count(self, **rows: int) -> None:
        """Rows that the step has dealt with."""
        self._counted |= rows

    def require_lease(self) -> None:
        """Before anything that others can see: LeaseHeld where the lease was lost."""
        if self._lost is not None:
            raise LeaseHeld(self._lost)
        with writing(self._shift.store) as session:
            renew(session, self._held, now=self._shift.clock())

    def ended(self, state: str, version: str, said: Mapping[str, Any]) -> None:
        """What it came to."""
        report = json.dumps(said, ensure_ascii=False, sort_keys=True)
        self._outcome = {"state": state, "version": version, "step": "end", "report": report}

    def _told(self, error: BaseException | None) -> BaseException | None:
        """A disk that is full is told with the step that found no room; everything else as it is."""
        if isinstance(error, OSError) and is_full(error):
            step = self._steps[-1]["step"] if self._steps else "begin"
            return no_room(error, self._shift.home, f"step {step!r} of the night")
        return error

    def _finish_step(self) -> None:
        if self._steps and self._steps[-1]["seconds"] is None:
            self._steps[-1] |= {"seconds": round(perf_counter() - self._began, 3), **self._counted}
            _LOG.info("night_step", extra={"as_of": str(self._as_of), **self._steps[-1]})
            self._counted = {}

    def _beat(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            try:
                with writing(self._shift.store) as session:
                    renew(session, self._held, now=self._shift.clock())
            except LeaseHeld as error:
                self._lost = str(error)
                return
            except (FenxiaoError, DatabaseError) as error:
                _LOG.warning("the lease could not be renewed yet: %s", error)


def holder_name(host: str) -> str:
    """Who this is, among all that could hold the lease."""
    return f"{host[:60]}:{os.getpid()}"
