"""`matcher evaluate`: how did the lists of a period do against what came next?"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api.commands import options
from api.commands.console import answer_console, note
from api.commands.progress import tracked
from api.stores import store_name
from features.errors import WrongInput
from features.settings import Settings, read_settings
from features.units import from_microseconds, microseconds, midnight, shanghai_day

if TYPE_CHECKING:
    from training.evaluation import Period


def evaluate(
    from_: Annotated[str, typer.Option("--from", metavar="DATE", help="The first origin.")],
    to: Annotated[str, typer.Option("--to", metavar="DATE", help="The last origin.")],
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
    origins = _origins(from_, to, step, days)
    if plot is not None:
        options.check_file(plot, "--plot", ".png")
    summaries = _summaries(settings, origins, days, new_only=new_only, queries=queries)
    if not any(summary["queries"] for summary in summaries.values()):
        raise WrongInput(f"nothing sold in the {days} days after any origin; name another period")
    lacking = {
        origin["origin_us"]
        for summary in summaries.values()
        for origin in summary["origins"]
        if origin["model_version"].startswith("source:")
    }
    if lacking:
        days_of = ", ".join(str(shanghai_day(from_microseconds(origin))) for origin in sorted(lacking))
        note(f"no model's data end before {days_of}: only sources and baselines are judged there")
    if plot is not None:
        from training.plots import plot_evaluation

        plot_evaluation(summaries, plot)
    if as_json:
        typer.echo(json.dumps(summaries, ensure_ascii=False))
        return
    for side, summary in summaries.items():
        print_summary(side, summary, answer_console())


def _origins(from_: str, to: str, step: int, days: int) -> list[date]:
    """The days at which lists are replayed; what came after each has to be over."""
    first, last = options.read_begun(from_, "--from"), options.read_begun(to, "--to")
    if first > last:
        raise WrongInput(f"--from {first} is after --to {last}")
    origins = [first + timedelta(days=k) for k in range(0, (last - first).days + 1, step)]
    if midnight(origins[-1]) + timedelta(days=days) > datetime.now(UTC):
        raise WrongInput(
            f"the {days} days after {origins[-1]} are not over yet; name an earlier --to, or fewer --days"
        )
    return origins


def _summaries(
    settings: Settings, origins: list[date], days: int, *, new_only: bool, queries: int
) -> dict[str, dict[str, Any]]:
    from api.commands.opening import SIDES, engine_of, read_facts
    from matcher.policy import read_policy
    from matcher.registry import newest_serving
    from training.evaluation import replay_origin, summarise

    policy = read_policy(settings.policy)
    facts = read_facts(settings, midnight(origins[-1]) + timedelta(days=days))
    known = facts.before(microseconds(midnight(origins[0])))
    if not len(known.sku_ids) or not len(known.anchor_ids):
        raise WrongInput(
            f"the store {store_name(settings)} knows no SKU or no anchor before {origins[0]}; name a later --from"
        )
    periods: dict[str, list[Period]] = {side: [] for side in SIDES}
    for origin in tracked(origins, "origins", total=len(origins)):
        engine = engine_of(
            facts.before(microseconds(midnight(origin))),
            settings,
            policy,
            newest_serving(settings.home, origin),
        )
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
        tiers = row["exposure_by_tier"]
        table.add_row(
            name,
            f"{row['ndcg10'] or 0:.4f}",
            _range(row["ndcg10_interval"], 4),
            _share(row["hit10"]),
            _share(row["recall50"]),
            _share(row["coverage"]),
            f"{row['gini'] or 0:.3f}",
            " / ".join(_share(tiers[tier]) for tier in ("tail", "waist", "head")) if tiers else "-",
        )
    console.print(table)
    if (ours := summary["ours_to_best"]) is not None:
        told = f"{ours['ratio']:.3f} ({_range(ours['interval'], 3)})"
        console.print(f"ours to the best other, {ours['best']}: {told}")
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


def _range(interval: list[float | None], digits: int) -> str:
    low, high = interval
    return "-" if low is None or high is None else f"{low:.{digits}f}..{high:.{digits}f}"
