"""Does every id that a row refers to stand for something, in this import or in the store?"""

from collections import Counter
from typing import Final

import polars as pl
from sqlmodel import Session

from features.store.columns import ImportColumn, ImportTable, Kind, KnownWith
from features.store.intake.bulk import BulkTable
from features.store.intake.rejects import Code, Fault, Findings
from features.store.tables import TABLES

_REMEMBERED: Final = 500_000
"""Ids of a table that are kept in mind; past that all are forgotten and asked for again."""


class References:
    """Resolves ids against what is stored: rows of this import are stored before those that refer to them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tables: dict[str, BulkTable] = {}
        self._known_at: dict[str, dict[str, int]] = {}

    def check(self, table: ImportTable, rows: pl.DataFrame, findings: Findings) -> pl.Series | None:
        """Mark the rows with an id that nothing answers to.

        Gives, for a table whose rows are known with those that they refer to, when that was. A column that refers
        to its own table is left for later: the row that it means may still come.
        """
        known_at = None
        for name, column in table.columns.items():
            if column.refers_to is None or column.refers_to == table.name or name not in rows.columns:
                continue
            ids = _ids(rows[name], column)
            known = self.find(column.refers_to, ids)
            if len(known) < len(ids):
                _mark_unknown(name, rows[name], column, ids.filter(~ids.is_in(list(known))), findings)
            if isinstance(table.known_by, KnownWith) and table.known_by.column == name:
                known_at = rows[name].replace_strict(
                    list(known), list(known.values()), default=None, return_dtype=pl.Int64
                )
        return known_at

    def find(self, table_name: str, ids: pl.Series) -> dict[str, int]:
        """Those of the (different) ids that are stored, with when their latest row was known."""
        if table_name not in self._tables:
            self._tables[table_name] = BulkTable(self._session, TABLES[table_name])
            self._known_at[table_name] = {}
        remembered = self._known_at[table_name]
        wanted = ids.to_list()
        unsure = [name for name in wanted if name not in remembered]
        if unsure:
            if len(remembered) + len(unsure) > _REMEMBERED:
                remembered.clear()
                unsure = wanted
            found = self._tables[table_name].latest(pl.Series(unsure, dtype=pl.String))
            key = found.columns[0]
            remembered |= dict(zip(found[key].to_list(), found["known_at"].to_list(), strict=True))
        return {name: remembered[name] for name in wanted if name in remembered}


def unknown_own_ids(refers: pl.DataFrame, own_ids: pl.DataFrame, stored: set[str]) -> set[int]:
    """Which rows refer to an id of their own table that no row bears which is itself taken.

    `refers`: `_seq`, `_to`; `own_ids`: `_seq`, `_id` of the import's rows that bear one of the ids; `stored`: those
    of the ids that the store has. A row that is refused answers to nobody, so one refusal may bring about others; each
    row is looked at once, for a chain may be as long as the import.
    """
    referring: dict[str, list[int]] = {}
    for seq, to in refers.select("_seq", "_to").iter_rows():
        referring.setdefault(to, []).append(seq)
    borne_by = dict(own_ids.select("_seq", "_id").iter_rows())
    n_bearers = Counter(borne_by.values())
    refused: set[int] = set()
    lost = [one for one in referring if one not in stored and one not in n_bearers]
    while lost:
        for seq in referring.get(lost.pop(), ()):
            refused.add(seq)
            borne = borne_by.pop(seq, None)
            if borne is not None:
                n_bearers[borne] -= 1
                if not n_bearers[borne] and borne not in stored:
                    lost.append(borne)
    return refused


def unknown_id(name: str, value: str, unknown: str, table_name: str) -> Fault:
    """Words for an id that nothing answers to."""
    sentence = f"no row of {table_name} with the id {unknown!r} is stored or taken in this import"
    return Fault(name, value, Code.UNKNOWN_ID, sentence)


def _ids(cells: pl.Series, column: ImportColumn) -> pl.Series:
    """The different ids in a column."""
    if column.kind is Kind.IDS:
        cells = cells.drop_nulls().str.split(";").explode()
    return cells.drop_nulls().unique()


def _mark_unknown(
    name: str, cells: pl.Series, column: ImportColumn, unknown: pl.Series, findings: Findings
) -> None:
    assert column.refers_to is not None
    nobodys = set(unknown.to_list())
    if column.kind is Kind.IDS:
        for place, value in enumerate(cells):
            first = next((part for part in (value or "").split(";") if part in nobodys), None)
            if first is not None:
                findings.mark(place, unknown_id(name, value, first, column.refers_to))
        return
    for place in cells.is_in(list(nobodys)).arg_true():
        findings.mark(place, unknown_id(name, cells[place], cells[place], column.refers_to))
