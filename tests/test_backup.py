"""Does a copy come back as it was, and is damage found, wherever it is?"""

import gzip
import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from alembic import command

import copies as fixtures
from api.copying.manifest import CopiedFile, Manifest, read_manifest
from api.stores import is_simulated, mark_simulated
from copies import House, Run, brands, dump_of, files_in, house_at
from features.errors import Fault
from features.settings import Settings
from features.store import migrations
from features.store.db import open_engine
from features.store.journal import Journal
from journals import events
from matcher.registry import list_versions, read_history
from trained import Trained

house, other, run, trained_house = fixtures.house, fixtures.other, fixtures.run, fixtures.trained_house

# There and back


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz"])
def test_what_is_restored_answers_with_the_same_bytes(
    trained_house: House, other: House, trained: Trained, tmp_path: Path, name: str
) -> None:
    copy = trained_house.created(tmp_path / "made" / "for" / name)
    assert trained_house.run("backup", "verify", copy)[0] == 0
    assert other("backup", "restore", copy)[0] == 0
    assert dump_of(other.file) == dump_of(trained_house.file)
    assert other.goods(trained) == trained_house.goods(trained)
    assert read_history(other.home) == read_history(trained_house.home)
    lock = {".lock": b""}
    assert files_in(other.home / "models") | lock == files_in(trained_house.home / "models") | lock


def test_a_copy_goes_into_the_home_under_the_name_of_its_instant_where_no_place_is_named(
    house: House,
) -> None:
    told = house.answer("backup", "create")
    path = Path(told["path"])
    assert path.parent == house.home / "backups"
    assert datetime.strptime(path.name, "%Y%m%dT%H%M%S%z").isoformat() == told["created_at"].replace(
        "Z", "+00:00"
    )
    assert told["champion"] == list_versions(house.home)[0]
    assert told["store"]["rows"]["brands"] == len(brands(house.file))
    assert house("backup", "verify", path)[0] == 0


def test_only_its_owner_can_read_a_copy(house: House, tmp_path: Path) -> None:
    assert house.created(tmp_path / "copy").stat().st_mode & 0o077 == 0
    assert house.created(tmp_path / "copy.tar").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_nothing_is_overwritten(house: House, tmp_path: Path, name: str) -> None:
    copy = house.created(tmp_path / name)
    before = files_in(tmp_path)
    code, _, err = house("backup", "create", "--out", copy)
    assert (code, "nothing is overwritten" in err) == (2, True)
    assert files_in(tmp_path) == before


def test_an_empty_folder_may_become_a_copy_and_one_with_something_in_it_may_not(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "mount").mkdir()
    house.created(tmp_path / "mount")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    assert house("backup", "create", "--out", tmp_path / "mine")[0] == 2


def test_a_store_that_is_not_there_and_a_folder_that_cannot_be_made_are_wrong_input(
    house: House, other: House, tmp_path: Path
) -> None:
    assert other("backup", "create", "--out", tmp_path / "copy")[0] == 2
    assert house("backup", "create", "--out", "/dev/null/copy")[0] == 2


def test_a_copy_holds_neither_the_secret_nor_anything_else_that_lies_in_the_home(
    house: House, tmp_path: Path
) -> None:
    (house.home / "secret").write_bytes(b"s" * 32)
    (house.home / "letter").write_text("mine")
    copy = house.created(tmp_path / "copy")
    assert {name.split("/")[0] for name in files_in(copy)} == {"manifest.json", "store.db", "models"}
    assert b"s" * 32 not in b"".join(files_in(copy).values())


def test_the_mark_of_a_simulated_market_goes_with_it_and_comes_off_with_a_real_one(
    house: House, other: House, tmp_path: Path
) -> None:
    real = house.created(tmp_path / "real")
    mark_simulated(Settings(database_url=house.database, home=house.home))
    pretend = house.created(tmp_path / "pretend")
    there = Settings(database_url=other.database, home=other.home)
    assert other("backup", "restore", pretend)[0] == 0
    assert is_simulated(there)
    assert other("backup", "restore", real, "--force")[0] == 0
    assert not is_simulated(there)


