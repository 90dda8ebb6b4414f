"""`matcher demo`: what does the whole thing do? A pretend market from nothing to lists, in a minute or so."""

from typing import Annotated

import typer

from api.commands import options
from features.settings import read_settings

SEED = 7


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Which pretend market.")] = SEED,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="A market of a few seconds: does the installation work?")
    ] = False,
    language: options.Language = "en",
    as_json: options.Json = False,
    database: options.Database = None,
    home: options.Home = None,
    policy: options.Policy = None,
) -> None:
    """Simulate a market, ingest it, train on it, and print a goods list and a shortlist."""
    from api.commands.pretending import show_market
    from features.demo_market import MarketSpec

    options.check_language(language)
    settings = read_settings(database_url=database, home=home, policy=policy)
    options.check_home(settings.home)
    show_market(settings, MarketSpec.tiny() if tiny else MarketSpec.demo(), seed, language, as_json=as_json)
