"""`matcher nightly`: facts become tonight's model, if it wins."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api.commands import options
from api.commands.console import answer_console
from api.commands.progress import step_bar
from api.stores import require_store, store_name
from features.errors import GateRefused, WrongInput
from features.settings import read_settings
from features.units import midnight, shanghai_day

if TYPE_CHECKING:
    from training.nightly import Night


def nightly(
    as_of: options.AsOf = None,
    fast: Annotated[bool, typer.Option("--fast", help="A smaller recipe, for small markets.")] = False,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Features, train, judge against every source, and publish what wins; safe to repeat."""
    from api.commands.opening import read_facts
    from matcher.policy import read_policy
    from training.nightly import run_night
    from training.recipe import FAST, Recipe

    settings = read_settings(database_url=database, home=home, policy=policy)
    decided = read_policy(settings.policy)
    now = datetime.now(UTC)
    day = options.read_day(as_of) or shanghai_day(now)
    require_store(settings)
    options.check_home(settings.home)
    facts = read_facts(settings, midnight(day))
    if not len(facts.listings.at_us):
        raise WrongInput(
            f"the store {store_name(settings)} knows no listing from before {day}; `matcher ingest` brings them"
        )
    with step_bar() as say:
        recipe = FAST if fast else Recipe()
        night = run_night(facts, policy=decided, recipe=recipe, threads=settings.threads, say=say)
    said = record(night, settings.home, now=now)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        print_night(night, said)
    if not night.decision.passed:
        raise GateRefused("the gate refused: " + "; ".join(night.decision.reasons))


def record(night: "Night", home: Path, *, now: datetime) -> dict[str, Any]:
    """Publish what the night made, and point at it if it passed and nothing newer serves."""
    from matcher.registry import champion, promote, publish
    from training.figures import plain

    manifest = publish(home, night.provenance, night.files)
    serving = champion(home)
    if night.decision.passed and (serving is None or serving.as_of <= manifest.as_of):
        promote(home, manifest.version, at=now)
    serving = champion(home)
    return {
        "version": manifest.version,
        "passed": night.decision.passed,
        "reasons": list(night.decision.reasons),
        "serving": serving.version if serving is not None else f"source:{night.best_source['goods']}",
        "best_source": dict(night.best_source),
        "judged": manifest.metrics.get("judged"),
        "outcome": plain(night.report.get("outcome")),
    }


def print_night(night: "Night", said: dict[str, Any], console: Console | None = None) -> None:
    """The judge window's figures, the outcome's calibration, and what serves now."""
    from training.gate import DECIDES
    from training.outcome_fit import calibration_table

    console = console or answer_console()
    for kind, figures in night.decision.figures.items():
        decides = ", decides" if kind.endswith(DECIDES) else ""
        table = Table(title=f"judge window: {kind} ({figures['queries']} queries{decides})")
        table.add_column("system")
        for column in ("NDCG@10", "95 % interval", "ours ahead by"):
            table.add_column(column, justify="right")
        for system, row in figures["systems"].items():
            low, high = row["interval"]
            ahead = row.get("ours_ahead_by")
            table.add_row(
                system,
                f"{row['ndcg10']:.4f}",
                f"{low:.4f}..{high:.4f}",
                f"{ahead[0]:+.4f} ({ahead[1]:+.4f}..{ahead[2]:+.4f})" if ahead else "",
            )
        console.print(table)
    if report := night.report.get("outcome"):
        console.print(calibration_table(report))
    console.print(_verdict(night, said))


def _verdict(night: "Night", said: dict[str, Any]) -> str:
    """What became of the model, and what serves each direction."""
    if night.decision.passed:
        return f"gate: passed; published {said['version']}; serving {said['serving']}"
    kept = (
        "no model was made"
        if night.model is None
        else f"model {said['version']} is kept in the registry and does not serve"
    )
    if not said["serving"].startswith("source:"):
        return f"gate: refused: {kept}; serving goes on with {said['serving']}"
    goods, shortlists = (said["best_source"][side] for side in ("goods", "shortlist"))
    return f"gate: refused: {kept}; goods by source:{goods}, shortlists by source:{shortlists}"
