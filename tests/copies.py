"""How does a test of copies run `matcher backup`, make a small house, and kill a command at any of its steps?"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.commands import main
from features.store.db import open_engine, writing
from features.store.ingest import ingest_rows
from features.store.tables import TABLES, Brand
from features.units import DAWN
from good_rows import GOOD
from journals import ROOT
from matcher.registry import Gate, Provenance, promote, publish
from promises import NOON
from trained import Trained

Told = tuple[int, str, str]
"""Exit code, stdout, stderr."""
Run = Callable[..., Told]


@dataclass(frozen=True)
class House:
    """A store and a home, and commands about them."""

    database: str
    home: Path
    run: Run

    @property
    def file(self) -> Path:
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def place(self) -> tuple[str, ...]:
        return ("--database", self.database, "--home", str(self.home))

    def __call__(self, *words: object) -> Told:
        return self.run(*words, *self.place)

    def answer(self, *words: object) -> Any:
        """The JSON of a command that ends well."""
        code, out, err = self(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def created(self, out: Path) -> Path:
        """A copy of it."""
        assert self("backup", "create", "--out", out)[0] == 0
        return out

    def goods(self, trained: Trained) -> str:
        """What `matcher goods` answers from it."""
        anchor = str(trained.world.snapshot.roster.ids[3])
        day = str(trained.market.as_of)
        code, out, err = self("goods", "--anchor", anchor, "--as-of", day, "--explain", "--json")
        assert code == 0, err
        return out


def house_at(folder: Path, run: Run) -> House:
    """A place for a house, where there is none yet."""
    return House(f"sqlite:///{folder / 'db' / 'store.db'}", folder / "home", run)


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `matcher` in this process."""

    def ran(*words: object) -> Told:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        told = capsys.readouterr()
        code = end.value.code or 0
        assert isinstance(code, int)
        return code, told.out, told.err

    return ran


def copy_of(trained: Trained, folder: Path, run: Run) -> House:
    """The trained market in a house of one's own."""
    house = house_at(folder, run)
    house.file.parent.mkdir(parents=True)
    shutil.copy(trained.url.removeprefix("sqlite:///"), house.file)
    shutil.copytree(trained.home, house.home)
    return house


def dump_of(file: Path) -> list[str]:
    """Everything that a SQLite store says, as statements."""
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its place."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def add_brands(house: House, *names: str) -> None:
    engine = open_engine(house.database)
    with writing(engine) as session:
        for name in names:
            session.add(Brand(brand_id=name, name=name, known_at=DAWN, source="operator"))
    engine.dispose()


def brands(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT brand_id FROM brands")}


# A process that has imported everything and no library with threads of its own; it forks for each command.
_FORKING = """
import json, os, signal, sys
from api.commands import main
import api.copying.creating, api.copying.restoring

def dying(true, left):
    def step(*words, **named):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return true(*words, **named)
    return step

for line in sys.stdin:
    words, n = json.loads(line)
    pid = os.fork()
    if pid == 0:
        left = [n]
        for name in ("fsync", "replace", "rename", "unlink", "link", "mkdir", "rmdir"):
            setattr(os, name, dying(getattr(os, name), left))
        sys.stdout = sys.stderr = open(os.devnull, "w")
        try:
            main(words)
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException:
            os._exit(99)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""

KILLED = -9


@contextmanager
def dying_commands() -> Iterator[Callable[..., int]]:
    """Runs a command in a process of its own that kills itself at its n-th step on disk (0: never); how it ended."""
    command = [sys.executable, "-c", _FORKING]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        stdin, stdout = running.stdin, running.stdout

        def run(n: int, *words: object) -> int:
            stdin.write(json.dumps([[str(word) for word in words], n]) + "\n")
            stdin.flush()
            return int(stdout.readline())

        try:
            yield run
        finally:
            stdin.close()
            running.wait(60)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MATCHER_THREADS", "1")
    return runner(capsys)


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path, run: Run) -> House:
    """A row or more in each import table, and a model that serves, of which nobody asks what it says."""
    made = house_at(tmp_path / "house", run)
    made.file.parent.mkdir(parents=True)
    shutil.copy(sqlite_template, made.file)
    fill(made.database)
    add_brands(made, *(f"more{n:03d}" for n in range(300)))
    files = {f"{name}.txt": name.encode() * 5_000 for name in ("goods_uptake", "goods_value", "outcome")}
    provenance = Provenance(
        data_from=NOON.date(), as_of=NOON.date(), fingerprint="f", policy_version="p", gate=Gate(passed=True)
    )
    promote(made.home, publish(made.home, provenance, files).version, at=NOON)
    return made


@pytest.fixture
def trained_house(trained: Trained, tmp_path: Path, run: Run) -> House:
    """The trained market's store and models, to be copied and broken."""
    return copy_of(trained, tmp_path / "house", run)


def fill(database: str) -> None:
    """A row in each import table."""
    engine = open_engine(database)
    with writing(engine) as session:
        for table, row in GOOD.items():
            done = ingest_rows(session, TABLES[table], [(1, row)], now=NOON, source="operator")
            assert (done.n_new, done.bad) == (1, ())
    engine.dispose()


@pytest.fixture
def other(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> House:
    """Where nothing is yet."""
    monkeypatch.chdir(tmp_path)  # an import's reports go there
    return house_at(tmp_path / "other", run)
