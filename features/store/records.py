"""What does the house write down of its own? Retractions, verdicts that were shown, and the policies behind them.

Nothing here is imported, and nothing is ever changed or taken away: what was said stays answerable.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import BigInteger, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from features.errors import UnknownId, WrongInput
from features.store.db import read_rows_of
from features.store.tables import TABLES, Enrolment
from features.store.types import UtcDateTime
from features.units import DAWN, microseconds, parse_instant

RETRACTABLE: Final = ("cps_quotes", "offers", "offer_promotions", "events", "enrolments")
"""Tables whose rows are kept for ever as they came, and that verdicts rest on: a wrong one is taken back."""


class Retraction(SQLModel, table=True):
    """An observation that was wrong: from `retracted_at` on it does not count."""

    __tablename__ = "retractions"

    table_name: str = Field(primary_key=True, sa_type=Text)
    row_key: str = Field(primary_key=True, sa_type=Text)
    retracted_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    reason: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)


class ShownVerdict(SQLModel, table=True):
    """An answer as somebody saw it; a row each time that it differs from what was shown before."""

    __tablename__ = "shown_verdicts"

    sku_id: str = Field(primary_key=True, max_length=64)
    rule: str = Field(primary_key=True, max_length=32)
    first_shown_at: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    digest: str = Field(max_length=64)
    """Of what was said: everything below but the instant that it is about."""
    status: str = Field(max_length=32)
    reason: str = Field(max_length=32)
    margin: int | None = Field(default=None, sa_type=BigInteger)
    evidence: str = Field(sa_type=Text)
    """JSON: id, table, observed_at of each row."""
    provisional: bool
    policy_version: str = Field(max_length=64)
    first_checked_at: datetime = Field(sa_type=UtcDateTime)
    """The instant that the answer is about, where it was first shown."""


class KeptPolicy(SQLModel, table=True):
    """A policy that answers were given under."""

    __tablename__ = "kept_policies"

    version: str = Field(primary_key=True, max_length=64)
    content: str = Field(sa_type=Text)
    """JSON."""
    first_used_at: datetime = Field(sa_type=UtcDateTime)


def retract(session: Session, table: str, key: str, *, reason: str, source: str, at: datetime) -> datetime:
    """Write a retraction; the instant from which it holds, which is an older one's where there is one already."""
    if not reason.strip():
        raise WrongInput("a retraction needs a reason")
    key, _ = find_observation(session, table, key)
    earlier = retraction_of(session, table, key)
    if earlier is not None:
        return earlier.retracted_at
    assert microseconds(at) > microseconds(DAWN)
    session.add(
        Retraction(table_name=table, row_key=key, retracted_at=at, reason=reason.strip(), source=source)
    )
    return at


def find_observation(session: Session, table: str, key: str) -> tuple[str, SQLModel]:
    """The key as retractions keep it, and the row; WrongInput for another table, UnknownId where no row has the key."""
    if table not in RETRACTABLE:
        raise WrongInput(f"rows of {table!r} cannot be retracted; those of {', '.join(RETRACTABLE)} can")
    if table != "enrolments":
        found = session.get(TABLES[table].model, key)
        if found is not None:
            return key, found
    else:
        for row in session.exec(select(Enrolment)):
            begins = f"{row.brand_id}:{row.programme_id}:"
            if key.startswith(begins) and _is_instant(key.removeprefix(begins), row.valid_from):
                return enrolment_key(row.brand_id, row.programme_id, row.valid_from), row
        key += " (brand_id:programme_id:valid_from)"
    raise UnknownId(f"{table} holds no row {key!r}")


def retraction_of(session: Session, table: str, key: str) -> Retraction | None:
    """The first retraction of an observation, which is the one that counts."""
    return session.exec(
        select(Retraction)
        .where(Retraction.table_name == table, Retraction.row_key == key)
        .order_by(col(Retraction.retracted_at))
        .limit(1)
    ).first()


def last_retractions(session: Session, most: int) -> list[Retraction]:
    """What was taken back last."""
    return list(session.exec(select(Retraction).order_by(col(Retraction.retracted_at).desc()).limit(most)))


def enrolment_key(brand_id: str, programme_id: str, valid_from: datetime) -> str:
    """As retractions name an enrolment."""
    return f"{brand_id}:{programme_id}:{valid_from.astimezone(UTC).isoformat()}"


def _is_instant(text: str, instant: datetime) -> bool:
    try:
        return parse_instant(text) == instant
    except WrongInput:
        return False


def shown_verdicts(session: Session, sku_id: str) -> list[ShownVerdict]:
    """What was ever shown of a SKU, oldest first."""
    return list(
        session.exec(
            select(ShownVerdict)
            .where(ShownVerdict.sku_id == sku_id)
            .order_by(col(ShownVerdict.first_shown_at), col(ShownVerdict.rule))
        )
    )


def keep_shown(
    session: Session, rows: Iterable[ShownVerdict], *, policy_version: str, policy: str, at: datetime
) -> None:
    """Write what was shown where it differs from what was shown before, and the policy that it was said under."""
    wanted = list(rows)
    last = _last_digests(session, [row.sku_id for row in wanted])
    verdicts = [row.model_dump() for row in wanted if last.get((row.sku_id, row.rule)) != row.digest]
    if session.get(KeptPolicy, policy_version) is None:
        session.add(KeptPolicy(version=policy_version, content=policy, first_used_at=at))
    insert = (sqlite if session.connection().dialect.name == "sqlite" else postgresql).insert
    if verdicts:
        session.connection().execute(insert(ShownVerdict).on_conflict_do_nothing(), verdicts)


def _last_digests(session: Session, sku_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """Of each SKU and rule the digest of what was shown last."""
    if not sku_ids:
        return {}
    rows = read_rows_of(
        session,
        "SELECT sku_id, rule, digest FROM shown_verdicts WHERE sku_id IN (:ids) ORDER BY first_shown_at",
        sorted(set(sku_ids)),
    )
    return {(sku_id, rule): digest for sku_id, rule, digest in rows}
