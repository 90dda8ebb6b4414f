"""What does the whole thing do? A pretend market, from nothing to lists, and how good they are by its own truth."""

import tempfile
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from sqlalchemy import Engine as Store
from sqlmodel import col, select

from api.clocks import now_utc
from api.commands.accounts import answers_of, counts_table, print_account, print_json
from api.commands.checking import Counts, answer_of, check_each
from api.commands.console import answer_console
from api.commands.nightly import print_night, work_here
from api.commands.opening import SIDES, engine_of, read_facts, read_verdicts
from api.commands.printing import list_document, print_list
from api.stores import forget_if_gone, mark_simulated, open_store
from features.demo_market import (
    Market,
    MarketSpec,
    capture,
    make_market,
    own_best_sellers,
    popularity,
    write_market,
)
from features.errors import RejectedRows, WrongInput
from features.settings import Settings
from features.store.db import reading, writing
from features.store.dossier import Dossier
from features.store.dossiers import load_calendar
from features.store.ingest import ingest
from features.store.tables import Brand
from features.units import midnight, shanghai_time
from matcher.engine import Engine
from matcher.model import Objective
from matcher.policy import Policy, read_policy
from matcher.registry import newest_serving
from matcher.request import ListRequest
from matcher.verdict import Status
from matcher.verdict_book import Both
from training.recipe import FAST

_OTHER_FACTS = "the store holds other facts than this demo's; name an empty one with --database and --home"


def show_market(
    settings: Settings, spec: MarketSpec, seed: int, language: str, *, as_json: bool = False
) -> None:
    """Make it, ingest it, train on it, print its lists and how much of the attainable GMV they capture.

    As JSON one document goes to stdout, and what people read to stderr.
    """
    console = answer_console(to_stderr=as_json)
    console.print(
        "This market is simulated: its people, goods and sales are made up, and so its truth is known."
    )
    policy = read_policy(settings.policy)
    market = make_market(spec, seed)
    forget_if_gone(settings)
    store = open_store(settings)
    try:
        _refuse_other_facts(store, market)
        mark_simulated(settings)
        _import(store, market, console)
    finally:
        store.dispose()
    worked = work_here(settings, policy, FAST, market.as_of)
    print_night(worked.night, dict(worked.said), console)
    facts = read_facts(settings, midnight(market.as_of))
    engine = engine_of(facts, settings, policy, newest_serving(settings.home, market.as_of))
    engine = replace(engine, verdicts=read_verdicts(settings, policy))
    document = {
        "simulated": True,
        "night": dict(worked.said),
        **_print_lists(engine, language, console),
        "checks": _print_checks(settings, policy, midnight(market.as_of), language, console),
        "captured": _print_capture(engine, market, settings, console),
    }
    if as_json:
        print_json(document)


def _refuse_other_facts(store: Store, market: Market) -> None:
    with reading(store) as session:
        stored = set(session.exec(select(col(Brand.brand_id))).all())
    if not stored <= set(market.brands["brand_id"]):
        raise WrongInput(_OTHER_FACTS)


def _import(store: Store, market: Market, console: Console) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables, rejects = Path(folder, "tables"), Path(folder, "rejects")
        tables.mkdir()
        write_market(market, tables)
        with writing(store) as session:
            imported = ingest(session, [tables], now=now_utc(), source="operator", rejects=rejects)
    try:
        imported.require_all()
    except RejectedRows as error:
        raise WrongInput(_OTHER_FACTS) from error
    counts = ", ".join(f"{len(frame)} {name}" for name, frame in market.tables().items() if len(frame))
    console.print(f"ingested: {counts}")


def _print_lists(engine: Engine, language: str, console: Console) -> dict[str, Any]:
    """A list of each side, also as documents."""
    pairs = engine.world.snapshot.histories.sku
    busy = int(pairs.n_recent.argmax())
    anchor, sku = int(pairs.anchor[busy]), int(pairs.code[busy])
    documents: dict[str, Any] = {}
    for side, owner in zip(SIDES, (anchor, sku), strict=True):
        answer = engine.answer(ListRequest(side, owner, 8, explain=True))
        print_list(answer, side, language, console)
        documents[side] = list_document(answer)
    return documents


def _print_checks(
    settings: Settings, policy: Policy, at: datetime, language: str, console: Console
) -> list[dict[str, Any]]:
    """Both rules over the whole library, and the account of one SKU that breaks a promise on its price."""
    store = open_store(settings)
    counts: Counts = Counter()
    broken: tuple[Both, Dossier] | None = None
    with reading(store) as session:
        for dossier, both in check_each(session, load_calendar(session), None, at, policy):
            counts.update(map(answer_of, both))
            if broken is None and both.price_parity.status is Status.FAIL:
                broken = both, dossier
    store.dispose()
    console.print(f"both promises at {shanghai_time(at)}:")
    console.print(counts_table(counts))
    if broken is not None:
        print_account(*broken, policy, language, console)
    return answers_of(counts)


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


def _print_capture(engine: Engine, market: Market, settings: Settings, console: Console) -> dict[str, float]:
    shares = {
        "ours (gmv)": capture(market.truth, lists_of(engine, "gmv", size=20, threads=settings.threads)),
        "ours (balanced)": capture(
            market.truth, lists_of(engine, "balanced", size=20, threads=settings.threads)
        ),
        "an anchor's own best sellers": capture(market.truth, own_best_sellers(market)),
        "popularity": capture(market.truth, popularity(market)),
    }
    told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    console.print(f"of the attainable GMV, the first 20 goods capture: {told}")
    return shares
