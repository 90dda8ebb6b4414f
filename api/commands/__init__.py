"""What can be asked for at the command line? `matcher`, one module a command, each added to `app` below.

What a command answers goes to stdout; progress, warnings and errors to stderr.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from api.commands import backup, keys, models
from api.commands.check import check_promises
from api.commands.demo import demo
from api.commands.evaluate import evaluate
from api.commands.export import export_tables
from api.commands.features import list_features
from api.commands.ingest import ingest_files
from api.commands.lists import goods, shortlist
from api.commands.nightly import nightly
from api.commands.nights import show_nights
from api.commands.rate import show_rate
from api.commands.retract import retract_observation
from api.commands.serve import serve
from api.commands.why import explain_pairing
from features.errors import FenxiaoError, NoRoom, is_full

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, a password among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(demo)
app.command("ingest")(ingest_files)
app.command("nightly")(nightly)
app.command("nights")(show_nights)
app.command("goods")(goods)
app.command("shortlist")(shortlist)
app.command("check")(check_promises)
app.command("retract")(retract_observation)
app.command("rate")(show_rate)
app.command("why")(explain_pairing)
app.command("evaluate")(evaluate)
app.command("serve")(serve)
app.command("features")(list_features)
app.command("export")(export_tables)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(backup.app, name="backup")


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: 0 done, 2 wrong input, 3 refused by a rule or a gate, 1 a fault."""
    try:
        app(arguments)
    except FenxiaoError as error:
        typer.echo(f"matcher: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if not is_full(error):
            raise
        typer.echo(f"matcher: a disk is full: {error}; make room, then run the command again", err=True)
        sys.exit(NoRoom.exit_code)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fenxiao {version('fenxiao')}")
        raise typer.Exit


@app.callback()
def _matcher(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Matches brands' SKUs with the anchors who sell them live."""
