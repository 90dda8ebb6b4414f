"""`matcher features`: what does every column of the matrix mean?"""

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from api.commands.options import Database, Home, Json, Policy


def list_features(
    as_json: Json = False, _database: Database = None, _home: Home = None, _policy: Policy = None
) -> None:
    """The catalogue: name, unit, meaning, what missing means. The same for every store, home and policy."""
    from features.catalogue import FEATURES, fingerprint

    if as_json:
        document = {"fingerprint": fingerprint(), "features": [asdict(feature) for feature in FEATURES]}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    table = Table(title=f"{len(FEATURES)} features, fingerprint {fingerprint()}")
    for column in ("name", "unit", "meaning", "missing", "told under"):
        table.add_column(column)
    family = ""
    for feature in FEATURES:
        if feature.family != family:
            table.add_section()
            family = feature.family
        table.add_row(feature.name, feature.unit, feature.meaning, feature.missing, feature.group)
    Console().print(table)
