"""What became of recommendations, as it is told to us."""

from typing import Literal

from pydantic import Field

from api.schemas import examples
from api.schemas.lists import VerdictLine
from api.schemas.types import Asked, Id, Instant, Shape, shown_as

Kind = Literal[
    "shown", "clicked", "saved", "picked", "invited", "accepted", "declined", "sample_sent", "listed", "sold"
]


class EventAsked(Asked):
    """One event; `event_id` makes it idempotent."""

    event_id: Id
    request_id: Id | None = None
    """Of the list on which it was shown."""
    at: Instant = Field(strict=False)
    anchor_id: Id
    sku_id: Id
    kind: Kind
    position: int | None = Field(default=None, ge=0, le=2**31)


class FeedbackAsked(Asked):
    """Up to 1 000 events."""

    model_config = shown_as(examples.FEEDBACK_ASKED)

    events: list[EventAsked] = Field(min_length=1, max_length=1_000)


class CommitmentVerdicts(Shape):
    """Both rules on live rows, where money is committed: a pick or an invitation."""

    event_id: str
    sku_id: str
    verdicts: list[VerdictLine]


class Accepted(Shape):
    """They are on disk."""

    model_config = shown_as(examples.ACCEPTED)

    accepted: int
    """New ones."""
    repeated: int
    """Known already, with the same content."""
    commitments: list[CommitmentVerdicts]
    request_id: str
