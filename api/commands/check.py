"""`matcher check`: does a SKU keep the two promises, now or at any instant? One, or every one ever stored."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.commands import options
from api.commands.console import note
from features.errors import Refused, WrongInput
from features.settings import read_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine as Store

    from features.settings import Settings
    from matcher.policy import Policy


def check_promises(
    sku: Annotated[str | None, typer.Option(metavar="ID", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every SKU ever stored; needs --out.")] = False,
    at: options.At = None,
    event: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The final verdict on prices in that event, once it is over; without --sku, of every SKU.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A JSON document of planned plans and offers, judged as if they were stored.",
            show_default=False,
        ),
    ] = None,
    shown: Annotated[
        bool,
        typer.Option(
            "--shown", help="What was ever shown of the SKU, with its evidence; NOT_APPLICABLE is not kept."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV or Parquet, by its name.", show_default=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 on any FAIL.")] = False,
    language: options.Language = "en",
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """The CPS floor and price parity: verdict, evidence, and what would make it pass."""
    from api.checking import shown_of
    from api.clocks import now_of
    from api.commands import accounts, checking
    from api.stores import open_known_store
    from features.store.db import reading
    from matcher.policy import read_policy

    everything = everything or (event is not None and sku is None)
    _refuse_what_cannot_be_meant(sku, everything, event, out, plan, shown)
    options.check_language(language)
    settings = read_settings(database_url=database, home=home, policy=policy)
    decided = read_policy(settings.policy)
    instant = now_of(settings) if at is None else options.read_instant(at)
    store = open_known_store(settings)
    try:
        if everything:
            rows: list[dict[str, Any]] | None = [] if out is None and as_json else None
            counts = checking.check_all(store, out, event, instant, decided, rows)
            failed = any(status == "FAIL" for _, status, _ in counts)
            accounts.print_counts(counts, out, rows, as_json=as_json)
        elif shown:
            with reading(store) as session:
                accounts.print_shown(shown_of(session, str(sku)), as_json=as_json)
            failed = False
        else:
            failed = _one(
                store, str(sku), instant, event, plan, decided, settings, language,
                is_now=at is None, as_json=as_json,
            )  # fmt: skip
    finally:
        store.dispose()
    if failed and strict:
        raise Refused("a promise is not kept (FAIL above)")


def _refuse_what_cannot_be_meant(
    sku: str | None, everything: bool, event: str | None, out: Path | None, plan: Path | None, shown: bool
) -> None:
    if (sku is not None) == everything:
        raise WrongInput("name exactly one of --sku and --all")
    if everything and out is None and event is None:
        raise WrongInput("--all needs --out FILE, a .csv or .parquet")
    if everything and (plan is not None or shown):
        raise WrongInput("--plan and --shown go with --sku")
    if out is not None and not everything:
        raise WrongInput("--out goes with --all; one SKU is printed, or given as JSON with --json")
    if out is not None:
        options.check_file(out, "--out", ".csv", ".parquet")


def _one(
    store: "Store",
    sku_id: str,
    at: datetime,
    event_id: str | None,
    plan: Path | None,
    policy: "Policy",
    settings: "Settings",
    language: str,
    *,
    is_now: bool,
    as_json: bool,
) -> bool:
    """Print the account of one SKU; whether a promise is broken."""
    from api import documents
    from api.checking import check_one, find_event
    from api.commands import accounts, checking
    from features.store.db import reading
    from features.store.dossiers import load_calendar, load_dossier
    from matcher.whatif import with_planned

    with reading(store) as session:
        dossier, calendar = load_dossier(session, sku_id), load_calendar(session)
    takers: dict[str, Any] | None = None
    if plan is not None:
        planned = checking.read_plan_file(plan, sku_id, at, policy)
        dossier = with_planned(dossier, planned)
        if planned.plans and not is_now:
            note("who would take the SKU up is not told for --at: the model and its market are of now")
        elif planned.plans:
            takers = checking.read_takers(settings, dossier)
    event = None if event_id is None else find_event(calendar, event_id)
    both = check_one(dossier, calendar, event, at, policy)
    if as_json:
        accounts.print_json(documents.document(both, dossier, policy) | {"takers": takers})
    else:
        accounts.print_account(both, dossier, policy, language)
        accounts.print_takers(takers)
    if plan is None:
        checking.keep_or_say(settings, [both], policy)
    return any(verdict.status == "FAIL" for verdict in both)
