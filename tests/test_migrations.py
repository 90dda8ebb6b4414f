"""Do the migrations make exactly the tables that are declared, once, all or nothing, on both databases?"""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

from features.errors import StoreMismatch
from features.store import migrations
from features.store.db import open_engine, reading, writing
from features.store.migrations import VERSION_TABLE, differences, upgrade


def test_the_migrations_make_exactly_the_declared_tables(empty_store: Engine) -> None:
    upgrade(empty_store)
    assert differences(empty_store) == ""
    assert {*inspect(empty_store).get_table_names()} == {*SQLModel.metadata.tables, VERSION_TABLE}


def test_a_column_that_no_migration_makes_is_drafted_in_portable_words(store: Engine) -> None:
    with writing(store) as session:
        session.execute(text("ALTER TABLE events DROP COLUMN starts_at"))
    assert "sa.Column('starts_at', sa.BigInteger(), nullable=False)" in differences(store)


def test_a_second_upgrade_changes_nothing(store: Engine) -> None:
    with writing(store) as session:
        session.execute(text("INSERT INTO programmes VALUES ('p', 'P', 'cps_floor', 0, 'operator')"))
    upgrade(store)
    with reading(store) as session:
        assert session.execute(text("SELECT name FROM programmes")).scalars().all() == ["P"]


def test_an_upgrade_with_nothing_to_do_does_not_wait_for_a_writer(store: Engine) -> None:
    with writing(store):
        upgrade(store)


def test_several_processes_may_upgrade_a_new_database_at_once(empty_url: str) -> None:
    faults: list[Exception] = []

    def start() -> None:
        engine = open_engine(empty_url)
        try:
            upgrade(engine)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_an_upgrade_that_fails_half_way_leaves_nothing(
    empty_store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations.command, "upgrade", _upgrade_then_break)
    with pytest.raises(ZeroDivisionError):
        upgrade(empty_store)
    assert inspect(empty_store).get_table_names() == []


_true_upgrade = migrations.command.upgrade


def _upgrade_then_break(*arguments: object) -> None:
    _true_upgrade(*arguments)  # type: ignore[arg-type]
    raise ZeroDivisionError


def test_a_database_newer_than_this_build_is_left_alone(store: Engine) -> None:
    with writing(store) as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'from-the-future'"))
    with pytest.raises(StoreMismatch, match="newer than this build"):
        upgrade(store)


def test_somebody_elses_database_is_left_alone(empty_store: Engine) -> None:
    with writing(empty_store) as session:
        session.execute(text("CREATE TABLE invoices (n BIGINT)"))
    with pytest.raises(StoreMismatch, match="invoices"):
        upgrade(empty_store)
    assert inspect(empty_store).get_table_names() == ["invoices"]


def test_every_migration_follows_the_one_before() -> None:
    numbers = sorted(file.name[:4] for file in (Path(migrations.__file__).parent / "versions").glob("*.py"))
    assert numbers == [f"{n:04d}" for n in range(1, len(numbers) + 1)]
