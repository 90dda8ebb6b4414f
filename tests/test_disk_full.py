"""What happens when a disk is full? A clear sentence, nothing lost, and it works again as soon as there is room.

The disks are really full: small ones of their own, in memory. Where none can be mounted, a limit on the size of files
and of a database stands in for them in the tests below that need no disk.
"""

import errno
import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

import copies
import small_disks
import training.shift
from copies import House, Run, dump_of, files_in
from features.errors import Fault, NoRoom
from features.store.db import open_engine, reading, writing
from features.store.ingest import ingest
from features.store.journal import Journal
from features.store.nights import list_nights
from features.store.tables import Brand
from journals import events, ids_of
from matcher.kept_lists import read_lists
from matcher.policy import Policy
from matcher.registry import champion, list_versions, promote, publish, read_history, read_model
from promises import NOON
from small_disks import Mount, SmallDisk, files_no_longer_than
from trained import Trained
from training.recipe import FAST
from training.shift import Shift, work_night

mount, run = small_disks.mount, copies.run

MIB = 2**20


def sentence(said: str) -> str:
    """The one sentence that a command ends with; anything else that it said is an error of the test."""
    assert "Traceback" not in said, said
    told = [line for line in said.splitlines() if line.startswith("matcher: ")]
    assert len(told) == 1, said
    assert "make room" in told[0] or "name another" in told[0], said
    return told[0]


def house_on(disk: Path, trained: Trained, run: Run, home: Path) -> House:
    """The trained market's store and models, the store on a disk, the home wherever it is to be."""
    shutil.copy(trained.url.removeprefix("sqlite:///"), disk / "night.db")
    shutil.copytree(trained.home, home)
    return House(f"sqlite:///{disk / 'night.db'}", home, run)


@pytest.fixture
def tables(trained: Trained) -> Path:
    """The trained market as import files."""
    return Path(trained.url.removeprefix("sqlite:///")).parent / "tables"


# The store


