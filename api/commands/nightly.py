"""`matcher nightly`: facts become tonight's model, if it wins."""

import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api.commands import options
from api.commands.console import answer_console
from api.commands.progress import step_bar
from api.stores import open_known_store, require_store, store_name
from features.errors import GateRefused, WrongInput
from features.settings import Settings, read_settings
from features.units import midnight, shanghai_day

if TYPE_CHECKING:
    from matcher.policy import Policy as BusinessPolicy
    from training.nightly import Night
    from training.recipe import Recipe
    from training.shift import Worked


def nightly(
    as_of: options.AsOf = None,
    fast: Annotated[bool, typer.Option("--fast", help="A smaller recipe, for small markets.")] = False,
    no_lists: Annotated[
        bool, typer.Option("--no-lists", help="Leave out the lists of everybody under lists/ in the home.")
    ] = False,
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Features, train, judge against every source, and publish what wins; safe to repeat."""
    from api.clocks import now_of
    from api.logs import set_up_logs
    from matcher.policy import read_policy
    from training.recipe import FAST, Recipe

    settings = read_settings(database_url=database, home=home, policy=policy)
    if settings.log_json:
        set_up_logs(settings)
    decided = read_policy(settings.policy)
    require_store(settings)
    day = options.read_day(as_of) or shanghai_day(now_of(settings))
    options.check_home(settings.home)
    _require_listings(settings, day)
    worked = work_here(settings, decided, FAST if fast else Recipe(), day, lists=not no_lists)
    night, said = worked.night, dict(worked.said)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        print_night(night, said)
    if not night.decision.passed:
        raise GateRefused("the gate refused: " + "; ".join(night.decision.reasons))


def work_here(
    settings: Settings, policy: "BusinessPolicy", recipe: "Recipe", day: date, *, lists: bool = True
) -> "Worked":
    """A whole night on this machine, with a bar: what it made, published and left."""
    from socket import gethostname

    from api.clocks import now_utc
    from training.shift import Shift, holder_name, work_night

    store = open_known_store(settings)
    try:
        with step_bar() as say:
            shift = Shift(
                store=store,
                home=settings.home,
                policy=policy,
                recipe=recipe,
                threads=settings.threads,
                clock=now_utc,
                holder=holder_name(gethostname()),
                say=say,
                lists=lists,
                models_kept=settings.models_kept,
            )
            return work_night(shift, day)
    finally:
        store.dispose()


def _require_listings(settings: Settings, day: date) -> None:
    """Refuse a store that has nothing to learn from, before the lease is taken."""
    from features.store.db import read_rows, reading
    from features.units import microseconds

    store = open_known_store(settings)
    try:
        with reading(store) as session:
            sql = "SELECT 1 FROM listings WHERE known_at < :cut LIMIT 1"
            rows = read_rows(session, sql, {"cut": microseconds(midnight(day))})
    finally:
        store.dispose()
    if not rows:
        raise WrongInput(
            f"the store {store_name(settings)} knows no listing from before {day}; `matcher ingest` brings them"
        )


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
