"""Is what serves whole while others write? Answers, asked every 100 ms, and everything that a home and its store hold."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

from matcher.golden import check_golden
from matcher.kept_lists import read_lists
from matcher.model import Model
from matcher.registry import champion, list_versions, read_history, read_model

PROBE_SECONDS = 0.1
ABOUT_NIGHTS = ("leases", "nights")
CHANGES_LATER = ("champion.json", ".lock")  # when it was promoted; and what is empty
Answer = tuple[str, str, int]


def answer_of(folder: Path, models: dict[str, Model]) -> Answer:
    """What serves: a model whose golden batch scores as it should, lists that are whole, and the rows of the store."""
    serving, lists = champion(folder / "home"), read_lists(folder / "home")
    assert serving is not None
    assert lists is not None
    files = read_model(folder / "home", serving.version)
    if serving.version not in models:
        models[serving.version] = Model.from_files(serving.version, files)
    check_golden(models[serving.version], files)
    with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as store:
        counts = (f"(SELECT count(*) FROM {name})" for name in tables_of(store))
        (rows,) = store.execute(f"SELECT {' + '.join(counts)}").fetchone()
    return serving.version, lists.folder, rows


class Prober:
    """Asks what serves every 100 ms; an answer that is neither the old one nor the new one is kept."""

    def __init__(self) -> None:
        self.n_asked = 0
        self.n_wrong = 0
        self._wrong: list[str] = []
        self._folder: Path | None = None
        self._right: frozenset[tuple[str | int, ...]] = frozenset()
        self._models: dict[str, Model] = {}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._repeat)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def turn_to(self, folder: Path | None, right: Iterable[tuple[str | int, ...]]) -> None:
        with self._lock:
            self._folder, self._right = folder, frozenset(right)

    def ask(self) -> Answer | None:
        """One answer, which is looked at; nothing while there is nothing to ask."""
        with self._lock:
            if self._folder is None:
                return None
            self.n_asked += 1
            try:
                answer = answer_of(self._folder, self._models)
            except Exception as error:  # noqa: BLE001  whatever it was, nothing was served
                self._wrong.append(f"{type(error).__name__}: {error}")
                return None
            if answer not in self._right:
                self._wrong.append(f"{answer} is none of {self._right}")
            return answer

    def take_wrong(self) -> list[str]:
        """The wrong answers since this was last asked."""
        with self._lock:
            wrong, self._wrong = self._wrong, []
            self.n_wrong += len(wrong)
            return wrong

    def _repeat(self) -> None:
        while not self._over.wait(PROBE_SECONDS):
            self.ask()


def state_of(folder: Path) -> dict[str, str]:
    """Every byte of models, lists, cards and reports, who served in turn, and every row that is not about a night."""
    files = [
        file
        for part in ("home/models", "home/lists", "home/cards", "rejects")
        for file in (folder / part).rglob("*")
    ]
    state = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and file.name not in CHANGES_LATER
    }
    served = [promotion.version for promotion in read_history(folder / "home")]
    return state | {"served": " ".join(served), "store": rows_of(folder)}


def rows_of(folder: Path) -> str:
    """A digest of all rows that are not about nights."""
    said = hashlib.sha256()
    with closing(sqlite3.connect(folder / "store.db")) as store:
        for name in tables_of(store):
            said.update(name.encode())
            for row in store.execute(f"SELECT * FROM {name}"):
                said.update(repr(row).encode())
    return said.hexdigest()


def tables_of(store: sqlite3.Connection) -> list[str]:
    names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [name for name in names if name not in ABOUT_NIGHTS]


def nights_of(folder: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(folder / "store.db")) as store:
        return list(store.execute("SELECT attempt, state FROM nights ORDER BY attempt"))


def require_whole(home: Path, besides: str = "") -> None:
    """Each model and each folder of lists that bears its name has every byte that it should have."""
    for version in list_versions(home):
        if version != besides:
            read_model(home, version)
    for folder in (home / "lists").iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            sums = json.loads((folder / "manifest.json").read_bytes())["sha256"]
            found = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in sums}
            assert found == sums, folder
