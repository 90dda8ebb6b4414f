"""What can be said after any command? Where the store, the home and the policy are; and how the store is opened."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from features.settings import Settings
from features.store.db import open_engine
from features.store.migrations import upgrade

Database = Annotated[
    str | None,
    typer.Option(
        "--database", metavar="URL", help="The store. [env: MATCHER_DATABASE_URL]", show_default=False
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="FOLDER", help="Models and reports. [env: MATCHER_HOME]", show_default=False
    ),
]
Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy", metavar="FILE", help="The business's choices. [env: MATCHER_POLICY]", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]


def open_store(settings: Settings) -> Engine:
    """The store that the settings name, brought to this build's shape."""
    engine = open_engine(settings.database_url)
    upgrade(engine)
    return engine
