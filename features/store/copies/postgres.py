"""How is a PostgreSQL store copied and put back? By its own tools: `pg_dump`, `pg_restore`, `psql`.

A password never stands on a command line, where every user of the machine could read it, nor in a message.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal
from sqlalchemy import inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, SQLModel

from features.errors import Fault, StoreBusy
from features.store.copies.contents import Contents
from features.store.copies.files import sync
from features.store.db import open_engine, read_rows, reading
from features.store.migrations import VERSION_TABLE

_PACKAGED: Final = Path("/usr/lib/postgresql")
_PLAIN: Final = ("--no-owner", "--no-privileges")
"""Whose the tables are, and who may read them, is the business of the database that they are put into."""
_MOST_SAID: Final = 5
_PATIENCE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Stored:
    """What a database holds, and in which of its schemas (PostgreSQL's word for a folder of tables)."""

    namespace: str
    contents: Contents
    strangers: tuple[str, ...]
    """Tables there that no build of ours makes."""


def dump(url: str, file: Path) -> Stored:
    """A dump in pg_dump's custom form, of our tables alone; counted in the very snapshot that is dumped, and synced."""
    with _session(url) as session:
        found = _stored(session)
        found.contents.require_known("the database")
        snapshot = read_rows(session, "SELECT pg_export_snapshot()")[0][0]
        tables = [f'--table="{found.namespace}"."{table}"' for table in found.contents.rows]
        options = ["--format=custom", f"--snapshot={snapshot}", f"--file={file}", *_PLAIN, *tables]
        _run("pg_dump", url, options, "the database was not dumped")
    sync(file)
    return found


def stored_in(url: str) -> Stored:
    """What a database holds that may be in use."""
    with _session(url) as session:
        return _stored(session)


def listed(file: Path) -> str | None:
    """What keeps pg_restore from reading a dump's table of contents; nothing where it can."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool
        [_tool("pg_restore"), "--list", file], capture_output=True, text=True, check=False, env=_environment()
    )
    return None if done.returncode == 0 else _last_words(done.stderr)


def restore(url: str, file: Path, expected: Stored) -> None:
    """Put a dump into the database, in the place of our tables that stand there: all of it in one transaction, or nothing.

    The transaction is only committed once pg_restore has ended well and every table has the rows it should have.
    """
    with _session(url) as session:
        there = _stored(session)
    if there.namespace != expected.namespace:
        raise Fault(
            f"the copy's tables stand in schema {expected.namespace!r}, this database's in {there.namespace!r}; "
            "set the search_path of the database accordingly"
        )
    qualified = {table: Identifier(expected.namespace, table) for table in expected.contents.rows}
    dropped = [Identifier(there.namespace, table) for table in there.contents.rows]
    before: list[SQL | Composed] = [SQL("BEGIN"), SQL(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'")]
    if dropped:  # all in one statement: they refer to each other
        before.append(SQL("DROP TABLE {}").format(SQL(", ").join(dropped)))
    after = [_expectation(qualified[table], n) for table, n in expected.contents.rows.items()]
    with tempfile.TemporaryFile("w+") as said:
        command, secrets = _client("psql", url)
        flags = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        with subprocess.Popen(  # noqa: S603 - PostgreSQL's own tool
            [*command, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=_environment() | secrets,
        ) as psql:
            assert psql.stdin is not None
            failure = _feed(psql.stdin, file, _script(before), _script([*after, SQL("COMMIT")]))
        said.seek(0)
        words = _last_words(said.read())
    if psql.returncode or failure is not None:
        why = words or failure or f"psql ended with {psql.returncode}"
        if "lock timeout" in why:
            raise StoreBusy(f"another process holds the database, and nothing was restored: {why}")
        raise Fault(f"nothing was restored: {why}")


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The URL of a new, empty database on the same server, dropped afterwards."""
    name = f"fenxiao_verify_{os.getpid()}_{os.urandom(4).hex()}"
    try:
        with closing(psycopg.connect(_conninfo(url), autocommit=True)) as connection:
            connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
            try:
                yield make_url(url).set(database=name).render_as_string(hide_password=False)
            finally:
                connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
    except psycopg.Error as error:
        raise Fault(
            f"no scratch database can be had: {error}; the role needs CREATEDB, or leave --deep away"
        ) from error


def _stored(session: Session) -> Stored:
    namespace = str(read_rows(session, "SELECT current_schema()")[0][0])
    found = set(inspect(session.connection()).get_table_names())
    ours = [name for name in (*sorted(SQLModel.metadata.tables), VERSION_TABLE) if name in found]
    counted = {name: int(read_rows(session, f"SELECT COUNT(*) FROM {name}")[0][0]) for name in ours}  # noqa: S608 - our names
    versions = (
        read_rows(session, f"SELECT version_num FROM {VERSION_TABLE}") if VERSION_TABLE in found else []  # noqa: S608 - our name
    )
    version = str(versions[0][0]) if versions else None
    return Stored(namespace, Contents(version, counted), tuple(sorted(found - set(ours))))


@contextmanager
def _session(url: str) -> Iterator[Session]:
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            yield session
    except DatabaseError as error:
        raise Fault(f"database {engine.url!r} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def _feed(psql: IO[bytes], file: Path, before: bytes, after: bytes) -> str | None:
    """Hand psql a transaction around what pg_restore writes; without its end, so that it is undone, where that failed."""
    with suppress(BrokenPipeError), psql:  # psql has ended: it has said why
        psql.write(before)
        psql.flush()
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool
            [_tool("pg_restore"), "--file=-", *_PLAIN, file],
            stdout=psql,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=_environment(),
        )
        if done.returncode:
            return _last_words(done.stderr) or f"pg_restore ended with {done.returncode}"
        psql.write(after)
    return None


def _expectation(table: Identifier, n_rows: int) -> Composed:
    """A statement that breaks the transaction off where a table has other rows than it should."""
    told = Literal(f"{table.as_string()} does not have the {n_rows} rows of the copy")
    code = SQL(
        "BEGIN IF (SELECT COUNT(*) FROM {}) <> {} THEN RAISE EXCEPTION USING MESSAGE = {}; END IF; END"
    )
    return SQL("DO {}").format(Literal(code.format(table, Literal(n_rows), told).as_string()))


def _script(statements: Sequence[SQL | Composed]) -> bytes:
    return "".join(f"{statement.as_string()};\n" for statement in statements).encode()


def _run(name: str, url: str, options: Sequence[str], outcome: str) -> None:
    command, secrets = _client(name, url)
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own tool
        [*command, *options], capture_output=True, text=True, check=False, env=_environment() | secrets
    )
    if done.returncode:
        raise Fault(f"{outcome}: {_last_words(done.stderr)}")


