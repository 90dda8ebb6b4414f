"""How does a journal's test make events, read them back from both ends, and run a process that it may kill?"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine
from sqlmodel import select

from features.store.db import reading
from features.store.journal import Event, Journal
from features.store.observations import Feedback
from promises import NOON

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60  # for a child that has to import everything first, on a machine that is not ours alone


def event(name: str, **columns: Any) -> Event:
    plain: dict[str, Any] = {"request_id": "r", "at": NOON, "anchor_id": "a", "sku_id": "s", "kind": "picked"}
    return Event(name, **plain | {"position": 3, "source": "anchor:a"} | columns)


def events(names: str, **columns: Any) -> list[Event]:
    return [event(name, **columns) for name in names.split()]


def rows_of(store: Engine) -> list[Feedback]:
    with reading(store) as session:
        return list(session.exec(select(Feedback).order_by(Feedback.event_id)))


def ids_of(store: Engine) -> list[str]:
    return [row.event_id for row in rows_of(store)]


def drained(folder: Path, store: Engine) -> int:
    """What another process, after the one before has gone, moves into the store."""
    with closing(Journal(folder)) as opened:
        return opened.drain(store)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def left(folder: Path, names: str) -> Path:
    """The one segment of a journal that held these events and is closed."""
    with closing(Journal(folder)) as opened:
        opened.append(events(names))
    (file,) = segments(folder)
    return file


def wait_until(is_so: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    end = monotonic() + seconds
    while not is_so():
        assert monotonic() < end, f"not within {seconds} s"
        sleep(0.01)


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `code`; killed at the end, if it still runs."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        try:
            yield running
        finally:
            running.kill()


def said(running: subprocess.Popen[str]) -> str:
    """The next line of the child's, without its end."""
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line.endswith("\n")
    return line.rstrip("\n")
