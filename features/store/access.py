"""Who may come in, what was asked before, and what does a reader not want to see? Tables that the doors keep.

A key is stored as its SHA-256 alone: what was handed out cannot be read back, from here or from a backup.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from features.store.types import UtcDateTime

ROLES: Final = ("brand", "anchor", "operator", "job")
"""Brands and anchors have a subject: which of them; operators and jobs have none."""
HIDDEN_KINDS: Final = ("sku", "category")


class ApiKey(SQLModel, table=True):
    """A key that was handed out; never deleted, so that what it did stays answerable."""

    __tablename__ = "api_keys"

    key_id: str = Field(primary_key=True, max_length=32)
    sha256: str = Field(unique=True, max_length=64)
    """Of the key as it was shown, in hexadecimal."""
    role: str = Field(max_length=16)
    subject: str | None = Field(default=None, max_length=64)
    """The brand's or the anchor's id."""
    note: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """To within a minute."""


class IdempotentAnswer(SQLModel, table=True):
    """What a write was answered, so that the same write again is answered the same and done once."""

    __tablename__ = "idempotent_answers"

    caller: str = Field(primary_key=True, max_length=96)
    """Role and subject, or role and key id."""
    idempotency_key: str = Field(primary_key=True, max_length=128)
    digest: str = Field(max_length=64)
    """Of method, path and body: another request under the same key is refused."""
    status: int
    body: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)


class HiddenGoods(SQLModel, table=True):
    """What an anchor does not want recommended: one SKU, or, having seen enough of it, a category."""

    __tablename__ = "hidden_goods"

    anchor_id: str = Field(primary_key=True, max_length=64)
    kind: str = Field(primary_key=True, max_length=16)
    value: str = Field(primary_key=True, max_length=400)
    hidden_at: datetime = Field(sa_type=UtcDateTime)


class FeedLimit(SQLModel, table=True):
    """How old the newest row of a table may be before the operator is warned."""

    __tablename__ = "feed_limits"

    table_name: str = Field(primary_key=True, max_length=64)
    max_age_hours: int
    set_at: datetime = Field(sa_type=UtcDateTime)
