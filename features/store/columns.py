"""What may stand in a column of an import file? The vocabulary in which `tables.py` declares each column once.

A declaration rides in the column's `info`; ingest, the documentation and the HTTP schemas read it from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from sqlalchemy import BigInteger, Boolean, Date, Double, String, Text
from sqlmodel import Field, SQLModel

from features.store.types import UtcDateTime
from features.units import COMMISSION_LIMIT, WHOLE, Ppm

MOST_CHARACTERS: Final = 4_000
"""The longest text taken; what is longer is a file put into a cell."""
MOST_KEY_CHARACTERS: Final = 200
"""The longest text in a key: an index entry has to hold it."""
ID_PATTERN: Final = r"^[A-Za-z0-9._:-]{1,64}$"


class Kind(StrEnum):
    """How a cell is read."""

    ID = "id"  # a string; a number is rejected, for platform ids pass 2^53
    IDS = "ids"  # ids, `;` between; stored sorted, without repeats
    TEXT = "text"  # stripped; empty is unknown
    NOTE = "note"  # text; `false`, `no`, `none` and `0` say that there is none
    PATH = "path"  # steps, `/` between
    PATHS = "paths"  # paths, `;` between
    CHOICE = "choice"
    CHOICES = "choices"  # `;` between
    WHOLE = "whole number"
    FEN = "fen"
    RATE = "rate"  # exact, with a unit in a column beside it; stored in ppm
    NUMBER = "number"  # a decimal
    SHARE = "share"  # 0..1
    FLAG = "flag"  # true, false
    INSTANT = "instant"  # ISO 8601 with an offset
    UNTIL = "instant or day"  # a day counts to its end
    DATE = "date"  # a day of Shanghai

    @property
    def is_instant(self) -> bool:
        """Stored as microseconds."""
        return self in {Kind.INSTANT, Kind.UNTIL}


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """One column of an import file, as it is checked; its place in the table is the column that carries this."""

    kind: Kind
    required: bool = False
    key: bool = False
    choices: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    refers_to: str | None = None
    """The table that must know the id, or each of the ids; `None` for an id of our own or of nobody's."""
    unit_column: str | None = None
    """For a rate: the column that names its unit."""
    name: str | None = None
    """What files call it, where the table's name for it differs (`rate` is stored as `rate_ppm`)."""


@dataclass(frozen=True, slots=True)
class History:
    """A version a row: known at its `observed_at`; the first without one from the start, later ones from their import."""

    first_from: str | None = None
    """The column from which a first version without `observed_at` is known instead."""


