"""`matcher evaluate`: how did the lists of a period do against what came next?"""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from api.commands import options
from api.opening import SIDES, engine_of
from features.errors import WrongInput
from features.facts import Facts, load_facts
from features.settings import Settings, read_settings
from features.store.db import reading
from features.units import microseconds, midnight
from matcher.policy import Policy, read_policy
from training.evaluation import Period, replay_origin, summarise
from training.plots import plot_evaluation

Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", show_default=False)]


def evaluate(
    from_: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="DATE", help="The first origin.")
    ],
    to: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], metavar="DATE", help="The last origin.")
    ],
    step: Annotated[int, typer.Option(min=1, help="Days between origins.")] = 28,
    days: Annotated[int, typer.Option(min=1, help="How far ahead of an origin is looked.")] = 28,
    new_only: options.NewOnly = False,
    queries: Annotated[int, typer.Option(min=1, help="At most so many of a side at each origin.")] = 2_000,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="A .png beside the table.")] = None,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Replay: NDCG, recall, coverage against every candidate source and baseline, by segment."""
    settings = read_settings(database_url=database, home=home, policy=policy)
    first, last = from_.date(), to.date()
    if first > last:
        raise WrongInput(f"--from {first} is after --to {last}")
    end = min(midnight(last + timedelta(days=days)), datetime.now(UTC))
    store = options.open_store(settings)
    try:
        with reading(store) as session:
            facts = load_facts(session, as_of=end)
    finally:
        store.dispose()
    origins = [first + timedelta(days=k) for k in range(0, (last - first).days + 1, step)]
    late = [origin for origin in origins if midnight(origin + timedelta(days=days)) > datetime.now(UTC)]
    if late:
        raise WrongInput(
            f"what came in the {days} days after {late[0]} is not all known yet; name an earlier --to"
        )
    summaries = _replayed(facts, settings, read_policy(settings.policy), origins, days, new_only, queries)
    if plot is not None:
        plot_evaluation(summaries, plot)
    if as_json:
        typer.echo(json.dumps(summaries, ensure_ascii=False))
        return
    for side, summary in summaries.items():
        print_summary(side, summary, Console())


def _replayed(
    facts: Facts,
    settings: Settings,
    policy: Policy,
    origins: list[date],
    days: int,
    new_only: bool,
    queries: int,
) -> dict[str, dict[str, Any]]:
    periods: dict[str, list[Period]] = {side: [] for side in SIDES}
    for origin in track(origins, "origins", disable=not os.isatty(2)):
        engine = engine_of(facts.before(microseconds(midnight(origin))), settings, policy, day=origin)
        for side in SIDES:
            periods[side].append(
                replay_origin(
                    facts,
                    engine,
                    side,
                    days=days,
                    new_only=new_only,
                    most_owners=queries,
                    threads=settings.threads,
                )
            )
    return {side: summarise(held) for side, held in periods.items()}


def print_summary(side: str, summary: dict[str, Any], console: Console) -> None:
    """The systems, then the segments."""
    table = Table(
        title=f"{side}: {summary['queries']} queries, candidates hold {_share(summary['recall_ceiling'])}"
    )
    table.add_column("system")
    for column in ("NDCG@10", "95 %", "hit@10", "recall@50", "coverage", "Gini", "tail / waist / head"):
        table.add_column(column, justify="right")
    for name, row in summary["systems"].items():
        low, high = row["ndcg10_interval"]
        tiers = row["exposure_by_tier"]
        table.add_row(
            name,
            f"{row['ndcg10'] or 0:.4f}",
            f"{low:.4f}..{high:.4f}",
            _share(row["hit10"]),
            _share(row["recall50"]),
            _share(row["coverage"]),
            f"{row['gini'] or 0:.3f}",
            " / ".join(_share(tiers[tier]) for tier in ("tail", "waist", "head")) if tiers else "-",
        )
    console.print(table)
    if (ours := summary["ours_to_best"]) is not None:
        low, high = ours["interval"]
        console.print(f"ours to the best other, {ours['best']}: {ours['ratio']:.3f} ({low:.3f}..{high:.3f})")
    segments = Table(title=f"{side}: NDCG@10 by segment")
    systems = list(summary["systems"])
    segments.add_column("segment")
    segments.add_column("queries", justify="right")
    for name in systems:
        segments.add_column(name, justify="right")
    for segment, row in summary["segments"].items():
        cells = [f"{row['ndcg10'][name]:.3f}" if row["ndcg10"][name] is not None else "-" for name in systems]
        segments.add_row(segment, str(row["queries"]), *cells)
    console.print(segments)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
