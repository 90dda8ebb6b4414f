"""What does the store still know of a person who asked to be forgotten? Ids, tiers and sales facts, and no more.

An anchor's name is replaced in every version of its row, where it lives and since when is emptied, its crowd's
portrait, what it hid and the notes on its keys are taken away. Kept are the id, tier, kind of account, the rules it
set (categories and brands), and everything that was sold: other people's figures are made of them.
What an import brings of a forgotten anchor later is made neutral on its way in, so that the platform's next full
file neither fails nor undoes this.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl
from sqlalchemy import Engine, Text, text
from sqlmodel import Field, Session, SQLModel, col, select

from features.errors import UnknownId, WrongInput
from features.store.columns import ImportTable
from features.store.db import read_rows
from features.store.types import UtcDateTime

NEUTRAL_NAME: Final = "已匿名 (forgotten)"
"""Stands where the name of a forgotten anchor stood."""
EMPTIED: Final = ("home_city_tier", "joined_on")
"""Columns of `anchors` that say something of the person and decide nothing for others."""
_MOST_CHARACTERS: Final = 200
_PATIENCE_MS: Final = 500


class ForgottenAnchor(SQLModel, table=True):
    """A request to be forgotten, as it was met; a row each time, none of which names anybody."""

    __tablename__ = "forgotten_anchors"

    anchor_id: str = Field(primary_key=True, max_length=64)
    forgotten_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    asked_by: str = Field(sa_type=Text)
    """The number of the request, or whose it was, in the operator's words."""
    done_by: str = Field(max_length=96)
    """The key under which it was done."""
    n_versions: int
    n_audience_rows: int


class Leftover(StrEnum):
    """What the database's files may still hold of what was deleted."""

    NOTHING = "nothing"
    LOG = "log"
    """SQLite: somebody was reading, so that the log could not be emptied; the next checkpoint does it."""
    DEAD_ROWS = "dead_rows"
    """PostgreSQL: rows that nobody sees, until VACUUM FULL."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of an anchor that is not for ever."""

    names: tuple[str, ...]
    """Every name it had, the latest first."""
    n_versions: int
    n_audience_rows: int
    n_hidden: int
    n_notes: int
    """Keys of this anchor with a note."""
    emptied: tuple[str, ...]
    """Those of the columns to be emptied that hold something."""


def held_of(session: Session, anchor_id: str) -> Held:
    """What `forget` would take away; UnknownId where no such anchor is stored."""
    columns = ", ".join(EMPTIED)
    rows = read_rows(
        session,
        f"SELECT name, {columns} FROM anchors WHERE anchor_id = :id ORDER BY known_at DESC",  # noqa: S608 - our names
        {"id": anchor_id},
    )
    if not rows:
        raise UnknownId(f"no anchor {anchor_id!r} is stored")
    return Held(
        names=tuple(dict.fromkeys(str(row[0]) for row in rows if row[0] != NEUTRAL_NAME)),
        n_versions=len(rows),
        n_audience_rows=_count(session, "audiences WHERE anchor_id = :id", anchor_id),
        n_hidden=_count(session, "hidden_goods WHERE anchor_id = :id", anchor_id),
        n_notes=_count(session, f"api_keys WHERE {_NOTES}", anchor_id),
        emptied=tuple(
            name for place, name in enumerate(EMPTIED, 1) if any(row[place] is not None for row in rows)
        ),
    )


def forget(session: Session, anchor_id: str, *, asked_by: str, done_by: str, at: datetime) -> ForgottenAnchor:
    """Take away what is personal, and write down that it was asked for; again where something has come back."""
    asked_by = asked_by.strip()
    if not asked_by or len(asked_by) > _MOST_CHARACTERS or not asked_by.isprintable():
        raise WrongInput(f"say on whose request, in one line of at most {_MOST_CHARACTERS} characters")
    held = held_of(session, anchor_id)
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    emptied = ", ".join(f"{name} = NULL" for name in EMPTIED)
    for statement in (
        f"UPDATE anchors SET name = :name, {emptied} WHERE anchor_id = :id",  # noqa: S608 - our names
        "DELETE FROM audiences WHERE anchor_id = :id",
        "DELETE FROM hidden_goods WHERE anchor_id = :id",
        f"UPDATE api_keys SET note = NULL WHERE {_NOTES}",  # noqa: S608 - our names
    ):
        values = {"id": anchor_id} | ({"name": NEUTRAL_NAME} if ":name" in statement else {})
        connection.execute(text(statement), values)
    record = ForgottenAnchor(
        anchor_id=anchor_id,
        forgotten_at=at,
        asked_by=asked_by,
        done_by=done_by,
        n_versions=held.n_versions,
        n_audience_rows=held.n_audience_rows,
    )
    session.add(record)
    session.flush()
    return record


def scrub(engine: Engine) -> Leftover:
    """After the commit: have the database let go of the deleted bytes too, as far as that stops nobody's work."""
    if engine.dialect.name != "sqlite":
        return Leftover.DEAD_ROWS
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        patience_ms = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        is_busy = bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        cursor.execute(f"PRAGMA busy_timeout = {patience_ms}")
        cursor.close()
    finally:
        connection.close()
    return Leftover.LOG if is_busy else Leftover.NOTHING


def all_forgotten(session: Session) -> list[ForgottenAnchor]:
    """Every request that was met, the latest first."""
    return list(
        session.exec(
            select(ForgottenAnchor).order_by(
                col(ForgottenAnchor.forgotten_at).desc(), col(ForgottenAnchor.anchor_id)
            )
        )
    )


def forgotten_ids(session: Session) -> frozenset[str]:
    """Whose rows are made neutral on their way in."""
    return frozenset(
        str(row[0]) for row in read_rows(session, "SELECT DISTINCT anchor_id FROM forgotten_anchors")
    )


def neutral(table: ImportTable, rows: pl.DataFrame, forgotten: Collection[str]) -> pl.DataFrame:
    """Rows that are about to be stored, with nothing personal of whom was forgotten: their portraits are left out."""
    if not forgotten or "anchor_id" not in rows.columns:
        return rows
    of_them = pl.col("anchor_id").is_in(list(forgotten))
    if table.name == "audiences":
        return rows.filter(~of_them)
    if table.name != "anchors":
        return rows
    return rows.with_columns(
        pl.when(of_them).then(pl.lit(NEUTRAL_NAME)).otherwise("name").alias("name"),
        *(
            pl.when(of_them).then(None).otherwise(name).alias(name)
            for name in EMPTIED
            if name in rows.columns
        ),
    )


NEUTRALISED: Final = ("anchors", "audiences")
"""Tables of which `neutral` changes rows."""
_NOTES: Final = "role = 'anchor' AND subject = :id AND note IS NOT NULL"


def _count(session: Session, rows: str, anchor_id: str) -> int:
    found = read_rows(session, f"SELECT COUNT(*) FROM {rows}", {"id": anchor_id})  # noqa: S608 - our own words
    return int(found[0][0])
