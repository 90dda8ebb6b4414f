"""Does a copy of a PostgreSQL store come back whole or not at all, and does no password show anywhere?"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

import copies as fixtures
from api.copying.manifest import CopiedFile, read_manifest
from copies import House, Run, fill
from features.errors import Fault, StoreBusy
from features.store.copies import postgres as room
from features.store.copies.contents import Contents
from features.store.db import open_engine, writing
from features.store.tables import Brand, Programme
from features.units import DAWN

run = fixtures.run
_NUMBERS = count()
SECRET = "xyzzy 'x\\x"  # noqa: S105 - a server that asks for none


@pytest.fixture
def database(postgres: Path, postgres_template: str) -> Callable[[str], str]:
    """The URL of a new database: `filled` has every table and a row in each import table, `empty` nothing."""

    def make(kind: str) -> str:
        name, template = (
            f"copies_{os.getpid()}_{next(_NUMBERS)}",
            "template0" if kind == "empty" else postgres_template,
        )
        with psycopg.connect(
            host=str(postgres), user="fenxiao", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        url = make_url(f"postgresql+psycopg://fenxiao@/{name}?host={postgres}").set(password=SECRET)
        found = url.render_as_string(hide_password=False)
        if kind == "filled":
            fill(found)
        return found

    return make


@pytest.fixture
def filled(database: Callable[[str], str], tmp_path: Path, run: Run) -> House:
    return House(database("filled"), tmp_path / "home", run)


@pytest.fixture
def empty(database: Callable[[str], str], tmp_path: Path, run: Run) -> House:
    return House(database("empty"), tmp_path / "other", run)


def query(house: House, sql: str) -> list[Any]:
    with psycopg.connect(room._conninfo(house.database)) as connection:
        done = connection.execute(sql.encode())
        return done.fetchall() if done.description else []


def rows_of(house: House) -> dict[str, list[Any]]:
    names = [row[0] for row in query(house, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: sorted(map(repr, query(house, f"SELECT * FROM {name}"))) for name in sorted(names)}


def databases(house: House) -> set[str]:
    return {row[0] for row in query(house, "SELECT datname FROM pg_database")}


def test_what_is_restored_into_an_empty_database_is_what_was_copied(
    filled: House, empty: House, tmp_path: Path
) -> None:
    told = filled.answer("backup", "create", "--out", tmp_path / "copy.tar")
    assert (told["store"]["kind"], told["store"]["rows"]["skus"]) == ("postgresql", 1)
    assert empty("backup", "restore", tmp_path / "copy.tar")[0] == 0
    assert rows_of(empty) == rows_of(filled)
    for url in (filled.database, empty.database):
        indexes = query(House(url, tmp_path, filled.run), "SELECT indexdef FROM pg_indexes ORDER BY 1")
        assert ("CREATE INDEX ix_skus_brand_id ON public.skus USING btree (brand_id)",) in indexes


def test_its_rows_are_only_said_to_be_verified_where_it_was_restored(filled: House, tmp_path: Path) -> None:
    copy, before = filled.created(tmp_path / "copy"), databases(filled)
    code, out, _ = filled("backup", "verify", copy)
    assert (code, "its rows were not counted again" in out) == (0, True)
    assert not filled.answer("backup", "verify", copy)["rows_verified"]
    assert filled.answer("backup", "verify", copy, "--deep")["rows_verified"]
    assert databases(filled) == before
    code, _, err = filled.run("backup", "verify", copy, "--deep", "--database", "sqlite:///x.db")
    assert (code, "--deep needs a PostgreSQL server" in err) == (2, True)


def test_while_others_write_the_rows_that_are_told_are_those_that_are_dumped(
    filled: House, tmp_path: Path
) -> None:
    engine, is_over = open_engine(filled.database), threading.Event()

    def write_pairs() -> None:
        for n in count():
            if is_over.is_set():
                return
            with writing(engine) as session:
                session.add(Brand(brand_id=f"pair{n}", name="x", known_at=DAWN, source="o"))
                session.add(
                    Programme(programme_id=f"pair{n}", name="x", rules="cps_floor", known_at=DAWN, source="o")
                )

    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        told = [filled.answer("backup", "create", "--out", tmp_path / f"copy{n}") for n in range(2)]
    finally:
        is_over.set()
        writer.join()
        engine.dispose()
    for n, one in enumerate(told):
        assert one["store"]["rows"]["brands"] == one["store"]["rows"]["programmes"]
        assert filled("backup", "verify", tmp_path / f"copy{n}", "--deep")[0] == 0
    assert told[0]["store"]["rows"]["brands"] < told[1]["store"]["rows"]["brands"]


def test_a_database_with_rows_is_only_replaced_by_force(
    filled: House, database: Callable[[str], str], tmp_path: Path
) -> None:
    copy = filled.created(tmp_path / "copy")
    other = House(database("template"), tmp_path / "other", filled.run)
    assert other("backup", "restore", copy)[0] == 0  # tables without rows are nothing that would be missed
    assert query(other, "DELETE FROM audiences RETURNING share") == [(1.0,)]
    code, _, err = other("backup", "restore", copy)
    assert (code, "rows" in err) == (2, True)
    assert other.answer("backup", "restore", copy, "--force")["kept"] == []
    assert rows_of(other) == rows_of(filled)


def test_somebody_elses_database_is_left_alone(filled: House, empty: House, tmp_path: Path) -> None:
    copy = filled.created(tmp_path / "copy")
    query(empty, "CREATE TABLE invoices (n INT)")
    code, _, err = empty("backup", "restore", copy, "--force")
    assert (code, "invoices" in err) == (2, True)
    assert empty("backup", "create", "--out", tmp_path / "copy2")[0] == 1
    assert rows_of(empty) == {"invoices": []}


def test_a_table_of_somebody_else_beside_ours_is_neither_copied_nor_touched(
    filled: House, tmp_path: Path
) -> None:
    query(filled, "CREATE TABLE invoices AS SELECT 7 AS n")
    copy = filled.created(tmp_path / "copy")
    assert "invoices" not in read_manifest(copy).store.rows
    assert filled("backup", "restore", copy, "--force")[0] == 0
    assert query(filled, "SELECT n FROM invoices") == [(7,)]


def test_a_dump_that_is_damaged_is_found_and_is_not_restored(
    filled: House, empty: House, tmp_path: Path
) -> None:
    copy = filled.created(tmp_path / "copy")
    content = bytearray((copy / "store.dump").read_bytes())
    content[len(content) // 2] ^= 0x10
    (copy / "store.dump").write_bytes(content)
    for words in (("verify", copy), ("verify", copy, "--deep"), ("restore", copy)):
        code, _, err = empty("backup", *words)
        assert (code, "store.dump is not as it was written" in err) == (1, True)
    assert rows_of(empty) == {}


@pytest.mark.parametrize("share", [0.02, 0.97])
def test_a_dump_that_was_cut_off_when_it_was_made_is_found_by_pg_restore(
    filled: House, tmp_path: Path, share: float
) -> None:
    copy = filled.created(tmp_path / "copy")
    cut_off(copy / "store.dump", share)
    manifest = read_manifest(copy)
    files = manifest.files | {"store.dump": CopiedFile.of(copy / "store.dump")}
    (copy / "manifest.json").write_bytes(manifest.model_copy(update={"files": files}).sealed().as_bytes)
    before = databases(filled)
    code, out, _ = filled("backup", "verify", copy, "--deep", "--json")
    (problem,) = json.loads(out)["problems"]
    assert code == 1
    assert ("pg_restore cannot read it" in problem) == (share < 0.5)
    assert databases(filled) == before


def cut_off(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


def test_a_restore_that_fails_half_way_or_counts_other_rows_leaves_what_was_there(
    filled: House, tmp_path: Path
) -> None:
    stored, dump = room.dump(filled.database, tmp_path / "x.dump"), tmp_path / "x.dump"
    query(filled, "UPDATE brands SET name = 'newer'")
    before = rows_of(filled)
    shutil.copy(dump, tmp_path / "cut.dump")
    cut_off(tmp_path / "cut.dump", 0.97)
    with pytest.raises(Fault, match="nothing was restored"):
        room.restore(filled.database, tmp_path / "cut.dump", stored)
    assert rows_of(filled) == before
    rows = {**stored.contents.rows, "brands": 2}
    more = room.Stored(stored.namespace, Contents(stored.contents.schema_version, rows), ())
    with pytest.raises(Fault, match=r"brands.* does not have the 2 rows"):
        room.restore(filled.database, dump, more)
    assert rows_of(filled) == before
    room.restore(filled.database, dump, stored)
    assert rows_of(filled) != before


def test_a_restore_does_not_wait_for_ever_for_somebody_who_reads(
    filled: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = filled.created(tmp_path / "copy")
    monkeypatch.setattr(room, "_PATIENCE_SECONDS", 1)
    with psycopg.connect(room._conninfo(filled.database)) as reader:
        reader.execute("SELECT * FROM brands")
        assert filled("backup", "restore", copy, "--force")[0] == 1
        stored = read_manifest(copy).store
        with pytest.raises(StoreBusy):
            room.restore(filled.database, copy / "store.dump", room.Stored("public", stored.contents, ()))
    assert filled("backup", "restore", copy, "--force")[0] == 0


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of tools that write down how they were called, and then do what the true ones do."""
    true = {name: room._tool(name) for name in ("pg_dump", "pg_restore", "psql")}
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, tool in true.items():
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\necho "{name} $* ($PGPASSWORD)" >>{folder}/log\nexec {tool} "$@"\n')
        wrapper.chmod(0o755)
    monkeypatch.setattr(room, "_PACKAGED", tmp_path / "nothing-packaged")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_a_password_is_on_no_command_line_and_in_no_message(
    filled: House, empty: House, tools: Path, tmp_path: Path
) -> None:
    copy = filled.created(tmp_path / "copy")
    assert empty("backup", "restore", copy)[0] == 0
    calls = (tools / "log").read_text().splitlines()
    assert {call.split()[0] for call in calls} == {"pg_dump", "pg_restore", "psql"}
    for call in calls:
        if not call.startswith("pg_restore"):
            assert call.endswith(f"({SECRET})")  # in its environment
        assert "xyzzy" not in call.removesuffix(f"({SECRET})")
    for name in ("pg_dump", "psql"):
        (tools / name).write_text("#!/bin/sh\necho 'it went wrong' >&2\nexit 3\n")
    for words in (("create", "--out", tmp_path / "copy2"), ("restore", copy, "--force")):
        code, out, err = filled("backup", *words)
        assert (code, "it went wrong" in err) == (1, True)
        assert "xyzzy" not in out + err
    assert not (tmp_path / "copy2").exists()


@pytest.mark.parametrize("name", ["pg_dump", "pg_restore", "psql"])
def test_a_tool_that_is_missing_is_told_with_the_package_that_has_it(
    filled: House, empty: House, tools: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = None if name == "pg_dump" else filled.created(tmp_path / "copy")
    (tools / name).unlink()
    monkeypatch.setenv("PATH", str(tools))
    words = ("create", "--out", tmp_path / "copy") if copy is None else ("restore", copy)
    code, _, err = (filled if copy is None else empty)("backup", *words)
    assert (code, f"{name} is not installed" in err, "postgresql-client" in err) == (1, True, True)
    assert rows_of(empty) == {}


def test_a_server_that_does_not_answer_is_a_fault(run: Run, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://me:secret@/x?host={tmp_path}"
    code, _, err = run("backup", "create", "--out", tmp_path / "copy", "--database", url, "--home", tmp_path)
    assert (code, "secret" in err, list(tmp_path.glob("*copy*"))) == (1, False, [])
