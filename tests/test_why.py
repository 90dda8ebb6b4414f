"""Is it told what became of a pairing, from either side, in agreement with the lists?"""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine as Store

from asking import goods, ids_of, serving, small_market, sold
from features.units import Ppm
from market import ago, day_ago
from matcher.engine import Engine
from matcher.request import Filters, ListRequest
from matcher.why import N_ABOVE, Fate, why
from trained import Trained, without_model


def fates(engine: Engine, anchor_id: str, sku_id: str, **asked: Any) -> Mapping[str, Fate]:
    request = ListRequest("goods", 0, 20, **asked)
    told = why(engine, engine.row("goods", anchor_id), engine.row("shortlist", sku_id), request)
    return {fate.side: fate for fate in told}


def test_a_listed_pairing_has_the_rank_and_score_of_its_line_and_what_stands_above(trained: Trained) -> None:
    roster = trained.world.snapshot.roster.ids
    answer = goods(trained.engine, roster[4], size=20, explain=True)
    for pairing in answer.pairings[::6]:
        fate = fates(trained.engine, roster[4], pairing.sku_id)["goods"]
        assert (fate.status, fate.rank, fate.score) == ("RANKED", pairing.rank, pairing.score)
        assert fate.considered == answer.considered
        assert fate.above == ids_of(answer)[: min(pairing.rank - 1, N_ABOVE)]
        assert fate.brought_by
        assert [reason.en for reason in fate.reasons] == [reason.en for reason in pairing.reasons]


def test_the_shortlist_tells_its_own_side(trained: Trained) -> None:
    sku = trained.world.snapshot.shelf.ids[int(trained.world.verdicts.allowed.argmax())]
    row = trained.engine.row("shortlist", sku)
    answer = trained.engine.answer(ListRequest("shortlist", row, 10))
    fate = fates(trained.engine, answer.pairings[2].anchor_id, sku)["shortlist"]
    assert (fate.rank, fate.score) == (3, answer.pairings[2].score)
    assert fate.above == ids_of(answer, "shortlist")[:2]


@pytest.mark.parametrize(
    ("columns", "status"), [({"status": "off"}, "OFF_SHELF"), ({"stock": 0}, "NO_STOCK"), ({}, "RANKED")]
)
def test_a_rule_that_refuses_is_named_on_both_sides(
    sqlite_store: Store, columns: dict[str, object], status: str
) -> None:
    engine = serving(sold(small_market("a").sku("odd", **columns), "a", "odd"), sqlite_store)
    assert {side: fate.status for side, fate in fates(engine, "ann", "odd").items()} == {
        "goods": status,
        "shortlist": status,
    }


def test_of_two_rules_the_first_is_named_and_filters_come_last(sqlite_store: Store) -> None:
    market = sold(small_market("a").sku("odd", status="off", stock=0), "a", "odd")
    engine = serving(market, sqlite_store)
    assert fates(engine, "ann", "odd")["goods"].status == "OFF_SHELF"
    dear = Filters(min_rate_ppm=Ppm(1))
    assert fates(engine, "ann", "odd", filters=dear)["goods"].status == "OFF_SHELF"
    assert fates(engine, "ann", "a", filters=dear)["goods"].status == "FILTERED"
    assert fates(engine, "ann", "a", new_only=True)["goods"].status == "SOLD_TOGETHER"


def test_what_no_source_brings_is_no_candidate(sqlite_store: Store) -> None:
    market = small_market("a", "b").live("ann", ago(3), {"a": 5})
    market.sku(
        "alone", category="far/away", title="nothing like it", brand_id="other", launched_on=day_ago(300)
    )
    market.add("brands", brand_id="other", name="other")
    market.anchor("eve").anchor("joe")
    for anchor_id in ("bob", "eve", "joe"):  # three have carried it: it is no newcomer
        market.live(anchor_id, ago(200), {"alone": 1})
    fate = fates(serving(market, sqlite_store), "ann", "alone")["goods"]
    assert (fate.status, fate.rank, fate.brought_by) == ("NOT_A_CANDIDATE", None, [])
    assert fate.considered == 2


def test_where_a_source_serves_there_are_ranks_but_no_reasons(trained: Trained) -> None:
    engine = without_model(trained.engine, "cosales")
    answer = goods(engine, trained.world.snapshot.roster.ids[0], size=3)
    fate = fates(engine, answer.pairings[2].anchor_id, answer.pairings[2].sku_id)["goods"]
    assert (fate.rank, list(fate.reasons)) == (3, [])
