"""What do verdicts and rates look like to a program?"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue

from api.schemas import examples
from api.schemas.rows import row_schema
from api.schemas.types import Asked, Id, Shape, shown_as
from features.store.tables import TABLES


class EvidenceLine(Shape):
    """A row that a verdict rests on."""

    id: str
    table: str
    observed_at: datetime


class CheckLine(Shape):
    """One rule's verdict; an anchor sees the verdict alone, without evidence and account."""

    rule: Literal["cps_floor", "price_parity"]
    status: Literal["PASS", "FAIL", "INDETERMINATE", "NOT_APPLICABLE"]
    reason: str
    sentence: dict[str, str]
    """In zh and en."""
    margin: int | None
    margin_unit: str
    provisional: bool
    policy_version: str
    checked_at: datetime
    next_change_at: datetime | None
    """The verdict holds until then, if nothing new is observed."""
    evidence: list[EvidenceLine] | None = None
    notes: list[dict[str, Any]] | None = None
    account: dict[str, Any] | None = None
    """What was compared, layer by layer, and the nearest rate or prices that would pass."""


class Takers(Shape):
    """Who is expected to take the SKU up."""

    takers: float
    takers_low: float
    takers_high: float
    units: float
    units_low: float
    units_high: float
    gmv_fen: int
    commission_fen: int


class Checks(Shape):
    """Both rules on one SKU."""

    model_config = shown_as(examples.CHECKS)

    sku_id: str
    policy_version: str
    request_id: str
    verdicts: list[CheckLine]
    takers: dict[str, Takers] | None = None
    """On planned plans: under today's rates (`now`) and the planned ones (`planned`)."""


class PlannedAsked(Asked):
    """A plan or an offer before it is published: rows in the columns of the import tables, ids and the SKU left out."""

    model_config = shown_as(examples.PLANNED_ASKED)

    sku_id: Id
    plans: list[dict[str, JsonValue]] = Field(
        default=[], max_length=20, json_schema_extra={"items": row_schema(TABLES["plans"], "Planned")}
    )
    offers: list[dict[str, JsonValue]] = Field(
        default=[], max_length=20, json_schema_extra={"items": row_schema(TABLES["offers"], "Planned")}
    )


class PlanLine(Shape):
    """A commission plan."""

    plan_id: str
    plan_type: str
    rate_ppm: int
    status: str | None
    valid_from: datetime
    valid_to: datetime | None
    anchor_ids: list[str] | None = None
    """Left out where an anchor asks."""
    service_fee_rate_ppm: int | None = None


class LosingPlan(PlanLine):
    """A plan that does not apply, and why."""

    reason: str
    sentence: dict[str, str]


class Rate(Shape):
    """The commission rate that applies."""

    model_config = shown_as(examples.RATE)

    sku_id: str
    anchor_id: str | None
    at: datetime
    rate_ppm: int | None
    plan: PlanLine | None
    kept_until: datetime | None
    losers: list[LosingPlan]
    policy_version: str
    request_id: str
