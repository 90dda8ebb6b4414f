"""Which day is it for a night, and what if the clock is set back while one works? Days begin in Shanghai, wherever we are."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

import training.shift
from copies import Told, runner
from features.errors import LeaseHeld
from features.store.db import reading, writing
from features.store.ingest import ingest_rows
from features.store.nights import LEASE_SECONDS, NIGHTLY, Lease, NightRow, list_nights
from features.store.tables import TABLES
from features.units import TICK, microseconds, midnight
from good_rows import GOOD
from matcher.policy import Policy
from trained import SMALL
from training.attempt import Attempt, Shift

DAY = date(2026, 1, 10)
BEGINS = datetime(2026, 1, 9, 16, tzinfo=UTC)
"""The midnight with which it begins."""


class Stopped(BaseException):
    """Stands in for the night's work: it ends before it begins."""


@pytest.fixture
def listed(sqlite_store: Engine) -> Engine:
    """A store with one listing, known before the day."""
    sessions = {"started_at": "2026-01-02T20:00:00+08:00", "ended_at": "2026-01-02T23:00:00+08:00"}
    rows = GOOD | {"live_sessions": GOOD["live_sessions"] | sessions}
    with writing(sqlite_store) as session:
        for table in ("brands", "anchors", "skus", "live_sessions", "listings"):
            ingest_rows(
                session, TABLES[table], [(1, rows[table])], now=BEGINS - timedelta(days=5), source="operator"
            )
    return sqlite_store


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The business dates of the nights that began."""
    begun: list[date] = []

    def work_night(_shift: Shift, as_of: date) -> None:
        begun.append(as_of)
        raise Stopped

    monkeypatch.setattr(training.shift, "work_night", work_night)
    return begun


def stop_clock(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    class Stood(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "datetime":  # type: ignore[override]
            return at.astimezone(tz)

    for room in ("clocks", "commands.options"):
        monkeypatch.setattr(import_module(f"api.{room}"), "datetime", Stood)


@pytest.fixture
def nightly(listed: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """`matcher nightly` on that store."""
    run = runner(capsys)
    place = ("--database", f"sqlite:///{listed.url.database}", "--home", tmp_path / "home")
    return lambda *words: run("nightly", *place, *words)


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/Los_Angeles"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the machine takes for its own time."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("at", "day"),
    [
        (BEGINS - TICK, DAY - timedelta(days=1)),
        (BEGINS - timedelta(seconds=1), DAY - timedelta(days=1)),
        (BEGINS, DAY),
        (BEGINS + timedelta(hours=8), DAY),  # midnight in UTC: nothing begins
        (BEGINS + timedelta(hours=24) - TICK, DAY),
        (BEGINS + timedelta(hours=24), DAY + timedelta(days=1)),
    ],
)
def test_without_a_date_a_night_is_of_the_day_that_it_is_in_shanghai(
    nightly: Callable[..., Told], days: list[date], monkeypatch: pytest.MonkeyPatch, at: datetime, day: date
) -> None:
    stop_clock(monkeypatch, at)
    with pytest.raises(Stopped):
        nightly()
    assert days == [day]


def test_a_day_may_be_named_from_its_midnight_in_shanghai_on(
    nightly: Callable[..., Told], days: list[date], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_clock(monkeypatch, BEGINS - TICK)
    code, _, err = nightly("--as-of", DAY)
    assert code == 2
    assert "name a day that has begun" in err
    stop_clock(monkeypatch, BEGINS)
    with pytest.raises(Stopped):
        nightly("--as-of", DAY)
    assert days == [DAY]


def test_a_night_knows_what_was_known_a_microsecond_before_its_day_and_nothing_of_the_day(
    nightly: Callable[..., Told], days: list[date], listed: Engine
) -> None:
    assert midnight(DAY) == BEGINS

    def know_at(at: datetime) -> None:
        with writing(listed) as session:
            session.connection().execute(text("UPDATE listings SET known_at = :at"), {"at": microseconds(at)})

    know_at(BEGINS)
    code, _, err = nightly("--as-of", DAY)
    assert code == 2
    assert f"knows no listing from before {DAY}" in err
    know_at(BEGINS - TICK)
    with pytest.raises(Stopped):
        nightly("--as-of", DAY)
    assert days == [DAY]


# A clock that goes back


class Clock:
    """Stands where it is put."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def shift_of(store: Engine, home: Path, clock: Clock, holder: str) -> Shift:
    return Shift(store=store, home=home, policy=Policy(), recipe=SMALL, threads=1, clock=clock, holder=holder)


