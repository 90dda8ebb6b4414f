"""What would a plan or an offer be that is not stored yet? A document of planned rows, read as an import would read them.

    {"plans": [{"plan_type": "open", "rate": "20", "rate_unit": "percent"}],
     "offers": [{"item_price_fen": 9900, "promotions": [{"layer": "shop", "kind": "coupon", "off_fen": 500}]}]}

Columns are those of the import tables. What is left out is taken from the question: the SKU, the instant, the home
platform; ids are made up. Nothing is written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.errors import PlannedRowRefused, WrongInput
from features.store.dossier import Offer, Promotion
from features.store.intake.checked import read_cells
from features.store.intake.json_lines import read_objects
from features.store.intake.rejects import Fault
from features.store.plans import PlanRow, ids_of
from features.store.tables import TABLES
from features.store.types import Instants
from features.units import Ppm

_TABLES = ("plans", "offers")


@dataclass(frozen=True, slots=True)
class Planned:
    """What is planned for one SKU."""

    plans: tuple[PlanRow, ...]
    offers: tuple[Offer, ...]


def read_planned(document: object, *, sku_id: str, at: datetime, home_platform: str, where: str) -> Planned:
    """The planned rows; WrongInput names the row, the column and what is allowed."""
    rows = _tables(document, where)
    defaults = {"sku_id": sku_id, "observed_at": at.isoformat()}
    plans = [
        {"plan_id": f"planned-plan-{k}", "valid_from": at.isoformat(), **defaults, **row}
        for k, row in enumerate(rows["plans"], start=1)
    ]
    offers, promotions = [], []
    for k, row in enumerate(rows["offers"], start=1):
        own = dict(row)
        inner = own.pop("promotions", [])
        offer = {"offer_id": f"planned-offer-{k}", "platform": home_platform, **defaults, **own}
        offers.append(offer)
        for n, promotion in enumerate(_listed(inner, f"{where}: promotions of offer {k}"), start=1):
            if promotion.get("offer_id", offer["offer_id"]) != offer["offer_id"]:
                raise WrongInput(
                    f"{where}: a promotion of offer {offer['offer_id']} names offer {promotion['offer_id']}"
                )
            named = {"promotion_id": f"{offer['offer_id']}-{n}", "offer_id": offer["offer_id"], **promotion}
            promotions.append(named)
    for row in (*plans, *offers):
        if row["sku_id"] != sku_id:
            raise WrongInput(f"{where}: a row is for SKU {row['sku_id']}, the question for {sku_id}")
    for rows_of, key in ((plans, "plan_id"), (offers, "offer_id"), (promotions, "promotion_id")):
        _refuse_repeats(rows_of, key, where)
    at_us = Instants()
    of_offer = _read("offer_promotions", promotions, where)
    return Planned(
        plans=tuple(_plan(row, at_us, at) for row in _read("plans", plans, where)),
        offers=tuple(
            _offer(row, [p for p in of_offer if p["offer_id"] == row["offer_id"]], at_us)
            for row in _read("offers", offers, where)
        ),
    )


def _refuse_repeats(rows: Iterable[Mapping[str, Any]], key: str, where: str) -> None:
    seen = set()
    for row in rows:
        if str(row[key]) in seen:
            raise WrongInput(f"{where}: two rows have the {key} {row[key]}")
        seen.add(str(row[key]))


def _tables(document: object, where: str) -> dict[str, list[Mapping[str, Any]]]:
    if not isinstance(document, dict):
        raise WrongInput(f"{where} holds no object with plans or offers")
    unknown = set(document) - set(_TABLES)
    if unknown or not document:
        raise WrongInput(
            f"{where} names {', '.join(sorted(unknown)) or 'nothing'}; known are plans and offers"
        )
    return {name: _listed(document.get(name, []), f"{where}: {name}") for name in _TABLES}


def _listed(rows: object, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WrongInput(f"{where} is no list of objects")
    return rows


def _read(table: str, rows: Iterable[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
    """Rows as they would be stored, every column there."""
    numbered = [(k, dict(row)) for k, row in enumerate(rows, start=1)]
    if not numbered:
        return []
    declared = TABLES[table]
    chunk = read_objects(declared, numbered, where)
    for number, fault in chunk.unreadable:
        raise _refused(f"{where}: {table} {number}: {fault.column or 'row'}", table, number - 1, fault)
    cells, findings = read_cells(declared, chunk)
    for place, fault in findings.faults.items():
        raise _refused(f"{where}: {table} {place + 1}: {fault.column} {fault.value}", table, place, fault)
    return [dict.fromkeys(declared.columns) | row for row in cells.to_dicts()]


def _refused(place: str, table: str, index: int, fault: Fault) -> PlannedRowRefused:
    sentence = f"{place}: {fault.sentence}"
    return PlannedRowRefused(sentence, table=table, index=index, column=fault.column, code=fault.code)


def _plan(row: Mapping[str, Any], at_us: Instants, at: datetime) -> PlanRow:
    return PlanRow(
        plan_id=row["plan_id"],
        known_at=at,
        sku_id=row["sku_id"],
        plan_type=row["plan_type"],
        rate_ppm=Ppm(row["rate_ppm"]),
        valid_from=at_us[row["valid_from"]],
        valid_to=at_us.maybe(row["valid_to"]),
        status=row["status"],
        anchor_ids=ids_of(row["anchor_ids"]),
        service_fee_rate_ppm=None
        if row["service_fee_rate_ppm"] is None
        else Ppm(row["service_fee_rate_ppm"]),
    )


def _offer(row: Mapping[str, Any], promotions: Iterable[Mapping[str, Any]], at_us: Instants) -> Offer:
    made = tuple(Promotion(**_kept(promotion, Promotion._fields, at_us)) for promotion in promotions)
    return Offer(**_kept(row, Offer._fields, at_us) | {"promotions": made})


def _kept(row: Mapping[str, Any], names: Iterable[str], at_us: Instants) -> dict[str, Any]:
    instants = ("observed_at", "valid_from", "valid_to")
    return {name: at_us.maybe(row[name]) if name in instants else row[name] for name in names if name in row}
