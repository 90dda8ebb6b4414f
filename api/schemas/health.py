"""What does the server say of itself?"""

from datetime import datetime
from typing import Literal

from api.schemas.types import Shape


class Live(Shape):
    """It answers."""

    status: Literal["alive"]


class Ready(Shape):
    """What is in memory."""

    status: Literal["loading", "ready"]
    model_version: str | None
    """What ranks: a model, or `source:<name>`."""
    snapshot_at: datetime | None
    snapshot_age_seconds: float | None
    policy_version: str
    trouble: str | None
    """Why the last load failed; the one before goes on answering."""
