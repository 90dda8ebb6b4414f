"""Is what was answered in the store in the end, once, whatever was killed or locked in between?"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter, process_time, sleep

import numpy as np
import pytest
from sqlalchemy import Engine

from features.errors import Fault, StoreBusy
from features.store import journal as room
from features.store.db import open_engine, reading, writing
from features.store.journal import Event, Journal, stored_events
from features.store.written import Segment, line_of
from features.units import SHANGHAI, from_microseconds
from journals import (
    PATIENCE_SECONDS,
    child,
    drained,
    event,
    events,
    ids_of,
    left,
    rows_of,
    said,
    segments,
    wait_until,
)
from promises import NOON, TICK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with closing(Journal(folder)) as opened:
        yield opened


# On disk before the answer


def test_what_was_appended_is_in_the_store_after_a_drain(journal: Journal, store: Engine) -> None:
    journal.append(events("e1 e2", request_id=None, position=None))
    journal.append([event("e3", at=NOON.astimezone(SHANGHAI) + TICK)])
    assert rows_of(store) == []
    assert journal.drain(store) == 3
    plain = {"anchor_id": "a", "sku_id": "s", "kind": "picked", "source": "anchor:a"}
    assert [row.model_dump() for row in rows_of(store)] == [
        {"event_id": "e1", "request_id": None, "at": NOON, "position": None, "known_at": NOON, **plain},
        {"event_id": "e2", "request_id": None, "at": NOON, "position": None, "known_at": NOON, **plain},
        {
            "event_id": "e3",
            "request_id": "r",
            "at": NOON + TICK,
            "position": 3,
            "known_at": NOON + TICK,
            **plain,
        },
    ]
    assert journal.drain(store) == 0


def test_append_returns_only_when_the_disk_has_it(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    is_free, real = threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        assert is_free.wait(PATIENCE_SECONDS)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    caller = threading.Thread(target=journal.append, args=(events("e"),))
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    assert journal.waiting(["e"]) == {}
    is_free.set()
    caller.join(PATIENCE_SECONDS)
    assert journal.waiting(["e"]) == {"e": event("e")}


def test_a_file_that_comes_or_goes_does_so_on_disk(
    journal: Journal, folder: Path, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    journal.append(events("e1"))
    (file,) = segments(folder)
    assert synced == [file.name, folder.name]
    journal.append(events("e2"))
    assert synced[2:] == [file.name]
    journal.drain(sqlite_store)
    assert synced[3:] == [folder.name]


def test_what_waits_together_goes_to_disk_together(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    n_syncs, real = 0, os.fsync

    def slow(descriptor: int) -> None:
        nonlocal n_syncs
        n_syncs += 1
        sleep(0.1)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    callers = [threading.Thread(target=journal.append, args=(events(f"e{n}"),)) for n in range(40)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE_SECONDS)
    assert journal.lag.n_waiting == 40
    assert n_syncs < 10


def test_appending_nothing_waits_for_nothing(journal: Journal, folder: Path) -> None:
    journal.append([])
    journal.note([])
    assert journal.lag == room.Lag(0, 0, 0, None)
    assert segments(folder) == []


_APPENDING = """
import os, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from features.store.journal import Event, Journal

folder, turn = Path(sys.argv[1]), sys.argv[2]
journal = Journal(folder)

def work(who):
    n = 0
    while True:
        names = [f"{turn}-{who}-{n + k}" for k in range(n % 3 + 1)]
        n += len(names)
        at = datetime(2026, 6, 5, 4, tzinfo=UTC)
        journal.append([Event(name, "r", at, "a", "s", "picked", None, "anchor:a") for name in names])
        os.write(1, "".join(name + "\\n" for name in names).encode())

for who in range(4):
    threading.Thread(target=work, args=(who,)).start()
"""


def test_what_was_answered_survives_a_kill_at_any_moment(folder: Path, sqlite_store: Engine) -> None:
    draw = np.random.default_rng(20261122)
    answered: list[str] = []
    n_new = 0
    for turn in range(10):
        with child(_APPENDING, folder, turn) as running:
            answered.append(said(running))
            sleep(draw.uniform(0, 0.2))
            running.kill()
            assert running.stdout is not None
            answered += running.stdout.read().splitlines()
        with closing(Journal(folder)) as opened:
            assert set(opened.waiting(answered)) | set(ids_of(sqlite_store)) >= set(answered)
            if turn % 2:  # every other time what is left goes through the next kill as well
                n_new += opened.drain(sqlite_store)
    found = ids_of(sqlite_store)
    assert len(found) == len(set(found)) == n_new
    assert set(answered) <= set(found)
    assert len(answered) > 100


# Into the store


_DRAINING = """
import os, signal, sys
from pathlib import Path
from features.store import journal, moving
from features.store.db import open_engine
from features.store.written import Segment

