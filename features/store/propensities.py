"""How likely was it that this pairing stood at this place? Kept beside what was shown, for lists of which a part is drawn.

A list none of whose places is drawn leaves nothing here: each of its places was certain. Where a policy draws places
(`[lists] explore_slots`), every place of the page has a row, the drawn ones with what they were drawn from: without
that, nobody could say later what another ranking would have shown there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Text, text
from sqlmodel import Field, Session, SQLModel


@dataclass(frozen=True, slots=True)
class Draw:
    """How a place of a page got its pairing."""

    propensity: float
    """The chance, before the draw, that this pairing would stand at this place: 1 where nothing was drawn."""
    drawn_from: tuple[str, ...]
    """Ids of all that might have stood here, each as likely as the other, best first; none where it was certain."""
    objective: str
    model_version: str
    policy_version: str

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Draw":
        """The inverse of `as_json`; KeyError, TypeError or ValueError where it is none."""
        return cls(
            propensity=float(plain["propensity"]),
            drawn_from=tuple(str(one) for one in plain["drawn_from"]),
            **{name: str(plain[name]) for name in ("objective", "model_version", "policy_version")},
        )

    def as_json(self) -> dict[str, Any]:
        """For a line of the journal."""
        return asdict(self)


class ExposureRow(SQLModel, table=True):
    """A place of a page of which places were drawn; `event_id` is that of the row of feedback with kind `shown`."""

    __tablename__ = "exposures"

    event_id: str = Field(primary_key=True, max_length=64)
    request_id: str | None = Field(default=None, max_length=64)
    position: int | None = None
    anchor_id: str = Field(max_length=64)
    sku_id: str = Field(max_length=64)
    propensity: float
    explored: bool
    drawn_from: str | None = Field(default=None, sa_type=Text)
    """Ids with a space between them; nothing where the place was certain."""
    objective: str = Field(max_length=16)
    model_version: str = Field(max_length=64)
    policy_version: str = Field(max_length=64)


_COLUMNS: Final = tuple(ExposureRow.model_fields)
_INSERT: Final = text(
    f"INSERT INTO exposures ({', '.join(_COLUMNS)}) VALUES (:{', :'.join(_COLUMNS)})"  # noqa: S608 - names of our own
    " ON CONFLICT DO NOTHING"
)


class _Carries(Protocol):
    """What an event of the journal is to this room."""

    @property
    def draw(self) -> Draw | None: ...


def keep_draws(session: Session, events: Sequence[_Carries]) -> None:
    """Write the draws of those events that carry one; the same again is nothing."""
    rows = [_row(event, event.draw) for event in events if event.draw is not None]
    if rows:
        session.connection().execute(_INSERT, rows)


def _row(event: _Carries, draw: Draw) -> dict[str, Any]:
    place = {name: getattr(event, name) for name in _COLUMNS[:5]}
    how = {
        name: getattr(draw, name) for name in ("propensity", "objective", "model_version", "policy_version")
    }
    return place | how | {"explored": bool(draw.drawn_from), "drawn_from": " ".join(draw.drawn_from) or None}
