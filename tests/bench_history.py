"""What do features of history cost, beside the bare work that they cannot do without? And a fit, beside LightGBM's part?

Ten million events grouped at four levels, beside numpy's sort and prefix sums of the same events; columns of pairs,
beside bare gathers of as many float32 columns; both in turns, in one run, on one thread. FENXIAO_BENCH_EVENTS names
another number of events.
"""

import os
import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import lightgbm
import numpy as np
import pytest

from features.catalogue import FEATURES, SOURCES
from features.facts import Listings
from features.history import N_LAST, Level, group_level, history_columns
from features.kernels import F32, F64, I32, I64
from features.ledger import Ledger
from features.matrix import Outside, build_matrix
from features.snapshot import Snapshot, take_snapshot
from features.units import DAY_US
from large_market import AS_OF_US, large_facts
from matcher.policy import Policy
from matcher.world import build_world
from training.dataset import draw_queries
from training.fit import fit_uptake
from training.labels import grade, read_outcomes
from training.recipe import Recipe

N_EVENTS, N_ANCHORS = 10_000_000, 2_000
LEVELS = {"sku": 100_000, "brand": 5_000, "category": 300, "band": 8}
N_PAIRS, N_CANDIDATES = 400_000, 1_000
Work = Callable[[], object]


def test_history_of_ten_million_events_beside_a_bare_sort_and_prefix_sums() -> None:
    n = int(os.environ.get("FENXIAO_BENCH_EVENTS", N_EVENTS))
    _in_turns(*_groupings(_ledger(1_000), "band"), turns=1)  # compiles
    ledger = _ledger(n)
    spent = []
    for level in LEVELS:
        ours, bare = _in_turns(*_groupings(ledger, level), turns=1)
        spent.append((ours, bare))
        _say(
            f"history of {n:,} events by anchor and {level}: {ours:.2f} s, bare {bare:.2f} s: {ours / bare:.2f}"
        )
    total_ours, total_bare = np.sum(spent, axis=0)
    ratio = total_ours / total_bare
    _say(
        f"all four: {total_ours:.1f} s, a bare sort and prefix sums {total_bare:.1f} s: ratio {ratio:.2f} (at most 1.50)"
    )
    assert ratio <= 1.5