def test_a_copy_from_before_a_migration_is_made_as_it_is_and_brought_up_to_date_when_it_is_restored(
    other: House, tmp_path: Path, run: Run
) -> None:
    old = house_at(tmp_path / "old", run)
    engine = open_engine(old.database)
    with engine.begin() as connection:
        command.upgrade(migrations._settings(connection), "0002")
    engine.dispose()
    copy = old.created(tmp_path / "copy")
    assert read_manifest(copy).store.schema_version == "0002"
    assert "api_keys" not in read_manifest(copy).store.rows
    assert other("backup", "restore", copy)[0] == 0
    engine = open_engine(other.database)
    assert migrations.differences(engine) == ""
    engine.dispose()


def test_a_store_that_is_newer_than_this_build_is_restored_by_nobody(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    with closing(sqlite3.connect(copy / "store.db")) as connection:
        connection.execute("UPDATE schema_version SET version_num = 'from-the-future'")
        connection.commit()
    reseal(copy)
    code, _, err = other("backup", "restore", copy)
    assert (code, "newer than this build" in err) == (1, True)
    assert not other.file.exists()


def test_somebody_elses_database_is_not_copied(other: House, tmp_path: Path) -> None:
    other.file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(other.file)) as connection:
        connection.execute("CREATE TABLE invoices (n)")
    assert other("backup", "create", "--out", tmp_path / "copy")[0] == 1
    assert list(tmp_path.glob("copy*")) == []


def reseal(copy: Path) -> None:
    """As whoever can write to a copy can do: its manifest tells what lies there now."""
    manifest = read_manifest(copy)
    store = manifest.store
    with closing(sqlite3.connect(copy / store.file)) as connection:
        version = connection.execute("SELECT version_num FROM schema_version").fetchone()[0]
    files = manifest.files | {store.file: CopiedFile.of(copy / store.file)}
    changed = {"files": files, "store": store.model_copy(update={"schema_version": version})}
    (copy / "manifest.json").write_bytes(manifest.model_copy(update=changed).sealed().as_bytes)


# Damage


