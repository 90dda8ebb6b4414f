"""What does the house write down of its own, and does it stay? Retractions, and verdicts as they were shown."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from features.errors import UnknownId, WrongInput
from features.store.db import reading, writing
from features.store.records import (
    RETRACTABLE,
    KeptPolicy,
    Retraction,
    ShownVerdict,
    keep_shown,
    retract,
    shown_verdicts,
)
from features.store.tables import CpsQuote, Offer
from promises import DAY, NOON


def keep_observations(store: Engine) -> None:
    """A quote `q` and an offer `o`."""
    seen: dict[str, Any] = {"sku_id": "s", "platform": "tmall", "observed_at": NOON, "known_at": NOON}
    with writing(store) as session:
        session.add(CpsQuote(quote_id="q", rate_ppm=100_000, source="job", **seen))
        session.add(Offer(offer_id="o", item_price_fen=900, source="job", **seen))


def take_back(store: Engine, table: str, key: str, at: datetime, reason: str = "misread") -> datetime:
    with writing(store) as session:
        return retract(session, table, key, reason=reason, source="operator", at=at)


def shown(digest: str, at: datetime = NOON, **columns: Any) -> ShownVerdict:
    plain: dict[str, Any] = {"sku_id": "s", "rule": "cps_floor", "status": "PASS", "reason": "OK"}
    plain |= {"evidence": "[]", "provisional": False, "policy_version": "v", "first_checked_at": at}
    return ShownVerdict(digest=digest, first_shown_at=at, **plain | columns)


def show(store: Engine, *rows: ShownVerdict, policy: str = "{}", at: datetime = NOON) -> None:
    with writing(store) as session:
        keep_shown(session, rows, policy_version="v", policy=policy, at=at)


def all_shown(store: Engine, sku_id: str = "s") -> list[tuple[str, str, datetime]]:
    with reading(store) as session:
        return [(row.digest, row.rule, row.first_shown_at) for row in shown_verdicts(session, sku_id)]


def test_what_verdicts_rest_on_and_has_no_history_can_be_retracted() -> None:
    assert RETRACTABLE == ("cps_quotes", "offers", "offer_promotions", "events", "enrolments")


@pytest.mark.parametrize(("table", "key"), [("cps_quotes", "q"), ("offers", "o")])
def test_a_retraction_holds_from_its_instant_with_its_reason(store: Engine, table: str, key: str) -> None:
    keep_observations(store)
    assert take_back(store, table, key, NOON + DAY, reason=" misread ") == NOON + DAY
    with reading(store) as session:
        (row,) = session.exec(select(Retraction)).all()
    assert (row.table_name, row.row_key, row.retracted_at, row.reason) == (table, key, NOON + DAY, "misread")


def test_a_second_retraction_says_when_the_first_was_and_writes_nothing(store: Engine) -> None:
    keep_observations(store)
    for at in (NOON + DAY, NOON + 2 * DAY, NOON):
        assert take_back(store, "offers", "o", at) == NOON + DAY
    with reading(store) as session:
        assert len(session.exec(select(Retraction)).all()) == 1


@pytest.mark.parametrize(
    ("table", "key", "reason", "error", "words"),
    [
        ("plans", "p", "misread", WrongInput, "cannot be retracted"),
        ("offers", "o", "  ", WrongInput, "needs a reason"),
        ("offers", "unknown", "misread", UnknownId, "holds no row 'unknown'"),
    ],
)
def test_what_cannot_be_retracted_is_refused(
    store: Engine, table: str, key: str, reason: str, error: type[Exception], words: str
) -> None:
    keep_observations(store)
    with pytest.raises(error, match=words):
        take_back(store, table, key, NOON, reason=reason)


def test_what_was_shown_is_kept_as_it_was_first_shown(store: Engine) -> None:
    show(store, shown("x", margin=-(2**40), evidence='["q"]'))
    show(store, shown("x", NOON + DAY, margin=7), at=NOON + DAY)
    with reading(store) as session:
        (row,) = shown_verdicts(session, "s")
    assert (row.margin, row.evidence, row.first_shown_at) == (-(2**40), '["q"]', NOON)


def test_an_answer_that_differs_is_a_row_of_its_own_oldest_first(store: Engine) -> None:
    show(store, shown("late", NOON + DAY), shown("b", rule="price_parity"), shown("a"))
    show(store, shown("other", sku_id="t"))
    assert all_shown(store) == [
        ("a", "cps_floor", NOON),
        ("b", "price_parity", NOON),
        ("late", "cps_floor", NOON + DAY),
    ]
    assert all_shown(store, "t") == [("other", "cps_floor", NOON)]
    assert all_shown(store, "nobody") == []


def test_the_policy_behind_an_answer_is_kept_once_as_it_was_first_used(store: Engine) -> None:
    show(store, policy='{"a": 1}')
    show(store, shown("x"), policy='{"a": 2}', at=NOON + DAY)
    with reading(store) as session:
        (row,) = session.exec(select(KeptPolicy)).all()
    assert (row.version, row.content, row.first_used_at) == ("v", '{"a": 1}', NOON)


def test_showing_nothing_keeps_nothing(store: Engine) -> None:
    show(store)
    assert all_shown(store) == []


def test_what_was_shown_before_and_is_shown_again_after_another_answer_is_kept_again(store: Engine) -> None:
    for hours, digest in enumerate(("a", "a", "b", "b", "a")):
        show(store, shown(digest, NOON + hours * (DAY / 24)))
    assert [digest for digest, _, _ in all_shown(store)] == ["a", "b", "a"]
