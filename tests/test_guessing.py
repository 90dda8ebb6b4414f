"""Does guessing lead nowhere, is who asks too often told to wait, and is the secret made once?"""

import doctest
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine

from api import signing
from api.access import Caller
from api.security import FAILURES_A_MINUTE, Attempts, Denial, RateLimits, admit
from api.signing import read_secret
from features.errors import Fault, WrongInput
from key_house import SECOND, House
from market import NOW


@pytest.fixture
def one(sqlite_store: Engine) -> House:
    """A house on a file; what is asked here asks nothing of the database."""
    return House(sqlite_store)


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock by which limits are counted, at the beginning of a minute; to be moved by hand."""
    now = [1_800_000_000.0]
    clock = SimpleNamespace(time=lambda: now[0])
    monkeypatch.setattr("limits.storage.memory.time", clock)
    monkeypatch.setattr("api.security.time", clock)

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


# Guessing


def wrong_key(number: int) -> str:
    return f"fx_{number:043d}"


def test_of_10_000_wrong_keys_none_is_let_in_and_the_store_is_asked_about_20(
    one: House, tick: Callable[[float], None]
) -> None:
    del tick  # the minute stands still
    attempts = Attempts()
    _, known = one.make()
    assert admit(one.ring, attempts, key=known, address="192.0.2.1")
    one.queries = 0
    answers = [admit(one.ring, attempts, key=wrong_key(n), address="192.0.2.1") for n in range(10_000)]
    assert answers == [Denial.UNKNOWN_KEY] * 20 + [Denial.TOO_MANY_ATTEMPTS] * 9_980
    assert FAILURES_A_MINUTE == one.queries == 20


def test_what_does_not_even_look_like_a_key_counts_too(one: House, tick: Callable[[float], None]) -> None:
    del tick
    attempts = Attempts(2)
    answers = [admit(one.ring, attempts, key="x", address="192.0.2.1") for _ in range(3)]
    assert answers == [Denial.UNKNOWN_KEY] * 2 + [Denial.TOO_MANY_ATTEMPTS]


def test_a_key_that_is_in_use_is_never_blocked_and_one_that_is_not_is_not_looked_up(
    one: House, tick: Callable[[float], None]
) -> None:
    del tick
    attempts = Attempts(1)
    (_, used), (_, unused) = one.make(), one.make()
    assert isinstance(admit(one.ring, attempts, key=used, address="192.0.2.1"), Caller)
    assert admit(one.ring, attempts, key=wrong_key(1), address="192.0.2.1") is Denial.UNKNOWN_KEY
    one.at += 60 * SECOND  # it has grown stale, and is looked up anew
    assert isinstance(admit(one.ring, attempts, key=used, address="192.0.2.1"), Caller)
    one.queries = 0
    assert admit(one.ring, attempts, key=unused, address="192.0.2.1") is Denial.TOO_MANY_ATTEMPTS
    assert one.queries == 0
    assert isinstance(admit(one.ring, attempts, key=unused, address="192.0.2.2"), Caller)


def test_a_key_that_was_revoked_is_an_unknown_one(one: House, tick: Callable[[float], None]) -> None:
    del tick
    attempts = Attempts(1)
    key_id, key = one.make()
    one.revoke(key_id, NOW)
    assert admit(one.ring, attempts, key=key, address="192.0.2.1") is Denial.UNKNOWN_KEY
    assert attempts.blocked("192.0.2.1")


def test_a_good_key_is_no_failure(one: House, tick: Callable[[float], None]) -> None:
    del tick
    attempts = Attempts(1)
    _, key = one.make()
    assert all(isinstance(admit(one.ring, attempts, key=key, address="a"), Caller) for _ in range(5))
    assert not attempts.blocked("a")


def test_an_address_is_blocked_by_its_last_failure_and_let_go_after_two_minutes(
    tick: Callable[[float], None],
) -> None:
    attempts = Attempts(3)
    for is_blocked in (False, False, False):
        assert attempts.blocked("192.0.2.1") is is_blocked
        attempts.failed("192.0.2.1")
    assert attempts.blocked("192.0.2.1")
    assert not attempts.blocked("192.0.2.2")
    tick(60)  # all of the minute before still counts ...
    assert attempts.blocked("192.0.2.1")
    tick(1)  # ... and then less of it: 3 x 59/60 leaves room for one
    assert not attempts.blocked("192.0.2.1")
    tick(59)
    for _ in range(3):
        assert not attempts.blocked("192.0.2.1")
        attempts.failed("192.0.2.1")
    assert attempts.blocked("192.0.2.1")


@pytest.mark.parametrize(
    ("one_address", "other", "is_shared"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("testclient", "unknown", False),
    ],
)
def test_an_ipv6_neighbour_in_the_same_64_counts_as_the_same_address(
    one_address: str, other: str, is_shared: bool, tick: Callable[[float], None]
) -> None:
    del tick
    attempts = Attempts(1)
    attempts.failed(one_address)
    assert attempts.blocked(one_address)
    assert attempts.blocked(other) is is_shared


# Asking too often


def test_one_request_too_many_waits_until_the_first_is_a_minute_old(tick: Callable[[float], None]) -> None:
    limits = RateLimits(3)
    waits = []
    for _ in range(4):
        waits.append(limits.wait("brand:B1"))
        tick(10)
    assert waits == [None, None, None, 30]  # it comes 30 seconds after the first
    assert limits.wait("brand:B2") is None
    tick(19.999)  # the first is not a minute old yet
    assert limits.wait("brand:B1") == 1
    tick(0.002)
    assert limits.wait("brand:B1") is None
    assert limits.wait("brand:B1") == 10


def test_what_was_refused_does_not_count(tick: Callable[[float], None]) -> None:
    limits = RateLimits(1)
    assert [limits.wait("a") for _ in range(4)] == [None, 60, 60, 60]
    tick(60.001)
    assert limits.wait("a") is None


def test_of_who_has_not_asked_for_a_minute_nothing_is_held(tick: Callable[[float], None]) -> None:
    limits = RateLimits(3)
    for number in range(100):
        assert limits.wait(f"operator:k{number}") is None
    tick(59)
    assert limits.wait("brand:B1") is None
    tick(2)  # the others are over a minute old, this one is not
    assert limits.wait("anchor:A1") is None
    assert set(limits._asked) == {"brand:B1", "anchor:A1"}
    tick(-3_600)  # a clock that went back holds nobody up
    assert [limits.wait("brand:B1") for _ in range(4)] == [None, None, None, 60]


# What is signed with


def test_a_secret_is_made_once_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    secret = read_secret(home, draw=lambda n: bytes(range(n)))
    assert secret == bytes(range(32))
    assert read_secret(home) == secret
    assert (home / "secret").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in home.iterdir()] == ["secret"]


def test_secrets_of_two_homes_differ(tmp_path: Path) -> None:
    assert read_secret(tmp_path / "a") != read_secret(tmp_path / "b")


def test_of_many_who_make_a_secret_at_once_all_read_the_same(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def make(_: int) -> bytes:
        start.wait()
        return read_secret(tmp_path)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, range(8)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_of_another_length_is_a_fault_and_stays_as_it_is(tmp_path: Path, length: int) -> None:
    (tmp_path / "secret").write_bytes(bytes(length))
    with pytest.raises(Fault, match=f"has {length} bytes, not 32"):
        read_secret(tmp_path)
    assert (tmp_path / "secret").read_bytes() == bytes(length)


def test_a_home_that_cannot_hold_a_secret_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "home" / "secret").mkdir(parents=True)
    for home in (tmp_path / "file", tmp_path / "home"):
        with pytest.raises(WrongInput, match="neither read nor made"):
            read_secret(home)


def test_the_examples_of_signing_hold() -> None:
    results = doctest.testmod(signing)
    assert results.attempted > 0
    assert results.failed == 0
