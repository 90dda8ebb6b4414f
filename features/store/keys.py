"""Which keys were handed out, and which of them still open a door? The queries on `api_keys`.

The store knows a key by its SHA-256 alone; drawing one, and showing it once, is the doors' part.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, or_, update
from sqlmodel import Session, col, select

from features.errors import UnknownId, WrongInput
from features.store.access import ROLES, ApiKey
from features.store.columns import ID_PATTERN
from features.store.tables import Anchor, Brand

_LONGEST_NOTE: Final = 200


def add_key(session: Session, row: ApiKey) -> None:
    """Keep a key; its role, subject and note are checked here, that it is random is the caller's part."""
    _check_role(session, row.role, row.subject)
    if row.note is not None and not (row.note.isprintable() and len(row.note) <= _LONGEST_NOTE):
        raise WrongInput(f"a key's note is one line of at most {_LONGEST_NOTE} printable characters")
    if row.expires_at is not None and row.expires_at <= row.created_at:
        raise WrongInput(
            f"a key that expires at {row.expires_at.isoformat()} is of no use; name a later instant"
        )
    session.add(row)
    session.flush()


def key_of_hash(session: Session, sha256: str) -> ApiKey | None:
    """The key with this hash, whether or not it still holds."""
    return session.exec(select(ApiKey).where(ApiKey.sha256 == sha256)).first()


def key_of_id(session: Session, key_id: str) -> ApiKey | None:
    """The key with this id, whether or not it still holds."""
    return session.exec(select(ApiKey).where(ApiKey.key_id == key_id)).first()


def all_keys(session: Session) -> list[ApiKey]:
    """Every key that was ever handed out, oldest first."""
    return list(session.exec(select(ApiKey).order_by(col(ApiKey.created_at), col(ApiKey.key_id))))


def revoke_key(session: Session, key_id: str, *, at: datetime) -> datetime:
    """The instant from which the key opens nothing: an older one's where it was revoked before."""
    row = key_of_id(session, key_id) if re.fullmatch(ID_PATTERN, key_id) else None
    if row is None:
        raise UnknownId(f"there is no key {key_id!r}; `matcher keys list` names them by their ids")
    if row.revoked_at is None:
        row.revoked_at = at
        session.add(row)
        session.flush()
    return row.revoked_at


def mark_used(session: Session, used: Mapping[str, datetime]) -> None:
    """Write when keys (by id) were last used; an instant before the one that stands there changes nothing."""
    if not used:
        return
    older = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) < bindparam("used_at"))
    statement = (
        update(ApiKey.__table__)  # type: ignore[attr-defined]  # SQLModel does not declare its table
        .where(col(ApiKey.key_id) == bindparam("used_key"), older)
        .values(last_used_at=bindparam("used_at"))
    )
    rows = [{"used_key": key_id, "used_at": at} for key_id, at in sorted(used.items())]
    session.connection().execute(statement, rows)


def _check_role(session: Session, role: str, subject: str | None) -> None:
    if role not in ROLES:
        raise WrongInput(f"role {role!r} is not known; name {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    if role not in _SUBJECTS:
        if subject is not None:
            raise WrongInput(f"a key for {role} is nobody's in particular; leave out the subject {subject!r}")
        return
    if subject is None:
        raise WrongInput(f"a key for {role} needs a subject: the id of the {role} that it is for")
    held = _SUBJECTS[role]
    if (
        not re.fullmatch(ID_PATTERN, subject)
        or session.exec(select(held).where(held == subject)).first() is None
    ):
        raise UnknownId(f"the store holds no {role} {subject!r}; import it first, or correct the subject")


_SUBJECTS: Final = {"brand": col(Brand.brand_id), "anchor": col(Anchor.anchor_id)}
