"""`matcher rate`: which commission rate applies to a SKU, for an anchor or for anybody, and why do the others not?"""

import json
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands.options import At, Database, Home, Json, Policy, read_instant
from api.stores import open_known_store
from features.settings import read_settings
from features.units import percent, shanghai_time

if TYPE_CHECKING:
    from features.store.plans import PlanRow
    from matcher.rates import Loser, RateAnswer


def show_rate(
    sku: Annotated[str, typer.Option(metavar="ID", help="The SKU.", show_default=False)],
    anchor: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Who asks; without one: the open rate.", show_default=False),
    ] = None,
    at: At = None,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Show the commission rate that applies, and why the other plans do not."""
    from api.clocks import now_of
    from features.store.db import reading
    from features.store.plans import load_standing, load_terms
    from matcher.policy import read_policy
    from matcher.rates import resolve_rate

    settings = read_settings(database_url=database, home=home, policy=policy)
    decided = read_policy(settings.policy)
    instant = now_of(settings) if at is None else read_instant(at)
    engine = open_known_store(settings)
    try:
        with reading(engine) as session:
            terms = load_terms(session, sku, at=instant)
            standing = None if anchor is None else load_standing(session, anchor, sku, at=instant)
    finally:
        engine.dispose()
    answer = resolve_rate(terms, standing, instant, policy=decided)
    if as_json:
        typer.echo(json.dumps(_document(answer), ensure_ascii=False))
    else:
        _print(answer)


def _document(answer: "RateAnswer") -> dict[str, object]:
    return {
        "sku_id": answer.sku_id,
        "anchor_id": answer.anchor_id,
        "at": answer.at.isoformat(),
        "rate_ppm": answer.rate_ppm,
        "plan": None if answer.plan is None else _plan_document(answer.plan),
        "kept_until": None if answer.kept_until is None else answer.kept_until.isoformat(),
        "losers": [_loser_document(loser) for loser in answer.losers],
        "policy_version": answer.policy_version,
    }


def _loser_document(loser: "Loser") -> dict[str, object]:
    return _plan_document(loser.plan) | {"reason": loser.reason, "sentence": {"zh": loser.zh, "en": loser.en}}


def _plan_document(plan: "PlanRow") -> dict[str, object]:
    columns = {field.name: getattr(plan, field.name) for field in fields(plan)}
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else sorted(value)
        if isinstance(value, frozenset)
        else value
        for name, value in columns.items()
    }


def _print(answer: "RateAnswer") -> None:
    out = Console()
    asker = f"anchor {answer.anchor_id}" if answer.anchor_id else "any anchor"
    out.print(f"SKU {answer.sku_id}, {asker}, at {shanghai_time(answer.at)}", markup=False, highlight=False)
    if answer.plan is None or answer.rate_ppm is None:
        out.print("no commission plan applies")
    else:
        kept = f", kept until {shanghai_time(answer.kept_until)}" if answer.kept_until else ""
        out.print(
            f"{percent(answer.rate_ppm)} by plan {answer.plan.plan_id} ({answer.plan.plan_type}){kept}",
            markup=False,
            highlight=False,
        )
    if not answer.losers:
        return
    table = Table("does not apply", "kind", box=None, pad_edge=False)
    table.add_column("rate", justify="right")
    table.add_column("because", overflow="fold")
    for loser in answer.losers:
        table.add_row(loser.plan.plan_id, loser.plan.plan_type, percent(loser.plan.rate_ppm), loser.en)
    out.print(table)
