"""What became of what an anchor picked, or was invited to sell? One dealing a SKU, from the store and the journal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlmodel import Session

from api.serving import Serving
from api.signing import keyed_digest
from features.store.db import read_rows
from features.store.written import COLUMNS, Event
from features.units import from_microseconds, microseconds, shanghai_day

STEPS: Final = ("picked", "invited", "accepted", "declined", "sample_sent", "listed", "sold")
"""What moves a dealing on."""
KEPT: Final = timedelta(days=365)
"""Older steps are history."""
PICK_HOLDS: Final = timedelta(days=30)
"""So long a pick counts as made: to pick the same SKU again is the same pick."""

_SELECT: Final = (
    f"SELECT {', '.join(COLUMNS)} FROM feedback"  # noqa: S608 - names of our own
    f" WHERE kind <> 'shown' AND kind IN ({', '.join(map(repr, STEPS))}) AND anchor_id = :anchor AND at >= :since"
)
"""That nothing was merely shown is said once more: by it SQLite finds its index."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """One SKU between its brand and one anchor; at least one step is a pick or an invitation."""

    sku_id: str
    steps: tuple[Event, ...]
    """Oldest first."""
    invitation: Event | None = None
    """The brand's latest, as long as it waits for an answer."""

    def last(self, *kinds: str) -> Event | None:
        """The latest step of these kinds."""
        return next((step for step in reversed(self.steps) if step.kind in kinds), None)

    @property
    def latest(self) -> tuple[Event, ...]:
        """The latest step of each kind, oldest first."""
        by_kind = {step.kind: step for step in self.steps}
        return tuple(step for step in self.steps if by_kind[step.kind] is step)

    @property
    def began_at(self) -> datetime:
        """When it was last picked or invited for: dealings are told the latest first."""
        begun = self.last("picked", "invited")
        assert begun is not None
        return begun.at

    def pick_at(self, now: datetime) -> datetime | None:
        """When it was picked, as long as that counts."""
        picked = self.last("picked")
        return picked.at if picked is not None and now - picked.at < PICK_HOLDS else None


def dealings_of(
    serving: Serving, session: Session, anchor_id: str, *, now: datetime, sku_id: str | None = None
) -> Mapping[str, Dealing]:
    """By SKU, of one SKU or of all; the latest first. What was answered a moment ago is in it, moved or not."""
    since = now - KEPT
    waiting = serving.journal.waiting_where(
        lambda event: event.anchor_id == anchor_id and event.at >= since
    )  # before the store is read: the other way round an event could be found in neither
    rows = read_rows(session, _SELECT, {"anchor": anchor_id, "since": microseconds(since)})
    found = {event.event_id: event for event in (*waiting, *map(_event, rows)) if event.kind in STEPS}
    return _by_sku((event for event in found.values() if sku_id in {None, event.sku_id}), serving.secret)


# Ids that pages make are nobody's to guess: whoever could would ask by a 409 what others do, or take the id first.


def pick_id(secret: bytes, anchor_id: str, sku_id: str, now: datetime) -> str:
    """The id of a pick: the same for the pair all day, so that two hands on one button make one pick."""
    return _told_id(secret, "pick", anchor_id, sku_id, shanghai_day(now).isoformat())


def answer_id(secret: bytes, invitation: Event, kind: str) -> str:
    """The id of the answer to an invitation: each may be given once."""
    return _told_id(secret, kind, invitation.event_id)


def _by_sku(events: Iterable[Event], secret: bytes) -> dict[str, Dealing]:
    steps: defaultdict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at, event.event_id)):
        steps[event.sku_id].append(event)
    dealings = [
        Dealing(sku_id, tuple(of_sku), _unanswered(of_sku, secret))
        for sku_id, of_sku in steps.items()
        if any(step.kind in {"picked", "invited"} for step in of_sku)
    ]
    return {one.sku_id: one for one in sorted(dealings, key=lambda one: one.began_at, reverse=True)}


def _unanswered(steps: Sequence[Event], secret: bytes) -> Event | None:
    """The latest invitation, if no answer came after it, or was given to it by its id: the brand's clock may be ahead."""
    asked = next((step for step in reversed(steps) if step.kind == "invited"), None)
    answered = next((step for step in reversed(steps) if step.kind in {"accepted", "declined"}), None)
    if asked is None or answered is None:
        return asked
    is_answered = answered.at >= asked.at or answered.event_id == answer_id(secret, asked, answered.kind)
    return None if is_answered else asked


def _event(row: Sequence[Any]) -> Event:
    values = dict(zip(COLUMNS, row, strict=True))
    return Event(**values | {"at": from_microseconds(values["at"])})


def _told_id(secret: bytes, *parts: str) -> str:
    return f"{parts[0]}.{keyed_digest(secret, 'told', *parts)[:40]}"
