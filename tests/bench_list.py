"""How long does one goods list take, and how does it grow from ten thousand SKUs to a million? In process, one thread.

About 1 000 candidates, forests of the size that a night grows, 50 pairings with their outcomes; no reasons. Beside
it, in the same run, in turns: LightGBM's own prediction of the same rows by the same forests, which a list cannot do
without. FENXIAO_BENCH_SKUS names the sizes ("10000,100000"), FENXIAO_BENCH_PLOT a PNG file for the plot.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, thread_time

import lightgbm
import numpy as np

from features.catalogue import NAMES, SOURCES, fingerprint
from features.kernels import F32, F64
from features.snapshot import take_snapshot
from large_market import large_facts
from matcher.candidates.union import BUDGET
from matcher.engine import Engine, build_engine
from matcher.list_ import choose
from matcher.model import Mix, Model
from matcher.outcome import Calibration, Curve, Outcome
from matcher.policy import Policy
from matcher.ranker import Ranker
from matcher.request import ListRequest
from matcher.world import World, build_world
from training.recipe import Recipe

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
MOST_MS = {100_000: 15.0, 1_000_000: 25.0}
"""What a median may be at most."""
N_ANCHORS = 2_000
N_LISTS, IN_A_ROW, N_STAGED, N_EXPLAINED = 300, 10, 60, 20


def test_one_goods_list_from_ten_thousand_to_a_million_skus() -> None:
    sizes = [int(size) for size in os.environ.get("FENXIAO_BENCH_SKUS", "").split(",") if size] or SIZES
    engines: dict[int, Engine] = {}
    model: Model | None = None
    for size in sizes:
        start = perf_counter()
        world = build_world(take_snapshot(large_facts(size, n_anchors=N_ANCHORS)), Policy())
        spent = perf_counter() - start
        model = model or list_model(world)
        engines[size] = build_engine(world, model, {"goods": "neighbours", "shortlist": "audience"})
        _say(
            f"{size:,} SKUs x {len(world.snapshot.roster):,} anchors: made in {spent:,.0f} s, peak {_peak_gib():.1f} GiB"
        )
    timings = {size: _Timings() for size in sizes}
    owners = np.random.default_rng(3).integers(0, N_ANCHORS, N_LISTS)
    requests = [ListRequest("goods", int(owner), size=50) for owner in owners]
    for begin in range(
        0, N_LISTS, IN_A_ROW
    ):  # in turns: what else the machine does should not bend the curve
        for size, engine in engines.items():
            timings[size].add(engine, requests[begin : begin + IN_A_ROW])
    for size, engine in engines.items():
        _tell(size, engine, timings[size], requests)
    busy = {size: float(np.median(timing.busy)) * 1e3 for size, timing in timings.items()}
    _say("\n" + _bars(busy))
    if file := os.environ.get("FENXIAO_BENCH_PLOT"):
        _plot(busy, Path(file))
    for size, most in MOST_MS.items():
        assert busy.get(size, 0.0) <= most, f"{busy[size]:.1f} ms for {size:,} SKUs, at most {most}"


class _Timings:
    """Seconds of lists, by the clock and on the processor, and of the floor of the same rows."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.busy: list[float] = []
        self.floor: list[float] = []
        self.considered: list[int] = []

    def add(self, engine: Engine, requests: Sequence[ListRequest]) -> None:
        engine.answer(requests[0])  # the other worlds' lists have emptied the caches
        for request in requests:
            clock, busy = perf_counter(), thread_time()
            answer = engine.answer(request)
            self.clock.append(perf_counter() - clock)
            self.busy.append(thread_time() - busy)
            self.considered.append(answer.considered)
        self.floor.append(_floor(engine, requests[-1]))


def _tell(size: int, engine: Engine, timings: _Timings, requests: Sequence[ListRequest]) -> None:
    """A list's median and p99, its floor, and its parts."""
    explained = [_timed(engine, replace(request, explain=True)) for request in requests[:N_EXPLAINED]]
    busy, floor = float(np.median(timings.busy)), float(np.median(timings.floor))
    _say(
        f"\n{size:,} SKUs, one list of {np.median(timings.considered):,.0f} candidates: median {busy * 1e3:.1f} ms, "
        f"p99 {np.quantile(timings.busy, 0.99) * 1e3:.1f} ms (by the clock {np.median(timings.clock) * 1e3:.1f} and "
        f"{np.quantile(timings.clock, 0.99) * 1e3:.1f}); LightGBM's own prediction of these rows {floor * 1e3:.1f} ms: "
        f"ratio {busy / floor:.2f}; with reasons for the page {np.median(explained) * 1e3:.0f} ms"
    )
    parts = [_stages(engine, request) for request in requests[:N_STAGED]]
    middle = {name: float(np.median([part[name] for part in parts])) for name in parts[0]}
    total = sum(middle.values())
    for name, spent in middle.items():
        _say(f"  {name:<28}{spent * 1e3:7.2f} ms {spent / total:6.1%}")


def _timed(engine: Engine, request: ListRequest) -> float:
    start = thread_time()
    engine.answer(request)
    return thread_time() - start


