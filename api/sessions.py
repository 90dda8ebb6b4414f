"""Who signed in on this browser, and did their own page send this form? A signed cookie, and a token bound to it.

The cookie holds no key and opens nothing by itself: at each request the key ring is asked about the key behind it, so
that a session ends with its key, revoked or expired, or after 12 hours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from itsdangerous import BadData, Signer

from api.access import Caller
from api.security import KeyRing, key_fingerprint
from api.signing import SIGNING, serializer
from features.units import from_microseconds, microseconds

SESSION_LIFE: Final = timedelta(hours=12)

_LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class PageSession:
    """What a page's cookie says: with which key somebody signed in, and when."""

    key_id: str
    fingerprint: str
    """Of the key's hash: another key under the same id, in a store put back from a copy, ends the session."""
    signed_at: datetime


class PageSessions:
    """Makes and reads the cookies that pages sign in with, and the tokens that their forms carry."""

    def __init__(self, secret: bytes) -> None:
        self._serializer = serializer(secret, "session")
        self._csrf = Signer(secret, salt="fenxiao.csrf", **SIGNING)

    def sign(self, caller: Caller, key: str, *, now: datetime) -> str:
        """A session for the holder of `key`, who was just admitted, from now on."""
        return self._serializer.dumps([caller.key_id, key_fingerprint(key), microseconds(now)])

    def read(self, value: str, *, now: datetime) -> PageSession | None:
        """What was signed; nothing for what was not, or was 12 hours ago. Whether its key is good the ring knows."""
        if len(value) > _LONGEST or not value.isascii():
            return None
        try:
            key_id, fingerprint, signed_at_us = self._serializer.loads(value)
        except BadData:
            return None
        session = PageSession(key_id, fingerprint, from_microseconds(signed_at_us))
        return session if timedelta(0) <= now - session.signed_at < SESSION_LIFE else None

    def csrf_token(self, value: str) -> str:
        """What the forms of this session carry; as long as the session, for it is made of nothing else."""
        return self._csrf.get_signature(value).decode()

    def check_csrf(self, value: str, token: str) -> bool:
        """Whether a form was made for this session."""
        return value.isascii() and token.isascii() and self._csrf.verify_signature(value, token)


def page_caller(sessions: PageSessions, ring: KeyRing, value: str | None, *, now: datetime) -> Caller | None:
    """Who signed in, by the cookie of their browser; nobody where it is missing, not ours, too old, or its key is."""
    session = sessions.read(value, now=now) if value else None
    return None if session is None else ring.identify_session(session.key_id, session.fingerprint)
