"""Is this key good, and whose is it? Has that address guessed, or that holder asked, too often?

What a request passes lies in memory: a key is looked up at most once a second, which is also how long one that was
revoked elsewhere still opens. Keys are compared by their SHA-256: how long a look-up takes tells nothing of a key.
"""

import hashlib
import hmac
import ipaddress
import math
import re
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, cast

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import Engine
from sqlmodel import Session

from api.access import Caller, Role
from features.store.access import ApiKey
from features.store.db import reading, writing
from features.store.keys import add_key, key_of_hash, key_of_id, mark_used

FAILURES_A_MINUTE: Final = 20
"""Wrong keys from one address; what comes after them is not looked up."""
RETRY_SECONDS: Final = 60
"""How long an address that is blocked is told to wait."""

_MINUTE_SECONDS: Final = 60
_KEY: Final = re.compile(r"fx_[A-Za-z0-9_-]{43}", re.ASCII)
_FRESH: Final = timedelta(seconds=1)
_MOMENT: Final = timedelta(milliseconds=100)
_BETWEEN_FLUSHES: Final = timedelta(minutes=1)


class Denial(StrEnum):
    """Why a key opens nothing."""

    UNKNOWN_KEY = "unknown_key"
    """Never handed out, expired or revoked: which of them is not told."""
    TOO_MANY_ATTEMPTS = "too_many_attempts"


