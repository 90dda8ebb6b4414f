"""Does a key open while it is good, and not a moment longer; is what is kept of it what was promised?"""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from api.access import Caller
from features.errors import StoreBusy, UnknownId, WrongInput
from features.store.access import ApiKey
from features.store.db import open_engine, reading, writing
from features.store.keys import all_keys, key_of_hash, key_of_id, mark_used, revoke_key
from key_house import MINUTE, SECOND, House
from market import MICROSECOND, NOW


@pytest.fixture
def house(store: Engine) -> House:
    return House(store)


@pytest.fixture
def one(sqlite_store: Engine) -> House:
    """As `house`, for what asks nothing of the database."""
    return House(sqlite_store)


# What is drawn, and what is kept of it


def test_a_key_is_256_drawn_bits_and_what_is_stored_is_its_sha256(house: House) -> None:
    key_id, key = house.make(draw=lambda n: bytes(range(n)))
    assert (key_id, key) == ("k_0001020304050607", "fx_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    assert house.row(key_id).sha256 == hashlib.sha256(key.encode()).hexdigest()


def test_two_keys_differ_and_have_the_promised_form(house: House) -> None:
    made = [house.make() for _ in range(2)]
    assert len({key for _, key in made} | {key_id for key_id, _ in made}) == 4
    assert all(len(key) == 46 and len(key_id) == 18 for key_id, key in made)


@pytest.mark.parametrize(
    ("role", "subject"), [("brand", "B1"), ("anchor", "A1"), ("operator", None), ("job", None)]
)
def test_each_role_gets_a_key_that_says_whose_it_is(house: House, role: Any, subject: str | None) -> None:
    key_id, key = house.make(role, subject, note="for the shop", expires_at=NOW + SECOND)
    assert house.ring.identify(key) == Caller(role, subject, key_id, NOW + SECOND)
    row = house.row(key_id)
    assert (row.note, row.created_at, row.expires_at) == ("for the shop", NOW, NOW + SECOND)
    assert (row.revoked_at, row.last_used_at) == (None, None)


@pytest.mark.parametrize(
    ("role", "subject", "columns", "error", "words"),
    [
        ("root", None, {}, WrongInput, "name brand, anchor, operator or job"),
        ("brand", None, {}, WrongInput, "needs a subject"),
        ("operator", "B1", {}, WrongInput, "leave out the subject"),
        ("job", "", {}, WrongInput, "leave out the subject"),
        ("brand", "A1", {}, UnknownId, "holds no brand 'A1'"),
        ("anchor", "B1", {}, UnknownId, "holds no anchor 'B1'"),
        ("anchor", "A1\0", {}, UnknownId, "holds no anchor"),
        ("anchor", "\udcff", {}, UnknownId, "holds no anchor"),
        ("job", None, {"expires_at": NOW}, WrongInput, "of no use"),
        ("job", None, {"note": "two\nlines"}, WrongInput, "one line"),
        ("job", None, {"note": "\0"}, WrongInput, "printable"),
        ("job", None, {"note": "\udcff"}, WrongInput, "printable"),
        ("job", None, {"note": "x" * 201}, WrongInput, "at most 200"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused_and_not_kept(
    house: House, role: str, subject: str | None, columns: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        house.make(role, subject, **columns)
    with reading(house.store) as session:
        assert all_keys(session) == []


def test_a_note_of_200_characters_and_an_expiry_a_moment_ahead_are_kept(house: House) -> None:
    key_id, _ = house.make(note="注" * 200, expires_at=NOW + MICROSECOND)
    assert house.row(key_id).note == "注" * 200


def test_keys_are_listed_oldest_first(house: House) -> None:
    late, _ = house.make(now=NOW + SECOND)
    early, _ = house.make(now=NOW)
    with reading(house.store) as session:
        assert [row.key_id for row in all_keys(session)] == [early, late]


# While it is good


@pytest.mark.parametrize(
    "key",
    [
        "",
        "fx_",
        "fx_" + "A" * 42,
        "fx_" + "A" * 44,
        "FX_" + "A" * 43,
        "fx_" + "é" * 43,
        "\ud800",
        "x" * 100_000,
    ],
    ids=ascii,
)
def test_what_does_not_look_like_a_key_is_nobodys_and_the_store_is_not_asked(one: House, key: str) -> None:
    assert one.ring.identify(key) is None
    assert not one.ring.knows(key)
    assert one.queries == 0


def test_a_wrong_key_is_nobodys_and_leaves_nothing_behind(house: House) -> None:
    _, key = house.make()
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert house.ring.identify(wrong) is None
    assert not house.ring.knows(wrong)


def test_neither_the_id_nor_the_hash_of_a_key_opens(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key)
    sha256 = one.row(key_id).sha256
    assert not any(one.opens(name) for name in (key_id, sha256, f"fx_{sha256}", f"fx_{sha256[:43]}"))


def test_a_key_opens_until_the_instant_at_which_it_expires(one: House) -> None:
    _, key = one.make(expires_at=NOW + MINUTE)
    assert one.opens(key, MINUTE - MICROSECOND)
    assert not one.opens(key, MINUTE)
    assert not one.opens(key, 2 * MINUTE)


def test_a_key_without_an_expiry_opens_for_ever(one: House) -> None:
    _, key = one.make()
    assert one.opens(key, timedelta(days=10_000))


def test_a_key_that_was_revoked_elsewhere_opens_for_less_than_a_second(house: House) -> None:
    key_id, key = house.make()
    assert house.opens(key)
    elsewhere = open_engine(house.store.url.render_as_string(hide_password=False))
    with writing(elsewhere) as session:
        revoke_key(session, key_id, at=NOW)
    elsewhere.dispose()
    assert house.opens(key, SECOND - MICROSECOND)
    assert not house.opens(key, SECOND)


def test_a_key_that_was_revoked_here_opens_nothing_at_once(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key)
    one.revoke(key_id, NOW)
    one.ring.forget(key_id)
    assert not one.opens(key)
    one.ring.forget("k_unknown")


def test_a_second_revocation_says_when_the_first_was(house: House) -> None:
    key_id, _ = house.make()
    assert [house.revoke(key_id, NOW + n * SECOND) for n in range(2)] == [NOW, NOW]
    assert house.row(key_id).revoked_at == NOW


@pytest.mark.parametrize("key_id", ["k_0", "", "\0", "\udcff"], ids=ascii)
def test_a_key_that_was_never_made_cannot_be_revoked(house: House, key_id: str) -> None:
    with pytest.raises(UnknownId, match="there is no key"):
        house.revoke(key_id, NOW)


def test_the_store_is_asked_once_a_second(one: House) -> None:
    _, key = one.make()
    one.queries = 0
    for after, asked in (
        (0 * SECOND, 1),
        (SECOND - MICROSECOND, 1),
        (SECOND, 2),
        (1.5 * SECOND, 2),
        (9 * SECOND, 3),
    ):
        assert one.opens(key, after)
        assert one.queries == asked


def test_a_clock_that_was_put_back_makes_nothing_fresh_for_longer(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key, 60 * MINUTE)
    one.revoke(key_id, NOW)
    assert not one.opens(key)


def test_of_many_requests_at_once_one_asks_the_store(one: House) -> None:
    _, key = one.make()
    one.queries = 0
    start = threading.Barrier(16)

    def request(_: int) -> Caller | None:
        start.wait()
        return one.ring.identify(key)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(request, range(16)))
    assert one.queries == 1


def test_a_key_that_left_the_store_opens_nothing(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key)
    with writing(one.store) as session:
        session.delete(session.exec(select(ApiKey).where(ApiKey.key_id == key_id)).one())
    assert not one.opens(key, SECOND)
    assert not one.ring.knows(key)


# When it was last used


def test_when_a_key_was_used_is_written_at_most_each_minute(one: House) -> None:
    key_id, key = one.make()

    def flushed(after: timedelta) -> tuple[int, datetime | None]:
        assert one.opens(key, after)
        return one.ring.flush(one.store), one.row(key_id).last_used_at

    assert flushed(timedelta(0)) == (1, NOW)
    assert flushed(MINUTE - MICROSECOND) == (0, NOW)
    assert flushed(MINUTE) == (1, NOW + MINUTE)


def test_a_request_writes_nothing_and_what_was_not_used_is_not_written(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key)
    assert one.row(key_id).last_used_at is None
    assert one.ring.flush(one.store) == 1
    assert one.ring.flush(one.store, at_once=True) == 0


def test_at_the_end_everything_is_written_whatever_the_minute(one: House) -> None:
    key_id, key = one.make()
    one.ring.flush(one.store)
    assert one.opens(key, SECOND)
    assert one.ring.flush(one.store, at_once=True) == 1
    assert one.row(key_id).last_used_at == NOW + SECOND


def test_a_key_that_opens_nothing_counts_as_not_used(one: House) -> None:
    _, key = one.make(expires_at=NOW + SECOND)
    assert not one.opens(key, SECOND)
    assert one.ring.flush(one.store) == 0


def test_what_cannot_be_written_now_is_written_the_next_time(one: House) -> None:
    key_id, key = one.make()
    assert one.opens(key)
    impatient = open_engine(one.store.url.render_as_string(), wait_seconds=0)
    with writing(one.store), pytest.raises(StoreBusy):
        one.ring.flush(impatient)
    assert one.ring.flush(impatient) == 1
    assert one.row(key_id).last_used_at == NOW
    impatient.dispose()


def test_an_older_use_does_not_replace_a_newer_one(house: House) -> None:
    first, second = (house.make()[0] for _ in range(2))
    for used in ({first: NOW, second: NOW + SECOND}, {first: NOW + SECOND, second: NOW}, {}):
        with writing(house.store) as session:
            mark_used(session, used)
    assert [house.row(key_id).last_used_at for key_id in (first, second)] == [NOW + SECOND] * 2


def test_a_key_is_found_by_its_hash_and_by_its_id(house: House) -> None:
    key_id, key = house.make()
    with reading(house.store) as session:
        found = key_of_hash(session, hashlib.sha256(key.encode()).hexdigest())
        assert found is not None
        assert found.key_id == key_id
        assert key_of_hash(session, key_id) is None
        assert key_of_id(session, found.sha256) is None


def test_a_key_is_at_hand_while_nothing_has_to_be_asked_about_it(one: House) -> None:
    _, key = one.make()
    assert not one.ring.has_at_hand(key)  # it never came by
    assert one.ring.identify(key)
    one.queries = 0
    for passed in (0.0, 0.5, 0.399):
        one.at += timedelta(seconds=passed)
        assert one.ring.has_at_hand(key)
        assert one.ring.identify(key)
    assert one.queries == 0
    one.at += timedelta(milliseconds=2)  # a tenth of a second before it is looked up anew
    assert not one.ring.has_at_hand(key)
    one.at -= timedelta(seconds=5)
    assert not one.ring.has_at_hand(key)  # a clock that went back
    assert not one.ring.has_at_hand("fx_" + "x" * 43)
