"""Is the affinity that was planted in the pretend market found, and is nothing found where it was shuffled?"""

from dataclasses import replace

import pytest

from api.commands.pretending import lists_of
from features.demo_market import Market, MarketSpec, capture, make_market, own_best_sellers, popularity
from features.facts import load_facts
from features.snapshot import take_snapshot
from features.store.db import open_engine, reading
from features.units import midnight
from matcher.engine import Engine, build_engine
from matcher.policy import Policy
from matcher.world import build_world
from trained import SMALL, ingested, small_night
from training.recipe import ForestSetting

SPEC = MarketSpec(n_anchors=60, n_skus=240, n_listings=20_000, n_brands=40, n_days=168, n_feedback_weeks=4)
RECIPE = replace(
    SMALL,
    listing_rows_an_origin=3_000,
    value_rounds=40,
    outcome_rounds=60,
    owners_a_side=60,
    negatives_a_query=60,
    judged_owners=10,
    settings=(ForestSetting("small", "lambdarank", 0.1, 15, 30),),
)


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(SPEC, seed=7)


@pytest.fixture(scope="module")
def engine(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    store = open_engine(ingested(market, tmp_path_factory.mktemp("market")))
    with reading(store) as session:
        facts = load_facts(session, as_of=midnight(market.as_of))
    store.dispose()
    world = build_world(take_snapshot(facts), Policy())
    return build_engine(world, small_night(facts, RECIPE).model, {})


def test_what_was_planted_is_found_and_is_not_where_it_was_shuffled(market: Market, engine: Engine) -> None:
    ours = lists_of(engine, "gmv", size=20, threads=1)
    own, popular = own_best_sellers(market), popularity(market)
    found = capture(market.truth, ours)
    assert found > 1.2 * capture(market.truth, own)
    assert found > 1.8 * capture(market.truth, popular)
    # The same history; only what each pair is worth was dealt anew.
    shuffled = make_market(replace(SPEC, shuffle_affinity=True), seed=7)
    assert shuffled.listings.equals(market.listings)
    chance = capture(shuffled.truth, own)
    assert capture(shuffled.truth, ours) < 1.1 * chance
    assert capture(shuffled.truth, ours) < 0.5 * found


def test_balanced_gives_up_little_of_the_gmv(market: Market, engine: Engine) -> None:
    kept = {
        objective: capture(market.truth, lists_of(engine, objective, size=20, threads=1))
        for objective in ("gmv", "balanced", "fit")
    }  # fmt: skip
    assert kept["balanced"] > 0.9 * kept["gmv"]
    assert kept["fit"] < kept["balanced"]
