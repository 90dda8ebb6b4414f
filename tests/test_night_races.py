"""Do two nights that come at the same instant ever both run? Real processes, real commands, on both databases.

Only the training is left out: whoever comes that far says so, and waits until the other has ended. So the two overlap
however the machine treats them, and both would be seen there if both had got the lease.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from features.store.db import reading, writing
from features.store.ingest import ingest_rows
from features.store.nights import NIGHTLY, Lease, begin_night, list_nights, take_lease
from features.store.tables import TABLES
from good_rows import GOOD
from journals import ROOT
from matcher.registry import champion, list_versions

DAY = date(2026, 1, 10)

# Imports everything, computes nothing (the threads of polars do not outlive a fork), and forks twice for each race.
_RACING = """
import json, os, sys, tempfile, time, traceback
from datetime import date

import alembic.command, psycopg, rich.table
import api.logs, api.stores, features.store.migrations
import training.shift
from api.commands import main
from matcher.registry import Gate, Provenance
from training.gate import Decision
from training.nightly import Night

def made(race):
    provenance = Provenance(data_from=date(2026, 1, 1), as_of=date(2026, 1, 10), fingerprint="f", policy_version="p",
                            seeds={"race": race}, gate=Gate(passed=True))
    sources = {"goods": "popularity", "shortlist": "popularity"}
    return Night(None, {"goods_uptake.txt": b"tree" * 1000}, provenance, Decision(True, (), {}), sources, {})

def come(words, race, begin, here, go, said):
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    def run_night(*_words, **_named):
        os.write(here, b"!")
        os.read(go, 1)
        return made(race)
    training.shift.run_night = run_night
    os.read(begin, 1)
    try:
        main(words)
    except SystemExit as end:
        sys.stderr.flush()
        os._exit(end.code or 0)
    except BaseException:
        traceback.print_exc()
        os._exit(99)

for line in sys.stdin:
    words, race = json.loads(line)
    (begin, begins), (here, is_here), (go, goes) = os.pipe(), os.pipe(), os.pipe()
    os.set_blocking(here, False)
    said = [tempfile.TemporaryFile("w+") for _ in range(2)]
    runners = []
    for one in said:
        pid = os.fork()
        if pid == 0:
            os.close(begins)
            os.close(goes)
            come(words, race, begin, is_here, go, one.fileno())
        runners.append(pid)
    os.close(begins)
    codes, n_here = {}, 0
    while len(codes) < 2:
        try:
            n_here += len(os.read(here, 2))
        except BlockingIOError:
            time.sleep(0.005)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            codes[pid] = os.waitstatus_to_exitcode(status)
        if (codes or n_here == 2) and goes is not None:
            os.close(goes)  # one has ended, or both are at it: whoever waits goes on
            goes = None
    for handle in (begin, here, is_here, go):
        os.close(handle)
    words = []
    for one in said:
        one.seek(0)
        words.append(one.read())
        one.close()
    print(json.dumps([[codes[pid] for pid in runners], words, runners, n_here]), flush=True)
"""


@dataclass(frozen=True)
class Raced:
    """How a race went, by runner; `n_ran` came as far as the training."""

    codes: tuple[int, ...]
    said: tuple[str, ...]
    pids: tuple[int, ...]
    n_ran: int


@contextmanager
def racing(words: list[str]) -> Iterator[Callable[[int], Raced]]:
    """Has two processes run a command at the same instant."""
    with subprocess.Popen(
        [sys.executable, "-c", _RACING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"MATCHER_MODELS_KEPT": "1000"},  # all are counted
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        stdin, stdout = running.stdin, running.stdout

        def race(number: int) -> Raced:
            stdin.write(json.dumps([words, number]) + "\n")
            stdin.flush()
            codes, said, pids, n_ran = json.loads(stdout.readline())
            return Raced(tuple(codes), tuple(said), tuple(pids), n_ran)

        try:
            yield race
        finally:
            stdin.close()
            running.wait(60)


def fill(store: Engine) -> None:
    """One listing of January: a night has something to learn from."""
    rows = GOOD | {
        "live_sessions": GOOD["live_sessions"]
        | {"started_at": "2026-01-02T20:00:00+08:00", "ended_at": "2026-01-02T23:00:00+08:00"}
    }
    with writing(store) as session:
        for table in ("brands", "anchors", "skus", "live_sessions", "listings"):
            done = ingest_rows(
                session,
                TABLES[table],
                [(1, rows[table])],
                now=datetime(2026, 1, 3, tzinfo=UTC),
                source="operator",
            )
            assert (done.n_new, done.bad) == (1, ())


def leave_a_dead_night(store: Engine) -> None:
    """Killed, and its lease ran out a moment ago: both are about to take it over."""
    then = datetime.now(UTC) - timedelta(seconds=61)
    with writing(store) as session:
        take_lease(session, NIGHTLY, holder="dead:1", now=then)
        begin_night(session, DAY, holder="dead:1", now=then)


@pytest.mark.parametrize("n_races", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_of_two_nights_at_once_exactly_one_runs_and_the_other_is_told_who(
    store: Engine, store_url: str, tmp_path: Path, n_races: int
) -> None:
    fill(store)
    home = tmp_path / "home"
    words = ["nightly", "--no-lists", "--fast", "--as-of", str(DAY), "--database", store_url]
    n_dead = 0
    with racing([*words, "--home", str(home)]) as race:
        for number in range(n_races):
            if number % 2:
                leave_a_dead_night(store)
                n_dead += 1
            raced = race(number)
            assert sorted(raced.codes) == [0, 3], raced.said
            assert raced.n_ran == 1
            lost = raced.codes.index(3)
            assert raced.said[lost].startswith("matcher: another night is at work: ")
            assert f":{raced.pids[1 - lost]}, since " in raced.said[lost]
            assert raced.said[lost].count("\n") == 1
            with reading(store) as session:
                nights = list_nights(session, limit=1_000)
                assert session.get(Lease, NIGHTLY) is None
            states = [night.state for night in nights]
            assert (states.count("published"), states.count("killed")) == (number + 1, n_dead)
            assert len(nights) == number + 1 + n_dead
            assert sorted(night.attempt for night in nights) == list(range(1, len(nights) + 1))
            serving = champion(home)
            assert serving is not None
            assert serving.seeds == {"race": number}
            assert len(list_versions(home)) == number + 1
