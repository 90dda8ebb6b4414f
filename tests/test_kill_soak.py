"""Killed at every point and at any instant, is anything lost, half there, or not served? What serves is asked throughout."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from features.store.db import open_engine, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade
from features.units import midnight
from killing import Ended, Killer, killing
from matcher.kept_lists import KEPT, make_lists, publish_lists
from matcher.model import Model
from matcher.registry import Provenance, promote, publish, read_model
from trained import Trained
from training.nightly import SIDES
from what_serves import Answer, Prober, answer_of, nights_of, require_whole, rows_of, state_of

NOW = datetime(2026, 11, 1, 17, tzinfo=UTC)
TIMES = 5
AT_RANDOM = 40  # of each of five pieces of work
Kill = dict[str, str | float]


@dataclass(frozen=True)
class Scene:
    """A piece of work, what it begins with, and what a run that nobody disturbs makes of it."""

    work: str
    template: Path
    points: tuple[str, ...]
    seconds: float
    states: tuple[dict[str, str], dict[str, str]]
    answers: tuple[Answer, Answer]
    damaged: str = ""


@dataclass
class Trials:
    """Runs of a scene that are killed, each followed by others until one ends."""

    killer: Killer
    prober: Prober
    scratch: Path
    scenes: dict[str, Scene] = field(default_factory=dict)
    n_folders: int = 0

    def fresh(self, template: Path, answers: Sequence[Answer] = ()) -> Path:
        self.n_folders += 1
        folder = self.scratch / f"{self.n_folders}"
        shutil.copytree(template, folder)
        right = product(*zip(*answers, strict=True))  # a new model may serve beside lists of yesterday
        self.prober.turn_to(folder if answers else None, right)
        return folder

    def forget(self, folder: Path) -> None:
        self.prober.turn_to(None, ())
        shutil.rmtree(folder)

    def add(self, name: str, work: str, template: Path, damaged: str = "") -> Path:
        """A scene, and the folder of its undisturbed run."""
        folder = self.fresh(template)
        before = state_of(folder), answer_of(folder, {})
        ended = self.killer.run(work, folder, NOW)
        after = state_of(folder), answer_of(folder, {})
        states, answers = zip(before, after, strict=True)
        self.scenes[name] = Scene(work, template, ended.points, ended.seconds, states, answers, damaged)
        return folder

    def survive(self, scene: Scene, kills: Iterable[Kill]) -> int:
        """Kill it, and again what was begun anew, each time in the state that the kill before has left; how often.

        Where a run ends before it is killed all has to be as if nothing had happened, and the next one begins afresh.
        """
        folder, turn, n_killed = self.fresh(scene.template, scene.answers), 0, 0
        self.prober.take_wrong()  # of a test that failed
        for one in kills:
            kill, is_fresh = one, turn == 0
            while not self._run(scene, folder, turn, **kill).killed:
                self.require_ended(scene, folder, turn + 1)
                assert not is_fresh or "after" in kill, f"{kill} was not come by"
                if "after" in kill:  # it was quicker than the run that nobody disturbed
                    kill = {"after": 0.9 * float(kill["after"])}
                self.forget(folder)
                folder, turn, is_fresh = self.fresh(scene.template, scene.answers), 0, True
            turn, n_killed = turn + 1, n_killed + 1
            self.require_survived(scene, folder, turn, str(kill.get("point", "")) if is_fresh else "")
        self._run(scene, folder, turn)
        self.require_ended(scene, folder, turn + 1)
        self.forget(folder)
        return n_killed

    def _run(self, scene: Scene, folder: Path, turn: int, **kill: str | float) -> Ended:
        """Two minutes after the one before: its lease has run out, and the clock decides nothing else."""
        return self.killer.run(scene.work, folder, NOW + turn * timedelta(minutes=2), **kill)  # type: ignore[arg-type]

    def require_survived(self, scene: Scene, folder: Path, n_runs: int, point: str) -> None:
        answer = self.prober.ask()
        if point:  # it began from the template: so who serves is known to the call
            place = scene.points.index(point)
            for part, pointer in enumerate(("champion.json", "current.json")):
                moves = [n for n, name in enumerate(scene.points) if f"after replace of {pointer}" in name]
                is_moved = bool(moves) and place >= moves[0]
                assert answer is not None
                assert answer[part] == scene.answers[is_moved][part], point
        require_whole(folder / "home", scene.damaged)
        assert rows_of(folder) in {state["store"] for state in scene.states}
        attempts = [attempt for attempt, _ in nights_of(folder)]
        assert attempts == list(range(1, len(attempts) + 1))
        assert len(attempts) <= n_runs + len(nights_of(scene.template))

    def require_ended(self, scene: Scene, folder: Path, n_runs: int) -> None:
        answer = self.prober.ask()
        assert answer == scene.answers[1]
        assert state_of(folder) == scene.states[1]
        require_whole(folder / "home")
        nights = nights_of(folder)
        if scene.work in ("nightly", "ending"):
            assert nights[-1][1] == "published"
            assert {state for _, state in nights} <= {"killed", "published"}
            assert len(nights) <= n_runs + len(nights_of(scene.template))
        assert self.prober.take_wrong() == []


@pytest.fixture(scope="module")
def trials(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """A home where yesterday's model and lists serve, its store, and what else the scenes begin with."""
    scratch = tmp_path_factory.mktemp("kills")
    tables, page = scratch / "tables", scratch / "card.html"
    before = make_template(trained, scratch / "before")
    with killing(trained.home, trained.manifest.version, tables, page) as killer, Prober() as prober:
        trials = Trials(killer, prober, scratch)
        ended = trials.add("ending", "ending", before)
        shutil.copy(ended / "home" / "cards" / f"{trained.manifest.version}.html", page)
        trials.add("ending, again", "ending", ended)
        published = trials.add("publish", "publish", before)
        trials.add("promote", "promote", published)
        damaged = Path(shutil.copytree(published, scratch / "damaged"))
        (damaged / "home" / "models" / trained.manifest.version / "outcome.txt").write_bytes(b"tree")
        trials.add("publish over a damaged one", "publish", damaged, trained.manifest.version)
        trials.add("ingest", "ingest", make_half(trained, before, scratch / "half", tables))
        yield trials
        print(  # noqa: T201  quoted by whoever runs it
            f"\n{sum(len(scene.points) for scene in trials.scenes.values())} points, {killer.n_killed} kills, "
            f"{prober.n_asked} answers, {prober.n_wrong} of them wrong"
        )


