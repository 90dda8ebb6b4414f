"""`matcher nightly`: facts become tonight's model, if it wins."""

import json
import os
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.commands import options
from features.errors import GateRefused, WrongInput
from features.facts import load_facts
from features.settings import read_settings
from features.store.db import reading
from features.units import midnight, shanghai_day
from matcher.policy import read_policy
from matcher.registry import champion, promote, publish
from training.nightly import Night, run_night
from training.outcome_fit import calibration_table
from training.recipe import FAST, Recipe


def nightly(
    as_of: options.AsOf = None,
    fast: Annotated[bool, typer.Option("--fast", help="A smaller recipe, for small markets.")] = False,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Features, train, judge against every source, and publish what wins; safe to repeat."""
    settings = read_settings(database_url=database, home=home, policy=policy)
    now = datetime.now(UTC)
    day = options.read_day(as_of) or shanghai_day(now)
    if midnight(day) > now:
        raise WrongInput(f"--as-of {day} has not begun; name today or a day before")
    store = options.open_store(settings)
    try:
        with reading(store) as session:
            facts = load_facts(session, as_of=midnight(day))
    finally:
        store.dispose()
    if not len(facts.listings.at_us):
        raise WrongInput(f"the store knows no listing from before {day}; run matcher ingest first")
    with _progress() as (progress, task):
        night = run_night(
            facts,
            policy=read_policy(settings.policy),
            recipe=FAST if fast else Recipe(),
            threads=settings.threads,
            say=lambda step, share: progress.update(task, description=step, completed=share),
        )
        progress.update(task, description="done", completed=1.0)
    said = record(night, settings.home, now=now)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        print_night(night, said)
    if not night.decision.passed:
        raise GateRefused("the gate refused: " + "; ".join(night.decision.reasons))


def record(night: Night, home: Any, *, now: datetime) -> dict[str, Any]:
    """Publish what the night made, and point at it if it passed and nothing newer serves."""
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
        "judged": manifest.metrics.get("judged"),
        "outcome": night.report.get("outcome"),
    }


def print_night(night: Night, said: dict[str, Any], console: Console | None = None) -> None:
    """The judge window's figures, the outcome's calibration, and what serves now."""
    console = console or Console()
    for kind, figures in night.decision.figures.items():
        table = Table(title=f"judge window: {kind} ({figures['queries']} queries)")
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
    verdict = "passed" if night.decision.passed else "refused"
    console.print(f"gate: {verdict}; published {said['version']}; serving {said['serving']}")


class _progress:  # noqa: N801 - a with-statement's opener
    def __enter__(self) -> tuple[Progress, Any]:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not os.isatty(2),
        )
        self.bar.start()
        return self.bar, self.bar.add_task("facts", total=1.0)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
