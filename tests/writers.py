"""Who writes over HTTP, and into what? Callers of each role, and a small market that two brands share."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from api.access import Caller
from api.writes import Written, write_rows
from features.errors import RowFault, RowsRefused
from features.store.db import read_rows, reading, writing
from features.store.tables import TABLES
from good_rows import GOOD

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
OPERATOR = Caller("operator", None, "key-o", None)
JOB = Caller("job", None, "key-j", None)
ANCHOR = Caller("anchor", "a1", "key-a", None)
B1 = Caller("brand", "b1", "key-1", None)
B2 = Caller("brand", "b2", "key-2", None)

# b1 has what GOOD says; of each of its things b2 has one too.
THEIRS: dict[str, dict[str, Any]] = {
    "brands": GOOD["brands"] | {"brand_id": "b2"},
    "enrolments": GOOD["enrolments"] | {"brand_id": "b2"},
    "skus": GOOD["skus"] | {"sku_id": "s2", "brand_id": "b2"},
    "plans": GOOD["plans"] | {"plan_id": "pl2", "sku_id": "s2"},
    "cps_quotes": GOOD["cps_quotes"] | {"quote_id": "q2", "sku_id": "s2"},
    "offers": GOOD["offers"] | {"offer_id": "o2", "sku_id": "s2"},
    "offer_promotions": GOOD["offer_promotions"] | {"promotion_id": "pr2", "offer_id": "o2"},
}


def write(
    store: Engine, table: str, *rows: Any, caller: Caller = OPERATOR, now: datetime = NOW
) -> tuple[int, int]:
    """Write, commit, and say how many rows were new and how many there already."""
    with writing(store) as session:
        done = write_rows(session, table, rows, caller=caller, now=now)
    assert done == Written(table, done.n_new, done.n_unchanged)
    return done.n_new, done.n_unchanged


def refused(store: Engine, table: str, *rows: Any, caller: Caller = OPERATOR) -> RowsRefused:
    """The refusal of rows, of which nothing may be left in the store."""
    before = contents(store)
    with writing(store) as session:
        try:
            write_rows(session, table, rows, caller=caller, now=NOW)
        except RowsRefused as error:
            refusal = error
        else:
            raise AssertionError(f"{table} took {rows}")
    assert contents(store) == before
    return refusal


def faults(store: Engine, table: str, *rows: Any, caller: Caller = OPERATOR) -> list[tuple[int, str, str]]:
    """Where and why rows are refused."""
    return [brief(fault) for fault in refused(store, table, *rows, caller=caller).faults]


def brief(fault: RowFault) -> tuple[int, str, str]:
    """A fault without its words."""
    return fault.index, fault.column, fault.code


def contents(store: Engine) -> dict[str, list[Any]]:
    """Every row of every import table."""
    with reading(store) as session:
        return {
            name: sorted(map(repr, map(tuple, read_rows(session, f"SELECT * FROM {name}"))))
            for name in TABLES
        }


def fill(store: Engine) -> None:
    """Everything that GOOD has but feedback, and b2's things beside b1's."""
    for table, row in GOOD.items():
        if table != "feedback":
            write(store, table, row, *([THEIRS[table]] if table in THEIRS else []))
