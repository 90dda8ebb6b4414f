"""Does a night end the same however it begins? One at a time, killed anywhere, what served goes on serving."""

import hashlib
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from features.errors import LeaseHeld
from features.store.db import open_engine, reading, writing
from features.store.nights import (
    LEASE_SECONDS,
    NIGHTLY,
    NightRow,
    begin_night,
    give_back,
    list_nights,
    renew,
    shorten_lease,
    take_lease,
)
from matcher.kept_lists import read_lists
from matcher.policy import Policy
from matcher.registry import champion, list_versions, promote, publish, read_model
from trained import SMALL, Trained
from training.shift import Shift, work_night

NOW = datetime(2026, 11, 1, 18, tzinfo=UTC)


def shift_of(url: str, home: Path, *, holder: str = "me:1", now: datetime = NOW) -> Shift:
    return Shift(
        store=open_engine(url),
        home=home,
        policy=Policy(),
        recipe=SMALL,
        threads=1,
        clock=lambda: now,
        holder=holder,
    )


def copy_of(trained: Trained, folder: Path) -> tuple[str, Path]:
    """A store and an empty home of one's own."""
    shutil.copy(trained.url.removeprefix("sqlite:///"), folder / "night.db")
    (folder / "home").mkdir()
    return f"sqlite:///{folder / 'night.db'}", folder / "home"


def bytes_of(home: Path) -> dict[str, str]:
    """What a night leaves behind, but for the instant at which a model was promoted."""
    files = [
        file for part in ("models", "lists") for file in sorted((home / part).rglob("*")) if file.is_file()
    ]
    kept = [file for file in files if file.name not in ("champion.json", ".lock")]
    return {str(file.relative_to(home)): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}


def nights_of(url: str) -> list[NightRow]:
    store = open_engine(url)
    with reading(store) as session:
        nights = list_nights(session)
    store.dispose()
    return nights


@pytest.fixture(scope="module")
def undisturbed(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[str]]:
    """The bytes of a night that nobody disturbs, and its steps."""
    url, home = copy_of(trained, tmp_path_factory.mktemp("undisturbed"))
    steps: list[str] = []
    shift = shift_of(url, home)
    object.__setattr__(shift, "say", lambda step, _share: steps.append(step))
    work_night(shift, trained.market.as_of)
    shift.store.dispose()
    return bytes_of(home), steps


def test_a_night_leaves_a_champion_lists_of_everybody_and_a_row(
    trained: Trained, tmp_path: Path, undisturbed: tuple[dict[str, str], list[str]]
) -> None:
    url, home = copy_of(trained, tmp_path)
    shift = shift_of(url, home)
    worked = work_night(shift, trained.market.as_of)
    shift.store.dispose()
    serving, lists = champion(home), read_lists(home)
    assert serving is not None
    assert lists is not None
    assert worked.serving == serving.version == lists.model_version == trained.manifest.version
    assert lists.rows["goods"] > 0 < lists.rows["shortlist"]
    (night,) = nights_of(url)
    assert (night.state, night.version, night.attempt) == ("published", serving.version, 1)
    assert '"seconds": null' not in night.steps
    assert bytes_of(home) == undisturbed[0]


KILLED = """
import os, signal, sys
from datetime import UTC, datetime, date
from pathlib import Path
from features.store.db import open_engine
from matcher.policy import Policy
from trained import SMALL
from training.shift import Shift, work_night

url, home, at, day = sys.argv[1:]
place = iter(range(10_000))

def say(step, share):
    if next(place) == int(at):
        os.kill(os.getpid(), signal.SIGKILL)

shift = Shift(open_engine(url), Path(home), Policy(), SMALL, 1, lambda: datetime(2026, 11, 1, 17, tzinfo=UTC), "dead:1", say)
work_night(shift, date.fromisoformat(day))
"""


def old_champion(trained: Trained, home: Path) -> str:
    """A model that serves before the night begins."""
    files = read_model(trained.home, trained.manifest.version)
    before = trained.night.provenance.model_copy(update={"as_of": trained.market.as_of - timedelta(days=1)})
    manifest = publish(home, before, files)
    promote(home, manifest.version, at=NOW)
    return manifest.version


def kill_and_go_on(trained: Trained, folder: Path, place: int, steps: list[str]) -> dict[str, str]:
    """A night killed as its `place`-th step begins, and the one after it; what they leave of this date."""
    url, home = copy_of(trained, folder)
    before = old_champion(trained, home)
    command = [sys.executable, "-c", KILLED, url, str(home), str(place), str(trained.market.as_of)]
    environment = {
        "PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path]),
        "OMP_WAIT_POLICY": "passive",
    }
    died = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    serving = champion(home)
    assert serving is not None
    assert serving.version in (before, trained.manifest.version)
    assert (serving.version == before) == (place <= steps.index("promote")), "the pointer moves in that step"
    lists = read_lists(home)
    assert lists is None or lists.rows["goods"] > 0
    with pytest.raises(LeaseHeld, match=r"dead:1"):
        work_night(
            shift_of(url, home, now=datetime(2026, 11, 1, 17, 0, 30, tzinfo=UTC)), trained.market.as_of
        )
    shift = shift_of(url, home)
    work_night(shift, trained.market.as_of)
    shift.store.dispose()
    assert {night.state for night in nights_of(url)} == {"killed", "published"}
    return {name: sum_ for name, sum_ in bytes_of(home).items() if before not in name}


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_killed_at_a_step_the_old_champion_serves_and_the_next_run_ends_with_the_same_bytes(
    trained: Trained, tmp_path: Path, undisturbed: tuple[dict[str, str], list[str]], share: float
) -> None:
    expected, steps = undisturbed
    place = round(share * (len(steps) - 1))
    assert kill_and_go_on(trained, tmp_path, place, steps) == expected


