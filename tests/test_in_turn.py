"""Are lists made one after the other, and does nobody wait for ever behind a long one?"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

import api.answers
from api.answers import answer_list, in_turn
from api.loading import Served
from matcher.pairing import PairingList
from matcher.request import ListRequest

PATIENT_SECONDS = 60.0
SOON_SECONDS = 5.0
AT_ONCE_SECONDS = 0.2


@dataclass(frozen=True)
class List:
    """One that is being made, until it is let go."""

    entered: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)

    def make(self) -> None:
        self.entered.set()
        assert self.leave.wait(PATIENT_SECONDS)

    def make_in_turn(self) -> None:
        with in_turn():
            self.make()


Begin = Callable[..., List]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin a list in another thread, or let it try."""
    lists: list[List] = []
    with ThreadPoolExecutor(4) as pool:

        def begun(make: Callable[[List], object] = List.make_in_turn) -> List:
            lists.append(List())
            pool.submit(make, lists[-1])
            return lists[-1]

        yield begun
        for one in lists:
            one.leave.set()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", PATIENT_SECONDS)


def test_a_list_waits_for_the_one_before_it(begin: Begin) -> None:
    first = begin()
    assert first.entered.wait(SOON_SECONDS)
    second = begin()
    assert not second.entered.wait(AT_ONCE_SECONDS)
    first.leave.set()
    assert second.entered.wait(SOON_SECONDS)


def test_who_has_waited_long_enough_goes_on_and_takes_no_turn_from_anybody(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin()
    assert first.entered.wait(SOON_SECONDS)
    with monkeypatch.context() as hasty:
        hasty.setattr(api.answers, "_PATIENCE_SECONDS", 0.0)
        second = begin()
        assert second.entered.wait(SOON_SECONDS)
    second.leave.set()
    third = begin()
    assert not third.entered.wait(AT_ONCE_SECONDS)  # the first has its turn still
    first.leave.set()
    assert third.entered.wait(SOON_SECONDS)


def test_however_impatient_no_more_than_two_are_made_at_once(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", 0.0)
    first, second = begin(), begin()
    assert first.entered.wait(SOON_SECONDS)
    assert second.entered.wait(SOON_SECONDS)
    third = begin()
    assert not third.entered.wait(AT_ONCE_SECONDS)
    second.leave.set()
    assert third.entered.wait(SOON_SECONDS)


def test_a_list_that_fails_gives_its_turn_back(begin: Begin) -> None:
    with pytest.raises(ZeroDivisionError), in_turn():
        _ = 1 / 0
    assert begin().entered.wait(SOON_SECONDS)


def test_the_engine_is_asked_for_one_list_at_a_time(begin: Begin) -> None:
    request = ListRequest("goods", 0, 3)
    nothing = PairingList("A", (), "fit", "m", 0, "p", 0, {})

    def asked(one: List) -> None:
        def answer(_request: ListRequest) -> PairingList:
            one.make()
            return replace(nothing)

        engine: Any = SimpleNamespace(
            answer=answer,
            model_version=lambda _side: "m",
            world=SimpleNamespace(policy=SimpleNamespace(version="p")),
        )
        served = cast("Served", SimpleNamespace(engine=engine, snapshot_at=None))
        answer_list(served, request, language="en", now=datetime.now(UTC))

    first = begin(asked)
    assert first.entered.wait(SOON_SECONDS)
    second = begin(asked)
    assert not second.entered.wait(AT_ONCE_SECONDS)
    first.leave.set()
    assert second.entered.wait(SOON_SECONDS)
