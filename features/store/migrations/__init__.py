"""Which shape has this database, and how does it get the shape this build needs? One history for both databases.

A change of the tables is a new file in `versions/`, that names portable types (an instant is a BIGINT there, whatever
we call it today). A test asks for the `differences` on SQLite and on PostgreSQL: what it prints when they are not
empty is the code that the new file lacks.
"""

from typing import Any, Final, Literal

from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DatabaseError
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

from features.errors import Fault, StoreBusy, StoreMismatch
from features.store import access as access
from features.store import forgetting as forgetting
from features.store import nights as nights
from features.store import propensities as propensities
from features.store import records as records
from features.store import tables as tables
from features.store.db import is_a_wait, is_out_of_room, no_room_in, reading

VERSION_TABLE: Final = "schema_version"


def upgrade(engine: Engine) -> None:
    """Brings the database to this build's shape; all steps or none, and one process at a time.

    A database that is newer than this build, or holds somebody else's tables, is left alone.
    """
    try:
        with reading(engine) as session:
            if not _is_behind(session.connection()):
                return  # without the pen: a list is not to wait for an import
        with engine.begin() as connection:
            if _is_behind(connection):
                command.upgrade(_settings(connection), "head")
    except DatabaseError as error:
        if is_a_wait(error):
            raise StoreBusy(
                "another writer holds the store, so its tables cannot be brought up to date"
            ) from error
        if is_out_of_room(error):
            raise no_room_in(engine, error) from error
        raise Fault(f"database {engine.url!r} cannot be opened: {error.orig}") from error


def differences(engine: Engine) -> str:
    """The steps, as code, that would still take this database to what the tables declare; none: empty."""
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "render_item": _portable}
        steps = produce_migrations(
            MigrationContext.configure(connection, opts=options), SQLModel.metadata
        ).upgrade_ops
        return "" if steps is None or steps.is_empty() else render_python_code(steps, render_item=_portable)


def _portable(kind: str, element: Any, _context: object) -> str | Literal[False]:
    """A type of our own is written as what it is stored as."""
    if kind == "type" and isinstance(element, TypeDecorator):
        return f"sa.{type(element.impl_instance).__name__}()"
    return False


def _is_behind(connection: Connection) -> bool:
    known = ScriptDirectory.from_config(_settings(connection))
    found = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    if found == known.get_current_head():
        return False
    if found is None:
        strangers = inspect(connection).get_table_names()
        if strangers:
            raise StoreMismatch(
                f"database holds tables that are not ours ({', '.join(sorted(strangers)[:5])}); name another"
            )
    elif found not in {script.revision for script in known.walk_revisions()}:
        raise StoreMismatch(
            f"database has shape {found}, newer than this build; use the build that made it, or a newer one"
        )
    return True


def _settings(connection: Connection) -> Config:
    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", "features.store:migrations")
    settings.set_main_option("path_separator", "os")
    return settings
