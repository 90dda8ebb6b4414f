"""`matcher why`: what became of one pairing, either way?"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands import options
from api.commands.console import answer_console, note
from features.settings import read_settings

if TYPE_CHECKING:
    from rich.console import Console

    from matcher.why import Fate


def explain_pairing(
    sku: Annotated[str, typer.Option(metavar="ID", show_default=False)],
    anchor: Annotated[str, typer.Option(metavar="ID", show_default=False)],
    as_of: options.AsOf = None,
    new_only: options.NewOnly = False,
    objective: options.Objective = "balanced",
    language: options.Language = "en",
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Not a candidate, refused by a rule, or its rank, score, reasons, and what stands above it."""
    from api.commands.opening import open_list_engine, why_no_model
    from matcher.model import read_objective
    from matcher.request import ListRequest
    from matcher.why import why

    options.check_language(language)
    settings = read_settings(database_url=database, home=home, policy=policy)
    request = ListRequest("goods", 0, 20, read_objective(objective), new_only)
    day = options.read_day(as_of)
    engine = open_list_engine(settings, day)
    fates = why(engine, engine.row("goods", anchor), engine.row("shortlist", sku), request)
    if engine.model is None:
        note(f"no model serves here ({why_no_model(settings.home, day)}): reasons need one")
    if as_json:
        document: dict[str, Any] = {"sku_id": sku, "anchor_id": anchor, "model_version": engine.version}
        typer.echo(json.dumps(document | {fate.side: asdict(fate) for fate in fates}, ensure_ascii=False))
        return
    console = answer_console()
    console.print(f"SKU {sku} and anchor {anchor}, by {engine.version}")
    for fate in fates:
        _print(fate, language, console)


def _print(fate: "Fate", language: str, console: "Console") -> None:
    where = "in the anchor's goods" if fate.side == "goods" else "in the SKU's shortlist"
    if fate.status == "RANKED":
        console.print(f"{where}: rank {fate.rank} of {fate.considered} candidates, score {fate.score:.3f}")
    elif fate.status == "NOT_A_CANDIDATE":
        console.print(f"{where}: not among the {fate.considered} candidates of any source")
    else:
        console.print(f"{where}: refused, {fate.status}")
    if fate.brought_by:
        console.print(f"  brought by {', '.join(fate.brought_by)}")
    for reason in fate.reasons:
        console.print(f"  {reason.zh if language == 'zh' else reason.en}")
    if fate.above:
        console.print(f"  above it: {', '.join(fate.above)}")