def create_key(
    session: Session,
    *,
    role: str,
    subject: str | None,
    note: str | None,
    expires_at: datetime | None,
    now: datetime,
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> tuple[ApiKey, str]:
    """A new key of 256 random bits: its row, and the key itself, which is written nowhere."""
    key = "fx_" + urlsafe_b64encode(draw(32)).rstrip(b"=").decode()
    row = ApiKey(
        key_id="k_" + draw(8).hex(),
        sha256=_sha256(key),
        role=role,
        subject=subject,
        note=note,
        created_at=now,
        expires_at=expires_at,
    )
    add_key(session, row)
    return row, key


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as the store held it at `looked_up_at`."""

    caller: Caller
    sha256: str
    is_revoked: bool
    looked_up_at: datetime


class KeyRing:
    """The keys that came by, each as it was a second ago at most; safe for threads.

    What it knows of grows with the keys handed out, not with those that are tried: a wrong one leaves nothing here.
    """

    def __init__(self, store: Engine, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}  # under the key's hash and under its id
        self._used: dict[str, datetime] = {}
        self._written: dict[str, datetime] = {}
        self._flushed_at: datetime | None = None
        # Of many requests under one key that has grown stale a single one asks the store; keys seldom share a lock.
        self._asking = tuple(threading.Lock() for _ in range(16))

    def knows(self, key: str) -> bool:
        """Whether this key came by before and was found, good or not."""
        return _sha256(key) in self._known

    def has_at_hand(self, key: str) -> bool:
        """Whether `identify` has nothing to ask of the store, now or a moment later."""
        known = self._known.get(_sha256(key))
        return known is not None and timedelta(0) <= self._clock() - known.looked_up_at < _FRESH - _MOMENT

    def identify(self, key: str) -> Caller | None:
        """Whose key it is; nobody's if it was never handed out, has expired or is revoked."""
        if not _KEY.fullmatch(key):
            return None
        return self._holder(self._current(_sha256(key), key_of_hash))

    def identify_session(self, key_id: str, fingerprint: str) -> Caller | None:
        """Who signed in with that key, for as long as it is good, and the same under its id."""
        known = self._current(key_id, key_of_id)
        if known is None or not hmac.compare_digest(_fingerprint(known.sha256), fingerprint):
            return None
        return self._holder(known)

    def forget(self, key_id: str) -> None:
        """Look the key up anew at its next use: it was revoked right here."""
        known = self._known.pop(key_id, None)
        if known is not None:
            self._known.pop(known.sha256, None)

    def flush(self, store: Engine, *, at_once: bool = False) -> int:
        """Write when keys were last used, at most each minute unless `at_once`; how many. Never while somebody waits.

        What could not be written (StoreBusy) is written the next time.
        """
        now = self._clock()
        if self._flushed_at is not None and not at_once and now - self._flushed_at < _BETWEEN_FLUSHES:
            return 0
        used = {key_id: at for key_id, at in self._used.copy().items() if self._written.get(key_id) != at}
        if used:
            with writing(store) as session:
                mark_used(session, used)
        self._written.update(used)
        self._flushed_at = now
        return len(used)

    def _current(self, name: str, find: Callable[[Session, str], ApiKey | None]) -> _Known | None:
        known = self._fresh(name)
        if known is not None:
            return known
        with self._asking[hash(name) % len(self._asking)]:
            return self._fresh(name) or self._look_up(name, find)

    def _fresh(self, name: str) -> _Known | None:
        known = self._known.get(name)
        is_fresh = known is not None and timedelta(0) <= self._clock() - known.looked_up_at < _FRESH
        return known if is_fresh else None

    def _look_up(self, name: str, find: Callable[[Session, str], ApiKey | None]) -> _Known | None:
        at = self._clock()  # before the query: what is revoked while it runs is found within the second
        with reading(self._store) as session:
            row = find(session, name)
        if row is None:
            self._known.pop(name, None)
            return None
        caller = Caller(cast("Role", row.role), row.subject, row.key_id, row.expires_at)
        known = _Known(caller, row.sha256, row.revoked_at is not None, at)
        self._known[row.sha256] = self._known[row.key_id] = known
        return known

    def _holder(self, known: _Known | None) -> Caller | None:
        now = self._clock()
        if known is None or known.is_revoked:
            return None
        if known.caller.expires_at is not None and known.caller.expires_at <= now:
            return None
        self._used[known.caller.key_id] = now
        return known.caller


class Attempts:
    """How many wrong keys came from an address in the last minute, for the one before weighed by what is left of it."""

    def __init__(self, failures_a_minute: int = FAILURES_A_MINUTE) -> None:
        # Two counters an address, let go of when they have run out; a list of instants for each would stay for ever.
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._item = RateLimitItemPerMinute(failures_a_minute)

    def blocked(self, address: str) -> bool:
        """Whether nothing new is looked up for this address."""
        return not self._limiter.test(self._item, _neighbourhood(address))

    def failed(self, address: str) -> None:
        """Count a wrong key."""
        self._limiter.hit(self._item, _neighbourhood(address))


def admit(ring: KeyRing, attempts: Attempts, *, key: str, address: str) -> Caller | Denial:
    """Whose key it is, or why it opens nothing; only the latter is counted against the address.

    A key that the ring has seen is looked after whatever its neighbours do; any other, from an address that is over
    its limit, is not even looked up. Requests that are under way at once may each have passed before the other failed.
    """
    if not ring.knows(key) and attempts.blocked(address):
        return Denial.TOO_MANY_ATTEMPTS
    caller = ring.identify(key)
    if caller is None:
        attempts.failed(address)
        return Denial.UNKNOWN_KEY
    return caller


class RateLimits:
    """So many requests in any minute for each account; safe for threads.

    By instants of our own: the storage of `limits` starts a thread for each request, and lists were a millisecond
    later for it. Of who has not asked for a minute nothing is held.
    """

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)
        self._counting = threading.Lock()
        self._swept_at = -math.inf

    def wait(self, account: str) -> int | None:
        """Count a request; where it is one too many it does not count, and these are the seconds to wait."""
        with self._counting:
            now = time.time()
            if not 0 <= now - self._swept_at < _MINUTE_SECONDS:
                self._sweep(now)
            asked = self._asked[account]
            while asked and not 0 <= now - asked[0] < _MINUTE_SECONDS:  # a clock that went back forgets
                asked.popleft()
            if len(asked) < self._a_minute:
                asked.append(now)
                return None
            return max(1, math.ceil(asked[0] + _MINUTE_SECONDS - now))

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        for account in [one for one, at in self._asked.items() if not at or now - at[-1] >= _MINUTE_SECONDS]:
            del self._asked[account]


def key_fingerprint(key: str) -> str:
    """By which a session remembers a key; of its hash, so that the ring has it too."""
    return _fingerprint(_sha256(key))


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _fingerprint(sha256: str) -> str:
    return _sha256(sha256)[:16]


def _neighbourhood(address: str) -> str:
    """An address as it is counted: of IPv6 the /64 that one customer gets, else itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
