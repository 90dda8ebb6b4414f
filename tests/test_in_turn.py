"""Are lists made one after the other, and does nobody wait for ever behind a long one?"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import api.answers
from api.answers import in_turn

LONG_SECONDS = 30.0


def enter(entered: threading.Event, leave: threading.Event) -> None:
    with in_turn():
        entered.set()
        assert leave.wait(LONG_SECONDS)


@pytest.fixture
def begin() -> Callable[[], tuple[threading.Event, threading.Event]]:
    """Another thread goes in, or tries to: whether it is in, and what lets it out again."""
    pool = ThreadPoolExecutor(4)

    def begun() -> tuple[threading.Event, threading.Event]:
        entered, leave = threading.Event(), threading.Event()
        pool.submit(enter, entered, leave)
        return entered, leave

    return begun


Begin = Callable[[], tuple[threading.Event, threading.Event]]


def test_a_list_waits_for_the_one_before_it(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", LONG_SECONDS)
    first, leave_first = begin()
    assert first.wait(LONG_SECONDS)
    second, leave_second = begin()
    assert not second.wait(0.2)
    leave_first.set()
    assert second.wait(LONG_SECONDS)
    leave_second.set()


def test_who_has_waited_long_enough_goes_on_and_takes_no_turn_from_anybody(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", 0.0)
    first, leave_first = begin()
    assert first.wait(LONG_SECONDS)
    second, leave_second = begin()
    assert second.wait(LONG_SECONDS)
    leave_second.set()
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", LONG_SECONDS)
    third, leave_third = begin()
    assert not third.wait(0.2)  # the first has its turn still
    leave_first.set()
    assert third.wait(LONG_SECONDS)
    leave_third.set()


def test_a_list_that_fails_gives_its_turn_back(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.answers, "_PATIENCE_SECONDS", LONG_SECONDS)
    with pytest.raises(ZeroDivisionError), in_turn():
        _ = 1 / 0
    entered, leave = begin()
    assert entered.wait(LONG_SECONDS)
    leave.set()
