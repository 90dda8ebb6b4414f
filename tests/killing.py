"""How is a piece of work killed just where a test wants it? At a named point, or at an instant, in a process of its own.

A process that has imported everything and computed nothing forks for each piece of work: the threads of polars do not
outlive a fork, so nothing is computed before it. In the fork every step that the work tells of, and every call that
makes something durable, gets a name; a run that nobody disturbs lists them, and the next ones die at them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

from numba.core.dispatcher import Dispatcher
from sqlalchemy.engine.default import DefaultDialect

import training.shift
from features.store.db import open_engine, writing
from features.store.ingest import ingest
from matcher.policy import Policy
from matcher.registry import Provenance, load_manifest, promote, publish, read_model
from trained import SMALL
from training import kept_work
from training.gate import Decision
from training.nightly import Night
from training.shift import Shift, work_night

LASTS: Final = 120
"""Seconds that no piece of work takes."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: killed or not, what it took, and the points it came by, where they were asked for."""

    killed: bool
    seconds: float
    points: tuple[str, ...]


class Trace:
    """Names each step and each durable call as it comes by, and kills the process at the one that was asked for.

    Only what happens in the main thread and inside `folder` has a name: the lease is renewed beside it at its own pace.
    """

    def __init__(self, folder: Path, die_at: str | None) -> None:
        self.folder = folder
        self.die_at = die_at
        self.step = "begin"
        self.points: list[str] = []
        self._met: Counter[str] = Counter()

    def say(self, step: str, _share: float) -> None:
        self.step = step
        self.reach("begins")

    def told(self, file: Path, share: float) -> None:
        if share == 1 and self.step != file.name:
            self.step = file.name
            self.reach("read")

    def reach(self, what: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        name = f"{self.step}: {what}"
        self._met[name] += 1
        name += f" ({self._met[name]})" if self._met[name] > 1 else ""
        self.points.append(name)
        if name == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def follow(self) -> None:
        """Stand before and behind everything that makes a change durable or visible."""
        for name in ("mkdir", "unlink", "rmdir"):
            self._around(os, name, lambda path, *_, name=name, **more: self._of(name, path, **more))
        for name in ("rename", "replace"):
            self._around(os, name, lambda _from, to, name=name, **more: self._of(name, to, **more))
        self._around(os, "fsync", lambda handle: self._of("fsync", _path_of(handle)))
        self._around(shutil, "rmtree", lambda path, *_, **__: self._of("rmtree", path))
        self._around(DefaultDialect, "do_commit", lambda *_: "COMMIT")

    def _of(self, call: str, path: Any, dir_fd: int | None = None, **_: Any) -> str | None:
        full = Path(path) if dir_fd is None else _path_of(dir_fd) / path
        is_ours = self.folder in full.parents and self.folder / "tmp" not in full.parents
        return f"{call} of {full.name}" if is_ours else None

    def _around(self, owner: Any, name: str, describe: Callable[..., str | None]) -> None:
        true = getattr(owner, name)

        def call(*words: Any, **named: Any) -> Any:
            what = describe(*words, **named)
            if what is None:
                return true(*words, **named)
            self.reach(f"before {what}")
            given = true(*words, **named)
            self.reach(f"after {what}")
            return given

        setattr(owner, name, call)


def _path_of(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


@dataclass(frozen=True)
class Kept:
    """What a night made, as its published folder has it."""

    home: Path
    version: str

    def night(self) -> Night:
        manifest = load_manifest(self.home, self.version)
        metrics: dict[str, Any] = dict(manifest.metrics)
        made = manifest.model_dump(exclude={"version", "files"})
        decision = Decision(manifest.gate.passed, manifest.gate.reasons, {})
        files = read_model(self.home, self.version)
        return Night(None, files, Provenance(**made), decision, metrics["best_source"], metrics["report"])


# What is killed: each works in <folder>/home and <folder>/store.db.


def _nightly(folder: Path, kept: Kept, order: dict[str, Any], trace: Trace) -> None:
    now = datetime.fromisoformat(order["now"])
    day = load_manifest(kept.home, kept.version).as_of
    store = open_engine(f"sqlite:///{folder / 'store.db'}")
    shift = Shift(
        store, folder / "home", Policy(), SMALL, 1, lambda: now, f"someone:{os.getpid()}", trace.say
    )
    work_night(shift, day)
    store.dispose()


def _ending(folder: Path, kept: Kept, order: dict[str, Any], trace: Trace) -> None:
    """A whole night, but that what it makes was made before; so is the page, once it is known to be the same."""
    training.shift.run_night = lambda *_, **__: kept.night()
    if page := order["page"]:
        training.shift.make_card = lambda *_: Path(page).read_text(encoding="utf-8")
    _nightly(folder, kept, order, trace)


def _publish(folder: Path, kept: Kept, _order: dict[str, Any], trace: Trace) -> None:
    night = kept.night()
    trace.say("publish", 0.0)
    publish(folder / "home", night.provenance, night.files)


def _promote(folder: Path, kept: Kept, order: dict[str, Any], trace: Trace) -> None:
    trace.say("promote", 0.0)
    promote(folder / "home", kept.version, at=datetime.fromisoformat(order["now"]))


def _ingest(folder: Path, _kept: Kept, order: dict[str, Any], trace: Trace) -> None:
    now, store = datetime.fromisoformat(order["now"]), open_engine(f"sqlite:///{folder / 'store.db'}")
    paths, rejects = [Path(order["tables"])], folder / "rejects"
    with writing(store) as session:
        ingest(session, paths, now=now, rejects=rejects, skip_bad=True, on_progress=trace.told)
    store.dispose()


WORKS: Final = {
    "nightly": _nightly,
    "ending": _ending,
    "publish": _publish,
    "promote": _promote,
    "ingest": _ingest,
}


def _do(order: dict[str, Any], kept: Kept) -> None:
    """The forked process: it ends here, by itself or at its point."""
    folder = Path(order["folder"])
    try:
        (folder / "tmp").mkdir(exist_ok=True)
        tempfile.tempdir = str(folder / "tmp")
        trace = Trace(folder, order["point"])
        trace.follow()
        WORKS[order["work"]](folder, kept, order, trace)
        (folder / "tmp" / "points.json").write_text(json.dumps(trace.points))
    except BaseException:  # noqa: BLE001  whatever it was, it is told to the test, and the fork goes no further
        (folder / "tmp" / "error.txt").write_text(traceback.format_exc())
        os._exit(99)
    os._exit(0)


def _serve(kept: Kept) -> None:
    """Fork for each order on stdin, kill at the instant it names, and say how it ended."""
    _load_loops()
    for line in sys.stdin:
        order = json.loads(line)
        began = perf_counter()
        pid = os.fork()
        if pid == 0:
            _do(order, kept)
        if order["after"] is not None:
            sleep(order["after"])
            os.kill(pid, signal.SIGKILL)  # where it has ended by then nobody is hit: it is not yet waited for
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps([code, perf_counter() - began]), flush=True)  # noqa: T201  the answer to the order


def _load_loops() -> None:
    """Take the compiled loops from where they are kept, and the digest of the code: no fork has to do it again."""
    kept_work._sources()
    rooms = [
        room for name, room in sys.modules.items() if name.startswith(("features", "matcher", "training"))
    ]
    loops = {id(loop): loop for room in rooms for loop in vars(room).values() if isinstance(loop, Dispatcher)}
    for loop in loops.values():
        for signature, *_ in loop._cache._cache_file._load_index():
            loop.compile(signature)


class Killer:
    """Has pieces of work done by a process of their own, and killed."""

    def __init__(self, running: "subprocess.Popen[str]", tables: Path, page: Path) -> None:
        self._running = running
        self._tables = tables
        self._page = page
        self.n_killed = 0

    def run(
        self, work: str, folder: Path, now: datetime, *, point: str | None = None, after: float | None = None
    ) -> Ended:
        """Do it in `folder`, killed at `point` or `after` seconds; AssertionError where it fails by itself."""
        page = str(self._page) if self._page.is_file() else None
        order = {"work": work, "folder": str(folder), "now": now.isoformat(), "point": point, "after": after}
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write(json.dumps(order | {"tables": str(self._tables), "page": page}) + "\n")
        self._running.stdin.flush()
        code, seconds = json.loads(self._running.stdout.readline())
        if code == -signal.SIGKILL:
            self.n_killed += 1
            return Ended(True, seconds, ())
        assert code == 0, (folder / "tmp" / "error.txt").read_text()
        return Ended(False, seconds, tuple(json.loads((folder / "tmp" / "points.json").read_text())))


@contextmanager
def killing(home: Path, version: str, tables: Path, page: Path) -> Iterator[Killer]:
    """A killer of work on the night whose model is `version` in `home`, and on the import of `tables`.

    Where there is a file `page` the card is taken from it: to draw it takes seconds and writes nothing.
    """
    here = Path(__file__)
    environment = dict(os.environ) | {
        "PYTHONPATH": ":".join([str(here.parent), *sys.path]),
        "OMP_WAIT_POLICY": "passive",
    }
    command = [sys.executable, str(here), str(home), version]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdin is not None
        try:
            yield Killer(running, tables, page)
        finally:
            running.stdin.close()
            running.wait(LASTS)


if __name__ == "__main__":
    _serve(Kept(Path(sys.argv[1]), sys.argv[2]))