@dataclass(frozen=True, slots=True)
class KnownAt:
    """An observation, known at the first of these columns that is given; a day's figures when the day is over."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownWith:
    """An observation, known when the row is that this column refers to."""

    column: str


@dataclass(frozen=True, slots=True)
class KnownAlways:
    """Known from the start."""


Known = History | KnownAt | KnownWith | KnownAlways


@dataclass(frozen=True, slots=True)
class ImportTable:
    """A table as files fill it."""

    name: str
    model: type[SQLModel]
    known_by: Known
    columns: Mapping[str, ImportColumn]
    """By the name of the table's own column."""

    @classmethod
    def of(cls, model: Any) -> Self:
        """The declarations that ride in a table's columns."""
        columns = {c.name: c.info["import"] for c in model.__table__.columns if "import" in c.info}
        return cls(model.__tablename__, model, model.known_by, MappingProxyType(columns))

    @property
    def key(self) -> tuple[str, ...]:
        """Its own columns that tell two rows apart; with history the instant of the version is one of them."""
        return tuple(column.name for column in self.model.__table__.primary_key)  # type: ignore[attr-defined]

    @property
    def file_columns(self) -> tuple[str, ...]:
        """Every column that a file may have, in the contract's order, a rate's unit after the rate."""
        names: list[str] = []
        for name, column in self.columns.items():
            names.append(column.name or name)
            if column.unit_column and column.unit_column not in names:
                names.append(column.unit_column)
        return tuple(names)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns without which a file makes no sense."""
        names: dict[str, None] = {}
        for name, column in self.columns.items():
            if column.required:
                names |= dict.fromkeys(filter(None, (column.name or name, column.unit_column)))
        return tuple(names)


def identifier(
    *,
    refers_to: str | None = None,
    required: bool = False,
    key: bool = False,
    index: bool = False,
    link: str | None = None,
) -> Any:
    """An id; `link` (`table.column`) also makes the database refuse one that nothing answers to.

    A table with history cannot be linked to, for there its id repeats: ingest alone resolves those.
    """
    column = ImportColumn(Kind.ID, required=required or key, key=key, refers_to=refers_to)
    return _field(column, String(64), index=index, link=link)


def identifiers(*, refers_to: str) -> Any:
    """A list of ids."""
    return _field(ImportColumn(Kind.IDS, refers_to=refers_to), Text())


def text(*, required: bool = False, key: bool = False) -> Any:
    """Words."""
    limit = MOST_KEY_CHARACTERS if key else MOST_CHARACTERS
    return _field(ImportColumn(Kind.TEXT, required=required or key, key=key, at_most=limit), Text())


def note() -> Any:
    """Words where there is something to say; true, false and a number of pieces are taken too."""
    return _field(ImportColumn(Kind.NOTE, at_most=MOST_CHARACTERS), Text())


def path(*, required: bool = False) -> Any:
    """A place in a tree, like `beauty/skincare/mask`."""
    return _field(ImportColumn(Kind.PATH, required=required, at_most=MOST_CHARACTERS), Text())


def paths() -> Any:
    """Several places in a tree."""
    return _field(ImportColumn(Kind.PATHS, at_most=MOST_CHARACTERS), Text())


def choice(*choices: str, required: bool = False, key: bool = False) -> Any:
    """One of these words."""
    return _field(ImportColumn(Kind.CHOICE, required=required or key, key=key, choices=choices), String(32))


def selection(*choices: str, required: bool = False) -> Any:
    """Any of these words."""
    return _field(ImportColumn(Kind.CHOICES, required=required, choices=choices), Text())


def whole(*, required: bool = False, at_least: int | None = 0) -> Any:
    """A whole number."""
    return _field(ImportColumn(Kind.WHOLE, required=required, at_least=at_least), BigInteger())


def fen(*, required: bool = False) -> Any:
    """Money."""
    return _field(ImportColumn(Kind.FEN, required=required, at_least=0), BigInteger())


def rate(name: str, *, unit: str | None = None, limit: Ppm = WHOLE, required: bool = False) -> Any:
    """A rate: two columns in a file, one of ppm here."""
    column = ImportColumn(
        Kind.RATE, required=required, at_least=0, at_most=limit, unit_column=unit or f"{name}_unit", name=name
    )
    return _field(column, BigInteger())


def commission(name: str, *, unit: str | None = None, required: bool = False) -> Any:
    """A rate that is paid to an anchor."""
    return rate(name, unit=unit, limit=COMMISSION_LIMIT, required=required)


def number(*, at_least: int | None = 0) -> Any:
    """A decimal number."""
    return _field(ImportColumn(Kind.NUMBER, at_least=at_least), Double())


def share(*, required: bool = False) -> Any:
    """A part of a whole, 0..1."""
    return _field(ImportColumn(Kind.SHARE, required=required, at_least=0, at_most=1), Double())


def flag() -> Any:
    """True or false."""
    return _field(ImportColumn(Kind.FLAG), Boolean())


def instant(*, required: bool = False, key: bool = False) -> Any:
    """A moment."""
    return _field(ImportColumn(Kind.INSTANT, required=required or key, key=key), UtcDateTime())


def until() -> Any:
    """The moment at which something ends; a day, where one is given, counts to its end."""
    return _field(ImportColumn(Kind.UNTIL), UtcDateTime())


def day(*, required: bool = False, key: bool = False) -> Any:
    """A day of Shanghai."""
    return _field(ImportColumn(Kind.DATE, required=required or key, key=key), Date())


def known() -> Any:
    """When the row was known; ingest works it out."""
    return Field(sa_type=UtcDateTime)


def version() -> Any:
    """When this version was known: with the id, the key of a table that keeps its history; `observed_at` in files."""
    column = ImportColumn(Kind.INSTANT, name="observed_at")
    return Field(sa_type=UtcDateTime, primary_key=True, sa_column_kwargs={"info": {"import": column}})


def supplier() -> Any:
    """Who supplied the row: `operator`, `job`, `brand:<id>`, `anchor:<id>`."""
    return Field(sa_type=Text)


def _field(column: ImportColumn, kind: Any, *, index: bool = False, link: str | None = None) -> Any:
    options: dict[str, Any] = {"sa_type": kind, "sa_column_kwargs": {"info": {"import": column}}}
    if column.key:
        options["primary_key"] = True
    elif index:
        options["index"] = True
    if link:
        options["foreign_key"] = link
    return Field(**options) if column.required else Field(default=None, **options)
