"""Is a copy whole whatever happens while it is made or put back: writers, kills, a full disk?"""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

import copies as fixtures
from api.copying import creating
from copies import KILLED, House, add_brands, dump_of, dying_commands
from features.store.db import open_engine, writing
from features.store.journal import Journal
from features.store.tables import Brand, Programme
from features.units import DAWN
from journals import ROOT, child, drained, events, ids_of, said, wait_until

house, other, run = fixtures.house, fixtures.other, fixtures.run

# While others write


class Busy:
    """Writes pairs of rows, each pair together, and has feedback answered and moved, until it is stopped."""

    def __init__(self, house: House) -> None:
        self.engine = open_engine(house.database)
        self.journal = Journal(house.home / "journal")
        self.answered: list[str] = []
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(target=self.repeat, args=(work,))
            for work in (self.write_pair, self.answer, lambda _n: self.journal.drain(self.engine))
        ]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        self.journal.close()
        self.engine.dispose()

    def repeat(self, work: Callable[[int], object]) -> None:
        for n in count():
            if self.is_over.is_set():
                return
            work(n)

    def write_pair(self, n: int) -> None:
        told = {"known_at": DAWN, "source": "operator"}
        with writing(self.engine) as session:
            session.add(Brand(brand_id=f"pair{n}", name="x" * 2_000, **told))
            session.add(Programme(programme_id=f"pair{n}", name="x", rules="cps_floor", **told))

    def answer(self, n: int) -> None:
        self.journal.append(events(f"live{n}"))
        self.answered.append(f"live{n}")


def test_while_others_write_a_copy_is_of_one_moment_and_misses_nothing_that_was_answered(
    house: House, other: House, tmp_path: Path
) -> None:
    """Pairs that are written together are copied together; feedback is in the journal, the store, or both."""
    promised = []
    with Busy(house) as busy:
        for n in range(4):
            wait_until(lambda n=n: len(busy.answered) > 10 * n)
            promised.append(set(busy.answered))
            house.created(tmp_path / f"copy{n}")
    assert len(promised[-1]) > 30
    for n, before in enumerate(promised):
        assert other("backup", "restore", tmp_path / f"copy{n}", "--force")[0] == 0
        with closing(sqlite3.connect(other.file)) as connection:
            brand_ids, programme_ids = (
                {row[0] for row in connection.execute(f"SELECT {key} FROM {table} WHERE {key} LIKE 'pair%'")}
                for table, key in (("brands", "brand_id"), ("programmes", "programme_id"))
            )
        assert brand_ids == programme_ids
        store = open_engine(other.database)
        drained(other.home / "journal", store)
        assert before <= set(ids_of(store))
        store.dispose()


def test_feedback_that_is_moved_into_the_store_just_after_that_was_copied_is_in_the_copy(
    house: House, other: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, store = creating.copy_database, open_engine(house.database)
    with closing(Journal(house.home / "journal")) as journal:
        journal.append(events("e1"))

        def copy_then_drain(*words: Any) -> None:
            true(*words)
            assert journal.drain(store) == 1

        monkeypatch.setattr(creating, "copy_database", copy_then_drain)
        house.created(tmp_path / "copy")
    store.dispose()
    assert other("backup", "restore", tmp_path / "copy")[0] == 0
    restored = open_engine(other.database)
    assert drained(other.home / "journal", restored) == 1
    restored.dispose()


def test_a_torn_last_line_of_the_journal_is_no_part_of_a_copy(
    house: House, other: House, tmp_path: Path
) -> None:
    with closing(Journal(house.home / "journal")) as journal:
        journal.append(events("e1 e2"))
    (segment,) = (house.home / "journal").glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b"0badf00d {half of a")
    assert house.answer("backup", "create", "--out", tmp_path / "copy")["n_events"] == 2
    assert (tmp_path / "copy" / "journal" / segment.name).read_bytes().endswith(b"}\n")
    assert other("backup", "restore", tmp_path / "copy")[0] == 0
    store = open_engine(other.database)
    assert drained(other.home / "journal", store) == 2
    store.dispose()