def rows_of(store: Engine) -> list[NightRow]:
    """By the number of the attempt, which no clock decides."""
    with reading(store) as session:
        return sorted(list_nights(session), key=lambda night: night.attempt)


def lease_ends(store: Engine) -> datetime:
    with reading(store) as session:
        lease = session.get(Lease, NIGHTLY)
        assert lease is not None
        return lease.expires_at


def die(attempt: Attempt) -> None:
    """What is left of a night when its process is killed: the row and the lease, and nobody who renews it."""
    attempt._over.set()
    attempt._beating.join()


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(hours=5), timedelta(days=400)])
def test_a_night_whose_clock_is_set_back_keeps_its_lease_and_ends_well(
    store: Engine, tmp_path: Path, back: timedelta
) -> None:
    clock = Clock(BEGINS)
    with Attempt(shift_of(store, tmp_path, clock, "a:1"), DAY) as attempt:
        attempt.step("facts", 0.0)
        clock.at = BEGINS - back
        attempt.step("publish", 0.5)
        attempt.require_lease()
        assert lease_ends(store) == clock.at + timedelta(seconds=LEASE_SECONDS)
        with pytest.raises(LeaseHeld, match="a:1"), Attempt(shift_of(store, tmp_path, clock, "b:2"), DAY):
            pass
        attempt.ended("published", "v", {})
    (night,) = rows_of(store)
    assert (night.state, night.started_at) == ("published", BEGINS)
    assert night.ended_at is not None
    assert night.ended_at >= night.started_at
    with Attempt(shift_of(store, tmp_path, clock, "b:2"), DAY) as later:
        later.ended("published", "v", {})
    assert [(night.attempt, night.holder, night.state) for night in rows_of(store)] == [
        (1, "a:1", "published"),
        (2, "b:2", "published"),
    ]


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(hours=5), timedelta(days=400)])
def test_a_dead_nights_lease_ends_within_a_minute_of_the_clock_that_was_set_back(
    store: Engine, tmp_path: Path, back: timedelta
) -> None:
    clock = Clock(BEGINS)
    dead = Attempt(shift_of(store, tmp_path, clock, "dead:1"), DAY)
    dead.__enter__()
    die(dead)
    clock.at = BEGINS - back
    with pytest.raises(LeaseHeld, match="dead:1"), Attempt(shift_of(store, tmp_path, clock, "b:2"), DAY):
        pass
    assert lease_ends(store) <= clock.at + timedelta(seconds=LEASE_SECONDS)
    clock.at += timedelta(seconds=LEASE_SECONDS)
    with Attempt(shift_of(store, tmp_path, clock, "b:2"), DAY) as attempt:
        attempt.ended("published", "v", {})
    first, second = rows_of(store)
    assert (first.attempt, first.holder, first.state) == (1, "dead:1", "killed")
    assert (second.attempt, second.holder, second.state) == (2, "b:2", "published")
    for night in (first, second):
        assert night.ended_at is not None
        assert night.ended_at >= night.started_at


def test_a_clock_that_jumps_ahead_costs_the_night_its_lease_only_where_another_came(
    store: Engine, tmp_path: Path
) -> None:
    clock = Clock(BEGINS)
    with Attempt(shift_of(store, tmp_path, clock, "a:1"), DAY) as attempt:
        clock.at = BEGINS + timedelta(hours=5)
        attempt.require_lease()
        attempt.ended("published", "v", {})
    assert [night.state for night in rows_of(store)] == ["published"]
