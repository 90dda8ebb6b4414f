"""`matcher serve`: HTTP and pages."""

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from api.commands.console import note
from api.commands.options import Database, Home, Policy
from features.errors import WrongInput
from features.settings import read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

DRAIN_SECONDS = 20
"""How long requests under way have after SIGTERM."""


def serve(
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 for everybody, behind a TLS proxy."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8000,
    demo_keys: Annotated[
        bool,
        typer.Option(
            "--demo-keys", help="Print a new key for each role, valid for a day; for a simulated market only."
        ),
    ] = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Serve the API under /v1, its reference under /docs, and the pages under /. Ends on SIGTERM, requests first."""
    import uvicorn

    from api.app import make_app
    from api.clocks import clock_of
    from api.logs import set_up_logs
    from api.protocol import TimelyProtocol
    from api.stores import is_simulated
    from features.units import shanghai_time

    settings = read_settings(database_url=database, home=home, policy=policy)
    clock = clock_of(settings)
    if is_simulated(settings):
        note(f"the market is simulated: its clock stands at {shanghai_time(clock())} and goes on from there")
    set_up_logs(settings)  # now: who has named no store is answered like any mistake
    app = make_app(settings, clock=clock)
    if demo_keys:
        _print_demo_keys(app)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TimelyProtocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=512,
        limit_concurrency=1_000,
    )
    shown = f"[{host}]" if ":" in host else host
    note(f"http://{shown}:{port}  (pages /, API reference /docs, readiness /readyz)")
    signal.signal(
        signal.SIGTERM, _end
    )  # uvicorn takes its place while it runs, and hands the signal on when it is done
    uvicorn.Server(config).run()


def _end(*_: object) -> None:
    raise SystemExit(0)


def _print_demo_keys(app: "FastAPI") -> None:
    """A key for each role, to look around with."""
    from datetime import timedelta

    from api.security import create_key
    from api.serving import Serving
    from features.store.db import read_rows, writing

    serving: Serving = app.state.serving
    if not serving.is_simulated:
        raise WrongInput("--demo-keys is for a simulated market; `matcher keys create` makes keys for people")
    now = serving.clock()
    with writing(serving.store) as session:
        # somebody with much to look at: the enrolled brand with the most listings, the anchor with the most sessions
        brand = read_rows(
            session,
            "SELECT k.brand_id FROM listings l JOIN skus k ON k.sku_id = l.sku_id"
            " GROUP BY k.brand_id"
            " ORDER BY k.brand_id IN (SELECT brand_id FROM enrolments) DESC, COUNT(*) DESC, k.brand_id LIMIT 1",
        )
        anchor = read_rows(
            session,
            "SELECT anchor_id FROM live_sessions GROUP BY anchor_id ORDER BY COUNT(*) DESC, anchor_id LIMIT 1",
        )
        if not brand or not anchor:
            raise WrongInput("the store holds no listing; `matcher demo` fills it")
        for role, subject in (("anchor", anchor[0][0]), ("brand", brand[0][0]), ("operator", None)):
            _, key = create_key(
                session, role=role, subject=subject, note="demo", expires_at=now + timedelta(days=1), now=now
            )
            typer.echo(f"{role:9}{subject or '':12}{key}")
