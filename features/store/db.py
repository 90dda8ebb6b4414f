"""How is the store opened, written and read, on SQLite and on PostgreSQL alike?

One writer at a time, on both: SQLite by `BEGIN IMMEDIATE` (a deferred BEGIN that turns to writing fails at once,
whatever the busy timeout), PostgreSQL by an advisory lock. Readers never wait, and see one moment of the store.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import psycopg
from sqlalchemy import Boolean, Connection, Date, Engine, Float, Integer, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session, SQLModel

from features.errors import Fault, NoRoom, StoreBusy, StoreMismatch, WrongInput
from features.store.address import WANTED, parse_url
from features.store.types import UtcDateTime

FrameSchema = Mapping[str, type[pl.DataType]]
Parameter = int | float | str | None

_READING: Final = "fenxiao_reading"
_BULK: Final = "fenxiao_bulk"
_WRITER_LOCK: Final = 0x66656E7869616F  # "fenxiao"
_ROWS_A_BATCH: Final = 1_000  # what is turned into columns should still lie in the cache: 10 000 cost 1.4x
_WAL_LEFT_BYTES: Final = 64 * 2**20
_OUT_OF_ROOM: Final = frozenset(
    {
        "SQLITE_FULL",
        "SQLITE_IOERR_WRITE",  # a limit on a file's size, or a disk that fills up under the log
        "SQLITE_IOERR_FSYNC",
        "SQLITE_IOERR_SHMSIZE",
        "53100",  # disk_full
    }
)


def open_engine(url: str, *, wait_seconds: float = 30) -> Engine:
    """An engine on `sqlite:///FILE` (made, with its folder, where there is none) or `postgresql+psycopg://...`.

    `wait_seconds` is how long a writer waits for the writer before it. No table is made here: `upgrade` does.
    """
    parsed = parse_url(url)
    if parsed.drivername == "postgresql+psycopg":
        return _open_postgres(url, wait_seconds)
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise WrongInput(f"database URL names {parsed.drivername}; {WANTED}")
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise WrongInput(f"database URL names no file; {WANTED}")
    return _open_sqlite(Path(parsed.database).absolute(), wait_seconds)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that cannot write; all its queries see the store as it was at the first of them."""
    engine = engine.execution_options(**{_READING: True})
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with Session(engine) as session:
        try:
            yield session
        finally:
            bulk = session.info.pop(_BULK, None)
            if bulk is not None:
                with suppress(adbc.Error):  # where the server has gone there is nothing to close
                    bulk.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session that holds the store's only pen from the start; commits at the end, or leaves nothing behind.

    NoRoom where the store's disk is full.
    """
    try:
        with Session(engine, expire_on_commit=False) as session:
            try:
                session.connection()
            except OperationalError as error:
                if is_a_wait(error):
                    raise StoreBusy(
                        "another writer holds the store; try again when it has finished"
                    ) from error
                raise
            yield session
            session.commit()
    except (DatabaseError, sqlite3.Error, psycopg.Error) as error:
        if is_out_of_room(error):
            raise no_room_in(engine, error) from error
        raise


def read_frame(
    session: Session, sql: str, parameters: Mapping[str, Parameter], schema: FrameSchema
) -> pl.DataFrame:
    """The rows of `sql` (`:name` for a parameter) as a frame with exactly the columns and types of `schema`.

    No type is guessed from what the first rows hold, so a column that begins with NULLs, an id that looks like a
    number and an integer past 2^53 arrive as they are stored. A column that is missing, left over, or holds what
    its type cannot, is a fault. Instants are `Int64` microseconds. Order is what `sql` says, else any.

    PostgreSQL is read through ADBC, in the session's own snapshot; a writing session, whose rows ADBC could not
    see, through its own cursor. SQLite always through its own cursor: ADBC brings a second copy of the library,
    and when two copies in one process open one file, the first to close it drops the other's locks.
    """
    connection = session.connection()
    is_reading = bool(connection.get_execution_options().get(_READING))
    if is_reading and connection.dialect.name == "postgresql":
        frame = _read_through_adbc(session, connection, sql, parameters)
    else:
        frame = _read_through_cursor(connection, sql, parameters, schema)
    return _as_declared(frame, schema)


def read_rows(
    session: Session, sql: str, parameters: Mapping[str, Parameter] | None = None
) -> list[Sequence[Any]]:
    """The rows of `sql` as the driver gives them: instants in microseconds, on SQLite a flag as 0 or 1."""
    result = session.connection().execute(text(sql), dict(parameters or {}))
    rows: list[Sequence[Any]] = list(result.cursor.fetchall())
    result.close()
    return rows


def read_rows_of(session: Session, sql: str, ids: Sequence[str]) -> list[Sequence[Any]]:
    """As `read_rows`, with `:ids` standing for a list of ids; handed to the driver as it is, for lists are long."""
    connection = session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    result = connection.exec_driver_sql(sql.replace(":ids", ", ".join([mark] * len(ids))), tuple(ids))
    rows: list[Sequence[Any]] = list(result.cursor.fetchall())
    result.close()
    return rows


def frame_schema(table: type[SQLModel]) -> dict[str, type[pl.DataType]]:
    """The columns of a table with the types they have in a frame."""
    columns = SQLModel.metadata.tables[str(table.__tablename__)].columns
    return {column.name: _frame_type(column.type) for column in columns}


def _open_sqlite(file: Path, wait_seconds: float) -> Engine:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(f"folder of the database cannot be made: {error}; {WANTED}") from error
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": wait_seconds})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks fit
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"journal_size_limit = {_WAL_LEFT_BYTES}",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if is_reading else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

    return engine


def _open_postgres(url: str, wait_seconds: float) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, connect_args={"application_name": "fenxiao"})

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_READING, False):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(wait_seconds * 1000)}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")

    return engine


def is_a_wait(error: DatabaseError) -> bool:
    """Whether the database gave up waiting for another writer."""
    return _code(error) in {"SQLITE_BUSY", "55P03"}


def is_out_of_room(error: Exception) -> bool:
    """Whether the database could not write what it was given: its disk, its quota or its own limit is full."""
    return _code(error) in _OUT_OF_ROOM


def no_room_in(engine: Engine, error: Exception) -> NoRoom:
    """What to tell of a store that `is_out_of_room`; a password in its URL is not told."""
    url = engine.url
    store = url.database if url.get_backend_name() == "sqlite" else url.render_as_string()
    said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return NoRoom(
        f"the store {store} has no room left ({said}); what was stored before is as it was, of this nothing is; "
        "make room, then do it again"
    )


def _code(error: Exception) -> str | None:
    """The database's own name of what went wrong."""
    orig = getattr(error, "orig", error)
    return getattr(orig, "sqlite_errorname", None) or getattr(orig, "sqlstate", None)


