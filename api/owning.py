"""May this caller write this table, and is every row of it theirs?

A brand writes what is its own, and learns nothing of what is not: somebody else's row and nobody's are answered
alike, before anything else in the request is looked at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from api.access import Caller
from features.errors import ForeignRow, TableForbidden, UnknownId
from features.store.columns import ID_PATTERN, ImportTable
from features.store.db import read_rows_of
from features.store.tables import TABLES
from features.units import microseconds

BRAND_TABLES: Final = ("brands", "enrolments", "skus", "plans", "cps_quotes", "offers", "offer_promotions")
"""What a brand may write, as far as the rows are its own."""

_ID: Final = re.compile(ID_PATTERN.removesuffix("$"), re.ASCII)
_IDS_A_QUERY: Final = 10_000
_NOBODY: Final = frozenset({""})

# The SKUs that a stored key is about: (key, SKU), for a plan of each version.
_SKUS_BEHIND: Final[Mapping[str, str]] = {
    "plans": "SELECT DISTINCT plan_id, sku_id FROM plans WHERE plan_id IN (:ids)",
    "cps_quotes": "SELECT quote_id, sku_id FROM cps_quotes WHERE quote_id IN (:ids)",
    "offers": "SELECT offer_id, sku_id FROM offers WHERE offer_id IN (:ids)",
    "offer_promotions": (
        "SELECT promotion_id, sku_id FROM offer_promotions "
        "JOIN offers ON offers.offer_id = offer_promotions.offer_id WHERE promotion_id IN (:ids)"
    ),
}
# Whose a SKU is now; of one that is known from a later instant only, whose it will be first.
_OWNERS: Final = (
    "SELECT sku_id, brand_id FROM skus WHERE sku_id IN (:ids) AND known_at = ("
    "SELECT COALESCE(MAX(CASE WHEN known_at <= :now_us THEN known_at END), MIN(known_at)) "
    "FROM skus AS versions WHERE versions.sku_id = skus.sku_id)"
)


def require_writable(table: str, caller: Caller) -> ImportTable:
    """The table, where the caller's role may write it; TableForbidden where not, UnknownId where there is none."""
    if table not in TABLES:
        raise UnknownId(f"there is no such table; the tables are {', '.join(TABLES)}")
    if caller.role == "brand" and table not in BRAND_TABLES:
        raise TableForbidden(f"a brand writes {', '.join(BRAND_TABLES)}; {table} come from the operator")
    if caller.role not in {"brand", "operator", "job"}:
        raise TableForbidden(
            f"tables are written by brands, operators and jobs, not in the role {caller.role}"
        )
    return TABLES[table]


def require_own(
    session: Session, table: ImportTable, rows: Iterable[object], *, brand_id: str, now: datetime
) -> None:
    """Raise ForeignRow where a row is not the brand's, or stands on what is not.

    A row's brand is the brand itself; its SKU, the SKU behind its offer, and that behind the row already stored
    under its key, are the brand's, and there; a SKU that is not there yet becomes the brand's. What is no id at all
    is left to the check of the cells: it answers the same whatever is stored.
    """
    ids = [_Ids(row) for row in rows if isinstance(row, Mapping)]
    if any(row["brand_id"] not in {None, brand_id} for row in ids if "brand_id" in table.columns):
        raise ForeignRow(_SENTENCE)
    if table.name == "skus":
        asked = [row[name] for row in ids for name in ("sku_id", "equivalent_sku_id")]
        owners = _owners(session, asked, now)
        taken = {row["sku_id"] for row in ids}
        for row in ids:
            sku_id, other = row["sku_id"], row["equivalent_sku_id"]
            is_there = other is None or other in taken or other in owners
            if not is_there or any(owners.get(one or "", brand_id) != brand_id for one in (sku_id, other)):
                raise ForeignRow(_SENTENCE)
    elif table.name in _SKUS_BEHIND:
        stands_on = _stands_on(session, table, ids)
        owners = _owners(session, frozenset().union(*stands_on), now)
        if any(owners.get(sku_id) != brand_id for skus in stands_on for sku_id in skus):
            raise ForeignRow(_SENTENCE)


class _Ids:
    """The ids in a row as it came in: what is no id of ours is nothing."""

    def __init__(self, row: Mapping[Any, Any]) -> None:
        self._row = row

    def __getitem__(self, column: str) -> str | None:
        value = self._row.get(column)
        return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _stands_on(session: Session, table: ImportTable, ids: Sequence[_Ids]) -> list[frozenset[str]]:
    """For each row the SKUs that it is about, and that the row stored under its key is about."""
    key = table.key[0]
    stored = _skus_behind(session, table.name, (row[key] for row in ids))
    of_offer = None
    if table.name == "offer_promotions":
        of_offer = _skus_behind(session, "offers", (row["offer_id"] for row in ids))
    found = []
    for row in ids:
        if of_offer is None:
            meant = frozenset(filter(None, [row["sku_id"]]))
        else:
            offer_id = row["offer_id"]
            meant = frozenset() if offer_id is None else of_offer.get(offer_id, _NOBODY)
        found.append(meant | stored.get(row[key] or "", frozenset()))
    return found


def _skus_behind(session: Session, table: str, keys: Iterable[str | None]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key, sku_id in _rows_of(session, _SKUS_BEHIND[table], keys):
        found[key] = found.get(key, frozenset()) | {sku_id}
    return found


def _owners(session: Session, sku_ids: Iterable[str | None], now: datetime) -> dict[str, str]:
    """The brand of each SKU that is stored."""
    return dict(_rows_of(session, _OWNERS.replace(":now_us", str(microseconds(now))), sku_ids))


def _rows_of(session: Session, sql: str, ids: Iterable[str | None]) -> list[tuple[str, str]]:
    asked = sorted({one for one in ids if one})
    parts = (asked[start : start + _IDS_A_QUERY] for start in range(0, len(asked), _IDS_A_QUERY))
    return [(found[0], found[1]) for part in parts for found in read_rows_of(session, sql, part)]


_SENTENCE: Final = "a row, or what it stands on, is not there, or is somebody else's; nothing was written"
