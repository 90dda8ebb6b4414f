"""`matcher retract`: an observation was wrong; it stops counting from now on, and stays answerable for the past."""

import json
from typing import Annotated

import typer

from api.commands.options import Database, Home, Json, Policy
from api.stores import open_known_store
from features.settings import read_settings
from features.units import shanghai_time


def retract_observation(
    table: Annotated[
        str, typer.Option(metavar="T", help="cps_quotes, offers, offer_promotions, events or enrolments.")
    ],
    key: Annotated[
        str, typer.Option(metavar="K", help="Its id; of an enrolment brand_id:programme_id:valid_from.")
    ],
    reason: Annotated[str, typer.Option(metavar="R", help="What was wrong with it; it is kept.")],
    as_json: Json = False,
    database: Database = None,
    home: Home = None,
    policy: Policy = None,
) -> None:
    """Take back an observation that was wrong."""
    from api.clocks import now_of
    from features.store.db import writing
    from features.store.records import retract

    settings = read_settings(database_url=database, home=home, policy=policy)
    now = now_of(settings)  # asked before the pen is taken: it reads the store
    store = open_known_store(settings)
    try:
        with writing(store) as session:
            since = retract(session, table, key, reason=reason, source="operator", at=now)
    finally:
        store.dispose()
    if as_json:
        typer.echo(json.dumps({"table": table, "key": key, "retracted_at": since.isoformat()}))
    else:
        typer.echo(f"{table} {key} does not count from {shanghai_time(since)} on")
