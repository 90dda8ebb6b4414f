"""Does a journal stand a torn, damaged or full disk, and is nothing half-read or half-kept?"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from features.errors import Fault
from features.store import journal as room
from features.store.db import frame_schema
from features.store.journal import Journal
from features.store.observations import Feedback
from features.store.tables import TABLES
from features.store.written import COLUMNS, Segment, event_of, line_of
from features.units import SHANGHAI
from journals import (
    drained,
    event,
    events,
    ids_of,
    left,
    rows_of,
    segments,
    wait_until,
)
from promises import NOON, TICK
from small_disks import files_no_longer_than


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with closing(Journal(folder)) as opened:
        yield opened


# What is written, and what of it can be read


def test_an_event_has_the_columns_of_the_table() -> None:
    assert (*COLUMNS[:-1], "known_at", COLUMNS[-1]) == tuple(frame_schema(Feedback))
    assert set(COLUMNS) == {*TABLES["feedback"].columns, "source"}


def test_a_naive_instant_is_refused_where_the_event_is_made() -> None:
    with pytest.raises(ValueError, match="no offset"):
        event("e", at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"request_id": None, "position": None},
        {"at": NOON.astimezone(SHANGHAI) + TICK},
        {"at": datetime(1, 1, 1, tzinfo=UTC)},
        {"source": '主播 "a"\n\u2028\ud800\0'},
        {"position": 2**80},
    ],
)
def test_a_line_says_what_was_written(columns: dict[str, Any], noted: bool) -> None:
    line = line_of(event("e", **columns), noted=noted)
    assert line.count(b"\n") == 1
    assert event_of(line.removesuffix(b"\n")) == (event("e", **columns), noted)


def test_a_position_from_an_array_is_a_number_all_the_same(journal: Journal, sqlite_store: Engine) -> None:
    journal.note(events("e", position=np.int64(7)))
    wait_until(lambda: journal.drain(sqlite_store))
    assert [row.position for row in rows_of(sqlite_store)] == [7]


def test_of_a_file_cut_anywhere_every_whole_line_is_read_and_nothing_else(folder: Path) -> None:
    file = left(folder, "e1 e2 e3")
    data = file.read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for length in range(len(data) + 1):
        file.write_bytes(data[:length])
        segment = Segment.left_behind(file)
        n_whole = sum(end <= length for end in ends)
        assert segment.read() == (events("e1 e2 e3")[:n_whole], [])
        assert segment.n_events == n_whole


def test_no_changed_byte_makes_an_event_that_was_not_written(folder: Path) -> None:
    file = left(folder, "e1 e2 e3")
    data = file.read_bytes()
    for place in range(len(data)):
        for flip in (0x01, 0x20, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= flip
            file.write_bytes(damaged)
            found, aside = Segment.left_behind(file).read()
            hit = data[:place].count(b"\n")
            hits = {hit, hit + 1} if data[place : place + 1] == b"\n" else {hit}  # without its end it runs on
            assert found == [one for n, one in enumerate(events("e1 e2 e3")) if n not in hits]
            assert (
                aside or place == len(data) - 1
            )  # a last line without its end: torn, as far as anyone can tell


# Damage


def test_a_torn_last_line_is_dropped_and_the_lines_before_it_go_on(
    folder: Path, sqlite_store: Engine
) -> None:
    file = left(folder, "e1 e2 e3")
    os.truncate(file, file.stat().st_size - 5)
    with closing(Journal(folder)) as opened:
        assert set(opened.waiting(["e1", "e2", "e3"])) == {"e1", "e2"}
        opened.append(events("e4"))
        assert opened.drain(sqlite_store) == 3
    assert ids_of(sqlite_store) == ["e1", "e2", "e4"]
    assert not (folder / "damaged").exists()


def test_a_segment_with_nothing_but_a_torn_line_goes(folder: Path) -> None:
    file = left(folder, "e1")
    os.truncate(file, 20)
    with closing(Journal(folder)) as opened:
        assert opened.lag.n_waiting == 0
        assert segments(folder) == []


def test_a_damaged_line_is_set_aside_with_a_warning_and_the_others_go_on(
    folder: Path, sqlite_store: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    file = left(folder, "e1 e2 e3")
    file.write_bytes(file.read_bytes().replace(b'"e2"', b'"e9"'))
    bad = file.read_bytes().splitlines()[1]
    assert drained(folder, sqlite_store) == 2
    assert ids_of(sqlite_store) == ["e1", "e3"]
    assert (folder / "damaged" / file.name).read_bytes() == bad + b"\n"
    assert f"1 lines set aside: {folder / 'damaged' / file.name}" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert segments(folder) == []


def test_what_was_set_aside_is_never_written_over_by_a_later_segment(
    folder: Path, sqlite_store: Engine
) -> None:
    for turn in range(2):
        file = left(folder, f"e{turn}")
        file.write_bytes(file.read_bytes().replace(b'"s"', b'"t"'))
        drained(folder, sqlite_store)
    assert len(segments(folder / "damaged")) == 2


# A disk that refuses


@pytest.mark.parametrize("n_before", [0, 2])
def test_when_the_disk_is_full_nothing_is_half_kept_and_later_appends_work(
    journal: Journal, folder: Path, store: Engine, n_before: int
) -> None:
    for n in range(n_before):
        journal.append(events(f"e{n}"))
    size = sum(file.stat().st_size for file in segments(folder))
    with files_no_longer_than(size + 300):
        for _ in range(3):
            with pytest.raises(Fault, match=r"cannot be written: .*; make room, then send the events again"):
                journal.append(events("x1 x2 x3 x4 x5 x6"))
        assert sum(file.stat().st_size for file in segments(folder)) == size
        journal.append(events("small"))
    journal.append(events("y1 y2 y3"))
    assert journal.waiting(["x1", "x2", "x3"]) == {}
    assert journal.drain(store) == n_before + 4
    assert ids_of(store) == [*(f"e{n}" for n in range(n_before)), "small", "y1", "y2", "y3"]
    assert segments(folder) == []


@pytest.mark.parametrize("call", ["fsync", "open", "write"])
def test_whatever_the_disk_refuses_the_caller_hears_of_it(
    journal: Journal, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refuse)
        with pytest.raises(Fault, match="No space left on device"):
            journal.append(events("x"))
    journal.append(events("e"))
    assert journal.drain(sqlite_store) == 1
    assert ids_of(sqlite_store) == ["e"]


def test_what_the_disk_did_not_give_back_is_not_moved(
    journal: Journal, folder: Path, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal.append(events("e1"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(Fault):
            journal.append(events("x"))
    (file,) = segments(folder)
    assert b'"x"' in file.read_bytes()
    assert journal.drain(sqlite_store) == 1
    assert ids_of(sqlite_store) == ["e1"]


def test_notes_that_the_disk_refuses_wait_until_there_is_room(
    journal: Journal, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full, real = threading.Event(), os.fsync
    n_refused = 0

    def fsync(descriptor: int) -> None:
        nonlocal n_refused
        if is_full.is_set():
            n_refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(room, "_RETRY_SECONDS", 0.2)
    monkeypatch.setattr(os, "fsync", fsync)
    is_full.set()
    journal.note(events("n1"))
    wait_until(lambda: n_refused)
    journal.note(events("n2"))
    sleep(0.5)
    assert n_refused < 10  # two an attempt: it does not run against the wall
    is_full.clear()
    wait_until(lambda: journal.lag.n_bytes)
    assert journal.drain(sqlite_store) == 2
    assert journal.lag.n_dropped == 0


def test_after_a_refusal_what_is_posted_does_not_wait_for_notes_to_fit(journal: Journal) -> None:
    with files_no_longer_than(300):
        journal.note(events(" ".join(f"n{n}" for n in range(50))))
        sleep(0.3)
        journal.append(events("e1"))
        assert set(journal.waiting(["e1"])) == {"e1"}
        assert journal.lag.n_waiting == 51


def test_a_segment_that_cannot_be_removed_is_moved_again_and_changes_nothing(
    journal: Journal, sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    journal.append(events("e1"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(Fault, match="cannot be moved"):
            journal.drain(sqlite_store)
    assert ids_of(sqlite_store) == ["e1"]
    assert journal.drain(sqlite_store) == 0
    assert journal.lag.n_waiting == 0


def test_closing_on_a_full_disk_ends_and_counts_what_was_lost(folder: Path) -> None:
    with files_no_longer_than(0):
        opened = Journal(folder)
        opened.note(events("n1 n2"))
        opened.close()
    assert opened.lag == room.Lag(0, 2, 0, None)