def stored(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT COUNT(*) FROM listings").fetchone()[0])


@pytest.mark.parametrize("leave", [0, 64 * 1024, MIB])
def test_an_import_that_does_not_fit_leaves_the_store_as_it_was_and_fits_when_there_is_room(
    mount: Mount, run: Run, tables: Path, sqlite_template: Path, tmp_path: Path, leave: int
) -> None:
    disk = mount(64 * MIB)
    house = House(
        f"sqlite:///{shutil.copy(sqlite_template, disk.place / 'store.db')}", tmp_path / "home", run
    )
    before = dump_of(house.file)
    disk.fill(leave)
    code, _, err = house("ingest", tables, "--rejects", tmp_path / "rejects")
    assert code == 1
    assert str(house.file) in sentence(err)
    disk.make_room()
    assert dump_of(house.file) == before
    assert house("ingest", tables, "--rejects", tmp_path / "rejects")[0] == 0
    assert stored(house.file) > 0


def test_a_store_at_its_own_limit_says_so_and_keeps_what_it_has(sqlite_store: Engine) -> None:
    limits = [0]

    @event.listens_for(sqlite_store, "begin")
    def _limit(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2 if limits[0] else 2**30}")

    def add(numbers: range) -> None:
        with writing(sqlite_store) as session:
            session.add_all(
                Brand(brand_id=f"b{n}", name="x" * 200, known_at=NOON, source="operator") for n in numbers
            )

    add(range(10))
    limits[0] = 1
    with pytest.raises(NoRoom, match=r"store .* has no room left .*full.*; make room"):
        add(range(10, 2_000))
    limits[0] = 0
    with reading(sqlite_store) as session:
        assert len(session.exec(Brand.__table__.select()).all()) == 10  # type: ignore[attr-defined,call-overload]
    add(range(10, 2_000))


@pytest.mark.parametrize("n_bytes", [4_096, 200_000])
def test_a_limit_on_files_is_told_as_a_full_disk_is(
    tables: Path, sqlite_store: Engine, tmp_path: Path, n_bytes: int
) -> None:
    def fill() -> None:
        with writing(sqlite_store) as session:
            ingest(session, [tables], now=NOON, rejects=tmp_path / "rejects").require_all()

    with files_no_longer_than(n_bytes), pytest.raises(NoRoom, match="make room"):
        fill()
    with reading(sqlite_store) as session:
        assert session.exec(Brand.__table__.select()).all() == []  # type: ignore[attr-defined,call-overload]
    fill()


def test_postgresql_on_a_full_disk_keeps_what_it_has_and_goes_on_when_there_is_room(
    mount: Mount, postgres: Path, postgres_template: str, tables: Path, run: Run, tmp_path: Path
) -> None:
    import psycopg  # noqa: PLC0415

    disk = mount(64 * MIB)
    owner = (postgres / "cluster").stat()
    space = disk.place / "space"
    space.mkdir()
    os.chown(space, owner.st_uid, owner.st_gid)
    for folder in (disk.place, *disk.place.parents):
        if folder.owner() == "root" and Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(folder.stat().st_mode | 0o711)
    with psycopg.connect(
        host=str(postgres), user="fenxiao", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
        connection.execute(f"CREATE DATABASE small TEMPLATE {postgres_template} TABLESPACE small".encode())
    house = House(f"postgresql+psycopg://fenxiao@/small?host={postgres}", tmp_path / "home", run)
    try:
        disk.fill(256 * 1024)
        code, _, err = house("ingest", tables, "--rejects", tmp_path / "rejects")
        assert code == 1
        assert "No space left on device" in sentence(err)
        disk.make_room()
        assert house("ingest", tables, "--rejects", tmp_path / "rejects")[0] == 0
    finally:
        disk.make_room()
        with psycopg.connect(
            host=str(postgres), user="fenxiao", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(b"DROP DATABASE small WITH (FORCE)")
            connection.execute(b"DROP TABLESPACE small")


def test_a_report_of_bad_rows_that_does_not_fit_stops_the_import(
    mount: Mount, run: Run, sqlite_template: Path, tmp_path: Path
) -> None:
    disk = mount(MIB)
    house = House(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'store.db')}", tmp_path / "home", run)
    file = tmp_path / "brands.csv"
    file.write_text("brand_id,name\n" + "".join(f"{'b' * 200}{n},name\n" for n in range(20_000)))
    disk.fill(4_096)
    code, _, err = house("ingest", file, "--rejects", disk.place / "rejects", "--skip-bad")
    assert code == 2
    assert "name another folder" in sentence(err)
    assert not (disk.place / "rejects" / "brands.csv").exists()


# The home


def bytes_of(home: Path) -> dict[str, bytes]:
    """What a night leaves, but for who was promoted when."""
    kept = {place: content for place, content in files_in(home).items() if place.split("/")[0] in KEPT}
    return {
        place: content
        for place, content in kept.items()
        if not place.endswith((".lock", "champion.json")) and place != "nightly.prom"
    }


KEPT = ("models", "lists", "cards")


@pytest.fixture
def stubbed(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The night's training is done already: what it writes, and where, is as ever."""
    monkeypatch.setattr(training.shift, "run_night", lambda *_words, **_named: trained.night)
    return trained


@pytest.fixture(scope="module")
def undisturbed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a night leaves where there is room."""
    folder = tmp_path_factory.mktemp("roomy")
    fill_house(folder, folder / "home", trained)
    store = open_engine(f"sqlite:///{folder / 'night.db'}")
    shift = Shift(store, folder / "home", Policy(), FAST, 1, lambda: NOON, "me:1")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training.shift, "run_night", lambda *_words, **_named: trained.night)
        work_night(shift, trained.market.as_of)
    store.dispose()
    return bytes_of(folder / "home")


def fill_house(store: Path, home: Path, trained: Trained) -> None:
    """The store of the trained market, and a home in which only a champion of the day before serves."""
    shutil.copy(trained.url.removeprefix("sqlite:///"), store / "night.db")
    files = read_model(trained.home, trained.manifest.version)
    before = trained.night.provenance.model_copy(update={"as_of": trained.market.as_of - timedelta(days=1)})
    promote(home, publish(home, before, files).version, at=NOON)


def small_house(store: Path, home: Path, trained: Trained, run: Run) -> House:
    """As `fill_house`, with commands about it."""
    fill_house(store, home, trained)
    return House(f"sqlite:///{store / 'night.db'}", home, run)


def nightly(house: House, trained: Trained) -> tuple[int, str, str]:
    return house("nightly", "--as-of", trained.market.as_of, "--fast")


def check_night_with_little_room(
    house: House, disk: SmallDisk, leave: int, trained: Trained, undisturbed: dict[str, bytes]
) -> bool:
    """A night on a disk with so much room, and one after room was made; whether the first found enough."""
    before = champion(house.home)
    assert before is not None
    disk.fill(leave)
    code, _, err = nightly(house, trained)
    serving, lists = champion(house.home), read_lists(house.home)
    assert serving is not None
    assert serving.version in (before.version, trained.manifest.version)
    for version in list_versions(house.home):
        read_model(house.home, version)
    assert lists is None or lists.model_version == trained.manifest.version
    assert not list((house.home / "models").glob(".aside-*"))
    assert {file.suffix for file in (house.home / "cards").glob("[!.]*")} <= {".html"}
    if code:
        assert code == 1
        assert str(house.home) in sentence(err)
        (night,) = nights_of(house)
        assert night.state == ("published" if "figures" in err else "failed")
        assert night.state == "published" or "make room" in json.loads(night.report)["error"]
    disk.make_room()
    assert nightly(house, trained)[0] == 0
    assert {name: held for name, held in bytes_of(house.home).items() if before.version not in name} == {
        name: held for name, held in undisturbed.items() if before.version not in name
    }
    return code == 0


def nights_of(house: House) -> list[Any]:
    store = open_engine(house.database)
    with reading(store) as session:
        nights = list_nights(session)
    store.dispose()
    return nights


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.97])
def test_a_night_that_finds_no_room_changes_nothing_that_serves_and_ends_when_there_is_some(
    mount: Mount, stubbed: Trained, run: Run, undisturbed: dict[str, bytes], tmp_path: Path, share: float
) -> None:
    disk = mount(16 * MIB)
    house = small_house(tmp_path, disk.place / "home", stubbed, run)
    needed = sum(len(held) for held in undisturbed.values())
    check_night_with_little_room(house, disk, int(share * needed), stubbed, undisturbed)


@pytest.mark.slow
def test_with_any_room_from_none_to_enough_a_night_ends_well_or_changes_nothing(
    mount: Mount, stubbed: Trained, run: Run, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    needed = sum(len(held) for held in undisturbed.values())
    ended_well = []
    for n, leave in enumerate(range(0, 2 * needed, needed // 24)):
        disk = mount(16 * MIB)
        store = tmp_path / f"store{n}"
        store.mkdir()
        house = small_house(store, disk.place / "home", stubbed, run)
        ended_well.append(check_night_with_little_room(house, disk, leave, stubbed, undisturbed))
        if ended_well[-3:] == [True] * 3:
            break
    assert ended_well[0] is False
    assert ended_well[-1] is True


def test_a_night_whose_store_is_full_says_so_and_the_next_one_runs(
    mount: Mount, stubbed: Trained, run: Run, tmp_path: Path
) -> None:
    disk = mount(64 * MIB)
    house = small_house(disk.place, tmp_path / "home", stubbed, run)
    disk.fill()
    code, _, err = nightly(house, stubbed)
    assert code == 1
    assert "night.db" in sentence(err)
    disk.make_room()
    assert nightly(house, stubbed)[0] == 0
    assert [night.state for night in nights_of(house)] == ["published"]


def test_a_night_that_was_published_and_cannot_write_its_figures_says_so(
    stubbed: Trained, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = small_house(tmp_path, tmp_path / "home", stubbed, run)

    def refuse(*_words: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("training.attempt.write_figures", refuse)
        code, _, err = nightly(house, stubbed)
    assert code == 1
    assert "the figures of the night" in sentence(err)
    assert [night.state for night in nights_of(house)] == ["published"]
    serving = champion(house.home)
    assert serving is not None
    assert serving.version == stubbed.manifest.version


@pytest.mark.parametrize("word", ["promote", "rollback"])
def test_who_serves_goes_on_where_the_pointer_finds_no_room(
    mount: Mount, trained: Trained, run: Run, tmp_path: Path, word: str
) -> None:
    disk = mount(4 * MIB)
    house = small_house(tmp_path, disk.place / "home", trained, run)
    newer = publish(house.home, trained.night.provenance, trained.night.files).version
    if word == "rollback":
        promote(house.home, newer, at=NOON)
    before = read_history(house.home)
    disk.fill()
    code, _, err = house("models", word, *([newer] if word == "promote" else []))
    assert code == 1
    assert str(house.home / "models") in sentence(err)
    assert read_history(house.home) == before
    disk.make_room()
    assert house("models", word, *([newer] if word == "promote" else []))[0] == 0
    assert read_history(house.home) != before


def test_lists_for_a_file_that_do_not_fit_leave_no_file(
    mount: Mount, trained: Trained, run: Run, tmp_path: Path
) -> None:
    disk = mount(MIB)
    house = house_on(tmp_path, trained, run, tmp_path / "home")
    for ending in ("csv", "parquet"):
        out = disk.place / f"lists.{ending}"
        words = ("goods", "--all", "--as-of", trained.market.as_of, "--out", out)
        disk.fill(4_096)
        code, _, err = house(*words)
        assert code == 1
        sentence(err)
        assert [file.name for file in disk.place.iterdir()] == ["ballast"]
        disk.make_room()
        assert house(*words)[0] == 0
        out.unlink()


# Copies and the journal


@pytest.mark.parametrize("name", ["copy", "copy.tar.gz"])
@pytest.mark.parametrize("leave", [0, 300_000, 2 * MIB])
def test_a_copy_that_does_not_fit_is_none_and_is_made_when_there_is_room(
    mount: Mount, trained: Trained, run: Run, tmp_path: Path, name: str, leave: int
) -> None:
    disk = mount(64 * MIB)
    house = house_on(tmp_path, trained, run, tmp_path / "home")
    disk.fill(leave)
    code, _, err = house("backup", "create", "--out", disk.place / name)
    assert code == 1
    sentence(err)
    assert [file.name for file in disk.place.iterdir()] == ["ballast"]
    disk.make_room()
    assert house("backup", "create", "--out", disk.place / name)[0] == 0
    assert run("backup", "verify", disk.place / name)[0] == 0


def test_feedback_that_finds_no_room_is_refused_and_what_was_answered_stays(
    mount: Mount, sqlite_store: Engine
) -> None:
    disk = mount(4 * MIB)
    with closing(Journal(disk.place / "journal")) as journal:
        journal.append(events("e1 e2"))
        disk.fill()
        with pytest.raises(Fault, match=r"cannot be written: .*; make room"):
            journal.append(events(" ".join(f"x{n}" for n in range(200))))
        disk.make_room()
        journal.append(events("e3"))
        assert journal.drain(sqlite_store) == 3
    assert ids_of(sqlite_store) == ["e1", "e2", "e3"]


def test_feedback_waits_in_its_journal_while_the_store_is_full(
    mount: Mount, sqlite_template: Path, tmp_path: Path
) -> None:
    disk = mount(8 * MIB)
    store = open_engine(f"sqlite:///{shutil.copy(sqlite_template, disk.place / 'store.db')}")
    names = [f"e{n:05d}" for n in range(3_000)]
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.append(events(" ".join(names)))
        ids_of(store)
        disk.fill()
        with pytest.raises(NoRoom, match=r"store\.db has no room left"):
            journal.drain(store)
        assert journal.lag.n_waiting == len(names)
        disk.make_room()
        assert journal.drain(store) == len(names)
        assert journal.lag.n_waiting == 0
    assert ids_of(store) == names
    store.dispose()
