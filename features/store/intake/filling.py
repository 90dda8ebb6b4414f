"""How does one table of an import get filled? Chunk by chunk, or, where rows are judged together, once all are there."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
from sqlmodel import Session

from features.store.columns import History, ImportTable
from features.store.db import frame_schema
from features.store.forgetting import NEUTRALISED, forgotten_ids, neutral
from features.store.intake.bulk import BulkTable
from features.store.intake.checked import FILE, LINE, good_rows, with_every_column
from features.store.intake.chunks import Chunk
from features.store.intake.references import References, unknown_id, unknown_own_ids
from features.store.intake.rejects import Code, Fault, Findings, Rejects, shown
from features.store.intake.shares import GROUP, check_shares
from features.store.intake.spill import Spill
from features.store.intake.versions import settle_versions
from features.units import from_microseconds

SEQ: Final = "_seq"
_OURS: Final = (FILE, LINE, SEQ)


@dataclass(slots=True)
class Counts:
    """What became of a table's rows."""

    n_new: int = 0
    n_unchanged: int = 0


class Filling:
    """One table on its way into the store, within the caller's transaction."""

    def __init__(
        self,
        session: Session,
        table: ImportTable,
        references: References,
        report: Rejects,
        *,
        source: str,
        now: datetime,
        folder: Path,
    ) -> None:
        self.counts = Counts()
        self._table = table
        self._bulk = BulkTable(session, table)
        self._types = frame_schema(table.model)
        self._references = references
        self._report = report
        self._source = source
        self._now = now
        self._forgotten = forgotten_ids(session) if table.name in NEUTRALISED else frozenset()
        self._waiting = Spill(folder, table.key[0]) if _is_judged_together(table) else None
        self._n_seen = 0

    def take(self, chunk: Chunk, cells: pl.DataFrame, findings: Findings, file_number: int) -> None:
        """Check what the rows of a chunk refer to, and write the good ones or keep them for `finish`."""
        rows = good_rows(
            self._table, chunk, cells, findings, self._references, self._report, file_number=file_number
        )
        n_good = len(rows)
        rows = neutral(self._table, rows, self._forgotten)
        self.counts.n_unchanged += n_good - len(rows)  # what may not come back changes nothing
        if self._waiting is None:
            self._write(rows)
            return
        seen = pl.int_range(self._n_seen, self._n_seen + len(rows), eager=True)
        self._n_seen += len(rows)
        self._waiting.add(with_every_column(self._table, rows, self._types).with_columns(seen.alias(SEQ)))

    def finish(self) -> None:
        """Judge the rows that had to wait for each other, and write the good ones."""
        if self._waiting is None:
            return
        refused = self._refuse_unknown_own_ids()
        for part in self._waiting.parts():
            rows = part.filter(~pl.col(SEQ).is_in(refused)) if refused else part
            key = self._table.key[0]
            if isinstance(self._table.known_by, History):
                stored = self._bulk.stored(rows.select(key))
                rows = rows.with_columns(known_at=settle_versions(self._table, rows, stored, now=self._now))
            else:
                faults = check_shares(rows, self._bulk.stored(rows.select(GROUP[:2])))
                rows = self._without(rows, faults)
            self._write(rows)

    def _refuse_unknown_own_ids(self) -> list[int]:
        """Rows that refer to an id of this very table which neither the store nor the import has."""
        table, waiting = self._table, self._waiting
        own = next((name for name, column in table.columns.items() if column.refers_to == table.name), None)
        if own is None or waiting is None:
            return []
        referring = [part.filter(pl.col(own).is_not_null()).select(*_OURS, own) for part in waiting.parts()]
        refers = pl.concat(referring) if referring else pl.DataFrame()
        if refers.is_empty():
            return []
        wanted, key = refers[own].unique(), table.key[0]
        bearers = pl.concat(
            part.filter(pl.col(key).is_in(wanted.implode())).select(SEQ, key) for part in waiting.parts()
        )
        refused = unknown_own_ids(
            refers.select(SEQ, _to=own),
            bearers.select(SEQ, _id=key),
            set(self._references.find(table.name, wanted)),
        )
        for seq, file, line, value in refers.select(SEQ, FILE, LINE, own).iter_rows():
            if seq in refused:
                self._report.add(file, [(line, unknown_id(own, value, value, table.name))])
        return sorted(refused)

    def _without(self, rows: pl.DataFrame, faults: dict[int, Fault]) -> pl.DataFrame:
        for place, fault in faults.items():
            self._report.add(rows[FILE][place], [(rows[LINE][place], fault)])
        if not faults:
            return rows
        return rows.filter(~pl.int_range(len(rows), eager=True).is_in(list(faults)))

    def _write(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        n_new = self._bulk.add(rows.drop(_OURS, strict=False), {"source": self._source})
        n_conflicts = self._report_conflicts(rows) if n_new < len(rows) else 0
        self.counts.n_new += n_new
        self.counts.n_unchanged += len(rows) - n_new - n_conflicts

    def _report_conflicts(self, rows: pl.DataFrame) -> int:
        """Report the rows whose key is known with another content: stored, or earlier in this import."""
        table = self._table
        content = [name for name in table.columns if name not in table.key]
        there = self._bulk.contradicted(rows.drop(_OURS, strict=False), content).unique()
        if there.is_empty():
            return 0
        both = with_every_column(table, rows, self._types).join(
            there, on=table.key, suffix="_there", maintain_order="left"
        )
        differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_there")) for name in content)
        conflicts = both.filter(differs)
        for row in conflicts.iter_rows(named=True):
            name = next(name for name in content if row[name] != row[f"{name}_there"])
            self._report.add(row[FILE], [(row[LINE], self._conflict(row, name))])
        return len(conflicts)

    def _conflict(self, row: dict[str, object], name: str) -> Fault:
        table = self._table
        key = ", ".join(f"{own} {self._words(own, row[own])}" for own in table.key)
        there, here = self._words(name, row[f"{name}_there"]), self._words(name, row[name])
        advice = "give another observed_at" if isinstance(table.known_by, History) else "give a new key"
        sentence = f"{key} is known with {name} {there or 'empty'}, here {here or 'empty'}; {advice}, or leave it out"
        return Fault(table.columns[name].name or name, here, Code.KEY_CONFLICT, sentence)

    def _words(self, name: str, value: object) -> str:
        """A stored value for a reader."""
        kind = self._table.columns[name].kind
        if isinstance(value, int) and kind.is_instant:
            return from_microseconds(value).isoformat()
        return "" if value is None else shown(value)


def _is_judged_together(table: ImportTable) -> bool:
    """Versions by what else is known of the id, shares by their sum, references within a table by what comes later."""
    return isinstance(table.known_by, History) or table.name == "audiences"
