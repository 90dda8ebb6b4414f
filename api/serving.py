"""What answers right now? One engine held in memory and swapped by one reference; what is slow happens beside it.

A thread looks every few seconds whether another model serves, and takes a fresh snapshot every ten minutes; it also
moves the journal into the store. A load that fails leaves the old engine where it is, and is told by /readyz.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine as Store
from sqlalchemy.exc import DatabaseError

from api.checking import keep
from api.loading import Served, load_champion, load_served
from api.metrics import Metrics
from api.security import Attempts, KeyRing, RateLimits, read_secret
from api.sessions import PageSessions
from api.stores import is_simulated, open_store
from features.errors import FenxiaoError
from features.settings import Settings
from features.store.db import read_rows, reading
from features.store.feeds import stale_feeds
from features.store.journal import Journal
from matcher.policy import Policy, read_policy
from matcher.registry import read_history
from matcher.request import Hidden
from matcher.verdict_book import Both

SNAPSHOT_AGE: Final = timedelta(minutes=10)
"""A snapshot is taken anew when it is so old; with the time that takes, none is more than 15 minutes behind."""
_LOOK_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 10.0
_BETWEEN_FEEDS: Final = timedelta(minutes=1)
_SHARE_OF_FEEDS: Final = 20
"""Looking at the feeds takes at most a 20th of the time, however many rows they have."""
_LOG: Final = structlog.get_logger("matcher.serving")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A load that failed."""

    at: datetime
    sentence: str


class Serving:
    """All that requests share. `start` loads in the background; until then nothing is served."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.clock = clock
        self.policy: Policy = read_policy(settings.policy)
        self.store: Store = open_store(settings)
        self.secret = read_secret(settings.home)
        self.sessions = PageSessions(self.secret)
        self.is_simulated = is_simulated(settings)
        self.stale_feeds: tuple[str, ...] = ()
        self.keys = KeyRing(self.store, clock)
        self.attempts = Attempts()
        self.limits = RateLimits(settings.requests_a_minute)
        self.journal = Journal(settings.home / "journal")
        self.metrics = Metrics()
        self.trouble: Trouble | None = None
        self.hidden: Mapping[str, Hidden] = {}
        self.hiding = (
            threading.Lock()
        )  # held while `hidden` is read from the store, or written there and here
        self._served: Served | None = None
        self._champion: str | None = None
        self._said: list[Both] = []
        self._asked_at: datetime | None = None
        self._feeds_due_at: datetime | None = None
        self._loading = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def current(self) -> Served | None:
        """What answers; nothing before the first load."""
        return self._served

    @property
    def champion(self) -> str | None:
        """The version that was the champion when the engine was made."""
        return self._champion

    def start(self) -> None:
        """Begin to load and to look after what is loaded."""
        for work in (self._keep_fresh, self._keep_moving):
            thread = threading.Thread(target=work, name=work.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Write what waits, and let go of everything."""
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=60)
        self._move(at_once=True)
        self.journal.close()
        self.store.dispose()

    def refresh(self) -> None:
        """A fresh snapshot under the champion of now."""
        with self._loading:
            champion = self._serving_version()
            served = load_served(self.store, self.settings, self.policy, at=self.clock())
            with self.hiding:
                self.hidden = self._read_hidden()
            self.swap(served, champion)

    def refresh_soon(self) -> None:
        """What was known until now has to be in the snapshot: a fresh one is taken beside the requests."""
        self._asked_at = self.clock()

    @property
    def is_behind(self) -> bool:
        """Whether a fresh snapshot was asked for and is not there yet."""
        asked, served = self._asked_at, self._served
        return asked is not None and (served is None or served.snapshot_at < asked)

    def look_at_feeds(self) -> None:
        """Which feeds are over their limit of age, as of now; as it was where the store does not answer."""
        began = self.clock()
        try:
            with reading(self.store) as session:
                self.stale_feeds = stale_feeds(session, at=began)
        except (FenxiaoError, DatabaseError) as error:
            _LOG.warning("feeds_not_read", error=str(error))
        now = self.clock()
        self._feeds_due_at = now + max(_BETWEEN_FEEDS, _SHARE_OF_FEEDS * (now - began))

    def swap(self, served: Served, champion: str | None) -> None:
        """From now on this answers; whoever is at work finishes with what it began with."""
        self._served, self._champion = served, champion
        self.trouble = None
        self.metrics.swaps.inc()
        _LOG.info("engine_swapped", model=served.engine.version, snapshot_at=served.snapshot_at.isoformat())

    def hide(self, anchor_id: str, hidden: Hidden) -> None:
        """What an anchor has just hidden counts at once, before the next snapshot; who writes it holds `hiding`."""
        self.hidden = {**self.hidden, anchor_id: hidden}

    def remember(self, answers: Iterable[Both]) -> None:
        """Verdicts that were shown, to be written down off the path of the request."""
        self._said.extend(answers)

    def _keep_fresh(self) -> None:
        failures = 0
        while True:
            try:
                self._look()
                failures = 0
            except (FenxiaoError, DatabaseError, OSError) as error:
                failures += 1
                self.trouble = Trouble(self.clock(), str(error))
                self.metrics.failed_loads.inc()
                _LOG.warning("load_failed", error=str(error))
            if self._closing.wait(_LOOK_SECONDS * min(2**failures, 30)):
                return

    def _look(self) -> None:
        served = self._served
        if served is None or self.is_behind or self.clock() - served.snapshot_at >= SNAPSHOT_AGE:
            self.refresh()
        elif self._serving_version() != self._champion:
            with self._loading:
                champion, model = self._serving_version(), load_champion(self.settings.home)
                self.swap(replace(served, engine=replace(served.engine, model=model)), champion)

    def _serving_version(self) -> str | None:
        history = read_history(self.settings.home)
        return history[-1].version if history else None

    def _keep_moving(self) -> None:
        self._look_at_feeds_if_due()
        while not self._closing.wait(_DRAIN_SECONDS):
            self._move()
            self._look_at_feeds_if_due()

    def _look_at_feeds_if_due(self) -> None:
        if self._feeds_due_at is None or self.clock() >= self._feeds_due_at:
            self.look_at_feeds()

    def _move(self, *, at_once: bool = False) -> None:
        said, self._said = self._said, []
        try:
            self.journal.drain(self.store)
            self.keys.flush(self.store, at_once=at_once)
            keep(self.store, {both.cps_floor.sku_id: both for both in said}.values(), self.policy)
        except (FenxiaoError, DatabaseError) as error:
            self._said = [*said, *self._said][-_MOST_SAID:]
            _LOG.warning("not_moved", error=str(error))

    def _read_hidden(self) -> Mapping[str, Hidden]:
        with reading(self.store) as session:
            rows = read_rows(session, "SELECT anchor_id, kind, value FROM hidden_goods")
        found: dict[str, tuple[set[str], set[str]]] = {}
        for anchor_id, kind, value in rows:
            found.setdefault(anchor_id, (set(), set()))[kind == "category"].add(value)
        return {anchor: Hidden(frozenset(skus), frozenset(paths)) for anchor, (skus, paths) in found.items()}


_MOST_SAID: Final = 50_000