def _floor(engine: Engine, request: ListRequest) -> float:
    """Three forests over the candidates by LightGBM itself, on one thread."""
    _, matrix, _ = engine.rank(request, engine.among(request)[0])
    assert engine.model is not None
    assert engine.model.goods_value is not None
    rankers = (engine.model.goods_uptake, engine.model.goods_value, engine.model.outcome.forest)
    start = thread_time()
    for ranker in rankers:
        ranker.booster.predict(matrix, raw_score=True, num_threads=1)
    return thread_time() - start


def _stages(engine: Engine, request: ListRequest) -> Mapping[str, float]:
    """Seconds of each step of `Engine.answer`, the steps called one by one."""
    world, model = engine.world, engine.model
    spent: dict[str, float] = {}
    assert model is not None
    clock = _Clock(spent)
    among, _ = engine.among(request)
    clock.stop("rules")
    said = {}
    for name in SOURCES:
        said[name] = world.sources[name].goods(request.owner)
        said[name].top(among, BUDGET[name])
        clock.stop(f"candidates: {name}")
    found = world.candidates("goods", request.owner, among)
    clock.stop("candidates: union")
    spent["candidates: union"] -= sum(spent[f"candidates: {name}"] for name in SOURCES)
    clock.restart()
    rate_ppm = world.rates.at(np.full(len(found.rows), request.owner, np.int32), found.rows)
    clock.stop("rates (twice)")
    spent["rates (twice)"] *= 2
    matrix = world.matrix("goods", request.owner, found)
    clock.stop("matrix")
    spent["matrix"] -= spent["rates (twice)"] / 2
    clock.restart()
    model.uptake("goods").score(matrix)
    clock.stop("ranker: uptake")
    value = model.value("goods", matrix, engine.unit_gmv_fen[found.rows])
    clock.stop("ranker: value and outcome")
    scores = model.score(
        "balanced", "goods", matrix, engine.unit_gmv_fen[found.rows], rate_ppm, new_only=False
    )
    clock.stop("ranker: balance")
    spent["ranker: balance"] -= spent["ranker: uptake"] + spent["ranker: value and outcome"]
    assert len(value) == len(scores)
    clock.restart()
    places = choose(scores, engine.terms(request, found))
    clock.stop("choice")
    model.outcome.expect(matrix[places], engine.unit_gmv_fen[found.rows[places]], rate_ppm[places])
    clock.stop("outcome of the page")
    engine.answer(request)
    clock.stop("the rest, in words")
    spent["the rest, in words"] = max(2 * spent["the rest, in words"] - sum(spent.values()), 0.0)
    return spent


class _Clock:
    def __init__(self, spent: dict[str, float]) -> None:
        self.spent, self.since = spent, thread_time()

    def restart(self) -> None:
        self.since = thread_time()

    def stop(self, name: str) -> None:
        self.spent[name] = thread_time() - self.since
        self.since = thread_time()


def list_model(world: World) -> Model:
    """Forests of the size that a night grows, on rows of this world, with made-up but not random labels."""
    rng = np.random.default_rng(5)
    parts = [
        world.matrix("goods", owner, world.candidates("goods", owner, world.verdicts.allowed))
        for owner in range(60)
    ]
    matrix = np.concatenate(parts)
    columns = np.nan_to_num(matrix[:, rng.choice(len(NAMES), 40, replace=False)])
    standard = (columns - columns.mean(axis=0)) / np.maximum(columns.std(axis=0), 1e-6)
    signal = np.clip(standard, -2, 2) @ rng.normal(size=40)
    wanted = [signal + rng.normal(0, 3, len(signal)) for _ in range(4)]
    recipe = Recipe()
    uptake, shortlist, value, outcome = (
        _ranker(matrix, target, rounds, recipe)
        for target, rounds in zip(wanted, (200, 200, recipe.value_rounds, recipe.outcome_rounds), strict=True)
    )
    knots = np.geomspace(0.01, 1_000, 40)
    curve = Curve(knots, knots)
    return Model(
        version="bench",
        goods_uptake=uptake,
        shortlist_uptake=shortlist,
        goods_value=value,
        outcome=Outcome(
            outcome, 5.0, Calibration(curve, Curve(knots, knots * 0.2), Curve(knots, knots * 2), 1_000), {}
        ),
        mix=Mix(),
    )


def _ranker(matrix: F32, target: F64, rounds: int, recipe: Recipe) -> Ranker:
    rows = lightgbm.Dataset(matrix, target, feature_name=list(NAMES))
    parameters = {
        "objective": "l2",
        "num_leaves": recipe.value_leaves,
        "learning_rate": 0.06,
        "num_threads": 1,
    }
    grown = lightgbm.train(parameters | {"feature_fraction": 0.4, "verbose": -1, "seed": 1}, rows, rounds)
    return Ranker.from_booster(grown, fingerprint=fingerprint())


def _bars(medians: Mapping[int, float]) -> str:
    """The growth of cost as text, a bar a size."""
    widest = max(medians.values())
    lines = [
        f"{size:>9,} SKUs  {ms:5.1f} ms  {'█' * round(50 * ms / widest)}" for size, ms in medians.items()
    ]
    return "one goods list, median:\n" + "\n".join(lines)


def _plot(medians: Mapping[int, float], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(list(medians), list(medians.values()), "o-")
    axes.set(xlabel="SKUs", ylabel="one goods list, median ms", ylim=(0, None))
    figure.savefig(file)


def _peak_gib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 2**20


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
