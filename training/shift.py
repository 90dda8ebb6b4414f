"""How does a night go from beginning to end, and what if it is killed? Lease, work, publish, lists; each step written down.

Whatever happens, what served goes on serving: a model is published aside and pointed at last, and so are the lists.
Killed anywhere, the next run of the same date ends with the same bytes: what it makes depends on facts, recipe and
policy alone.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Engine as Store
from sqlalchemy.exc import DatabaseError

from features.errors import FenxiaoError, LeaseHeld, StoreBusy
from features.facts import Facts, load_facts
from features.snapshot import take_snapshot
from features.store.db import reading, writing
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
from features.units import midnight
from matcher.candidates.union import Side
from matcher.engine import build_engine
from matcher.everybody import Watch
from matcher.kept_lists import KeptLists, make_lists, publish_lists
from matcher.model import Model
from matcher.policy import Policy
from matcher.registry import Manifest, champion, promote, publish, read_model
from matcher.world import build_world
from training.card import make_card
from training.figures import plain
from training.night_figures import write_figures
from training.nightly import SIDES, Night, run_night
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


@dataclass(frozen=True, slots=True)
class Worked:
    """What a night came to."""

    night: Night
    manifest: Manifest
    serving: str
    lists: KeptLists | None
    said: Mapping[str, Any]


def work_night(shift: Shift, as_of: date) -> Worked:
    """Facts to lists; LeaseHeld where another night is at work. The row of the attempt says how it ended."""
    with Attempt(shift, as_of) as attempt:
        attempt.step("facts", 0.0)
        with reading(shift.store) as session:
            facts = load_facts(session, as_of=midnight(as_of))
        attempt.count(
            listings=len(facts.listings.at_us), skus=len(facts.sku_ids), anchors=len(facts.anchor_ids)
        )
        night = run_night(
            facts,
            policy=shift.policy,
            recipe=shift.recipe,
            threads=shift.threads,
            say=attempt.part(0.02, 0.8),
        )
        attempt.step("publish", 0.82)
        attempt.require_lease()
        manifest = publish(shift.home, night.provenance, night.files)
        attempt.step("promote", 0.83)
        attempt.require_lease()
        _promote(night, manifest, shift.home, shift.clock())
        lists = _lists(shift, attempt, facts, night, manifest, as_of) if shift.lists else None
        said = _said(night, manifest, shift.home, lists)
        attempt.ended("published" if night.decision.passed else "refused", manifest.version, said)
    return Worked(night, manifest, str(said["serving"]), lists, said)


def record(night: Night, home: Path, *, now: datetime) -> dict[str, Any]:
    """Publish what a night made, and point at it if it passed; without lease, row and lists: for markets of one's own."""
    manifest = publish(home, night.provenance, night.files)
    _promote(night, manifest, home, now)
    return _said(night, manifest, home, None)


def _promote(night: Night, manifest: Manifest, home: Path, now: datetime) -> None:
    """Point at it if it passed and nothing newer serves."""
    serving = champion(home)
    if night.decision.passed and (serving is None or serving.as_of <= manifest.as_of):
        promote(home, manifest.version, at=now)


def _lists(
    shift: Shift, attempt: "Attempt", facts: Facts, night: Night, tonight: Manifest, as_of: date
) -> KeptLists:
    """Everybody's lists, by the champion as of now, or by the best source; and the night's card."""
    attempt.step("world", 0.84)
    manifest = champion(shift.home)
    model = None
    if manifest is not None:
        model = Model.from_files(manifest.version, read_model(shift.home, manifest.version))
    world = build_world(take_snapshot(facts), shift.policy, threads=shift.threads)
    engine = build_engine(world, model, night.best_source)
    attempt.step("lists", 0.86)
    watches: dict[Side, Watch] = {side: shift.watches.get(side, lambda lists, _n: lists) for side in SIDES}
    aside = make_lists(shift.home, engine, as_of, threads=shift.threads, watches=watches)
    attempt.step("publish lists", 0.98)
    attempt.require_lease()
    kept = publish_lists(shift.home, aside)
    attempt.count(**{f"{side}_rows": n for side, n in kept.rows.items()})
    attempt.step("card", 0.99)
    _write_whole(shift.home / "cards" / f"{tonight.version}.html", make_card(shift.home, tonight, engine))
    return kept


def _write_whole(file: Path, text: str) -> None:
    """A file that is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.part")
    with aside.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    aside.replace(file)


def _said(night: Night, manifest: Manifest, home: Path, lists: KeptLists | None) -> dict[str, Any]:
    serving = champion(home)
    return {
        "version": manifest.version,
        "passed": night.decision.passed,
        "reasons": list(night.decision.reasons),
        "serving": serving.version if serving is not None else f"source:{night.best_source['goods']}",
        "best_source": dict(night.best_source),
        "judged": manifest.metrics.get("judged"),
        "outcome": plain(night.report.get("outcome")),
        "lists": None if lists is None else {"folder": lists.folder, "rows": dict(lists.rows)},
    }


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
        self._outcome: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        """Take the lease, or raise; open a row."""
        now = self._shift.clock()
        with writing(self._shift.store) as session:
            shorten_lease(session, NIGHTLY, now=now)
        with writing(self._shift.store) as session:
            self._held = take_lease(session, NIGHTLY, holder=self._shift.holder, now=now)
            self._number = begin_night(session, self._as_of, holder=self._shift.holder, now=now).attempt
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Say how it ended, and give the lease back."""
        self._over.set()
        self._beating.join()
        self._finish_step()
        outcome = self._outcome or {
            "state": "failed",
            "report": json.dumps({"error": str(error) if error else ""}),
        }
        changes = outcome | {"ended_at": self._shift.clock(), "steps": json.dumps(self._steps)}
        try:
            with writing(self._shift.store) as session:
                write_night(session, self._as_of, self._number, changes)
                give_back(session, self._held)
        except (FenxiaoError, DatabaseError) as last:
            _LOG.warning("the end of the night could not be written down: %s", last)
            if error is None:
                raise
        _LOG.info("night_ended", extra={"as_of": str(self._as_of), "state": outcome["state"]})
        write_figures(self._shift.home, str(outcome["state"]), self._steps, self._shift.clock())

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
            except (StoreBusy, DatabaseError) as error:
                _LOG.warning("the lease could not be renewed yet: %s", error)


def holder_name(host: str) -> str:
    """Who this is, among all that could hold the lease."""
    return f"{host[:60]}:{os.getpid()}"