@pytest.mark.slow
def test_killed_at_every_step_the_next_run_ends_with_the_same_bytes(
    trained: Trained, tmp_path: Path, undisturbed: tuple[dict[str, str], list[str]]
) -> None:
    expected, steps = undisturbed
    for place in range(len(steps)):
        folder = tmp_path / f"{place}"
        folder.mkdir()
        assert kill_and_go_on(trained, folder, place, steps) == expected, steps[place]


def hold(session: Session, holder: str, now: datetime) -> None:
    take_lease(session, NIGHTLY, holder=holder, now=now)


def test_a_lease_is_held_until_it_runs_out_and_no_longer(store: object) -> None:
    with writing(store) as session:  # type: ignore[arg-type]
        hold(session, "a:1", NOW)
    with writing(store) as session, pytest.raises(LeaseHeld, match="a:1"):  # type: ignore[arg-type]
        hold(session, "b:2", NOW + timedelta(seconds=LEASE_SECONDS) - timedelta(microseconds=1))
    with writing(store) as session:  # type: ignore[arg-type]
        hold(session, "b:2", NOW + timedelta(seconds=LEASE_SECONDS))


def test_who_lost_the_lease_is_told_and_who_gives_it_back_frees_it(store: object) -> None:
    with writing(store) as session:  # type: ignore[arg-type]
        mine = take_lease(session, NIGHTLY, holder="a:1", now=NOW)
        theirs = take_lease(session, NIGHTLY, holder="b:2", now=NOW + timedelta(minutes=2))
        with pytest.raises(LeaseHeld, match="b:2"):
            renew(session, mine, now=NOW + timedelta(minutes=2))
        give_back(session, mine)  # not theirs to give
        renew(session, theirs, now=NOW + timedelta(minutes=2))
        give_back(session, theirs)
        take_lease(session, NIGHTLY, holder="c:3", now=NOW + timedelta(minutes=2))


def test_after_a_clock_has_gone_back_a_lease_ends_within_a_minute(store: object) -> None:
    with writing(store) as session:  # type: ignore[arg-type]
        hold(session, "a:1", NOW + timedelta(hours=5))
    with writing(store) as session:  # type: ignore[arg-type]
        shorten_lease(session, NIGHTLY, now=NOW)
    with writing(store) as session, pytest.raises(LeaseHeld):  # type: ignore[arg-type]
        hold(session, "b:2", NOW + timedelta(seconds=LEASE_SECONDS - 1))
    with writing(store) as session:  # type: ignore[arg-type]
        hold(session, "b:2", NOW + timedelta(seconds=LEASE_SECONDS))


def test_of_many_nights_at_once_exactly_one_gets_the_lease(store: object) -> None:
    got: list[str] = []

    def come(name: str) -> None:
        try:
            with writing(store) as session:  # type: ignore[arg-type]
                hold(session, name, NOW)
            got.append(name)
        except LeaseHeld:
            pass

    threads = [threading.Thread(target=come, args=(f"x:{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_attempts_are_counted_by_date_and_the_dead_are_told(store: object) -> None:
    day = NOW.date()
    with writing(store) as session:  # type: ignore[arg-type]
        assert begin_night(session, day, holder="a:1", now=NOW).attempt == 1
        assert begin_night(session, day, holder="b:2", now=NOW).attempt == 2
        assert begin_night(session, day + timedelta(days=1), holder="b:2", now=NOW).attempt == 1
        states = sorted((str(night.as_of), night.attempt, night.state) for night in list_nights(session))
    assert [state for _, _, state in states] == ["killed", "killed", "running"]


def test_a_night_that_lost_its_lease_publishes_nothing(trained: Trained, tmp_path: Path) -> None:
    url, home = copy_of(trained, tmp_path)
    shift = shift_of(url, home)

    def say(step: str, _share: float) -> None:
        if step == "publish":
            with writing(shift.store) as session:
                take_lease(session, NIGHTLY, holder="other:9", now=NOW + timedelta(minutes=5))

    object.__setattr__(shift, "say", say)
    with pytest.raises(LeaseHeld, match="other:9"):
        work_night(shift, trained.market.as_of)
    shift.store.dispose()
    assert champion(home) is None
    assert list_versions(home) == []
