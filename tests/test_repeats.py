"""Is the same write answered the same for a day, and another one under its key refused?"""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from api.problems import Problem
from api.repeats import KEPT_FOR, Answer, remember, remembered
from features.errors import IdempotencyClash
from features.store.db import read_rows, reading, writing
from writers import B1, B2, NOW, OPERATOR


def test_an_answer_is_remembered_for_its_caller_key_and_request(store: Engine) -> None:
    with writing(store) as session:
        assert remembered(session, B1, "k", "digest", NOW) is None
        remember(session, B1, "k", "digest", 201, '{"n": "青"}', NOW)
    with writing(store) as session:
        assert remembered(session, B1, "k", "digest", NOW) == Answer(201, '{"n": "青"}')
        assert remembered(session, B2, "k", "digest", NOW) is None
        assert remembered(session, OPERATOR, "k", "digest", NOW) is None
        assert remembered(session, B1, "K", "digest", NOW) is None
        with pytest.raises(IdempotencyClash):
            remembered(session, B1, "k", "another", NOW)
        with pytest.raises(IdempotencyClash):
            remember(session, B1, "k", "another", 200, "", NOW)
        remember(session, B1, "k", "digest", 500, "", NOW)
        assert remembered(session, B1, "k", "digest", NOW) == Answer(201, '{"n": "青"}')


def test_another_key_of_the_same_brand_is_the_same_caller_and_an_operator_s_is_not(store: Engine) -> None:
    with writing(store) as session:
        for caller in (B1, OPERATOR):
            remember(session, caller, "k", "d", 200, "", NOW)
        assert remembered(session, type(B1)("brand", "b1", "other", None), "k", "d", NOW) is not None
        assert remembered(session, type(B1)("operator", None, "other", None), "k", "d", NOW) is None


def test_an_answer_is_forgotten_after_a_day_and_not_before(store: Engine) -> None:
    with writing(store) as session:
        remember(session, B1, "k", "d", 200, "first", NOW)
        remember(session, B2, "k", "d", 200, "first", NOW)
    with writing(store) as session:
        assert remembered(session, B1, "k", "another", NOW + KEPT_FOR + timedelta(microseconds=1)) is None
        remember(session, OPERATOR, "k", "d", 200, "", NOW + KEPT_FOR)
        assert remembered(session, B1, "k", "d", NOW + KEPT_FOR) == Answer(200, "first")
    with writing(store) as session:
        remember(session, B1, "k", "another", 200, "second", NOW + KEPT_FOR + timedelta(microseconds=1))
    with reading(store) as session:
        kept = read_rows(session, "SELECT caller, body FROM idempotent_answers ORDER BY caller")
    assert [tuple(row) for row in kept] == [("brand:b1", "second"), ("operator:key-o", "")]


def test_what_was_not_committed_was_not_answered(store: Engine) -> None:
    with writing(store) as session:
        remember(session, B1, "k", "d", 200, "", NOW)
        session.rollback()
    with writing(store) as session:
        assert remembered(session, B1, "k", "d", NOW) is None


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "\0", "a\n", "x" * 129])
def test_a_key_of_other_characters_or_too_long_is_refused(key: str, sqlite_store: Engine) -> None:
    with writing(sqlite_store) as session, pytest.raises(Problem) as raised:
        remembered(session, B1, key, "d", NOW)
    assert raised.value.code == "bad_idempotency_key"


def test_the_longest_key_is_taken(store: Engine) -> None:
    with writing(store) as session:
        remember(session, B1, "~" * 128, "d" * 64, 200, "", NOW)
