"""Does the store keep its promises, the same ones on SQLite and on PostgreSQL?"""

import threading
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, Table, func, insert, select, text
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from features.errors import StoreBusy, StoreMismatch, WrongInput
from features.store.db import FrameSchema, frame_schema, open_engine, read_frame, reading, writing
from features.store.tables import Audience, Event, Listing
from features.store.types import UtcDateTime
from features.units import DAWN, microseconds

PAST_DOUBLE = 2**53 + 1
NOON = datetime(2026, 11, 11, 4, tzinfo=UTC)


def make_table(engine: Engine, columns: str, rows: list[tuple[object, ...]]) -> None:
    with writing(engine) as session:
        session.execute(text(f"CREATE TABLE seen ({columns})"))
        marks = ", ".join(f":p{n}" for n in range(len(rows[0]))) if rows else ""
        for row in rows:
            values = {f"p{n}": value for n, value in enumerate(row)}
            session.execute(text(f"INSERT INTO seen VALUES ({marks})"), values)


def make_marks(engine: Engine) -> None:
    make_table(engine, "n BIGINT", [(1,)])


def count_marks(session: Session) -> int:
    return int(session.execute(text("SELECT COUNT(*) FROM seen")).scalar_one())


# Frames


@pytest.mark.parametrize("n_nulls", [1, 3_000, 11_000])
def test_a_column_that_begins_with_nulls_keeps_its_declared_type(empty_store: Engine, n_nulls: int) -> None:
    make_table(empty_store, "n BIGINT, word TEXT, part DOUBLE PRECISION", [(PAST_DOUBLE, "007", 0.5)])
    schema: FrameSchema = {"n": pl.Int64, "word": pl.String, "part": pl.Float64}
    empty = f"SELECT 0 AS rank, CAST(NULL AS BIGINT) AS n, CAST(NULL AS TEXT) AS word, CAST(NULL AS DOUBLE PRECISION) AS part FROM seen, (WITH RECURSIVE many(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM many WHERE k < {n_nulls}) SELECT k FROM many) AS rows"
    sql = f"SELECT n, word, part FROM ({empty} UNION ALL SELECT 1, n, word, part FROM seen) AS every ORDER BY rank"
    with reading(empty_store) as session:
        frame = read_frame(session, sql, {}, schema)
    assert dict(frame.schema) == dict(schema)
    assert frame.height == n_nulls + 1
    assert frame.row(n_nulls) == (PAST_DOUBLE, "007", 0.5)
    assert frame.head(n_nulls).null_count().row(0) == (n_nulls, n_nulls, n_nulls)


def test_whole_numbers_past_2_to_the_53_arrive_as_they_are(empty_store: Engine) -> None:
    make_table(empty_store, "n BIGINT", [(PAST_DOUBLE,), (-(2**63),), (2**63 - 1,)])
    with reading(empty_store) as session:
        frame = read_frame(session, "SELECT n FROM seen ORDER BY n", {}, {"n": pl.Int64})
    assert frame["n"].to_list() == [-(2**63), PAST_DOUBLE, 2**63 - 1]


def test_text_that_looks_like_a_number_stays_text(empty_store: Engine) -> None:
    words = ["1", "007", "1e5", "9007199254740993", "3.0", "NaN"]
    make_table(empty_store, "word TEXT", [(word,) for word in words])
    with reading(empty_store) as session:
        frame = read_frame(session, "SELECT word FROM seen", {}, {"word": pl.String})
    assert sorted(frame["word"]) == sorted(words)


def test_a_whole_number_among_fractions_is_read_as_a_fraction(empty_store: Engine) -> None:
    make_table(empty_store, "part DOUBLE PRECISION", [(1,), (2.5,), (None,)])
    with reading(empty_store) as session:
        frame = read_frame(session, "SELECT part FROM seen", {}, {"part": pl.Float64})
    assert frame["part"].sort().to_list() == [None, 1.0, 2.5]


def test_days_and_flags_are_the_same_on_both_databases(empty_store: Engine) -> None:
    make_table(
        empty_store,
        "seen_on DATE, is_so BOOLEAN",
        [(None, None), ("2026-11-11", True), ("1969-12-31", False)],
    )
    schema: FrameSchema = {"seen_on": pl.Date, "is_so": pl.Boolean}
    with reading(empty_store) as session:
        frame = read_frame(session, "SELECT seen_on, is_so FROM seen", {}, schema).sort("seen_on")
    assert frame.rows() == [(None, None), (date(1969, 12, 31), False), (date(2026, 11, 11), True)]