# Killed, and a full disk


def test_a_create_that_is_killed_anywhere_leaves_nothing_that_verify_accepts(
    house: House, tmp_path: Path
) -> None:
    before = dump_of(house.file)
    with dying_commands() as run:
        killed = 0
        for n in range(1, 500, 2):
            copy = tmp_path / "made" / ("copy.tar" if n % 4 == 1 else "copy")
            ended = run(n, "backup", "create", "--out", copy, *house.place)
            if ended != KILLED:
                break
            killed += 1
            is_named = copy.is_dir() or (copy.is_file() and copy.stat().st_size > 0)  # and whole, by then
            assert house.run("backup", "verify", copy)[0] == (0 if is_named else 2)
            shutil.rmtree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)
        assert killed >= 5
        assert ended == 0
    assert house.run("backup", "verify", copy)[0] == 0
    assert [file.name for file in copy.parent.iterdir()] == [
        copy.name
    ]  # what the dead had left is cleared away
    assert dump_of(house.file) == before


def test_a_create_that_is_killed_at_some_moment_leaves_the_store_as_it_was(
    house: House, tmp_path: Path
) -> None:
    code = "import sys; from api.commands import main; print('here', flush=True); main(sys.argv[1:])"
    before = dump_of(house.file)
    for n in range(3):
        copy = tmp_path / f"copy{n}"
        with child(code, "backup", "create", "--out", copy, *house.place) as running:
            said(running)
            threading.Event().wait(0.4 + 0.3 * n)
            running.kill()
        assert house.run("backup", "verify", copy)[0] in {0, 2}
    assert dump_of(house.file) == before


def test_on_a_full_disk_a_create_says_so_and_leaves_nothing(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, left = os.fsync, [0]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        true(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    for n, name in ((0, "copy"), (3, "copy"), (7, "copy"), (9, "copy.tar"), (11, "copy.tar.gz")):
        left[0] = n
        code, _, err = house("backup", "create", "--out", tmp_path / name)
        assert (code, "No space left on device" in err) == (1, True)
        assert [file.name for file in tmp_path.iterdir()] == ["house"]


def test_where_a_file_cannot_grow_sqlite_says_so_and_nothing_is_left(house: House, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from api.commands import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, "backup", "create", "--out", str(tmp_path / "copy"), *house.place]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, "cannot be copied" in done.stderr) == (1, True), done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["house"]


def test_a_restore_that_is_killed_anywhere_leaves_a_whole_store_and_goes_through_the_next_time(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    shutil.copytree(house.file.parent, other.file.parent)
    shutil.copytree(house.home, other.home)
    add_brands(other, "newcomer")
    shutil.copytree(other.file.parent.parent, tmp_path / "template")
    old, new = dump_of(other.file), dump_of(house.file)
    found = set()
    with dying_commands() as run:
        for n in range(1, 500, 3):
            shutil.rmtree(other.file.parent.parent)
            shutil.copytree(tmp_path / "template", other.file.parent.parent)
            ended = run(n, "backup", "restore", copy, "--force", *other.place)
            if ended != KILLED:
                break
            there = dump_of(other.file)
            assert there in (old, new)
            found.add(there == new)
            assert run(0, "backup", "restore", copy, "--force", *other.place) == 0
            assert dump_of(other.file) == new
    assert ended == 0
    assert found == {False, True}
    assert [file.name for file in other.file.parent.iterdir() if file.name.startswith(".")] == []


def test_on_a_full_disk_a_restore_leaves_the_store_that_was_there(
    house: House, other: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = house.created(tmp_path / "copy")
    shutil.copytree(house.file.parent, other.file.parent)
    add_brands(other, "newcomer")
    before = dump_of(other.file)

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("api.copying.restoring.copy", full)
    code, _, err = other("backup", "restore", copy, "--force")
    assert (code, "No space left on device" in err) == (1, True)
    assert dump_of(other.file) == before
    assert [file.name for file in other.file.parent.iterdir()] == ["store.db"]
