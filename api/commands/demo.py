"""`matcher demo`: what does the whole thing do? A pretend market from nothing to lists, in a minute or so."""

import sys
import tempfile
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from sqlalchemy import Engine as Store
from sqlmodel import col, select

from api.commands import options
from api.commands.lists import print_list
from api.commands.nightly import print_night, record
from api.opening import engine_of
from features.demo_market import Market, MarketSpec, capture, make_market, own_best_sellers, popularity, write_market
from features.errors import WrongInput
from features.facts import load_facts
from features.settings import Settings, read_settings
from features.store.db import reading, writing
from features.store.ingest import ingest
from features.store.tables import Brand
from features.units import midnight
from matcher.engine import Engine
from matcher.model import Objective
from matcher.policy import read_policy
from matcher.request import ListRequest
from training.nightly import run_night
from training.recipe import FAST

SEED = 7


def demo(
    seed: Annotated[int, typer.Option(help="Which pretend market.")] = SEED,
    language: options.Language = "en",
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Simulate a market, ingest it, train on it, and print a goods list and a shortlist."""
    settings = read_settings(database_url=database, home=home, policy=policy)
    console = Console()
    console.print("This market is simulated: its people, goods and sales are made up, and so its truth is known.")
    market = make_market(MarketSpec.demo(), seed)
    store = options.open_store(settings)
    try:
        _refuse_other_facts(store, market)
        _import(store, market, console)
        with reading(store) as session:
            facts = load_facts(session, as_of=midnight(market.as_of))
    finally:
        store.dispose()
    night = run_night(
        facts, policy=read_policy(settings.policy), recipe=FAST, threads=settings.threads, say=_say
    )
    said = record(night, settings.home, now=datetime.combine(market.as_of, time(), UTC))
    print_night(night, said, console)
    engine = engine_of(facts, settings, read_policy(settings.policy), day=market.as_of)
    _print_lists(engine, language, console)
    _print_capture(engine, market, settings, console)


def _refuse_other_facts(store: Store, market: Market) -> None:
    with reading(store) as session:
        stored = set(session.exec(select(col(Brand.brand_id))).all())
    if not stored <= set(market.brands["brand_id"]):
        raise WrongInput("the store holds other facts than this demo's; name an empty one with --database and --home")


def _import(store: Store, market: Market, console: Console) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables, rejects = Path(folder, "tables"), Path(folder, "rejects")
        tables.mkdir()
        write_market(market, tables)
        with writing(store) as session:
            imported = ingest(session, [tables], now=datetime.now(UTC), source="operator", rejects=rejects)
        imported.require_all()
    counts = ", ".join(f"{len(frame)} {name}" for name, frame in market.tables().items() if len(frame))
    console.print(f"ingested: {counts}")


def _say(step: str, share: float) -> None:
    sys.stderr.write(f"  {share:4.0%} {step}\n")


def _print_lists(engine: Engine, language: str, console: Console) -> None:
    pairs = engine.world.snapshot.histories.sku
    busy = int(pairs.n_recent.argmax())
    anchor, sku = int(pairs.anchor[busy]), int(pairs.code[busy])
    for side, owner in (("goods", anchor), ("shortlist", sku)):
        request = ListRequest(side, owner, 8, explain=True)  # type: ignore[arg-type]
        print_list(engine.answer(request), request.side, language, console)


def lists_of(engine: Engine, objective: Objective, *, size: int, threads: int) -> pl.DataFrame:
    """`anchor_id, rank, sku_id` for every anchor."""
    request = ListRequest("goods", 0, size, objective)
    snapshot = engine.world.snapshot
    rows = [
        (snapshot.roster.ids[owner], k + 1, snapshot.shelf.ids[int(row)])
        for owner, chosen in engine.choose_all(request, engine.owners(request), threads=threads)
        for k, row in enumerate(chosen.rows)
    ]
    return pl.DataFrame(rows, schema=["anchor_id", "rank", "sku_id"], orient="row")


def _print_capture(engine: Engine, market: Market, settings: Settings, console: Console) -> None:
    shares = {
        "ours (gmv)": capture(market.truth, lists_of(engine, "gmv", size=20, threads=settings.threads)),
        "ours (balanced)": capture(market.truth, lists_of(engine, "balanced", size=20, threads=settings.threads)),
        "an anchor's own best sellers": capture(market.truth, own_best_sellers(market)),
        "popularity": capture(market.truth, popularity(market)),
    }
    told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    console.print(f"of the attainable GMV, the first 20 goods capture: {told}")
