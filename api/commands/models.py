"""`matcher models`: which models are there, which of them serves, and may another take its place?"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from api.commands.console import answer_console
from api.commands.options import Database, Home, Json, Policy
from features.errors import NoModel, RegistryDamaged, UnknownId
from features.settings import read_settings
from features.units import shanghai_time
from matcher.registry import (
    Manifest,
    Promotion,
    list_versions,
    load_manifest,
    promote,
    read_history,
    read_model,
    rollback,
)
from matcher.retention import prune, superseded

app = typer.Typer(no_args_is_help=True, help="The registry of models: list, show, promote, rollback, prune.")

Version = Annotated[str, typer.Argument(help="As `models list` names it.", show_default=False)]


@app.command("list")
def list_models(
    as_json: Json = False, database: Database = None, home: Home = None, policy: Policy = None
) -> None:
    """List every model, oldest data first, with the one that serves."""
    registry = read_settings(database_url=database, home=home, policy=policy).home
    history = read_history(registry)
    serving = history[-1].version if history else None
    rows = [(version, *_checked(registry, version)) for version in list_versions(registry)]
    if as_json:
        models = [
            {"version": version, "serves": version == serving, "problem": problem, **_document(manifest)}
            for version, manifest, problem in rows
        ]
        typer.echo(json.dumps({"champion": serving, "models": models}, ensure_ascii=False))
        return
    out = answer_console()
    if not rows:
        out.print(f"no model in {registry / 'models'} yet; `matcher nightly` makes one")
        return
    table = Table("version", "data ends before", "gate", "", box=None, pad_edge=False)
    for version, manifest, problem in rows:
        gate = "" if manifest is None else "passed" if manifest.gate.passed else "refused"
        note = problem or (f"serves since {_shown(history[-1])}" if version == serving else "")
        table.add_row(version, "" if manifest is None else f"{manifest.as_of}", gate, note)
    out.print(table)


@app.command("show")
def show_model(
    version: Annotated[
        str | None, typer.Argument(help="Without one: the champion.", show_default=False)
    ] = None,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Show how a model came about, how it did, and that its files are as they were published."""
    registry = read_settings(database_url=database, home=home, policy=policy).home
    history = read_history(registry)
    if version is None and not history:
        raise NoModel("no model serves yet; name a version, or run `matcher nightly`")
    manifest = load_manifest(registry, version or history[-1].version)
    read_model(registry, manifest.version)
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    out = answer_console()
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in manifest.model_dump(mode="json").items():
        _add(table, name, value)
    out.print(table)


@app.command("promote")
def promote_model(
    version: Version,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Let a model serve that passed its gate."""
    _answer(
        promote(
            read_settings(database_url=database, home=home, policy=policy).home, version, at=datetime.now(UTC)
        ),
        as_json,
    )


@app.command("rollback")
def roll_back(
    as_json: Json = False, database: Database = None, home: Home = None, policy: Policy = None
) -> None:
    """Let the champion before serve again."""
    _answer(rollback(read_settings(database_url=database, home=home, policy=policy).home), as_json)


@app.command("prune")
def prune_models(
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            help="So many that passed stay, besides those that served last; else MATCHER_MODELS_KEPT.",
            min=1,
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Name them and remove nothing.")] = False,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Remove models that nothing asks for any more, with their cards; a night does the same at its end."""
    settings = read_settings(database_url=database, home=home, policy=policy)
    kept = keep or settings.models_kept
    gone = superseded(settings.home, kept=kept) if dry_run else prune(settings.home, kept=kept)
    if as_json:
        typer.echo(json.dumps({"removed": [] if dry_run else gone, "superseded": gone}))
        return
    verb = "would be removed" if dry_run else "removed"
    typer.echo(
        "\n".join(f"{version} {verb}" for version in gone) or f"nothing is superseded; {kept} are kept"
    )


def _answer(promotion: Promotion, as_json: bool) -> None:
    typer.echo(
        promotion.model_dump_json()
        if as_json
        else f"model {promotion.version} serves, since {_shown(promotion)}"
    )


def _checked(registry: Path, version: str) -> tuple[Manifest | None, str | None]:
    """The manifest, or what is wrong with the model: a list shows the damaged ones too."""
    try:
        read_model(registry, version)
        return load_manifest(registry, version), None
    except (RegistryDamaged, UnknownId) as error:  # unknown: removed since it was listed
        return None, str(error)


def _document(manifest: Manifest | None) -> dict[str, object]:
    return {} if manifest is None else manifest.model_dump(mode="json", exclude={"version", "files"})


def _add(table: Table, name: str, value: object, depth: int = 0) -> None:
    """A row for a plain value; for a mapping its name, and its rows below it, further in."""
    label = "  " * depth + name
    if isinstance(value, dict):
        table.add_row(label, "")
        for inner, held in value.items():
            _add(table, inner, held, depth + 1)
    elif isinstance(value, list):
        table.add_row(label, ", ".join(map(str, value)))
    else:
        table.add_row(label, f"{value:.4f}" if isinstance(value, float) else str(value))


def _shown(promotion: Promotion) -> str:
    return shanghai_time(promotion.promoted_at)