def test_a_changed_byte_in_any_file_is_found_and_the_file_named(house: House, tmp_path: Path) -> None:
    (house.home / "journal" / "damaged").mkdir(parents=True)
    (house.home / "journal" / "damaged" / "000000000001.jsonl").write_bytes(b"set aside\n")
    with closing(Journal(house.home / "journal")) as journal:
        journal.append(events("e1 e2"))
    copy = house.created(tmp_path / "copy")
    names = files_in(copy)
    assert len(names) == 9
    for name, content in names.items():
        for place in {0, len(content) // 2, len(content) - 1}:
            damaged = bytearray(content)
            damaged[place] ^= 0x01
            (copy / name).write_bytes(damaged)
            code, _, err = house.run("backup", "verify", copy)
            assert code == 1, (name, place)
            assert name in err
            (copy / name).write_bytes(content)
    assert house.run("backup", "verify", copy)[0] == 0


def test_no_byte_of_the_manifest_can_be_changed_unnoticed(house: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    content = (copy / "manifest.json").read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x11
        (copy / "manifest.json").write_bytes(damaged)
        with pytest.raises(Fault):
            read_manifest(copy)


def test_files_that_are_cut_off_or_gone_are_all_named(house: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    (version,) = list_versions(copy)
    (copy / "models" / "champion.json").unlink()
    (copy / "models" / version / "goods_uptake.txt").write_bytes(b"")
    with (copy / "store.db").open("r+b") as file:
        file.truncate(4_096)
    code, out, err = house.run("backup", "verify", copy, "--json")
    told = json.loads(out)
    assert (code, told["intact"]) == (1, False)
    for name in ("champion.json", "goods_uptake.txt", "store.db"):
        assert any(name in problem for problem in told["problems"])
        assert name in err


def test_damage_inside_the_store_is_found_even_where_the_bytes_are_those_that_were_copied(
    house: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    with closing(sqlite3.connect(copy / "store.db")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE offer_promotions SET offer_id = 'nobody'")
        connection.commit()
    reseal(copy)
    code, _, err = house.run("backup", "verify", copy)
    assert (code, "refers to no row of offers" in err) == (1, True)
    with closing(sqlite3.connect(copy / "store.db")) as connection:
        connection.execute("DELETE FROM offer_promotions")
        connection.commit()
    reseal(copy)
    code, _, err = house.run("backup", "verify", copy)
    assert (code, "has not the rows" in err) == (1, True)


def test_of_an_archive_with_a_changed_byte_nothing_wrong_comes_out(
    house: House, other: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    copy = house.created(tmp_path / "copy.tar.gz")
    content = copy.read_bytes()
    for place in (0, *range(20, len(content), len(content) // 25), len(content) - 6):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        copy.write_bytes(damaged)
        if house.run("backup", "verify", copy)[0] == 0:  # a bit that the packing does not need
            assert gzip.decompress(damaged) == gzip.decompress(content), place
    for length in range(0, len(content), len(content) // 10):
        copy.write_bytes(content[:length])
        assert house.run("backup", "verify", copy)[0] in {1, 2}
    copy.write_bytes(content[: len(content) // 2])
    assert other("backup", "restore", copy)[0] == 1
    assert not other.file.exists()


def test_a_path_that_is_no_copy_is_wrong_input(house: House, tmp_path: Path) -> None:
    (version,) = list_versions(house.home)
    (tmp_path / "letter").write_text("Dear all")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "no-such", tmp_path / "letter", tmp_path / "empty", house.file):
        assert house.run("backup", "verify", path)[0] == 2, path
    code, _, err = house.run("backup", "verify", house.home / "models" / version)
    assert (code, "no manifest of a copy" in err) == (2, True)


def test_an_archive_reaches_nothing_outside(house: House, tmp_path: Path) -> None:
    folder, archive = house.created(tmp_path / "copy"), tmp_path / "copy.tar"
    link = tarfile.TarInfo("models/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(archive, "w") as opened:
        opened.add(folder / "store.db", "../escaped")
        opened.add(folder / "store.db", str(tmp_path / "absolute"))
        opened.addfile(link)
        opened.add(folder, ".")
        for name in files_in(folder):
            opened.add(folder / name, name)
    assert house.run("backup", "verify", archive)[0] == 0
    assert {file.name for file in tmp_path.iterdir()} == {"copy", "copy.tar", "house"}


def test_a_manifest_cannot_name_a_file_outside(house: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    manifest = read_manifest(copy)
    for name in ("../../etc/passwd", "/etc/passwd", "models/../../x", ".hidden"):
        files = {**manifest.files, name: manifest.files["store.db"]}
        forged = manifest.model_copy(update={"files": files}).sealed()
        with pytest.raises(ValueError, match="match pattern"):
            Manifest.model_validate_json(forged.as_bytes)


def test_a_store_that_is_damaged_already_is_told_when_it_is_copied(house: House, tmp_path: Path) -> None:
    with closing(sqlite3.connect(house.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'PRIMARY KEY (quote_id)', 'PRIMARY KEY (sku_id)') WHERE name = 'cps_quotes'"
        )
        connection.commit()
    code, _, err = house("backup", "create", "--out", tmp_path / "copy")
    assert (code, "is damaged itself" in err) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["house"]


def test_a_damaged_model_is_left_out_and_told_but_a_damaged_champion_stops_the_copy(
    house: House, tmp_path: Path
) -> None:
    (serving,), second = list_versions(house.home), "20261111-000000000000"
    shutil.copytree(house.home / "models" / serving, house.home / "models" / second)
    code, _, err = house("backup", "create", "--out", tmp_path / "copy")
    assert (code, second in err) == (0, True)
    assert read_manifest(tmp_path / "copy").left_out == (second,)
    assert list_versions(tmp_path / "copy") == [serving]
    assert house.run("backup", "verify", tmp_path / "copy")[0] == 0
    (house.home / "models" / serving / "outcome.txt").write_bytes(b"")
    assert house("backup", "create", "--out", tmp_path / "copy2")[0] == 1
    assert not (tmp_path / "copy2").exists()
