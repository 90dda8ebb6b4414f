"""How much of the attainable GMV do our lists capture where the truth is known? Five pretend markets, whole nights.

Prints, a line a seed, the share of the attainable GMV in the first 20 of ours under `gmv` and `balanced`, of an
anchor's own past best sellers and of popularity; what `balanced` keeps of `fit`'s NDCG@10 and of `gmv`'s share; and
the same lists against a truth whose planted affinity is shuffled. Run it by `make bench-market`.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np

from api.commands.opening import engine_of
from api.commands.pretending import lists_of
from api.stores import open_store
from features.demo_market import MarketSpec, capture, make_market, own_best_sellers, popularity, write_market
from features.facts import Facts, load_facts
from features.settings import Settings
from features.store.db import reading, writing
from features.store.ingest import ingest
from features.units import DAY_US, midnight
from matcher.candidates.union import Side
from matcher.policy import Policy
from matcher.registry import newest_serving
from training.labels import grade, read_outcomes
from training.nightly import run_night
from training.recipe import FAST
from training.replay import replay
from training.shift import record

SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1 2 3 4 5").split()]
THREADS = int(os.environ.get("MATCHER_THREADS", "2"))
SIDES: tuple[Side, ...] = get_args(Side)


def test_ours_captures_more_of_the_attainable_gmv_than_own_best_sellers_and_popularity(
    tmp_path: Path,
) -> None:
    rows = [_one(seed, tmp_path / str(seed)) for seed in SEEDS]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    print("mean " + _told(mean))
    print(f"to own best sellers {mean['gmv'] / mean['own']:.2f}, to popularity {mean['gmv'] / mean['popularity']:.2f}; "
          f"shuffled, to own best sellers {mean['shuffled gmv'] / mean['shuffled own']:.2f}")  # fmt: skip
    assert mean["gmv"] >= 1.3 * mean["own"]
    assert mean["gmv"] >= 2.5 * mean["popularity"]
    assert mean["shuffled gmv"] < 1.15 * mean["shuffled own"]


def _one(seed: int, folder: Path) -> dict[str, float]:
    (folder / "tables").mkdir(parents=True)
    market = make_market(MarketSpec.demo(), seed)
    shuffled = make_market(MarketSpec.demo(shuffle_affinity=True), seed)
    write_market(market, folder / "tables")
    settings = Settings(database_url=f"sqlite:///{folder}/m.db", home=folder / "home", threads=THREADS)
    store = open_store(settings)
    with writing(store) as session:
        ingest(
            session, [folder / "tables"], now=datetime.now(UTC), source="operator", rejects=folder / "rejects"
        ).require_all()
    with reading(store) as session:
        facts = load_facts(session, as_of=midnight(market.as_of))
    store.dispose()
    night = run_night(facts, policy=Policy(), recipe=FAST, threads=THREADS, say=lambda _step, _share: None)
    record(night, settings.home, now=datetime.now(UTC))
    engine = engine_of(facts, settings, Policy(), newest_serving(settings.home, market.as_of))
    lists = {name: lists_of(engine, name, size=20, threads=THREADS) for name in ("gmv", "balanced", "fit")}  # type: ignore[arg-type]
    lists |= {"own": own_best_sellers(market), "popularity": popularity(market)}
    row = {name: capture(market.truth, frame) for name, frame in lists.items()}
    row |= {f"shuffled {name}": capture(shuffled.truth, lists[name]) for name in ("gmv", "own", "popularity")}
    row["balanced of gmv"] = row["balanced"] / row["gmv"]
    row["value ranker"] = engine.model.mix.value_ranker if engine.model else 0.0
    row |= _uptake_kept(facts, settings)
    print(f"seed {seed}: {_told(row)}", flush=True)
    return row


def _uptake_kept(facts: Facts, settings: Settings) -> dict[str, float]:
    """NDCG@10 of `balanced` to `fit`: the night before four weeks ago judged on the four weeks since."""
    then = facts.before(facts.as_of_us - 28 * DAY_US)
    night = run_night(then, policy=Policy(), recipe=FAST, threads=THREADS, say=lambda _step, _share: None)
    record(night, settings.home, now=datetime.now(UTC))
    earlier = engine_of(then, settings, Policy(), newest_serving(settings.home, night.provenance.as_of))
    world = earlier.world
    outcomes = read_outcomes(facts, world.snapshot, 28)
    kept = {}
    for side in SIDES:
        other: Side = "shortlist" if side == "goods" else "goods"
        graded = grade(outcomes, side, world.n_owners(side), world.n_owners(other))
        played = replay(
            earlier, graded, side, new_only=False, objectives=("fit", "balanced"), threads=THREADS
        )
        kept[f"balanced of fit, {side}"] = float(
            played.ndcg("ours:balanced").mean() / played.ndcg("ours").mean()
        )
    return kept


def _told(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in row.items())