def make_template(trained: Trained, folder: Path) -> Path:
    """Yesterday's model serves, with its lists; so many older lists lie there that one folder has to go."""
    home, day = folder / "home", trained.market.as_of - timedelta(days=1)
    home.mkdir(parents=True)
    shutil.copy(trained.url.removeprefix("sqlite:///"), folder / "store.db")
    with closing(
        sqlite3.connect(folder / "store.db")
    ) as store:  # what a command of another test may have left
        store.executescript("DELETE FROM nights; DELETE FROM leases;")
    files = read_model(trained.home, trained.manifest.version)
    of_then: Provenance = trained.night.provenance.model_copy(update={"as_of": day})
    old = publish(home, of_then, files)
    promote(home, old.version, at=NOW)
    engine = replace(trained.engine, model=Model.from_files(old.version, files))
    watches = dict.fromkeys(SIDES, lambda lists, _n: lists)
    kept = publish_lists(home, make_lists(home, engine, day, threads=1, watches=watches))
    for n in range(1, KEPT):
        shutil.copytree(home / "lists" / kept.folder, home / "lists" / f"202601{n:02d}-{old.version}")
    return folder


def make_half(trained: Trained, before: Path, folder: Path, tables: Path) -> Path:
    """A store that holds some of the tables; beside the market a file with a row that cannot be taken."""
    shutil.copytree(before / "home", folder / "home")
    shutil.copytree(Path(trained.url.removeprefix("sqlite:///")).parent / "tables", tables)
    store = open_engine(f"sqlite:///{folder / 'store.db'}")
    upgrade(store)
    there = [
        file for name in ("brands", "programmes", "skus", "anchors") for file in tables.glob(f"{name}.*")
    ]
    with writing(store) as session:
        ingest(session, there, now=midnight(trained.market.as_of), rejects=folder / "none").require_all()
    store.dispose()
    (tables / "brands.csv").write_text("brand_id,name\nnew,a new one\nnot an id,bad\n")
    return folder


