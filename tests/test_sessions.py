"""Does a page's session last 12 hours or as long as its key, whichever is less, and a form belong to one session?"""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from api.access import Caller
from api.security import KeyRing, create_key
from api.sessions import SESSION_LIFE, PageSessions, page_caller
from api.signing import serializer
from features.store.db import writing
from features.store.keys import revoke_key
from market import MICROSECOND, NOW

SECRET = bytes(range(32))
CALLER = Caller("operator", None, "k_0123456789abcdef", None)
KEY = "fx_" + "A" * 43


class SignedIn:
    """An operator who signed in at NOW with a key of an hour, and a clock to be turned."""

    def __init__(self, store: Engine) -> None:
        self.store = store
        self.at = NOW
        self.ring = KeyRing(store, lambda: self.at)
        with writing(store) as session:
            row, self.key = create_key(
                session,
                role="operator",
                subject=None,
                note=None,
                expires_at=NOW + timedelta(hours=1),
                now=NOW,
            )
        self.key_id = row.key_id
        caller = self.ring.identify(self.key)
        assert caller is not None
        self.sessions = PageSessions(SECRET)
        self.cookie = self.sessions.sign(caller, self.key, now=NOW)

    def caller_at(self, at: datetime, cookie: str | None = None) -> Caller | None:
        self.at = at
        return page_caller(self.sessions, self.ring, cookie or self.cookie, now=at)


@pytest.fixture
def signed_in(sqlite_store: Engine) -> SignedIn:
    return SignedIn(sqlite_store)


def test_a_session_says_with_which_key_and_when_and_holds_no_key() -> None:
    cookie = PageSessions(SECRET).sign(CALLER, KEY, now=NOW)
    session = PageSessions(SECRET).read(cookie, now=NOW)
    assert session is not None
    assert (session.key_id, session.signed_at) == (CALLER.key_id, NOW)
    assert KEY not in str(serializer(SECRET, "session").loads(cookie))


def test_a_session_lasts_just_less_than_twelve_hours() -> None:
    sessions = PageSessions(SECRET)
    cookie = sessions.sign(CALLER, KEY, now=NOW)
    assert timedelta(hours=12) == SESSION_LIFE
    assert sessions.read(cookie, now=NOW + SESSION_LIFE - MICROSECOND) is not None
    assert sessions.read(cookie, now=NOW + SESSION_LIFE) is None
    assert sessions.read(cookie, now=NOW - MICROSECOND) is None


@pytest.mark.parametrize(
    "value", ["", "x", ".", "a.b", "\ud800", "中", "\0", "x" * 512, "x" * 513, "." + "x" * 100_000], ids=ascii
)
def test_what_was_not_signed_here_is_no_session_and_no_fault(value: str) -> None:
    assert PageSessions(SECRET).read(value, now=NOW) is None


def test_a_session_of_another_secret_or_for_another_purpose_is_none() -> None:
    cookie = PageSessions(bytes(32)).sign(CALLER, KEY, now=NOW)
    assert PageSessions(SECRET).read(cookie, now=NOW) is None
    content = serializer(bytes(32), "session").loads(cookie)
    assert PageSessions(SECRET).read(serializer(SECRET, "cursor").dumps(content), now=NOW) is None


def test_whoever_signed_in_is_known_by_their_cookie(signed_in: SignedIn) -> None:
    caller = signed_in.caller_at(NOW)
    assert caller is not None
    assert (caller.role, caller.key_id) == ("operator", signed_in.key_id)
    assert page_caller(signed_in.sessions, signed_in.ring, None, now=NOW) is None


def test_a_server_that_was_started_again_knows_the_session_too(signed_in: SignedIn) -> None:
    signed_in.ring = KeyRing(signed_in.store, lambda: signed_in.at)
    assert signed_in.caller_at(NOW) is not None


def test_a_session_ends_when_its_key_expires(signed_in: SignedIn) -> None:
    end = NOW + timedelta(hours=1)
    assert signed_in.caller_at(end - MICROSECOND) is not None
    assert signed_in.caller_at(end) is None


def test_a_session_ends_within_a_second_of_its_key_being_revoked(signed_in: SignedIn) -> None:
    with writing(signed_in.store) as session:
        revoke_key(session, signed_in.key_id, at=NOW)
    assert signed_in.caller_at(NOW + timedelta(seconds=1)) is None


def test_a_session_ends_when_another_key_has_the_id(signed_in: SignedIn) -> None:
    with writing(signed_in.store) as session:
        session.connection().execute(text("UPDATE api_keys SET sha256 = :other"), {"other": "0" * 64})
    assert signed_in.caller_at(NOW + timedelta(seconds=1)) is None


def test_a_form_belongs_to_one_session() -> None:
    sessions = PageSessions(SECRET)
    mine, other = (sessions.sign(CALLER, KEY, now=at) for at in (NOW, NOW + MICROSECOND))
    token = sessions.csrf_token(mine)
    assert sessions.check_csrf(mine, token)
    assert not sessions.check_csrf(other, token)
    assert not PageSessions(bytes(32)).check_csrf(mine, token)


@pytest.mark.parametrize("token", ["", "x", "中", "\ud800", "=", "\0"], ids=ascii)
def test_an_odd_token_is_none_and_no_fault(token: str) -> None:
    sessions = PageSessions(SECRET)
    assert not sessions.check_csrf(sessions.sign(CALLER, KEY, now=NOW), token)
    assert not sessions.check_csrf("\ud800", token)


def test_the_session_itself_is_no_token() -> None:
    sessions = PageSessions(SECRET)
    cookie = sessions.sign(CALLER, KEY, now=NOW)
    assert not sessions.check_csrf(cookie, cookie)
    assert not sessions.check_csrf(cookie, cookie.rpartition(".")[2])
