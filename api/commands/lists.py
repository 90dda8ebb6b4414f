"""`matcher goods` and `matcher shortlist`: what should this anchor sell, and who should sell this SKU?"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands import options
from api.commands.console import answer_console, note
from features.errors import WrongInput
from features.settings import Settings, read_settings

if TYPE_CHECKING:
    from matcher.candidates.union import Side
    from matcher.engine import Engine
    from matcher.pairing import PairingList
    from matcher.request import Filters, ListRequest

All = Annotated[bool, typer.Option("--all", help="For everybody; needs --out.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CSV or Parquet, by its name.", show_default=False)
]


def goods(
    anchor: Annotated[str | None, typer.Option(metavar="ID", show_default=False)] = None,
    everybody: All = False,
    out: Out = None,
    size: options.Size = 50,
    as_of: options.AsOf = None,
    new_only: options.NewOnly = False,
    objective: options.Objective = "balanced",
    explain: options.Explain = False,
    language: options.Language = "en",
    category: options.Category = None,
    min_price: options.MinPrice = None,
    max_price: options.MaxPrice = None,
    min_rate: options.MinRate = None,
    supply_type: options.SupplyType = None,
    tier: options.Tier = None,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Recommended goods for an anchor, or for all."""
    filters = options.read_filters(category, min_price, max_price, min_rate, supply_type, tier)
    request = _request("goods", size, objective, new_only, explain, filters)
    _check({"--anchor": anchor}, everybody, out, language)
    settings = read_settings(database_url=database, home=home, policy=policy)
    engine, whereby = _engine(settings, as_of, "goods")
    if out is not None:
        _write_all(engine, request, out, settings.threads, as_json)
    else:
        answer = engine.answer(replace(request, owner=engine.row("goods", str(anchor))))
        _show([answer], "goods", language, as_json=as_json, as_one=True)
        _keep([answer], settings, engine)
    for sentence in whereby:
        note(sentence)


def shortlist(
    sku: Annotated[str | None, typer.Option(metavar="ID", show_default=False)] = None,
    brand: Annotated[
        str | None, typer.Option(metavar="ID", help="Each SKU of a brand.", show_default=False)
    ] = None,
    everybody: All = False,
    out: Out = None,
    size: options.Size = 20,
    as_of: options.AsOf = None,
    new_only: options.NewOnly = False,
    objective: options.Objective = "balanced",
    explain: options.Explain = False,
    language: options.Language = "en",
    category: options.Category = None,
    min_price: options.MinPrice = None,
    max_price: options.MaxPrice = None,
    min_rate: options.MinRate = None,
    supply_type: options.SupplyType = None,
    tier: options.Tier = None,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Recommended anchors for a SKU, for each SKU of a brand, or for all."""
    filters = options.read_filters(category, min_price, max_price, min_rate, supply_type, tier)
    request = _request("shortlist", size, objective, new_only, explain, filters)
    _check({"--sku": sku, "--brand": brand}, everybody, out, language)
    settings = read_settings(database_url=database, home=home, policy=policy)
    engine, whereby = _engine(settings, as_of, "shortlist")
    if out is not None:
        _write_all(engine, request, out, settings.threads, as_json)
    else:
        rows = engine.rows_of_brand(str(brand)) if sku is None else [engine.row("shortlist", sku)]
        answers = [engine.answer(replace(request, owner=row)) for row in rows]
        _show(answers, "shortlist", language, as_json=as_json, as_one=sku is not None)
        _keep(answers, settings, engine)
    for sentence in whereby:
        note(sentence)


def _request(
    side: "Side", size: int, objective: str, new_only: bool, explain: bool, filters: "Filters"
) -> "ListRequest":
    from matcher.model import read_objective
    from matcher.request import ListRequest

    return ListRequest(side, 0, size, read_objective(objective), new_only, explain, filters)


def _check(named: dict[str, str | None], everybody: bool, out: Path | None, language: str) -> None:
    """Refuse what cannot be meant before anything is computed."""
    if sum(value is not None for value in named.values()) + everybody != 1:
        raise WrongInput(f"name exactly one of {', '.join(named)} and --all")
    if everybody and out is None:
        raise WrongInput("--all needs --out FILE, a .csv or .parquet")
    if out is not None and not everybody:
        raise WrongInput("--out goes with --all; one list is printed, or given as JSON with --json")
    if out is not None:
        options.check_file(out, "--out", ".csv", ".parquet")
    options.check_language(language)


def _engine(settings: Settings, as_of: str | None, side: "Side") -> tuple["Engine", list[str]]:
    """The engine; and where no model serves, what is to be said of it beside an answer."""
    from api.commands.opening import open_list_engine, why_no_model

    day = options.read_day(as_of)
    engine = open_list_engine(settings, day)
    if engine.model is not None:
        return engine, []
    whereby = f"ranked by {engine.model_version(side)}; expectations and reasons need a model"
    return engine, [f"no model serves here ({why_no_model(settings.home, day)}): {whereby}"]


def _show(
    answers: "Sequence[PairingList]", side: "Side", language: str, *, as_json: bool, as_one: bool
) -> None:
    from api.commands.printing import list_document, print_list

    if as_json:
        documents = [list_document(answer) for answer in answers]
        typer.echo(json.dumps(documents[0] if as_one else documents, ensure_ascii=False))
        return
    for answer in answers:
        print_list(answer, side, language, answer_console())


def _keep(answers: "Sequence[PairingList]", settings: Settings, engine: "Engine") -> None:
    """Write down the verdicts that were shown; a list is no less good where that cannot be done."""
    from api.commands.checking import keep_or_say

    shown = {pairing.sku_id: pairing.verdicts for answer in answers for pairing in answer.pairings}
    keep_or_say(settings, [both for both in shown.values() if both is not None], engine.world.policy)


def _write_all(engine: "Engine", request: "ListRequest", out: Path, threads: int, as_json: bool) -> None:
    from api.commands.progress import tracked
    from matcher.everybody import write_lists

    if request.explain:
        note("--explain is left out of files: they hold ranks and scores")
    n_lists, n_rows = write_lists(
        engine,
        request,
        out,
        threads=threads,
        watch=lambda lists, n: tracked(lists, f"{request.side} lists", total=n),
    )
    version = engine.model_version(request.side)
    if as_json:
        said = {"lists": n_lists, "rows": n_rows, "file": str(out), "model_version": version}
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        typer.echo(f"{n_lists} lists, {n_rows} rows in {out}, by {version}")
