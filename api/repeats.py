"""Was this very write asked for before, and what was it answered?

A program that lost an answer asks again under the same Idempotency-Key, gets the answer that it lost, and nothing is
done twice. Answers are kept in the transaction of the write itself, so that neither is there without the other.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, delete

from api.access import Caller
from api.problems import Problem
from features.errors import IdempotencyClash
from features.store.access import IdempotentAnswer

KEPT_FOR: Final = timedelta(hours=24)
_KEY: Final = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write was answered."""

    status: int
    body: str


def remembered(session: Session, caller: Caller, key: str, digest: str, now: datetime) -> Answer | None:
    """The answer that the caller got under this key in the last 24 hours.

    IdempotencyClash where that was to another request, which has another digest; a Problem where the key is none.
    """
    if not _KEY.fullmatch(key):
        raise Problem("bad_idempotency_key")
    found = session.get(IdempotentAnswer, (caller.account, key))
    if found is None or now - found.created_at > KEPT_FOR:
        return None
    if found.digest != digest:
        raise IdempotencyClash("this Idempotency-Key was used for another request; take a new one")
    return Answer(found.status, found.body)


def remember(
    session: Session, caller: Caller, key: str, digest: str, status: int, body: str, now: datetime
) -> None:
    """Keep an answer, and forget those of everybody that are older than 24 hours. What is kept is never replaced."""
    session.exec(delete(IdempotentAnswer).where(col(IdempotentAnswer.created_at) < now - KEPT_FOR))
    if remembered(session, caller, key, digest, now) is not None:
        return
    session.add(
        IdempotentAnswer(
            caller=caller.account,
            idempotency_key=key,
            digest=digest,
            status=status,
            body=body,
            created_at=now,
        )
    )
    session.flush()
