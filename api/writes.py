"""May these rows be facts of the store, and if so, are they in? Rows from a program, checked as those of files are.

All of them, or none. What is wrong is told row by row, in words that repeat nothing of what came in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session

from api.access import Caller
from api.bodies import MOST_ROWS, Row
from api.owning import require_own, require_writable
from api.row_words import row_fault
from features.errors import RowFault, RowsRefused
from features.store.columns import ImportTable, Kind
from features.store.ingest import ingest_rows
from features.store.intake.rejects import Code

_MOST_BITS: Final = 63


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows."""

    table: str
    n_new: int
    n_unchanged: int
    """The same rows were there already."""


def write_rows(
    session: Session,
    table: str,
    rows: Sequence[Row | RowFault],
    *,
    caller: Caller,
    now: datetime,
) -> Written:
    """Write rows of one table into a writing session, which the caller commits.

    A fault among the rows is a row that could not even be read. Raises UnknownId (no such table), TableForbidden,
    ForeignRow or RowsRefused, and has written nothing then: the session stands as before, and can be used.
    """
    declared = require_writable(table, caller)
    if len(rows) > MOST_ROWS:
        raise RowsRefused([row_fault(MOST_ROWS, Code.TOO_MANY_ROWS)])
    if caller.role == "brand":
        require_own(session, declared, rows, brand_id=caller.subject or "", now=now)
    good, faults = _sorted_out(declared, rows)
    n_new = n_unchanged = 0
    with session.begin_nested():
        if good:
            imported = ingest_rows(session, declared, good, now=now, source=caller.name)
            n_new, n_unchanged = imported.n_new, imported.n_unchanged
            faults += [row_fault(index, bad.code, declared, bad.column) for index, bad in imported.bad]
        if faults:
            conflict = all(fault.code == Code.KEY_CONFLICT for fault in faults)
            raise RowsRefused(sorted(faults, key=lambda fault: fault.index), conflict=conflict)
    return Written(table, n_new, n_unchanged)


def _sorted_out(
    table: ImportTable, rows: Iterable[object]
) -> tuple[list[tuple[int, dict[str, object]]], list[RowFault]]:
    """The rows that can be read as the table's, each with its place, and what is wrong with the others."""
    good: list[tuple[int, dict[str, object]]] = []
    faults: list[RowFault] = []
    known = frozenset(table.file_columns)
    ids = {name for name, column in table.columns.items() if column.kind in {Kind.ID, Kind.IDS}}
    for index, row in enumerate(rows):
        if isinstance(row, RowFault):
            faults.append(row)
        elif not isinstance(row, Mapping):
            faults.append(row_fault(index, Code.BAD_JSON))
        elif not known.issuperset(row):
            place = next(place for place, name in enumerate(row, start=1) if name not in known)
            faults.append(row_fault(index, Code.UNKNOWN_COLUMN, table, place=place))
        elif huge := [name for name, value in row.items() if _is_huge(value)]:
            code = Code.NUMBER_AS_ID if huge[0] in ids else Code.OUT_OF_RANGE
            faults.append(row_fault(index, code, table, huge[0]))
        else:
            good.append((index, dict(row)))
    return good, faults


def _is_huge(value: object) -> bool:
    """A whole number that no column holds, and that may be too long even to be printed."""
    return isinstance(value, int) and value.bit_length() > _MOST_BITS
