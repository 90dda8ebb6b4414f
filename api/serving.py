"""What answers right now? One engine held in memory and swapped by one reference; what is slow happens beside it.

A thread looks every few seconds whether another model serves, and takes a fresh snapshot every ten minutes; it also
moves the journal into the store. A load that fails leaves the old engine where it is, and is told by /readyz.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import anyio
import structlog
from sqlalchemy import Engine as Store
from sqlalchemy.exc import DatabaseError

from api.checking import keep, says_the_same
from api.loading import Served, load_champion, load_served
from api.metrics import Metrics
from api.security import Attempts, KeyRing, RateLimits
from api.sessions import PageSessions
from api.signing import read_secret
from api.stores import is_simulated, open_store
from features.errors import FenxiaoError, NoModel, RegistryDamaged, StoreBusy, UnknownId, WrongInput
from features.settings import Settings
from features.store.db import open_engine, read_rows, reading
from features.store.feeds import stale_feeds
from features.store.journal import Journal
from matcher.model import Model
from matcher.policy import Policy, read_policy
from matcher.registry import read_history
from matcher.request import Hidden
from matcher.verdict_book import Both

SNAPSHOT_AGE: Final = timedelta(minutes=10)
"""A snapshot is taken anew when it is so old; with the time that takes, none is more than 15 minutes behind."""
WAIT_SECONDS: Final = 2.0
"""So long a request waits for the store's pen, and in the line before it; then it is told when to come back."""
MOST_WRITERS: Final = 4
"""So many requests wait for the pen in a thread; there are twice as many threads."""
_LOOK_SECONDS: Final = 0.25
"""Between two looks at who serves: a small file is read."""
_AFTER_FAILURE_SECONDS: Final = 2.0
_MODELS_HELD: Final = 3
"""One of these comes back, or stays, without another trial: a rollback serves at once, a fresh snapshot costs no process."""
_DRAIN_SECONDS: Final = 2.0
"""Between two moves of the journal: often and little, for lists wait while rows are made."""
_MOVES_A_KEEPING: Final = 5
"""Verdicts are kept with every fifth: what is shown again in between is the same, and all of it is compared."""
_BETWEEN_FEEDS: Final = timedelta(minutes=1)
_SHARE_OF_FEEDS: Final = 20
"""Looking at the feeds takes at most a 20th of the time, however many rows they have."""
_MOST_SAID: Final = 50_000
_LOG: Final = structlog.get_logger("matcher.serving")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed beside the requests, a load mostly, and has not succeeded since."""

    at: datetime
    sentence: str
    """For operators: it may name files and quote the database."""
    told: str
    """For everybody."""


class Serving:
    """All that requests share. `start` loads in the background; until then nothing is served."""

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.clock = clock
        self.policy: Policy = read_policy(settings.policy)
        self.patient_store: Store = open_store(settings)
        """For work that no request waits for: it waits half a minute for another writer, and is done again later."""
        self.store: Store = open_engine(settings.database_url, wait_seconds=WAIT_SECONDS)
        self.secret = read_secret(settings.home)
        self.sessions = PageSessions(self.secret)
        self.is_simulated = is_simulated(settings)
        self.stale_feeds: tuple[str, ...] = ()
        self.keys = KeyRing(self.store, clock)
        self.attempts = Attempts()
        self.limits = RateLimits(settings.requests_a_minute)
        self.journal = Journal(settings.home / "journal")
        self.metrics = Metrics()
        self.turns = anyio.Semaphore(MOST_WRITERS)
        self.hidden: Mapping[str, Hidden] = {}
        self.hiding = threading.Lock()
        """Held while `hidden` is read from the store, or written here and committed there; nobody holds it and waits."""
        self._served: Served | None = None
        self._champion: str | None = None
        self._models: dict[str, Model] = {}
        self._troubles: dict[str, Trouble] = {}
        self._saying = threading.Lock()  # the two below
        self._said: deque[Both] = deque(maxlen=_MOST_SAID)
        self._last_said: dict[str, Both] = {}
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

    @property
    def trouble(self) -> Trouble | None:
        """What has failed and has not succeeded since; of several, what fails the loads first."""
        found = self._troubles.copy()
        return found.get("load") or next(iter(found.values()), None)

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
        self.patient_store.dispose()

    def refresh(self) -> None:
        """A fresh snapshot under the champion of now."""
        with self._loading:
            champion = self._serving_version()
            served = load_served(self.store, self.settings, self.policy, at=self.clock(), known=self._models)
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
        served.make_ready()
        self._served, self._champion = served, champion
        if (model := served.engine.model) is not None:
            held = {version: one for version, one in self._models.items() if version != model.version}
            self._models = dict([*held.items(), (model.version, model)][-_MODELS_HELD:])
        self._troubles.pop("load", None)
        self.metrics.swaps.inc()
        _LOG.info("engine_swapped", model=served.engine.version, snapshot_at=served.snapshot_at.isoformat())

    def hide(self, anchor_id: str, hidden: Hidden) -> None:
        """What an anchor has just hidden counts at once, before the next snapshot; who writes it holds `hiding`."""
        self.hidden = {**self.hidden, anchor_id: hidden}

    def remember(self, answers: Iterable[Both]) -> None:
        """Verdicts that were shown, to be written down off the path of the request; each that says something new."""
        with self._saying:
            for both in answers:
                before = self._last_said.get(both.cps_floor.sku_id)
                if before is None or not says_the_same(before, both):
                    self._last_said[both.cps_floor.sku_id] = both
                    self._said.append(both)

    def _keep_fresh(self) -> None:
        failures = 0
        while True:
            failed = self._survive("load", self._look)
            failures = 0 if failed is None else failures + 1
            if failed is not None:
                self.metrics.failed_loads.inc()
            pause = _AFTER_FAILURE_SECONDS * min(2**failures, 30) if failures else _LOOK_SECONDS
            if self._closing.wait(pause):
                return

    def _look(self) -> None:
        served = self._served
        if served is None or self.is_behind or self.clock() - served.snapshot_at >= SNAPSHOT_AGE:
            self.refresh()
        elif self._serving_version() != self._champion:
            with self._loading:
                champion, model = self._serving_version(), load_champion(self.settings.home, self._models)
                self.swap(replace(served, engine=replace(served.engine, model=model)), champion)

    def _serving_version(self) -> str | None:
        history = read_history(self.settings.home)
        return history[-1].version if history else None

    def _keep_moving(self) -> None:
        self._survive("feeds", self._look_at_feeds_if_due)
        for turn in count(1):
            if self._closing.wait(_DRAIN_SECONDS):
                return
            self._move(verdicts=turn % _MOVES_A_KEEPING == 0)
            self._survive("feeds", self._look_at_feeds_if_due)

    def _survive(self, what: str, work: Callable[[], object]) -> Exception | None:
        """Do it; what goes wrong, whatever it is, is logged and told, ends no thread, and is handed back."""
        try:
            work()
        except StoreBusy as error:  # no trouble yet: it is done the next time
            _LOG.warning(f"{what}_waits", error=str(error))
            return error
        except Exception as error:  # noqa: BLE001 - a thread that ended would go on unseen, and nothing would be fresh
            is_known = isinstance(error, (FenxiaoError, DatabaseError, OSError))
            said = str(error) or type(error).__name__
            _LOG.warning(f"{what}_failed", error=said, exc_info=None if is_known else error)
            self._troubles[what] = Trouble(self.clock(), said, _told(what, error))
            return error
        self._troubles.pop(what, None)
        return None

    def _look_at_feeds_if_due(self) -> None:
        if self._feeds_due_at is None or self.clock() >= self._feeds_due_at:
            self.look_at_feeds()

    def _move(self, *, at_once: bool = False, verdicts: bool = True) -> None:
        """Into the store what waits for it; where another writer is at work, all of it the next time."""
        store = self.patient_store
        for what, work in (
            ("journal", lambda: self.journal.drain(store)),
            ("keys", lambda: self.keys.flush(store, at_once=at_once)),
            *((("verdicts", self._keep_said),) if verdicts else ()),
        ):
            if isinstance(self._survive(what, work), StoreBusy):
                return

    def _keep_said(self) -> None:
        with self._saying:
            said = list(self._said)
            self._said.clear()
            self._last_said.clear()
        try:
            keep(self.patient_store, said, self.policy)
        except BaseException:
            with self._saying:
                self._said = deque([*said, *self._said], _MOST_SAID)
            raise

    def _read_hidden(self) -> Mapping[str, Hidden]:
        with reading(self.store) as session:
            rows = read_rows(session, "SELECT anchor_id, kind, value FROM hidden_goods")
        found: dict[str, tuple[set[str], set[str]]] = {}
        for anchor_id, kind, value in rows:
            found.setdefault(anchor_id, (set(), set()))[kind == "category"].add(value)
        return {anchor: Hidden(frozenset(skus), frozenset(paths)) for anchor, (skus, paths) in found.items()}


def _told(what: str, error: Exception) -> str:
    """Of a failure, what a stranger may know."""
    if what != "load":
        return "work beside the requests has failed, and is tried again"
    if isinstance(error, WrongInput):
        return "the store holds nothing that could be served; `matcher ingest` fills it"
    if isinstance(error, (RegistryDamaged, UnknownId, NoModel)):
        return "the model that should serve cannot be loaded; what was loaded before goes on answering"
    return "what is stored could not be loaded anew; what was loaded before goes on answering"