def _read_through_cursor(
    connection: Connection, sql: str, parameters: Mapping[str, Parameter], schema: FrameSchema
) -> pl.DataFrame:
    """Row by row from the driver, column by column into the frame; 1.7x the bare fetch."""
    result = connection.execute(text(sql), dict(parameters))
    kinds = {name: schema[name] for name in _same_names(list(result.keys()), schema)}
    frames = [pl.DataFrame(schema=kinds)]
    while rows := result.cursor.fetchmany(_ROWS_A_BATCH):
        columns = zip(kinds.items(), zip(*rows, strict=True), strict=True)
        frames.append(pl.DataFrame([_column(name, values, kind) for (name, kind), values in columns]))
    result.close()
    return pl.concat(frames, rechunk=True)


def _column(name: str, values: Sequence[Any], kind: type[pl.DataType]) -> pl.Series:
    stored = pl.Int64 if kind is pl.Boolean and isinstance(_first(values), int) else kind
    if kind is pl.Date and isinstance(_first(values), str):  # SQLite keeps a date as its text
        return pl.Series(name, values, dtype=pl.String).str.to_date("%Y-%m-%d")
    try:
        return pl.Series(name, values, dtype=stored).cast(kind)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise StoreMismatch(f"column {name} holds what is no {kind.__name__}: {error}") from error


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _read_through_adbc(
    session: Session, connection: Connection, sql: str, parameters: Mapping[str, Parameter]
) -> pl.DataFrame:
    compiled = text(sql).bindparams(**parameters).compile(dialect=_NUMBERED)
    order = compiled.positiontup or []
    try:
        with _bulk_connection(session, connection).cursor() as cursor:
            cursor.execute(compiled.string, [parameters[name] for name in order] or None)
            frame = pl.from_arrow(cursor.fetch_arrow_table())
    except adbc.Error as error:  # a tree of its own, that nobody above knows
        raise Fault(f"the store could not be read through ADBC: {error}") from error
    assert isinstance(frame, pl.DataFrame)
    return frame


_NUMBERED = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # as SQLAlchemy has it


def _bulk_connection(session: Session, connection: Connection) -> Any:
    """The session's ADBC connection, opened at its first use into the very snapshot that the session reads."""
    if _BULK not in session.info:
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        url = connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        bulk = adbc.connect(url, autocommit=True)
        session.info[_BULK] = bulk
        with bulk.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    return session.info[_BULK]


def _as_declared(frame: pl.DataFrame, schema: FrameSchema) -> pl.DataFrame:
    _same_names(frame.columns, schema)
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    except pl.exceptions.PolarsError as error:
        raise StoreMismatch(f"query gives what its schema does not declare: {error}") from error


def _same_names(found: list[str], schema: FrameSchema) -> list[str]:
    if set(found) != set(schema):
        raise StoreMismatch(f"query gives columns {found}, its schema declares {list(schema)}")
    return found


def _frame_type(column_type: Any) -> type[pl.DataType]:
    if isinstance(column_type, UtcDateTime | Integer):
        return pl.Int64
    if isinstance(column_type, Float):
        return pl.Float64
    if isinstance(column_type, Boolean):
        return pl.Boolean
    return pl.Date if isinstance(column_type, Date) else pl.String
