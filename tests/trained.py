"""What do the tests of the engine, the night and the commands share? One small market, ingested, and one night over it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from features.demo_market import Market, MarketSpec, make_market, write_market
from features.facts import Facts, load_facts
from features.snapshot import take_snapshot
from features.store.db import open_engine, reading, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade
from features.units import midnight
from matcher.engine import Engine, build_engine
from matcher.model import Model
from matcher.policy import Policy
from matcher.registry import Manifest, promote, publish, read_model
from matcher.world import World, build_world
from training.nightly import SIDES, Night, run_night
from training.recipe import ForestSetting, Recipe

SMALL = Recipe(
    label_days=14,
    n_origins=4,
    n_fit_origins=2,
    gap_days=0,
    owners_a_side=30,
    negatives_a_query=40,
    listing_rows_an_origin=800,
    judged_owners=40,
    settings=(ForestSetting("tiny", "lambdarank", 0.1, 7, 15),),
    value_rounds=10,
    outcome_rounds=15,
    gate_tolerance=1.0,
)
"""So little is learnt that a source may win; the gate lets it pass all the same."""


@dataclass(frozen=True)
class Trained:
    """A store, a registry with one champion in it, and the same in memory."""

    market: Market
    url: str
    home: Path
    facts: Facts
    night: Night
    manifest: Manifest
    world: World
    engine: Engine


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Simulated, ingested, trained, published and promoted; nobody may write to it, and at the end its tables have no other rows."""
    folder = tmp_path_factory.mktemp("trained")
    market = make_market(MarketSpec.tiny(), seed=7)
    url = ingested(market, folder)
    engine = open_engine(url)
    with reading(engine) as session:
        facts = load_facts(session, as_of=midnight(market.as_of))
    engine.dispose()
    night = small_night(facts)
    manifest = publish(folder / "home", night.provenance, night.files)
    promote(folder / "home", manifest.version, at=midnight(market.as_of) + timedelta(hours=3))
    world = build_world(take_snapshot(facts), Policy())
    model = Model.from_files(manifest.version, read_model(folder / "home", manifest.version))
    served = build_engine(world, model, dict.fromkeys(SIDES, "popularity"))
    held = rows_of(url)
    yield Trained(market, url, folder / "home", facts, night, manifest, world, served)
    written = {table for table, n in rows_of(url).items() if n != held[table]}
    assert not written, f"a test wrote to {written} of the store that all tests share"


def rows_of(url: str) -> dict[str, int]:
    """The number of rows in each table of a store, but for what a command keeps of the verdicts that it shows."""
    store = open_engine(url)
    with store.connect() as connection:
        counted = {
            table: connection.execute(text(f'SELECT COUNT(*) FROM "{table}"')).scalar_one()
            for table in inspect(connection).get_table_names()
            if table not in ("shown_verdicts", "kept_policies")
        }
    store.dispose()
    return counted


def ingested(market: Market, folder: Path) -> str:
    """The URL of a new SQLite store that holds the market."""
    url = f"sqlite:///{folder / 'market.db'}"
    engine = open_engine(url)
    upgrade(engine)
    write_market(market, folder / "tables")
    with writing(engine) as session:
        imported = ingest(
            session, [folder / "tables"], now=midnight(market.as_of), rejects=folder / "rejects"
        )
    imported.require_all()
    engine.dispose()
    return url


def small_night(
    facts: Facts,
    recipe: Recipe = SMALL,
    say: Callable[[str, float], None] = lambda _step, _share: None,
    threads: int = 1,
) -> Night:
    """A night in which little is learnt."""
    return run_night(facts, policy=Policy(), recipe=recipe, threads=threads, say=say)


def without_model(engine: Engine, source: str) -> Engine:
    """The same world, where a source serves."""
    return replace(engine, model=None, best_source=dict.fromkeys(SIDES, source))