def test_no_row_gives_an_empty_frame_of_the_declared_types(store: Engine) -> None:
    schema = frame_schema(Listing)
    with reading(store) as session:
        frame = read_frame(session, "SELECT * FROM listings", {}, schema)
    assert frame.is_empty()
    assert dict(frame.schema) == schema


def test_columns_come_in_the_order_of_the_schema(empty_store: Engine) -> None:
    make_table(empty_store, "a BIGINT, b BIGINT", [(1, 2)])
    with reading(empty_store) as session:
        frame = read_frame(session, "SELECT b, a FROM seen", {}, {"a": pl.Int64, "b": pl.Int64})
    assert frame.rows(named=True) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("schema", [{"a": pl.Int64}, {"a": pl.Int64, "b": pl.Int64, "c": pl.Int64}])
def test_a_column_too_few_or_too_many_is_a_fault(empty_store: Engine, schema: FrameSchema) -> None:
    make_table(empty_store, "a BIGINT, b BIGINT", [(1, 2)])
    with reading(empty_store) as session, pytest.raises(StoreMismatch, match="declares"):
        read_frame(session, "SELECT a, b FROM seen", {}, schema)


def test_a_value_that_its_type_cannot_hold_is_a_fault(empty_store: Engine) -> None:
    make_table(empty_store, "word TEXT", [("7",), ("seven",)])
    with reading(empty_store) as session, pytest.raises(StoreMismatch):
        read_frame(session, "SELECT word FROM seen", {}, {"word": pl.Int64})


def test_a_parameter_is_passed_by_name_as_often_as_it_is_named(empty_store: Engine) -> None:
    make_table(empty_store, "n BIGINT, word TEXT", [(n, f"it's {n}%") for n in range(10)])
    sql = "SELECT n FROM seen WHERE n < :cut OR (word = :word AND n >= :cut) ORDER BY n"
    with reading(empty_store) as session:
        frame = read_frame(session, sql, {"word": "it's 7%", "cut": 2}, {"n": pl.Int64})
    assert frame["n"].to_list() == [0, 1, 7]


def test_a_writing_session_reads_its_own_rows_before_they_are_committed(empty_store: Engine) -> None:
    make_marks(empty_store)
    with writing(empty_store) as session:
        session.execute(text("INSERT INTO seen VALUES (2)"))
        assert read_frame(session, "SELECT n FROM seen", {}, {"n": pl.Int64})["n"].sort().to_list() == [1, 2]


def test_all_frames_of_a_session_show_one_moment(empty_store: Engine) -> None:
    make_marks(empty_store)
    with reading(empty_store) as session:
        assert count_marks(session) == 1
        with writing(empty_store) as other:
            other.execute(text("INSERT INTO seen VALUES (2)"))
        assert read_frame(session, "SELECT n FROM seen", {}, {"n": pl.Int64}).height == 1
        with writing(empty_store) as other:
            other.execute(text("INSERT INTO seen VALUES (3)"))
        assert read_frame(session, "SELECT n FROM seen", {}, {"n": pl.Int64}).height == 1
        assert count_marks(session) == 1
    with reading(empty_store) as session:
        assert count_marks(session) == 3


def test_a_read_leaves_a_writer_its_lock(tmp_path: Path) -> None:
    """Two copies of SQLite in one process drop each other's locks; so frames come through the one that writes."""
    engine = open_engine(f"sqlite:///{tmp_path / 'store.db'}")
    make_marks(engine)
    inodes = {str((tmp_path / name).stat().st_ino) for name in ("store.db", "store.db-shm")}

    def locks() -> int:
        return sum(
            line.split()[5].split(":")[2] in inodes for line in Path("/proc/locks").read_text().splitlines()
        )

    with writing(engine):
        before = locks()
        with reading(engine) as session:
            read_frame(session, "SELECT n FROM seen", {}, {"n": pl.Int64})
        assert 0 < before <= locks()
    engine.dispose()


def test_the_frame_of_a_table_has_its_columns_and_types() -> None:
    assert frame_schema(Event)["starts_at"] is pl.Int64
    assert frame_schema(Event)["counts_as_big_promo"] is pl.Boolean
    assert frame_schema(Audience)["observed_on"] is pl.Date
    assert frame_schema(Audience)["share"] is pl.Float64


