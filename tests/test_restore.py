"""What does a restore replace, what does it keep, and when does it leave everything alone?"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import copies as fixtures
from api.security import create_key
from copies import House, add_brands, brands
from features.store import migrations
from features.store.copies import sqlite as sqlite_room
from features.store.db import open_engine, writing
from features.store.forgetting import forget
from features.store.journal import Journal
from features.store.keys import revoke_key
from good_rows import GOOD
from journals import ROOT, events
from matcher.registry import list_versions, read_history, rollback

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)

house, other, run = fixtures.house, fixtures.other, fixtures.run


def test_a_store_with_rows_is_only_replaced_by_force_and_kept(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    assert other("ingest", _brands_file(tmp_path))[0] == 0
    code, _, err = other("backup", "restore", copy)
    assert (code, "with 2 rows" in err) == (2, True)
    assert brands(other.file) == {"b1", "b2"}
    told = other.answer("backup", "restore", copy, "--force")
    assert brands(other.file) == brands(house.file)
    (kept,) = map(Path, told["kept"])
    assert kept.name.startswith("store.db.replaced-")
    assert brands(kept) == {"b1", "b2"}


def _brands_file(folder: Path) -> Path:
    file = folder / "brands.csv"
    file.write_text("brand_id,name\nb1,x\nb2,y\n")
    return file


def test_a_store_without_rows_is_nothing_that_would_be_missed(
    house: House, other: House, tmp_path: Path, sqlite_template: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    other.file.parent.mkdir(parents=True)
    shutil.copy(sqlite_template, other.file)
    assert other.answer("backup", "restore", copy)["kept"] == []
    assert brands(other.file) == brands(house.file)


def test_a_store_that_cannot_be_read_is_replaced_by_force_and_kept(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    other.file.parent.mkdir(parents=True)
    other.file.write_bytes(b"no database at all " * 99)
    code, _, err = other("backup", "restore", copy)
    assert (code, "cannot be read" in err) == (2, True)
    (kept,) = other.answer("backup", "restore", copy, "--force")["kept"]
    assert Path(kept).read_bytes().startswith(b"no database")
    assert brands(other.file) == brands(house.file)


def test_models_that_the_copy_does_not_have_are_put_aside_and_lists_made_by_them_too(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    (version,), newer = list_versions(house.home), "20261112-0123456789ab"
    shutil.copytree(house.home, other.home)
    shutil.copytree(other.home / "models" / version, other.home / "models" / newer)
    (other.home / "lists").mkdir()
    code, _, err = other("backup", "restore", copy)
    assert (code, "with 2 models" in err) == (2, True)
    (moved,) = other.answer("backup", "restore", copy, "--force")["kept"]
    assert list_versions(other.home) == [version]
    assert list_versions(Path(moved)) == [newer]
    assert (Path(moved) / "lists").is_dir()
    assert not (other.home / "lists").exists()


def test_a_home_where_nobody_serves_comes_back_with_nobody_serving(
    house: House, other: House, tmp_path: Path
) -> None:
    shutil.copytree(house.home, other.home)
    (house.home / "models" / "champion.json").unlink()
    copy = house.created(tmp_path / "copy")
    assert house.answer("backup", "verify", copy)["champion"] is None
    assert len(read_history(other.home)) == 1
    assert other("backup", "restore", copy, "--force")[0] == 0
    assert read_history(other.home) == ()


def test_a_rollback_is_possible_after_a_restore_as_it_was_before(
    house: House, other: House, tmp_path: Path
) -> None:
    (version,) = list_versions(house.home)
    pointer = house.home / "models" / "champion.json"
    history = json.loads(pointer.read_bytes())["history"]
    gone = {"version": "20250101-0123456789ab", "promoted_at": "2025-01-01T00:00:00Z"}
    pointer.write_text(json.dumps({"history": [gone, *history, gone, *history]}))
    copy = house.created(tmp_path / "copy")
    assert other("backup", "restore", copy)[0] == 0
    assert [one.version for one in read_history(other.home)] == [
        gone["version"],
        version,
    ] * 2
    with pytest.raises(Exception, match="20250101"):
        rollback(other.home)


def test_feedback_that_waits_is_not_lost_by_a_restore(house: House, other: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    with closing(Journal(other.home / "journal")) as journal:
        journal.append(events("e1"))
    code, _, err = other("backup", "restore", copy)
    assert (code, "feedback" in err) == (2, True)
    (moved,) = other.answer("backup", "restore", copy, "--force")["kept"]
    with closing(Journal(other.home / "journal")) as journal:
        assert journal.lag.n_waiting == 0
    with closing(Journal(Path(moved) / "journal")) as journal:
        assert journal.lag.n_waiting == 1


def test_what_was_decided_since_the_copy_is_told_for_it_has_to_be_done_again(
    house: House, tmp_path: Path
) -> None:
    anchor = GOOD["anchors"]["anchor_id"]
    engine = open_engine(house.database)
    with writing(engine) as session:
        row, _ = create_key(session, role="operator", subject=None, note=None, expires_at=None, now=NOW)
        key_id = row.key_id
    copy = house.created(tmp_path / "copy")
    with writing(engine) as session:
        forget(session, anchor, asked_by="No. 7", done_by="operator", at=NOW)
        revoke_key(session, key_id, at=NOW)
    engine.dispose()
    code, out, err = house("backup", "restore", copy, "--force", "--json")
    told = json.loads(out)
    assert (code, told["forgotten_since"], told["revoked_since"]) == (0, [anchor], [key_id])
    assert f"anchor {anchor} was forgotten after" in err
    assert f"matcher keys revoke {key_id}" in err


@pytest.mark.parametrize("n_rows", [0, 2])
def test_a_store_that_another_process_has_open_is_left_alone(
    house: House, other: House, tmp_path: Path, n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_room, "_PATIENCE_SECONDS", 0.2)
    copy = house.created(tmp_path / "copy")
    engine = open_engine(other.database)
    migrations.upgrade(engine)
    engine.dispose()
    add_brands(other, *(f"b{n}" for n in range(n_rows)))
    idle = (
        "import sys; from features.store.db import open_engine, reading, read_rows\n"
        "engine = open_engine(sys.argv[1])\n"
        "with reading(engine) as session: read_rows(session, 'SELECT 1 FROM brands')\n"
        "print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", idle, other.database]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "open\n"
        code, _, err = other("backup", "restore", copy, "--force")
        assert (code, "another process has" in err) == (1, True)
        assert len(brands(other.file)) == n_rows
        assert list_versions(other.home) == []
        running.communicate("\n")
    assert other("backup", "restore", copy, "--force")[0] == 0


def test_a_home_whose_journal_a_server_has_is_left_alone(house: House, other: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    with closing(Journal(other.home / "journal")):
        code, _, err = other("backup", "restore", copy)
    assert (code, f"in use by process {os.getpid()}" in err) == (1, True)
    assert not other.file.exists()
    assert list_versions(other.home) == []


def test_what_another_database_left_beside_its_file_is_not_read_into_the_restored_one(
    house: House, other: House, tmp_path: Path
) -> None:
    """A log of a database that was removed has good checksums: SQLite would replay it."""
    copy = house.created(tmp_path / "copy")
    with closing(sqlite3.connect(house.file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE brands SET name = 'from the log'")
        writer.commit()
        other.file.parent.mkdir(parents=True)
        shutil.copy(f"{house.file}-wal", f"{other.file}-wal")
        shutil.copy(f"{house.file}-shm", f"{other.file}-shm")
    assert other("backup", "restore", copy)[0] == 0
    with closing(sqlite3.connect(other.file)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM brands WHERE name = 'from the log'").fetchone() == (
            0,
        )


def test_a_copy_of_one_kind_of_database_does_not_go_into_the_other(house: House, tmp_path: Path) -> None:
    copy = house.created(tmp_path / "copy")
    url = "postgresql+psycopg://me:secret@nowhere.invalid/x"
    code, _, err = house.run("backup", "restore", copy, "--database", url, "--home", tmp_path / "home")
    assert (code, "of a sqlite store" in err, "secret" in err) == (2, True, False)


def test_the_restored_file_belongs_to_whom_the_old_one_did(
    house: House, other: House, tmp_path: Path
) -> None:
    copy = house.created(tmp_path / "copy")
    assert other("ingest", _brands_file(tmp_path))[0] == 0
    other.file.chmod(0o640)
    assert other("backup", "restore", copy, "--force")[0] == 0
    assert other.file.stat().st_mode & 0o777 == 0o640