folder, url, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
moving._ROWS_A_BATCH = 3
n_batches = 0
insert, remove = moving._insert, Segment.remove

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying_insert(*arguments):
    global n_batches
    n_batches += 1
    if point == f"before batch {n_batches}":
        die()
    return insert(*arguments)

def dying_remove(segment):
    if point == "before the file goes":
        die()
    remove(segment)
    if point == "after the file went":
        die()

moving._insert, Segment.remove = dying_insert, dying_remove
if point == "before a commit":
    import sqlmodel
    sqlmodel.Session.commit = lambda session: die()
journal.Journal(folder).drain(open_engine(url))
"""


@pytest.mark.parametrize(
    ("point", "n_left"),
    [
        ("before batch 1", 10),
        ("before a commit", 10),
        ("before batch 2", 7),
        ("before the file goes", 0),
        ("after the file went", 0),
    ],
)
def test_a_kill_while_rows_are_moved_loses_none_and_doubles_none(
    folder: Path, store: Engine, store_url: str, point: str, n_left: int
) -> None:
    left(folder, " ".join(f"e{n}" for n in range(10)))
    with child(_DRAINING, folder, store_url, point) as running:
        assert running.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert len(rows_of(store)) == 10 - n_left
    assert drained(folder, store) == n_left
    assert ids_of(store) == [f"e{n}" for n in range(10)]
    assert [file.name for file in folder.iterdir()] == ["lock"]


def test_while_another_writes_the_store_events_are_taken_and_moved_later(
    journal: Journal, store: Engine, store_url: str
) -> None:
    hasty = open_engine(store_url, wait_seconds=0.1)
    with writing(store):
        began = perf_counter()
        journal.append(events("e1"))
        assert perf_counter() - began < 5
        for name in ("e2", "e3"):
            with pytest.raises(StoreBusy):
                journal.drain(hasty)
            journal.append(events(name))
    assert set(journal.waiting(["e1", "e2", "e3"])) == {"e1", "e2", "e3"}
    assert journal.drain(hasty) == 3
    assert ids_of(store) == ["e1", "e2", "e3"]
    hasty.dispose()


def test_the_same_event_again_is_one_row(journal: Journal, folder: Path, store: Engine) -> None:
    journal.append(events("e1 e1 e2"))
    journal.append(events("e1"))
    assert journal.drain(store) == 2
    journal.append(events("e2 e3"))
    assert journal.drain(store) == 1
    assert ids_of(store) == ["e1", "e2", "e3"]
    assert [file.name for file in folder.iterdir()] == ["lock"]  # nothing left, and nothing set aside


def test_of_two_contents_under_one_id_the_first_stays(
    journal: Journal, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_SEGMENT_BYTES", 1)
    for position in range(2):
        journal.append([event("e1", position=position), event("e1", position=7)])
    assert journal.waiting(["e1"])["e1"].position == 0
    assert journal.drain(store) == 1
    journal.append(events("e1", position=5))
    journal.drain(store)
    assert [row.position for row in rows_of(store)] == [0]


def test_what_waits_can_be_asked_for_without_its_id_each_as_it_came_first(
    journal: Journal, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_SEGMENT_BYTES", 1)
    journal.append([event("e1", position=1), event("e2", position=9)])
    journal.append([event("e1", position=9), event("e3", position=1)])
    assert {one.event_id for one in journal.waiting_where(lambda one: one.position == 1)} == {"e1", "e3"}
    assert [one.event_id for one in journal.waiting_where(lambda one: one.position == 9)] == ["e2"]
    journal.drain(sqlite_store)
    assert journal.waiting_where(lambda _: True) == []


def test_what_the_store_cannot_hold_is_set_aside_and_stops_no_other(
    journal: Journal, folder: Path, store: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append(
        [*events("e1 e2"), event("bad", position=2**70), *events("e3"), event("worse", source="\ud800")]
    )
    assert journal.drain(store) == 3
    assert ids_of(store) == ["e1", "e2", "e3"]
    (aside,) = segments(folder / "damaged")
    assert aside.read_bytes().count(b"\n") == 2
    assert "does not take event 'bad'" in caplog.text
    assert journal.lag.n_waiting == 0


def test_segments_are_closed_by_size_and_all_are_moved(
    journal: Journal, folder: Path, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_SEGMENT_BYTES", 1_000)
    for n in range(20):
        journal.append(events(f"e{n:02}"))
    assert len(segments(folder)) > 2
    assert journal.drain(store) == 20
    assert ids_of(store) == [f"e{n:02}" for n in range(20)]


def test_an_event_is_always_found_waiting_or_stored(journal: Journal, sqlite_store: Engine) -> None:
    is_over = threading.Event()

    def drain() -> None:
        while not is_over.is_set():
            journal.drain(sqlite_store)

    mover = threading.Thread(target=drain)
    mover.start()
    try:
        for n in range(300):
            journal.append(events(f"e{n}"))
            names = {f"e{k}" for k in range(n + 1)}
            found = set(journal.waiting(names))
            with reading(sqlite_store) as session:
                found |= set(stored_events(session, names))
            assert found == names
    finally:
        is_over.set()
        mover.join(PATIENCE_SECONDS)


def test_stored_events_are_given_back_as_they_came(journal: Journal, store: Engine) -> None:
    written = [event("e1", request_id=None, position=None), event("e2", at=NOON + TICK, source="主播:a")]
    journal.append([*written, event("e3")])
    journal.drain(store)
    with reading(store) as session:
        assert stored_events(session, ["e1", "e2", "e2", "nobody's"]) == {"e1": written[0], "e2": written[1]}
        assert stored_events(session, []) == {}
        assert len(stored_events(session, {f"e{n}" for n in range(1_000)})) == 3


# One process at a time


def test_two_processes_never_share_a_journal(folder: Path) -> None:
    with child(
        "import sys; from pathlib import Path; from features.store.journal import Journal; journal = Journal(Path(sys.argv[1])); print(1, flush=True); sys.stdin.read()",
        folder,
    ) as running:
        said(running)
        with pytest.raises(Fault, match=f"in use by process {running.pid}; stop that one first"):
            Journal(folder)


def test_nor_does_one_process_open_it_twice_until_it_is_closed(folder: Path) -> None:
    with closing(Journal(folder)), pytest.raises(Fault, match="in use"):
        Journal(folder)
    Journal(folder).close()


def test_a_folder_that_cannot_be_made_is_a_fault_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal")


# Off the path of requests


def test_a_note_is_on_disk_within_a_second_without_anybody_appending(journal: Journal, folder: Path) -> None:
    journal.note(events("n1 n2"))
    wait_until(lambda: journal.lag.n_bytes, seconds=1)
    (file,) = segments(folder)
    assert Segment.left_behind(file).read() == (events("n1 n2"), [])


def test_a_note_goes_with_the_next_append(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_GATHER_SECONDS", PATIENCE_SECONDS)
    journal.note(events("n1"))
    journal.append(events("e1"))
    assert journal.lag.n_waiting == 2
    assert journal.lag.n_bytes == sum(len(line_of(event(name), noted=name == "n1")) for name in ("n1", "e1"))


def test_noting_fifty_events_costs_a_tenth_of_a_millisecond_at_most(journal: Journal) -> None:
    shown = events(" ".join(f"n{n}" for n in range(50)))
    seconds = []
    for _ in range(50):
        began = perf_counter()
        journal.note(shown)
        seconds.append(perf_counter() - began)
    assert np.median(seconds) < 1e-4


def test_a_note_is_what_it_was_when_it_was_handed_over(journal: Journal, store: Engine) -> None:
    shown = events("n1")
    journal.note(shown)
    shown.append(event("n2"))
    wait_until(lambda: journal.lag.n_bytes)
    assert journal.drain(store) == 1


@pytest.mark.parametrize(("n_more", "n_dropped"), [(5, 0), (6, 6)])
def test_when_too_many_notes_wait_the_new_ones_are_dropped_and_counted(
    journal: Journal, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch, n_more: int, n_dropped: int
) -> None:
    monkeypatch.setattr(room, "_MOST_NOTED", 10)
    monkeypatch.setattr(room, "_GATHER_SECONDS", PATIENCE_SECONDS)
    journal.note([event(f"n{n}") for n in range(5)])
    journal.note([event(f"m{n}") for n in range(n_more)])
    assert (journal.lag.n_waiting, journal.lag.n_dropped) == (5 + n_more - n_dropped, n_dropped)
    journal.append(events("e"))
    journal.note(events("later"))
    journal.append(events("f"))
    assert journal.drain(sqlite_store) == 5 + n_more - n_dropped + 3
    assert journal.lag.n_dropped == n_dropped


def test_noted_events_are_made_by_who_writes_them(journal: Journal, store: Engine) -> None:
    made_in = []

    def make() -> list[Event]:
        made_in.append(threading.current_thread().name)
        return events("n1 n2")

    journal.note_made(2, make)
    assert journal.lag.n_waiting == 2
    wait_until(lambda: journal.lag.n_bytes)
    assert made_in == ["fenxiao-journal"]
    assert journal.drain(store) == 2


def test_what_cannot_be_made_is_dropped_and_stops_nobody_else(journal: Journal, store: Engine) -> None:
    def fail() -> list[Event]:
        raise ValueError

    journal.note_made(3, fail)
    journal.note(events("n1"))
    journal.append(events("e1"))
    wait_until(lambda: not journal._n_noted)
    assert (journal.lag.n_waiting, journal.lag.n_dropped) == (2, 3)
    assert journal.drain(store) == 2


def test_many_notes_are_written_as_fast_as_they_come(journal: Journal) -> None:
    began = monotonic()
    for n in range(400):
        journal.note([event(f"n{n}-{k}") for k in range(50)])
    wait_until(lambda: not journal._n_noted)
    assert journal.lag.n_waiting == 20_000
    assert monotonic() - began < 20


def test_nobody_asks_for_a_note_before_or_after_a_restart(folder: Path) -> None:
    with closing(Journal(folder)) as opened:
        opened.note(events("n1"))
        opened.append(events("e1"))
        wait_until(lambda: not opened._n_noted)
        assert set(opened.waiting(["n1", "e1"])) == {"e1"}
    with closing(Journal(folder)) as opened:
        assert set(opened.waiting(["n1", "e1"])) == {"e1"}
        assert opened.lag.n_waiting == 2


def test_a_journal_at_rest_does_nothing(journal: Journal) -> None:
    journal.append(events("e1"))
    began = process_time()
    sleep(0.5)
    assert process_time() - began < 0.05


# The end, and what is watched


def test_closing_writes_down_what_was_noted(folder: Path, sqlite_store: Engine) -> None:
    with closing(Journal(folder)) as opened:
        opened.note(events(" ".join(f"n{n}" for n in range(5_000))))
        opened.note(events("last"))
    assert drained(folder, sqlite_store) == 5_001


def test_closing_again_does_nothing_and_a_closed_journal_takes_nothing(
    folder: Path, sqlite_store: Engine
) -> None:
    opened = Journal(folder)
    opened.append(events("e1"))
    opened.close()
    opened.close()
    with pytest.raises(Fault, match="is closed"):
        opened.append(events("e2"))
    with pytest.raises(Fault, match="is closed"):
        opened.drain(sqlite_store)
    opened.note(events("n1"))
    assert opened.lag.n_dropped == 1
    assert drained(folder, sqlite_store) == 1


def test_the_lag_says_how_many_wait_how_large_they_are_and_since_when(
    journal: Journal, folder: Path, sqlite_store: Engine
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)  # a file's clock ticks more coarsely
    journal.append(events("e1 e2"))
    journal.append(events("e3"))
    (file,) = segments(folder)
    lag = journal.lag
    assert (lag.n_waiting, lag.n_dropped, lag.n_bytes) == (3, 0, file.stat().st_size)
    assert lag.oldest_at is not None
    assert before <= lag.oldest_at <= datetime.now(UTC)
    journal.drain(sqlite_store)
    assert journal.lag == room.Lag(0, 0, 0, None)


def test_what_an_earlier_process_left_counts_from_when_it_was_written(folder: Path) -> None:
    file = left(folder, "e1 e2")
    os.utime(file, ns=(0, 1_000_000_000))
    with closing(Journal(folder)) as opened:
        assert opened.lag == room.Lag(2, 0, file.stat().st_size, from_microseconds(1_000_000))