# Writers and readers


def test_what_a_failed_writer_wrote_is_gone(empty_store: Engine) -> None:
    make_marks(empty_store)
    with pytest.raises(ZeroDivisionError), writing(empty_store) as session:
        session.execute(text("INSERT INTO seen VALUES (2)"))
        raise ZeroDivisionError
    with reading(empty_store) as session:
        assert count_marks(session) == 1


def test_a_reading_session_cannot_write(empty_store: Engine) -> None:
    make_marks(empty_store)
    with reading(empty_store) as session, pytest.raises(DBAPIError, match=r"read-?only"):
        session.execute(text("INSERT INTO seen VALUES (2)"))
    with writing(empty_store) as session:  # and the connection it goes back to the pool with can
        session.execute(text("INSERT INTO seen VALUES (2)"))


def test_a_reader_does_not_wait_for_a_writer(empty_store: Engine) -> None:
    make_marks(empty_store)
    with writing(empty_store) as session:
        session.execute(text("INSERT INTO seen VALUES (2)"))
        with reading(empty_store) as reader:
            assert count_marks(reader) == 1


def test_a_second_writer_waits_for_the_first_and_loses_nothing(empty_store: Engine) -> None:
    make_table(empty_store, "n BIGINT", [(0,)])

    def add_one() -> None:
        for _ in range(25):
            with writing(empty_store) as session:
                n = session.execute(text("SELECT n FROM seen")).scalar_one()
                session.execute(text("UPDATE seen SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(empty_store) as session:
        assert session.execute(text("SELECT n FROM seen")).scalar_one() == 100


def test_a_writer_that_waited_too_long_says_so(empty_url: str) -> None:
    engine = open_engine(empty_url, wait_seconds=0.2)
    with writing(engine), pytest.raises(StoreBusy, match="try again"), writing(engine):
        pass
    engine.dispose()


def test_sqlite_is_set_up_to_survive_a_power_cut(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new' / 'folder' / 'store.db'}")
    with reading(engine) as session:
        found = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "postgresql://localhost/x", "store.db", ""],
)
def test_a_url_that_names_no_store_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(WrongInput, match="write sqlite:///FILE or postgresql"):
        open_engine(url)


def test_a_refused_url_does_not_print_its_password() -> None:
    with pytest.raises(WrongInput) as refusal:
        open_engine("mysql://me:secret@localhost/x")
    assert "secret" not in str(refusal.value)


# Instants


def test_an_instant_comes_back_aware_and_to_the_microsecond(empty_store: Engine) -> None:
    written = datetime(2026, 11, 11, 20, 0, 0, 123457, tzinfo=timezone(timedelta(hours=8)))
    table = Table("moments", MetaData(), Column("at", UtcDateTime))
    with writing(empty_store) as session:
        table.create(session.connection())
        session.execute(insert(table), [{"at": written}, {"at": None}, {"at": DAWN}])
        stored = set(session.execute(text("SELECT at FROM moments")).scalars())
        found = session.execute(select(table.c.at).where(table.c.at <= written)).scalars().all()
    assert stored == {microseconds(written), None, 0}
    assert sorted(found) == [DAWN, written]
    assert {moment.tzinfo for moment in found} == {UTC}


def test_instants_compare_and_have_a_latest_in_the_database(empty_store: Engine) -> None:
    table = Table("moments", MetaData(), Column("at", UtcDateTime))
    with writing(empty_store) as session:
        table.create(session.connection())
        session.execute(insert(table), [{"at": NOON - timedelta(microseconds=1)}, {"at": NOON}])
        assert session.execute(select(func.count()).where(table.c.at < NOON)).scalar_one() == 1
        assert session.execute(select(func.max(table.c.at))).scalar_one() == NOON


def test_a_naive_instant_is_not_stored(empty_store: Engine) -> None:
    table = Table("moments", MetaData(), Column("at", UtcDateTime))
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(Exception, match="no offset"), writing(empty_store) as session:
        table.create(session.connection())
        session.execute(insert(table), [{"at": naive}])


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_survives_its_way_in_and_out(instant: datetime) -> None:
    kind, dialect = UtcDateTime(), DefaultDialect()
    assert kind.process_result_value(kind.process_bind_param(instant, dialect), dialect) == instant
