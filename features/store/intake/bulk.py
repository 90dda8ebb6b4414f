"""How do a hundred thousand checked rows get into a table, and which rows are there already? On both databases."""

# ruff: noqa: S608  statements are made of the names that tables.py declares, never of what a file holds

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from zlib import crc32

import polars as pl
from sqlmodel import Session

from features.store.columns import ImportTable
from features.store.db import frame_schema, read_frame

_SQLITE: Final = "sqlite"
_ROWS_A_SLICE: Final = 1_024


class BulkTable:
    """One import table of a writing session, written and read in frames whose columns are the table's own."""

    def __init__(self, session: Session, table: ImportTable) -> None:
        self._session = session
        self._connection = session.connection()
        self._is_sqlite = self._connection.dialect.name == _SQLITE
        self._table = table
        self._schema = frame_schema(table.model)

    def add(self, rows: pl.DataFrame, constants: Mapping[str, str | int]) -> int:
        """Insert the rows whose key is not there yet, in order, and say how many those were.

        `constants` are columns that have one value throughout. A column in neither stays empty.
        """
        if rows.is_empty():
            return 0
        name, key = self._table.name, ", ".join(self._table.key)
        columns = ", ".join((*rows.columns, *constants))
        literals = [_literal(value) for value in constants.values()]
        if self._is_sqlite:
            values = ", ".join([*("?" * len(rows.columns)), *literals])
            return self._execute_many(
                f"INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO NOTHING", rows
            )
        staged = self._stage("staged", rows)
        values = ", ".join((*rows.columns, *literals))
        return self._connection.exec_driver_sql(
            f"INSERT INTO {name} ({columns}) SELECT {values} FROM {staged} ON CONFLICT ({key}) DO NOTHING"
        ).rowcount

    def stored(self, wanted: pl.DataFrame) -> pl.DataFrame:
        """The stored rows that agree with one of the wanted rows in all of *their* columns; any order."""
        asked = wanted.unique(maintain_order=True)
        return self._look_up("wanted", asked, wanted.columns, list(self._schema))

    def latest(self, ids: pl.Series) -> pl.DataFrame:
        """Of those of the (different) ids that are stored, when their latest row was known; any order."""
        key = self._table.key[0]
        staged = self._stage("wanted", pl.DataFrame({key: ids}))
        at = f"SELECT MAX(stored.known_at) FROM {self._table.name} AS stored WHERE stored.{key} = asked.{key}"
        schema = {name: self._schema[name] for name in (key, "known_at")}
        rows = read_frame(
            self._session, f"SELECT {key}, ({at}) AS known_at FROM {staged} AS asked", {}, schema
        )
        return rows.drop_nulls()

    def contradicted(self, rows: pl.DataFrame, content: Sequence[str]) -> pl.DataFrame:
        """The stored rows that have the key of one of the rows and another content; any order.

        Compared where they lie: that a file which is imported again is no news has to be cheap.
        """
        differ = "IS NOT" if self._is_sqlite else "IS DISTINCT FROM"
        given = {name: f"asked.{name}" if name in rows.columns else "NULL" for name in content}
        differs = " OR ".join(f"stored.{name} {differ} {here}" for name, here in given.items())
        return self._look_up("compared", rows, self._table.key, [*self._table.key, *content], differs)

    def _look_up(
        self,
        purpose: str,
        asked: pl.DataFrame,
        key: Sequence[str],
        columns: Sequence[str],
        condition: str = "",
    ) -> pl.DataFrame:
        staged = self._stage(purpose, asked)
        wheres = [f"stored.{name} = asked.{name}" for name in key]
        if condition:
            wheres.append(f"({condition})")
        # CROSS JOIN: SQLite then looks up each row that is asked for, and does not walk the table.
        return read_frame(
            self._session,
            f"SELECT {', '.join(f'stored.{name}' for name in columns)} FROM {staged} AS asked "
            f"CROSS JOIN {self._table.name} AS stored WHERE {' AND '.join(wheres)}",
            {},
            {name: self._schema[name] for name in columns},
        )

    def _stage(self, purpose: str, rows: pl.DataFrame) -> str:
        """A temporary table that holds exactly these rows."""
        columns = ", ".join(rows.columns)
        name = f"{purpose}_{self._table.name}_{crc32(columns.encode()):08x}"  # it outlives us on a pooled connection
        run = self._connection.exec_driver_sql
        run(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} AS SELECT {columns} FROM {self._table.name} LIMIT 0"
        )
        run(f"DELETE FROM {name}" if self._is_sqlite else f"TRUNCATE {name}")
        if self._is_sqlite:
            marks = ", ".join("?" * len(rows.columns))
            self._execute_many(f"INSERT INTO {name} ({columns}) VALUES ({marks})", rows)
        else:
            self._copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT csv)", rows)
        return name

    def _execute_many(self, statement: str, rows: pl.DataFrame) -> int:
        key = [name for name in self._table.key if name in rows.columns]
        if not rows[key[0]].is_sorted():
            # Rows with the same key keep their order, so that the first of them still counts; neighbours in the
            # tree are written together, which makes up for files in any order.
            rows = rows.sort(key, maintain_order=True)
        return int(self._driver().executemany(statement, _tuples(rows)).rowcount)

    def _copy(self, statement: str, rows: pl.DataFrame) -> None:
        # In this form an empty text is NULL; ingest keeps no empty texts.
        text = rows.write_csv(include_header=False).encode()
        with self._driver().cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(text)

    def _driver(self) -> Any:
        driver = self._connection.connection.driver_connection
        assert driver is not None
        return driver


def _tuples(rows: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """The rows for the driver, made a few at a time: they are bound and gone while still in the cache."""
    rows = rows.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d"))  # SQLite keeps a date as its text
    return chain.from_iterable(
        zip(*(column.to_list() for column in slice_), strict=True)
        for slice_ in rows.iter_slices(_ROWS_A_SLICE)
    )


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value.replace(chr(39), chr(39) * 2)}'"
