"""What does the server say of itself?"""

from datetime import datetime
from typing import Literal

from api.schemas import examples
from api.schemas.types import Shape, shown_as


class Live(Shape):
    """It answers."""

    model_config = shown_as(examples.LIVE)

    status: Literal["alive"]


class Ready(Shape):
    """What is in memory."""

    model_config = shown_as(examples.READY)

    status: Literal["loading", "ready"]
    model_version: str | None
    """What ranks: a model, or `source:<name>`."""
    snapshot_at: datetime | None
    snapshot_age_seconds: float | None
    policy_version: str
    trouble: str | None
    """That something beside the requests has failed, in a plain sentence; what was loaded before goes on answering."""
