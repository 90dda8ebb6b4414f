"""`matcher nights`: what did the nights do?"""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands.console import answer_console
from api.commands.options import Database, Home, Json, Policy
from api.stores import open_known_store
from features.settings import read_settings

if TYPE_CHECKING:
    from features.store.nights import NightRow


def show_nights(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=1_000, help="At most so many.")
    ] = 30,
    steps: Annotated[
        bool, typer.Option("--steps", help="The seconds and rows of each step of the last one.")
    ] = False,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Show each attempt at a night, newest first: how it ended, what it published, how long it took."""
    from features.store.db import reading
    from features.store.nights import list_nights

    store = open_known_store(read_settings(database_url=database, home=home, policy=policy))
    try:
        with reading(store) as session:
            nights = [_document(night) for night in list_nights(session, limit)]
    finally:
        store.dispose()
    if as_json:
        typer.echo(json.dumps({"nights": nights}, ensure_ascii=False))
        return
    _print(nights, steps)


def _document(night: "NightRow") -> dict[str, Any]:
    return {
        "as_of": f"{night.as_of}",
        "attempt": night.attempt,
        "state": night.state,
        "holder": night.holder,
        "started_at": night.started_at.isoformat(),
        "ended_at": None if night.ended_at is None else night.ended_at.isoformat(),
        "step": night.step,
        "version": night.version,
        "steps": json.loads(night.steps),
        "report": json.loads(night.report) if night.report else None,
    }


def _print(nights: list[dict[str, Any]], steps: bool) -> None:
    from rich.table import Table

    out = answer_console()
    if not nights:
        out.print("no night yet; `matcher nightly` runs one")
        return
    table = Table("as of", "attempt", "ended", "model", box=None, pad_edge=False)
    table.add_column("took", justify="right")
    table.add_column("why", overflow="fold")
    for night in nights:
        report = night["report"] or {}
        took = sum(step["seconds"] or 0.0 for step in night["steps"])
        why = "; ".join(report.get("reasons", [])) or report.get("error", "")
        state = night["state"] if night["state"] != "running" else f"running ({night['step']})"
        table.add_row(
            night["as_of"], str(night["attempt"]), state, night["version"] or "", f"{took:,.1f} s", why
        )
    out.print(table)
    if steps:
        each = Table("step", box=None, pad_edge=False)
        each.add_column("seconds", justify="right")
        each.add_column("rows", overflow="fold")
        for step in nights[0]["steps"]:
            rows = ", ".join(f"{name} {n:,}" for name, n in step.items() if name not in ("step", "seconds"))
            seconds = step["seconds"]
            each.add_row(step["step"], "" if seconds is None else f"{seconds:,.2f}", rows)
        out.print(each)
