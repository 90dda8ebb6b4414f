"""What does the registry look like to a program?"""

from datetime import date, datetime
from typing import Any

from api.schemas import examples
from api.schemas.types import Shape, shown_as


class ModelLine(Shape):
    """One published model."""

    version: str
    serves: bool
    problem: str | None
    """Where its files are not as they were published."""
    as_of: date | None
    """Its data end before this day."""
    data_from: date | None
    gate_passed: bool | None
    gate_reasons: list[str]
    policy_version: str | None
    metrics: dict[str, Any]


class Models(Shape):
    """The registry, newest data first."""

    model_config = shown_as(examples.MODELS)

    champion: str | None
    items: list[ModelLine]
    next_cursor: str | None
    request_id: str


class Promoted(Shape):
    """What serves from now on."""

    model_config = shown_as(examples.PROMOTED)

    version: str
    promoted_at: datetime
    request_id: str
