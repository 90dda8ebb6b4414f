"""`matcher goods` and `matcher shortlist`: what should this anchor sell, and who should sell this SKU?"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api.commands import options
from api.commands.writing import write_lists
from api.opening import open_list_engine
from features.errors import WrongInput
from features.settings import read_settings
from features.units import Fen, Ppm, from_microseconds, percent, yuan
from matcher.candidates.union import Side
from matcher.engine import Engine, Pairing, PairingList
from matcher.model import read_objective
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
    wanted = _wanted({"--anchor": anchor}, everybody, out)
    with _open(database, home, policy, as_of) as (engine, threads):
        if everybody:
            _write_all(engine, request, out, threads, as_json)
        else:
            _show(
                [engine.answer(replace(request, owner=engine.row("goods", wanted)))],
                "goods",
                language,
                as_json,
            )


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
    _wanted({"--sku": sku, "--brand": brand}, everybody, out)
    with _open(database, home, policy, as_of) as (engine, threads):
        if everybody:
            _write_all(engine, request, out, threads, as_json)
            return
        rows = [engine.row("shortlist", sku)] if sku is not None else engine.rows_of_brand(str(brand))
        _show([engine.answer(replace(request, owner=row)) for row in rows], "shortlist", language, as_json)


def _request(
    side: Side, size: int, objective: str, new_only: bool, explain: bool, filters: Filters
) -> ListRequest:
    return ListRequest(
        side=side,
        owner=0,
        size=size,
        objective=read_objective(objective),
        new_only=new_only,
        explain=explain,
        filters=filters,
    )


def _wanted(named: dict[str, str | None], everybody: bool, out: Path | None) -> str:
    given = [value for value in named.values() if value is not None]
    if len(given) + everybody != 1:
        raise WrongInput(f"name exactly one of {', '.join(named)} and --all")
    if everybody and out is None:
        raise WrongInput("--all needs --out FILE, a .csv or .parquet")
    if out is not None and not everybody:
        raise WrongInput("--out goes with --all; one list is printed, or given as JSON with --json")
    return given[0] if given else ""


def _show(answers: Sequence[PairingList], side: Side, language: str, as_json: bool) -> None:
    if language not in ("en", "zh"):
        raise WrongInput(f"--language {language!r} is not known; name en or zh")
    if as_json:
        documents = [document(answer) for answer in answers]
        typer.echo(json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False))
        return
    for answer in answers:
        print_list(answer, side, language)


def print_list(answer: PairingList, side: Side, language: str = "en", console: Console | None = None) -> None:
    """A list as a table, and the account of what is not on it."""
    console = console or Console()
    at = from_microseconds(answer.snapshot_at_us)
    kind = "goods for anchor" if side == "goods" else "anchors for SKU"
    table = Table(
        title=f"{kind} {answer.owner_id}",
        caption=f"model {answer.model_version}, as of {at:%Y-%m-%d %H:%M} UTC",
    )
    table.add_column("#", justify="right")
    table.add_column("SKU" if side == "goods" else "anchor")
    table.add_column("score", justify="right")
    table.add_column("rate", justify="right")
    table.add_column("units next session", justify="right")
    table.add_column("GMV (80 %)", justify="right")
    table.add_column("commission", justify="right")
    explained = any(pairing.reasons for pairing in answer.pairings)
    if explained:
        table.add_column("why")
    for pairing in answer.pairings:
        table.add_row(*_cells(pairing, side, language, explained))
    console.print(table)
    left_out = ", ".join(f"{reason} {n}" for reason, n in answer.left_out.items() if n)
    console.print(f"{answer.considered} candidates ranked; left out: {left_out or 'nothing'}")


def _cells(pairing: Pairing, side: Side, language: str, explained: bool) -> list[str]:
    expected = pairing.expected
    cells = [
        str(pairing.rank),
        pairing.sku_id if side == "goods" else pairing.anchor_id,
        f"{pairing.score:.3f}",
        percent(Ppm(pairing.rate_ppm)) if pairing.rate_ppm is not None else "-",
    ]
    if expected is None:
        cells += ["-", "-", "-"]
    else:
        units = f"{expected.units[0]:.1f} ({expected.units_low[0]:.1f}..{expected.units_high[0]:.1f})"
        low, high = yuan(Fen(int(expected.gmv_low_fen[0]))), yuan(Fen(int(expected.gmv_high_fen[0])))
        commission = int(expected.commission_fen[0])
        cells += [
            units,
            f"{yuan(Fen(int(expected.gmv_fen[0])))} ({low}..{high})",
            yuan(Fen(commission)) if commission >= 0 else "-",
        ]
    if explained:
        cells.append("\n".join(reason.zh if language == "zh" else reason.en for reason in pairing.reasons))
    return cells


def document(answer: PairingList) -> dict[str, Any]:
    """An answer as JSON: money in fen, rates in ppm."""
    return {
        "owner_id": answer.owner_id,
        "items": [_line(pairing) for pairing in answer.pairings],
        "model_version": answer.model_version,
        "snapshot_at": from_microseconds(answer.snapshot_at_us).isoformat(),
        "policy_version": answer.policy_version,
        "considered": answer.considered,
        "left_out": dict(answer.left_out),
    }


def _line(pairing: Pairing) -> dict[str, Any]:
    line: dict[str, Any] = {
        "rank": pairing.rank,
        "anchor_id": pairing.anchor_id,
        "sku_id": pairing.sku_id,
        "score": pairing.score,
        "rate_ppm": pairing.rate_ppm,
    }
    if (expected := pairing.expected) is not None:
        line["expected"] = {
            "units": round(float(expected.units[0]), 4),
            "units_low": round(float(expected.units_low[0]), 4),
            "units_high": round(float(expected.units_high[0]), 4),
            "gmv_fen": int(expected.gmv_fen[0]),
            "gmv_low_fen": int(expected.gmv_low_fen[0]),
            "gmv_high_fen": int(expected.gmv_high_fen[0]),
            "commission_fen": int(expected.commission_fen[0]) if expected.commission_fen[0] >= 0 else None,
        }
    if pairing.reasons:
        line["reasons"] = [
            {"group": reason.group, "zh": reason.zh, "en": reason.en} for reason in pairing.reasons
        ]
    return line


class _open:  # noqa: N801 - a with-statement's opener
    """Settings, store and engine for the length of a command."""

    def __init__(
        self, database: str | None, home: Path | None, policy: Path | None, as_of: datetime | None
    ) -> None:
        self.settings = read_settings(database_url=database, home=home, policy=policy)
        self.day = options.read_day(as_of)

    def __enter__(self) -> tuple[Engine, int]:
        self.store = options.open_store(self.settings)
        engine = open_list_engine(self.settings, self.store, as_of=self.day, now=datetime.now(UTC))
        return engine, self.settings.threads

    def __exit__(self, *_: object) -> None:
        self.store.dispose()


def _write_all(engine: Engine, request: ListRequest, out: Path | None, threads: int, as_json: bool) -> None:
    assert out is not None
    n_lists, n_rows = write_lists(engine, request, out, threads=threads)
    said = {
        "lists": n_lists,
        "rows": n_rows,
        "file": str(out),
        "model_version": engine.model_version(request.side),
    }
    if as_json:
        typer.echo(json.dumps(said))
    else:
        typer.echo(f"{n_lists} lists, {n_rows} rows in {out}, by {said['model_version']}")
