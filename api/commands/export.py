"""`matcher export`: data out, as files that `matcher ingest` takes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from api.commands.console import answer_console, note
from api.commands.options import Database, Home, Json, Policy, read_day
from api.commands.progress import step_bar
from api.stores import open_known_store
from features.errors import WrongInput
from features.settings import read_settings
from features.units import midnight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.store.exporting import Exported


def export_tables(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where the files go, one a table; made if need be.",
            show_default=False,
        ),
    ],
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]...", help="Import tables; without one: all of them.", show_default=False
        ),
    ] = None,
    ending: Annotated[str, typer.Option("--format", metavar="FORMAT", help="csv, parquet or jsonl.")] = "csv",
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="Only rows that were known before that day began in Shanghai. Without it: all.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="S",
            help="Only rows that operator, job, brand:<id> or anchor:<id> supplied.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Write import tables as files, in the very columns that `matcher ingest` reads.

    Rates are in ppm, instants in UTC. Ingested into an empty store the files
    give the same rows, known since the same instants: each version of a brand,
    SKU, anchor or plan comes with its observed_at.

    What files cannot say: who supplied a row (an import names one source for
    all it reads: export each apart with --source), which rows were retracted
    (they come as they are, and are told), who asked to be forgotten, keys, and
    what was shown. `matcher backup` copies all of it. Of a past day: rows may
    refer to what only became known later; an import rejects those.

    A cell is data, not a formula that was made harmless: text that begins with
    = is written as it is. Open such files in a spreadsheet as text.
    """
    from features.store.db import reading
    from features.store.exporting import FORMATS, choose_tables, export

    if ending not in FORMATS:
        raise WrongInput(f"--format {ending!r} is not known; name one of {', '.join(FORMATS)}")
    chosen = choose_tables(tables or [])
    day = read_day(as_of)
    store = open_known_store(read_settings(database_url=database, home=home, policy=policy))
    try:
        with reading(store) as session, step_bar() as say:
            written = export(
                session,
                chosen,
                out,
                ending=ending,
                as_of=None if day is None else midnight(day),
                source=source,
                say=say,
            )
    finally:
        store.dispose()
    if as_json:
        document = {"folder": str(out), "format": ending, "as_of": None if day is None else str(day)}
        typer.echo(json.dumps(document | {"tables": _documents(written)}, ensure_ascii=False))
    else:
        _print(written)
    for name, table in written.items():
        if table.retracted:
            note(
                f"{name}: {len(table.retracted)} retracted rows are no longer told apart; retract them there again"
            )
    if source is None and (others := _other_sources(written)):
        note(
            f"rows were supplied by {', '.join(others)} too, which no file says; to keep them apart, export each with "
            "--source and ingest it with the same --source"
        )


def _other_sources(written: "Mapping[str, Exported]") -> list[str]:
    """Suppliers other than the one that an import takes where none is named."""
    return sorted({name for table in written.values() for name in table.sources} - {"operator"})


def _documents(written: "Mapping[str, Exported]") -> dict[str, object]:
    return {
        name: {
            "rows": table.n_rows,
            "file": None if table.file is None else str(table.file),
            "sources": dict(table.sources),
            "retracted": list(table.retracted),
        }
        for name, table in written.items()
    }


def _print(written: "Mapping[str, Exported]") -> None:
    shown = Table("table", box=None, pad_edge=False)
    shown.add_column("rows", justify="right")
    shown.add_column("file", overflow="fold")
    for name, table in written.items():
        shown.add_row(name, f"{table.n_rows:,}", str(table.file or ""))
    answer_console().print(shown)
