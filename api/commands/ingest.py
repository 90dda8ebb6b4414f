"""`matcher ingest`: are these files fit to be the store's facts, and if so, are they in?"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from api.commands.console import note
from api.commands.options import Database, Home, Json, Policy
from api.stores import forget_if_gone, is_simulated, is_there, open_store
from features.settings import Settings, read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from features.store.ingest import Imported
    from features.store.ingest import Progress as OnProgress


def ingest_files(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folders or files, each named after its table: skus.csv, .csv.gz, .jsonl, .jsonl.gz, .parquet.",
        ),
    ],
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Import the good rows, report the bad ones.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and report; import nothing.")] = False,
    source: Annotated[
        str, typer.Option(help="Who supplied the rows: operator, job, brand:<id>, anchor:<id>.")
    ] = "operator",
    rejects: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where bad rows are listed, a file a table.")
    ] = Path("rejects"),
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Import files into the store: all of them, or, where a row is bad, none."""
    from api.clocks import now_of
    from features.store.db import writing
    from features.store.dossiers import load_calendar
    from features.store.ingest import ingest
    from matcher.parity import odd_years
    from matcher.policy import read_policy

    settings = read_settings(database_url=database, home=home, policy=policy)
    decided = read_policy(settings.policy)
    forget_if_gone(settings)
    if is_simulated(settings):
        note(
            "this store holds the simulated market of `matcher demo`; name another with --database and --home"
        )
    now = now_of(settings)
    with (
        _opened(settings, dry_run=dry_run) as engine,
        _progress() as on_progress,
        writing(engine) as session,
    ):
        imported = ingest(
            session,
            paths,
            now=now,
            source=source,
            rejects=rejects,
            skip_bad=skip_bad,
            dry_run=dry_run,
            on_progress=on_progress,
        )
        odd = odd_years(load_calendar(session).as_known(now), decided) if "events" in imported.tables else {}
    if as_json:
        typer.echo(json.dumps(_document(imported, dry_run=dry_run), ensure_ascii=False))
    else:
        _print(imported, dry_run=dry_run, skip_bad=skip_bad)
    for year, n in odd.items():
        note(
            f"{year} holds {n} big promotions of {decided.home_platform}, not three: prices in it cannot be judged "
            "(CALENDAR); correct the events"
        )
    imported.require_all()


def _document(imported: "Imported", *, dry_run: bool) -> dict[str, object]:
    return {
        "imported": not (imported.is_refused or dry_run),
        "dry_run": dry_run,
        "tables": {
            name: {
                "new": table.n_new,
                "unchanged": table.n_unchanged,
                "rejected": table.n_rejected,
                "report": None if table.report is None else str(table.report),
            }
            for name, table in imported.tables.items()
        },
        "left_alone": [str(path) for path in imported.left_alone],
    }


def _print(imported: "Imported", *, dry_run: bool, skip_bad: bool) -> None:
    out = Console()
    table = Table("table", box=None, pad_edge=False)
    is_taken = not (imported.is_refused or dry_run)
    for heading in ("new" if is_taken else "would be new", "unchanged", "rejected"):
        table.add_column(heading, justify="right")
    table.add_column("report", overflow="fold")
    for name, counts in imported.tables.items():
        numbers = (f"{number:,}" for number in (counts.n_new, counts.n_unchanged, counts.n_rejected))
        table.add_row(name, *numbers, Text(str(counts.report or "")))
    out.print(table)
    for path in imported.left_alone:
        out.print(f"left alone, no import file: {path}", markup=False)
    if dry_run:
        out.print("a dry run: nothing was imported")
    elif skip_bad and any(counts.n_rejected for counts in imported.tables.values()):
        out.print("the good rows were imported; the bad ones are listed in the reports")


@contextmanager
def _opened(settings: Settings, *, dry_run: bool) -> "Iterator[Engine]":
    """The store; for a dry run where there is none an empty one, which leaves nothing behind."""
    with ExitStack() as held:
        if dry_run and not is_there(settings):
            folder = held.enter_context(TemporaryDirectory())
            settings = settings.model_copy(update={"database_url": f"sqlite:///{folder}/empty.db"})
        engine = open_store(settings)
        held.callback(engine.dispose)
        yield engine


@contextmanager
def _progress() -> "Iterator[OnProgress]":
    """A bar a file on a terminal's stderr; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _file, _share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[Path, TaskID] = {}

        def show(file: Path, share: float) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file.name, total=1.0)
            bar.update(tasks[file], completed=share)

        yield show
