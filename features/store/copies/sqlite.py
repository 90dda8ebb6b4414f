"""How is a SQLite store copied while others write to it, examined, and put in another's place?

A copy is a plain file without a log beside it. It is read as one that never changes (`immutable`): nothing is written
next to it, on whatever it lies.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from features.errors import Fault, NoRoom, StoreBusy
from features.store.copies.contents import Contents
from features.store.copies.files import sync
from features.store.db import is_out_of_room
from features.store.migrations import VERSION_TABLE

SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; left from another one it would be read into the next."""
_PAGES_A_STEP: Final = 2_048
_MOST_PROBLEMS: Final = 10
_PATIENCE_SECONDS: Final = 3.0  # a command that is just ending


def copy_database(source: Path, target: Path, say: Callable[[float], None]) -> None:
    """The database as it is at one moment, whoever writes to it meanwhile; synced.

    A read transaction is held throughout, so that writers neither wait nor make it begin again; their log grows
    until it ends. `say` is told the share that is done.
    """

    def show(_status: int, left: int, total: int) -> None:
        say(1 - left / max(total, 1))

    try:
        with closing(_open(source, "mode=rw")) as live, closing(_open(target, "mode=rwc")) as copied:
            live.execute("PRAGMA query_only = ON")
            live.execute("BEGIN")
            live.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            copied.execute("PRAGMA journal_mode = OFF")
            copied.execute("PRAGMA synchronous = OFF")
            live.backup(copied, pages=_PAGES_A_STEP, progress=show)
        with closing(_open(target, "mode=rw")) as copied:
            copied.execute("PRAGMA journal_mode = DELETE")  # its first page still asks for a log
    except sqlite3.Error as error:
        said = f"database {source} cannot be copied to {target.parent}: {error}"
        if is_out_of_room(error):
            raise NoRoom(f"{said}; make room there, or name another place") from error
        raise Fault(said) from error
    sync(target)


def examine(file: Path) -> tuple[Contents, list[str]]:
    """What a copy holds, and what is wrong with it: its pages, its indexes, its references."""
    try:
        with closing(_open(file, "mode=ro&immutable=1")) as connection:
            problems = [
                str(said) for (said,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")
            ]
            dangling = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_PROBLEMS)
            problems += [f"a row of {table} refers to no row of {parent}" for table, _, parent, _ in dangling]
            return _contents(connection), [problem for problem in problems if problem != "ok"]
    except sqlite3.DatabaseError as error:
        return Contents(None, {}), [str(error)]


def stored_in(file: Path) -> Contents:
    """What a database that may be in use holds; a file that is not there holds nothing. Fault where it cannot be read."""
    if not file.exists():
        return Contents(None, {})
    try:
        with closing(_open(file, "mode=rw")) as connection:
            connection.execute("PRAGMA query_only = ON")
            return _contents(connection)
    except sqlite3.Error as error:
        raise Fault(f"database {file} cannot be read: {error}") from error


def require_free(file: Path) -> None:
    """StoreBusy where another process has the database open."""
    with _held(file):
        pass


def put_in_place(staged: Path, file: Path, *, keep: Path | None) -> None:
    """`staged` takes the name of `file` in one step; `keep` is the name under which the old one stays.

    StoreBusy where another process has the old one open: it would go on writing to a file that nobody finds any more.
    """
    with _held(file):
        if file.exists():
            _take_over_owner(file, staged)
        for suffix in ("", *SIDE_FILES):
            old = beside(file, suffix)
            if keep is not None and old.exists():
                beside(keep, suffix).hardlink_to(old)
        for suffix in SIDE_FILES:
            beside(file, suffix).unlink(missing_ok=True)
        staged.replace(file)
        sync(file.parent)


def beside(file: Path, suffix: str) -> Path:
    """`store.db`, `-wal` -> `store.db-wal`."""
    return file.with_name(f"{file.name}{suffix}")


def _take_over_owner(file: Path, staged: Path) -> None:
    """Whoever may use the old one may use the new one: a restore by root is for a service that is not."""
    shutil.copymode(file, staged)
    there = file.stat()
    with suppress(PermissionError):
        os.chown(staged, there.st_uid, there.st_gid)


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """The database for us alone, its log written back; a file that is no database (any more) nobody can hold.

    Its own log is given up first, which SQLite allows to the only one who has the database open: an idle server is
    noticed too. No other handle on the file may be opened here: closing it would drop the lock.
    """
    if not file.exists():
        yield
        return
    with closing(_open(file, "mode=rw")) as connection:
        end = monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorname.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                    break
                if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                    raise Fault(f"database {file} cannot be taken: {error}") from error
                if monotonic() > end:
                    raise StoreBusy(
                        f"another process has {file} open (`matcher serve`, a night, an import); stop it first"
                    ) from error
            sleep(0.05)
        yield


def _contents(connection: sqlite3.Connection) -> Contents:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    connection.execute("BEGIN")  # all counts of one moment
    rows = {}
    for (table,) in connection.execute(named).fetchall():
        quoted = str(table).replace('"', '""')
        rows[str(table)] = int(connection.execute(f'SELECT COUNT(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 - quoted
    version = None
    if VERSION_TABLE in rows:
        found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - our name
        version = None if found is None else str(found[0])
    connection.execute("ROLLBACK")
    return Contents(version, rows)


def _open(file: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=5)
