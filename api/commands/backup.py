"""`matcher backup`: a copy of the store and the models, made while everything goes on; checked; put back."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.console import answer_console, note
from api.commands.options import Database, Home, Json, Policy
from api.commands.progress import step_bar
from api.stores import store_name
from features.errors import WrongInput
from features.settings import Settings, read_settings
from features.units import shanghai_time

if TYPE_CHECKING:
    from api.copying.manifest import Manifest
    from api.copying.restoring import Restored

app = typer.Typer(
    no_args_is_help=True,
    help="Copies of the store, the models and the journal: create, verify, restore.",
)

Copy = Annotated[Path, typer.Argument(metavar="PATH", help="What `backup create` made.", show_default=False)]


@app.command("create")
def create(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER|FILE",
            help="The copy: a new folder, or one file named .tar or .tar.gz. Without it: a folder named after the "
            "instant, in backups/ of the home. Nothing is overwritten.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Copy the store, every model, who serves, and feedback that is not in the store yet.

    Nobody has to stop: the store is copied as it is at one moment (SQLite by
    its online backup, PostgreSQL by pg_dump), while servers and nights go on.
    The copy is examined, sealed with the SHA-256 of each file, and appears
    whole or not at all.

    It holds names, figures and digests of keys: keep it where only you can
    read it. Not in it are the policy file, and the secret that sessions are
    signed with: after a restore elsewhere people sign in again.
    """
    from api.copying.creating import create_copy

    settings = read_settings(database_url=database, home=home, policy=policy)
    now = datetime.now(UTC).replace(microsecond=0)
    place = out if out is not None else settings.home / "backups" / f"{now:%Y%m%dT%H%M%SZ}"
    with step_bar() as say:
        made = create_copy(settings, place, now=now, say=say)
    if as_json:
        typer.echo(json.dumps({"path": str(place), **_document(made)}, ensure_ascii=False))
    else:
        console = answer_console()
        console.print(f"{place}: {_told(made)}")
    for version in made.left_out:
        note(f"model {version} is damaged and not in the copy; `matcher models list` says how")


@app.command("verify")
def verify(
    path: Copy,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Of a PostgreSQL store: restore it into a scratch database beside --database, count its rows, drop it.",
        ),
    ] = False,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Check every byte of a copy, the store in it, and every model. Exit code 1 names what is damaged.

    Of a SQLite store pages, indexes, references and row counts are checked; of
    a PostgreSQL store that pg_restore can read it, its rows only with --deep.
    A path that is no copy ends with 2.
    """
    from api.copying.manifest import opened
    from api.copying.verifying import verify_copy

    settings = read_settings(database_url=database, home=home, policy=policy)
    with opened(path) as folder, step_bar() as say:
        found = verify_copy(folder, say=say, scratch_url=_server(settings) if deep else None)
    if as_json:
        verdict = {
            "path": str(path),
            "intact": not found.problems,
            "problems": list(found.problems),
            "rows_verified": found.are_rows_counted,
        }
        typer.echo(json.dumps(verdict | _document(found.manifest), ensure_ascii=False))
    elif not found.problems:
        console = answer_console()
        console.print(f"{path} is as it was made: {_told(found.manifest)}")
        if not found.are_rows_counted:
            console.print(
                "its rows were not counted again: that takes a restore, which --deep does beside --database"
            )
    found.require_intact(path)


@app.command("restore")
def restore(
    path: Copy,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a store that has rows, or a home that has models. A SQLite file, models and journal are kept "
            "beside, named .replaced-<instant>; what stood in a PostgreSQL database is gone.",
        ),
    ] = False,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Verify a copy, then put it where --database and --home say.

    Stop `matcher serve` first: a restore refuses while another process has the
    store or the journal. A SQLite file is made ready beside its place and takes
    it in one step; a PostgreSQL store is restored in one transaction. Killed
    half way, run it again with --force.

    Who was forgotten and which keys were revoked since the copy was made is
    told: that has to be done again.
    """
    from api.copying.manifest import opened
    from api.copying.restoring import restore_copy

    settings = read_settings(database_url=database, home=home, policy=policy)
    now = datetime.now(UTC)
    with opened(path) as folder, step_bar() as say:
        restored = restore_copy(folder, settings, force=force, now=now, say=say)
    if as_json:
        typer.echo(json.dumps(_restored_document(restored, path, settings), ensure_ascii=False))
    else:
        console = answer_console()
        console.print(f"{store_name(settings)} and {settings.home} are as {path}: {_told(restored.manifest)}")
        for kept in restored.kept:
            console.print(f"what was there before: {kept}; remove it when you do not need it any more")
    for anchor_id in restored.undone.forgotten:
        note(f"anchor {anchor_id} was forgotten after the copy was made, and is known again; forget it again")
    for key_id in restored.undone.revoked:
        note(
            f"key {key_id} was revoked after the copy was made, and opens again; `matcher keys revoke {key_id}`"
        )


def _server(settings: Settings) -> str:
    """The database server that a scratch database is made on."""
    if not settings.database_url.startswith("postgresql"):
        raise WrongInput(
            "--deep needs a PostgreSQL server to restore on; name one of its databases with --database"
        )
    return settings.database_url


def _told(manifest: "Manifest") -> str:
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[manifest.store.kind]
    serving = "nobody serves" if manifest.champion is None else f"{manifest.champion} serves"
    return (
        f"{'simulated ' if manifest.is_simulated else ''}{kind} store of {shanghai_time(manifest.created_at)} with "
        f"{manifest.store.contents.n_rows:,} rows, models: {len(manifest.models)} ({serving}), "
        f"feedback on its way: {manifest.n_events:,}, {manifest.size_bytes / 1e6:,.1f} MB"
    )


def _document(manifest: "Manifest") -> dict[str, object]:
    return manifest.model_dump(mode="json", exclude={"files", "seal", "format"}) | {
        "n_files": len(manifest.files),
        "size_bytes": manifest.size_bytes,
    }


def _restored_document(restored: "Restored", path: Path, settings: Settings) -> dict[str, object]:
    return {
        "path": str(path),
        "database": store_name(settings),
        "home": str(settings.home),
        "kept": [str(kept) for kept in restored.kept],
        "forgotten_since": list(restored.undone.forgotten),
        "revoked_since": list(restored.undone.revoked),
        **_document(restored.manifest),
    }