def _client(name: str, url: str) -> tuple[list[str], dict[str, str]]:
    """The beginning of a command line without a password in it, and the environment that has it."""
    secrets = {}
    parameters = _parameters(url)
    if "password" in parameters:
        secrets["PGPASSWORD"] = str(parameters.pop("password"))
    return [str(_tool(name)), "--no-password", f"--dbname={make_conninfo(**parameters)}"], secrets


def _conninfo(url: str) -> str:
    return make_conninfo(**_parameters(url))


def _parameters(url: str) -> dict[str, Any]:
    """What the URL says to libpq, by libpq's own names; what it says to the driver alone is left out."""
    parsed = make_url(url)
    _, said = parsed.get_dialect()().create_connect_args(parsed)
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return {name: value for name, value in said.items() if name in known}


def _tool(name: str) -> Path:
    """The newest that is packaged, which reads every older server; else what the PATH has."""
    packaged = _PACKAGED.glob(f"*/bin/{name}")
    newest = max(
        packaged, key=lambda file: int(file.parts[-3]) if file.parts[-3].isdigit() else 0, default=None
    )
    found = newest or shutil.which(name)
    if found is None:
        raise Fault(f"{name} is not installed; on Debian: apt-get install postgresql-client")
    return Path(found)


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_MESSAGES": "C", "PGAPPNAME": "fenxiao"}


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join(lines[-_MOST_SAID:])
