"""How do whole nights do on real data? Five origins of the Online Retail set, judged on new pairs of the next 28 days.

Prints, a line an origin and direction, NDCG@10 of ours and of the judge's baselines, and the mean over the origins of
ours to the best baseline's with a paired bootstrap interval over queries. Takes about half an hour on two cores.
Run it by `make bench-retail`; it is skipped, visibly, where `../shared/data` is missing.
"""

import importlib.util
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from api.commands.opening import engine_of
from api.stores import open_store
from features.facts import load_facts
from features.settings import Settings
from features.store.db import reading, writing
from features.store.ingest import ingest
from features.units import midnight
from matcher.everybody import write_lists
from matcher.policy import Policy
from matcher.registry import newest_serving
from matcher.request import ListRequest
from training.nightly import run_night
from training.recipe import Recipe
from training.shift import record

SHARED = Path(__file__).parents[2] / "shared"
TABLES = SHARED / "data" / "online_retail"
ORIGINS = os.environ.get("ORIGINS", "2011-07-22 2011-08-19 2011-09-16 2011-10-14 2011-11-11").split()
THREADS = int(os.environ.get("MATCHER_THREADS", "2"))
N_RESAMPLES = 1_000


@pytest.mark.skipif(not TABLES.is_dir(), reason="the real data set is not beside this checkout")
def test_ours_beats_the_best_baseline_on_real_data(tmp_path: Path) -> None:
    judge = _judge()
    store = open_store(Settings(database_url=f"sqlite:///{tmp_path}/retail.db"))
    with writing(store) as session:
        ingest(
            session, [TABLES], now=datetime.now(UTC), source="operator", rejects=tmp_path / "rejects"
        ).require_all()
    settings = Settings(database_url=str(store.url), home=tmp_path / "home", threads=THREADS)
    scores: dict[str, list[tuple[Any, Any]]] = {"goods": [], "shortlist": []}
    for origin in ORIGINS:
        _make_lists(store, settings, origin, tmp_path)
        for side, judged in scores.items():
            ours, best = _compare(judge, origin, side, tmp_path / f"{side}.parquet")
            judged.append((ours, best))
    for side, judged in scores.items():
        ratio, low, high = _mean_ratio(judged)
        print(
            f"{side}: mean over {len(judged)} origins of ours to the best baseline: {ratio:.3f} ({low:.3f}..{high:.3f})"
        )
        assert low > 1.0


def _make_lists(store: Any, settings: Settings, origin: str, folder: Path) -> None:
    day = date.fromisoformat(origin)
    with reading(store) as session:
        facts = load_facts(session, as_of=midnight(day))
    begun = datetime.now(UTC)
    night = run_night(
        facts, policy=Policy(), recipe=Recipe(), threads=settings.threads, say=lambda _step, _share: None
    )
    said = record(night, settings.home, now=begun)
    print(f"\n{origin}: {said['version']}, gate {'passed' if said['passed'] else said['reasons']}, "
          f"{(datetime.now(UTC) - begun).total_seconds():.0f} s", flush=True)  # fmt: skip
    engine = engine_of(facts, settings, Policy(), newest_serving(settings.home, day))
    for side in ("goods", "shortlist"):
        request = ListRequest(side, 0, 50, "fit", new_only=True)  # type: ignore[arg-type]
        write_lists(engine, request, folder / f"{side}.parquet", threads=settings.threads)


def _compare(judge: ModuleType, origin: str, side: str, lists: Path) -> tuple[Any, Any]:
    """Per-query NDCG@10 of ours and of the baseline that is best in the mean."""
    state = judge.setup(str(TABLES), origin)
    baselines = judge.baselines(state, side)
    ours = judge.ours(state, side, str(lists))
    best = max(baselines, key=lambda name: baselines[name]["ndcg10"])
    told = {name: row["ndcg10"] for name, row in baselines.items()}
    ratio = ours["ndcg10"] / baselines[best]["ndcg10"]
    print(f"{origin} {side}: ours {ours['ndcg10']:.4f}, {json.dumps(told)}, ratio {ratio:.3f}", flush=True)
    return _by_query(judge, state, side, _ours_lists(state, side, lists)), _by_query(
        judge, state, side, _baseline_lists(judge, state, side, best)
    )


def _by_query(judge: ModuleType, state: Any, side: str, lists: dict[str, list[str]]) -> Any:
    relevant = judge.relevant(state, side)
    return np.array([judge.score_lists(lists, {q: relevant[q]})["ndcg10"] for q in sorted(relevant)])


def _ours_lists(state: Any, side: str, file: Path) -> dict[str, list[str]]:
    owner, other = ("anchor_id", "sku_id") if side == "goods" else ("sku_id", "anchor_id")
    frame = pl.read_parquet(file).sort("rank").group_by(owner, maintain_order=True).agg(other)
    seen: dict[str, set[str]] = {}
    for a, s in zip(*state["X"].nonzero(), strict=True):
        anchor, sku = state["A"][a], state["S"][s]
        seen.setdefault(anchor if side == "goods" else sku, set()).add(sku if side == "goods" else anchor)
    return {q: [x for x in found if x not in seen.get(q, set())] for q, found in frame.iter_rows()}


def _baseline_lists(judge: ModuleType, state: Any, side: str, best: str) -> dict[str, list[str]]:
    """The judge keeps its baselines' lists to itself; catch them where it scores them."""
    caught: list[dict[str, list[str]]] = []
    real = judge.score_lists
    judge.score_lists = lambda lists, relevant, k=10: (caught.append(dict(lists)), real(lists, relevant, k))[
        1
    ]
    try:
        names = list(judge.baselines(state, side))
    finally:
        judge.score_lists = real
    return caught[names.index(best)]


def _mean_ratio(judged: list[tuple[Any, Any]]) -> tuple[float, float, float]:
    """Mean over origins of the ratio of means, queries resampled in pairs within each origin."""
    rng = np.random.default_rng(1)
    means = []
    for _ in range(N_RESAMPLES):
        ratios = []
        for ours, best in judged:
            drawn = rng.integers(0, len(ours), len(ours))
            ratios.append(ours[drawn].mean() / best[drawn].mean())
        means.append(np.mean(ratios))
    ratio = float(np.mean([ours.mean() / best.mean() for ours, best in judged]))
    return ratio, float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def _judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge", SHARED / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
