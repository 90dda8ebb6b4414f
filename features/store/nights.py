"""Which nights were there, who is at work now, and how far did they come? A lease that expires, and a row an attempt.

A night holds the lease while it works and renews it every few seconds; one that died lets it run out within a minute.
The holder makes sure that it still holds it before each step that others can see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Date, Text
from sqlmodel import Field, Session, SQLModel, col, select

from features.errors import LeaseHeld
from features.store.types import UtcDateTime
from features.units import shanghai_time

LEASE_SECONDS: Final = 60
RENEW_SECONDS: Final = 10
NIGHTLY: Final = "nightly"


class Lease(SQLModel, table=True):
    """Who may work, until when."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True, max_length=32)
    holder: str = Field(max_length=96)
    taken_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    beats: int
    """Renewals: a clock may go back, this does not."""


class NightRow(SQLModel, table=True):
    """One attempt at a night."""

    __tablename__ = "nights"

    as_of: date = Field(primary_key=True, sa_type=Date)
    """Its business date: only what was known before that day began."""
    attempt: int = Field(primary_key=True)
    holder: str = Field(max_length=96)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    state: str = Field(max_length=16)
    """running, published, refused, failed, or killed: found dead by the next one."""
    step: str = Field(max_length=32)
    """The last that began."""
    steps: str = Field(sa_type=Text)
    """JSON: of each step that ended its seconds and rows."""
    version: str | None = Field(default=None, max_length=64)
    report: str = Field(sa_type=Text)
    """JSON: what the night said of itself; empty until it ended."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is held."""

    name: str
    holder: str


def take_lease(
    session: Session, name: str, *, holder: str, now: datetime, seconds: int = LEASE_SECONDS
) -> Held:
    """The lease, where nobody holds it or its holder let it run out; LeaseHeld says who has it, and until when.

    `session` is a writing one: of two that come at once the second reads what the first has written.
    """
    lease = session.get(Lease, name)
    if lease is not None and lease.expires_at > now and lease.holder != holder:
        raise LeaseHeld(
            f"another night is at work: {lease.holder}, since {shanghai_time(lease.taken_at)}; "
            f"unless it goes on, its lease ends at {shanghai_time(lease.expires_at)}"
        )
    made = lease or Lease(name=name, holder=holder, taken_at=now, expires_at=now, beats=0)
    made.holder, made.taken_at, made.expires_at = holder, now, now + timedelta(seconds=seconds)
    made.beats += 1
    session.add(made)
    session.flush()
    return Held(name, holder)


def shorten_lease(session: Session, name: str, *, now: datetime, seconds: int = LEASE_SECONDS) -> None:
    """A lease that runs further than any can from now was taken before the clock went back: let it end as one of now.

    For a transaction of its own, before `take_lease`: whoever is alive renews it all the same.
    """
    lease = session.get(Lease, name)
    if lease is not None and lease.expires_at > now + timedelta(seconds=seconds):
        lease.expires_at = now + timedelta(seconds=seconds)
        session.add(lease)
        session.flush()


def renew(session: Session, held: Held, *, now: datetime, seconds: int = LEASE_SECONDS) -> None:
    """Hold it for another minute; LeaseHeld where somebody else has taken it meanwhile."""
    lease = session.get(Lease, held.name)
    if lease is None or lease.holder != held.holder:
        taken = "nobody" if lease is None else lease.holder
        raise LeaseHeld(f"this night lost its lease to {taken} and stops; nothing of it was published since")
    lease.expires_at = now + timedelta(seconds=seconds)
    lease.beats += 1
    session.add(lease)
    session.flush()


def give_back(session: Session, held: Held) -> None:
    """Let the next one in at once."""
    lease = session.get(Lease, held.name)
    if lease is not None and lease.holder == held.holder:
        session.delete(lease)
        session.flush()


def begin_night(session: Session, as_of: date, *, holder: str, now: datetime) -> NightRow:
    """A row for a new attempt; attempts that still say `running` are over, for their lease is."""
    for dead in session.exec(select(NightRow).where(NightRow.state == "running")):
        dead.state, dead.ended_at = "killed", max(now, dead.started_at)  # a clock may have gone back
        session.add(dead)
    earlier = session.exec(
        select(NightRow.attempt)
        .where(NightRow.as_of == as_of)
        .order_by(col(NightRow.attempt).desc())
        .limit(1)
    ).first()
    night = NightRow(
        as_of=as_of,
        attempt=1 + (earlier or 0),
        holder=holder,
        started_at=now,
        state="running",
        step="begin",
        steps="[]",
        report="",
    )
    session.add(night)
    session.flush()
    return night


def write_night(session: Session, as_of: date, attempt: int, changes: Mapping[str, Any]) -> None:
    """Change columns of an attempt."""
    night = session.get(NightRow, (as_of, attempt))
    assert night is not None
    for name, value in changes.items():
        setattr(night, name, value)
    session.add(night)
    session.flush()


def list_nights(session: Session, limit: int = 60) -> list[NightRow]:
    """The last attempts, newest first."""
    newest = (col(NightRow.started_at).desc(), col(NightRow.as_of).desc(), col(NightRow.attempt).desc())
    return list(session.exec(select(NightRow).order_by(*newest).limit(limit)))