def test_columns_of_pairs_beside_bare_gathers() -> None:
    facts = large_facts(100_000)
    snapshot = take_snapshot(facts)
    histories, shelf = snapshot.histories, snapshot.shelf
    rng = np.random.default_rng(2)
    owners = rng.integers(0, N_ANCHORS, N_PAIRS // N_CANDIDATES)
    anchors = np.repeat(owners, N_CANDIDATES).astype(np.int32)
    skus = np.concatenate([np.sort(rng.choice(len(shelf), N_CANDIDATES, replace=False)) for _ in owners])
    skus = _with_carried(histories.sku, owners, skus.astype(np.int32), rng)
    width = 6 + N_LAST + 3 * 4
    starts = histories.sku.starts
    rows = starts[anchors] + (rng.random(len(anchors)) * np.diff(starts)[anchors]).astype(np.int64)
    rows = np.sort(rows.reshape(len(owners), -1), axis=1).ravel()  # as near to each other as the pairs' own

    out = np.empty((len(skus), width), np.float32)
    columns = [rng.random(len(histories.sku.n)).astype(np.float32) for _ in range(width)]
    bare_out = np.empty_like(out)

    def ours() -> None:
        history_columns(histories, shelf, anchors, skus, AS_OF_US, out, 0)

    def bare() -> None:
        _bare_gathers(columns, rows, bare_out)

    ours()
    seconds, bare_seconds = _in_turns(ours, bare, turns=15)
    _say(
        f"\n{width} columns of history for {len(skus):,} pairs: {seconds / len(skus) * 1e9:.0f} ns a pair, bare "
        f"gathers of as many columns {bare_seconds / len(skus) * 1e9:.0f} ns: ratio {seconds / bare_seconds:.2f} (at most 1.50)"
    )
    assert seconds / bare_seconds <= 1.5
    _whole_matrix(snapshot, anchors[: N_PAIRS // 4], skus[: N_PAIRS // 4])


def _whole_matrix(snapshot: Snapshot, anchors: I32, skus: I32) -> None:
    """All families of features, a list's candidates at a time, beside bare gathers of as many columns, by SKU."""
    width = len(FEATURES)
    outside = Outside(
        rate_ppm=np.full(N_CANDIDATES, 200_000),
        usual_rate=np.full(len(snapshot.shelf.category_paths), 20.0, np.float32),
        scores=np.zeros((N_CANDIDATES, len(SOURCES)), np.float32),
        ranks=np.zeros((N_CANDIDATES, len(SOURCES)), np.float32),
    )
    column = np.random.default_rng(3).random(len(snapshot.shelf), np.float32)
    columns = [column.copy() for _ in range(width)]
    lists = [slice(begin, begin + N_CANDIDATES) for begin in range(0, len(skus), N_CANDIDATES)]

    def ours() -> None:
        for one in lists:
            build_matrix(snapshot, anchors[one], skus[one], outside)

    def bare() -> None:
        for one in lists:
            _bare_gathers(columns, skus[one], np.empty((N_CANDIDATES, width), np.float32))

    ours()
    seconds, bare_seconds = _in_turns(ours, bare, turns=7)
    _say(
        f"all {width} columns: {seconds / len(skus) * 1e9:.0f} ns a pair, bare gathers of as many "
        f"{bare_seconds / len(skus) * 1e9:.0f} ns: ratio {seconds / bare_seconds:.2f} (at most 1.50)"
    )
    assert seconds / bare_seconds <= 1.5


def test_a_fit_beside_lightgbm_s_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    facts, recipe = large_facts(40_000, n_anchors=700), Recipe()
    world = build_world(take_snapshot(facts, AS_OF_US - 28 * DAY_US), Policy())
    graded = grade(
        read_outcomes(facts, world.snapshot, 28), "goods", world.n_owners("goods"), len(world.snapshot.shelf)
    )
    start = perf_counter()
    queries = draw_queries(world, graded, "goods", recipe, new_only=False, age_days=28.0, threads=1)
    drawing = perf_counter() - start
    inside = 0.0
    train = lightgbm.train

    def timed(*arguments: Any, **options: Any) -> lightgbm.Booster:
        nonlocal inside
        begun = perf_counter()
        booster = train(*arguments, **options)
        inside += perf_counter() - begun
        return booster

    monkeypatch.setattr(lightgbm, "train", timed)
    start = perf_counter()
    grown = fit_uptake(queries, recipe, recipe.settings[0])
    spent = perf_counter() - start
    n = len(queries.label)
    _say(
        f"\na fit: {n:,} rows of {len(queries.group):,} queries, {grown.rounds} rounds, {spent:.1f} s, of these "
        f"{inside:.1f} s in lightgbm.train: ratio {spent / inside:.3f}; outside of it {(spent - inside) / n * 1e6:.2f} us a row, "
        f"and {drawing / n * 1e6:.0f} us a row to draw them as served"
    )
    assert spent / inside <= 1.5


def _groupings(events: tuple[Ledger, Mapping[str, I32]], level: str) -> tuple[Work, Work]:
    """Ours and the bare one."""
    ledger, codes = events
    return (
        lambda: group_level(ledger, codes[level], LEVELS[level]),
        lambda: _bare_groups(ledger, codes[level], LEVELS[level]),
    )


def _ledger(n: int) -> tuple[Ledger, Mapping[str, I32]]:
    """Events of a year by time; who sells what is uneven, as it is."""
    rng = np.random.default_rng(1)
    at_us = np.sort(AS_OF_US - rng.integers(1, 365 * DAY_US, n))
    anchor = (N_ANCHORS * rng.random(n, np.float32) ** 1.5).astype(np.int32)
    pick = rng.random(n, np.float32) ** 2
    codes = {
        level: np.minimum((size * ((pick + anchor / N_ANCHORS) % 1.0)), size - 1).astype(np.int32)
        for level, size in LEVELS.items()
    }
    units = rng.negative_binomial(0.5, 0.03, n).astype(np.float64)
    unknown, never = np.full(n, np.nan), np.full(n, AS_OF_US)
    rows = Listings(
        np.zeros(n, np.int64), anchor, codes["sku"], at_us, at_us, never, units, *[unknown] * 8
    )  # fmt: skip
    return (
        Ledger(
            as_of_us=AS_OF_US, n_anchors=N_ANCHORS, n_skus=LEVELS["sku"], rows=rows, sku=codes["sku"],
            exposure=unknown, expected_units=np.full(n, 15.0), sku_conversion=unknown[:0], anchor_ratio=unknown[:0],
            prior_exposure=1.0,
        ),
        codes,
    )  # fmt: skip


def _bare_groups(ledger: Ledger, code: I32, n_codes: int) -> list[F64 | I64]:
    """Sort by (anchor, code), stable: the events lie in order of time. Sums of groups as differences of prefix sums."""
    key = ledger.anchor.astype(np.int64) * n_codes + code
    order = np.argsort(key, kind="stable")
    key = key[order]
    ends = np.flatnonzero(np.append(key[1:] != key[:-1], True))
    begins = np.concatenate([[0], ends[:-1] + 1])
    at_us, units = ledger.at_us[order], ledger.rows.units[order]
    summed = (at_us >= ledger.since(28), units > 0, units, ledger.expected_units[order])
    sums: list[F64 | I64] = [np.diff(np.cumsum(values)[ends], prepend=0) for values in summed]
    return [*sums, ends - begins, at_us[begins], at_us[ends]]


def _with_carried(pairs: Level, owners: I64, skus: I32, rng: np.random.Generator) -> I32:
    """Candidates as they come: a sixth of them carried already."""
    out = skus.reshape(len(owners), -1).copy()
    for row, owner in enumerate(owners):
        carried = pairs.code[pairs.starts[owner] : pairs.starts[owner + 1]]
        out[row, : len(carried)] = carried[: out.shape[1]]
        out[row] = np.sort(rng.permutation(out[row]))
    return out.ravel()


def _bare_gathers(columns: list[F32], rows: I32 | I64, out: F32) -> None:
    for place, column in enumerate(columns):
        out[:, place] = column[rows]


def _in_turns(ours: Work, bare: Work, turns: int) -> tuple[float, float]:
    """Medians of both in seconds."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        for work, seconds in zip((ours, bare), spent, strict=True):
            start = perf_counter()
            work()
            seconds.append(perf_counter() - start)
    return float(np.median(spent[0])), float(np.median(spent[1]))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