SCENES = ("ending", "ending, again", "publish", "publish over a damaged one", "promote", "ingest")


def test_every_step_and_every_durable_call_has_a_name_of_its_own(trials: Trials) -> None:
    names = [(scene, point) for scene in SCENES for point in trials.scenes[scene].points]
    assert len(set(names)) == len(names) >= 25
    for scene, point in (
        ("ending", "publish: before fsync of goods_uptake.txt"),
        ("ending", "promote: after replace of champion.json"),
        ("ending", "lists: before COMMIT"),
        ("ending", "publish lists: before replace of current.json"),
        ("ending", "card: begins"),
        ("ingest", "listings.parquet: read"),
    ):
        assert (scene, point) in names


@pytest.mark.parametrize("scene", SCENES)
def test_killed_once_nothing_is_lost_and_the_next_run_leaves_the_same_bytes(
    trials: Trials, scene: str
) -> None:
    """At the point in the middle, in the state that this left at the last one, and then at some instant."""
    here = trials.scenes[scene]
    points = [here.points[len(here.points) // 2], here.points[-1]]
    instant = here.seconds * np.random.default_rng(len(scene)).uniform()
    kills: list[Kill] = [{"point": point} for point in points] + [{"after": float(instant)}]
    assert trials.survive(here, kills) == 3


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_every_point_nothing_is_lost_and_the_next_run_leaves_the_same_bytes(
    trials: Trials, scene: str
) -> None:
    here = trials.scenes[scene]
    times = (
        1 if scene.endswith("again") else TIMES
    )  # the same points, in the state that a whole night has left
    for point in here.points:
        assert trials.survive(here, [{"point": point}] * times) == times


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["ending", "publish", "promote", "ingest"])
def test_killed_at_any_instant_nothing_is_lost_and_the_next_run_leaves_the_same_bytes(
    trials: Trials, scene: str
) -> None:
    here = trials.scenes[scene]
    instants = np.random.default_rng(20_261_111).uniform(0, here.seconds, AT_RANDOM)
    for begin in range(0, AT_RANDOM, TIMES):
        kills: list[Kill] = [{"after": float(after)} for after in instants[begin : begin + TIMES]]
        assert trials.survive(here, kills) == TIMES


@pytest.mark.slow
def test_a_whole_night_killed_at_every_step_and_at_any_instant_ends_with_the_same_bytes(
    trials: Trials,
) -> None:
    """Each kill in the state that the one before has left; in what is computed nothing is written but how far it came."""
    trials.add("nightly", "nightly", trials.scenes["ending"].template)
    here = trials.scenes["nightly"]
    assert here.states == trials.scenes["ending"].states
    begins = [point for point in here.points if point.endswith(": begins")]
    assert len(begins) > 15
    for _ in range(TIMES):
        assert trials.survive(here, [{"point": point} for point in begins]) == len(begins)
    instants = np.random.default_rng(20_261_111).uniform(0, here.seconds, AT_RANDOM)
    for begin in range(0, AT_RANDOM, TIMES):
        kills: list[Kill] = [{"after": float(after)} for after in instants[begin : begin + TIMES]]
        assert trials.survive(here, kills) == TIMES
