"""Does the gate keep out what is worse, broken or not to be believed, and let pass what only chance speaks against?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from features.facts import NEVER_US, Facts
from features.snapshot import take_snapshot
from features.store.db import open_engine, reading
from features.store.dossiers import load_calendar, load_dossiers
from features.units import DAY_US, microseconds, midnight
from matcher.candidates.union import Side
from matcher.engine import Engine, build_engine
from matcher.model import Model
from matcher.policy import FeedPolicy, GatePolicy, ModePolicy, Policy
from matcher.verdict_book import VerdictBook
from matcher.world import build_world
from six_weeks import shuffled_labels
from trained import SIDES, SMALL, Trained
from training.bounds import Finding, check_feeds, check_outcome, check_settled
from training.gate import DECIDES, Decision, check_lists, findings_table, judge
from training.nightly import Night, judge_day, run_night
from training.origins import draw_at, graded_at
from training.recipe import Recipe
from training.replay import CHALLENGER, CHAMPION, Query, Replay, replay

STRICT = replace(SMALL, gate_tolerance=0.0)
"""The tiny recipe, without what it is let through by."""
LOST = 1 - 1 / np.log2(3)
"""NDCG that a list loses with its one relevant row in the second place, not the first."""
FIRST, SECOND = [1, 9], [9, 1]


def contest(n: int, behind: int = 0, ahead: int = 0, ours: Sequence[int] = FIRST) -> Replay:
    """`n` queries with one relevant row: the challenger is behind the champion in some, ahead in others, else even."""
    queries = []
    for owner in range(n):
        worse, better = owner < behind, behind <= owner < behind + ahead
        lists = {
            "ours": list(ours),
            CHALLENGER: SECOND if worse else FIRST,
            CHAMPION: SECOND if better else FIRST,
            "popularity": [8, 9],
        }
        queries.append(query(owner, lists))
    return Replay("goods", queries)


def query(owner: int, lists: Mapping[str, Sequence[int]], relevant: Sequence[int] = (1,)) -> Query:
    rows = {name: np.array(held, np.int32) for name, held in lists.items()}
    return Query(owner, np.array(relevant, np.int32), len(relevant), rows)


def decide(played: Replay, **more: Any) -> Decision:
    return judge({("goods", False): played}, STRICT, **more)


def finding(found: Decision | Sequence[Finding], about: str) -> Finding:
    findings = found.findings if isinstance(found, Decision) else found
    (one,) = [finding for finding in findings if finding.about == about]
    return one


# the champion


def test_a_challenger_that_is_behind_the_champion_beyond_doubt_is_refused_with_figure_interval_and_bound() -> (
    None
):
    decision = decide(contest(100, behind=20))
    assert not decision.passed
    (reason,) = decision.reasons
    assert reason.startswith(
        f"goods: NDCG@10 {1 - 0.2 * LOST:.4f}, grown on what the champion knew, against its 1.0000 (-0.0738, -0."
    )
    assert reason.endswith("refused where it is behind by more than 0.0100, and beyond doubt")
    told = finding(decision, "champion, goods").figures
    assert told["champion"] == 1.0
    assert told["ahead_by"][1] < told["ahead_by"][0] < told["ahead_by"][2] < 0


@pytest.mark.parametrize(("tolerance", "passes"), [(0.0738, False), (0.0739, True)])
def test_behind_by_what_the_policy_allows_passes(tolerance: float, passes: bool) -> None:
    decision = decide(contest(100, behind=20), gate=GatePolicy(champion_tolerance=tolerance))
    assert decision.passed is passes
    assert finding(decision, "champion, goods").level == ("warned" if passes else "refused")


def test_a_recipe_for_small_markets_widens_what_is_allowed() -> None:
    assert judge({("goods", False): contest(100, behind=20)}, replace(SMALL, gate_tolerance=0.1)).passed


def test_chance_does_not_refuse_though_the_mean_is_further_behind() -> None:
    decision = decide(contest(100, behind=26, ahead=20))
    difference, _, high = finding(decision, "champion, goods").figures["ahead_by"]
    assert difference < -0.01
    assert high > 0
    assert decision.passed


@pytest.mark.parametrize(("n", "level"), [(49, "unknown"), (50, "refused")])
def test_too_few_queries_refuse_nothing_but_are_told(n: int, level: str) -> None:
    decision = decide(contest(n, behind=n))
    assert finding(decision, "champion, goods").level == level
    assert decision.passed is (level == "unknown")


def test_the_champion_is_held_against_what_knew_as_much_and_not_against_the_twin() -> None:
    decision = decide(contest(100, ours=SECOND))
    assert decision.passed
    table = decision.figures[f"goods, {DECIDES}"]
    assert table["systems"][CHAMPION]["ours_ahead_by"][0] == pytest.approx(-LOST)
    assert table[CHALLENGER]["ahead_of_champion_by"][0] == 0
    assert CHALLENGER not in table["systems"]


def test_where_there_is_no_champion_it_is_said_and_every_source_has_to_be_beaten() -> None:
    alone = Replay("goods", [query(owner, {"ours": SECOND, "popularity": FIRST}) for owner in range(100)])
    decision = decide(alone)
    assert "the sources alone decide" in finding(decision, "champion, goods").says
    assert [reason.split(" (")[0] for reason in decision.reasons] == [
        "goods: NDCG@10 0.6309 is behind popularity's 1.0000"
    ]


@pytest.mark.parametrize(("then", "level"), [(1.9, "held"), (2.1, "refused")])
def test_facts_are_in_doubt_on_which_the_champion_itself_is_half_as_good(then: float, level: str) -> None:
    before = {f"goods, {DECIDES}": {"systems": {"ours": {"ndcg10": then}}}}
    decision = decide(contest(60), champion_then=before)
    assert finding(decision, "level, goods").level == level
    assert decision.passed is (level == "held")


# segments


def parted(n: int, behind: int) -> Replay:
    """Owners below `behind` are worse off with the challenger than with the champion; the others as much better."""
    plain = {"ours": FIRST, "popularity": SECOND}
    lists = (plain | {CHALLENGER: SECOND, CHAMPION: FIRST}, plain | {CHALLENGER: FIRST, CHAMPION: SECOND})
    return Replay("goods", [query(owner, lists[owner >= behind]) for owner in range(n)])


def owners(n: int, first: int) -> dict[Side, Any]:
    return {"goods": ({"new anchor": np.arange(n) < first, "known anchor": np.arange(n) >= first}, {})}


def test_a_segment_that_is_worse_off_beyond_doubt_refuses_although_the_whole_is_better() -> None:
    decision = decide(parted(200, 60), segments=owners(200, 60))
    assert [reason.split(": ")[0] for reason in decision.reasons] == ["goods, new anchor"]
    assert "against champion's 1.0000" in decision.reasons[0]
    assert finding(decision, "segment, goods, known anchor").level == "held"


def test_where_there_is_no_champion_a_segment_behind_the_best_source_warns() -> None:
    lists = ({"ours": SECOND, "popularity": FIRST}, {"ours": FIRST, "popularity": SECOND})
    played = Replay("goods", [query(owner, lists[owner >= 60]) for owner in range(200)])
    decision = decide(played, segments=owners(200, 60))
    assert decision.passed
    told = finding(decision, "segment, goods, new anchor")
    assert told.level == "warned"
    assert "against popularity's 1.0000" in told.says
    assert "refused" not in told.says


@pytest.mark.parametrize(("n", "level"), [(49, "unknown"), (50, "refused")])
def test_a_small_segment_is_told_and_refuses_nothing(n: int, level: str) -> None:
    decision = decide(parted(200, n), segments=owners(200, n))
    told = finding(decision, "segment, goods, new anchor")
    assert told.level == level
    assert told.figures["queries"] == n
    assert decision.passed is (level == "unknown")


@pytest.mark.parametrize(("tolerance", "level"), [(LOST - 0.01, "refused"), (LOST + 0.01, "warned")])
def test_a_segment_may_be_behind_by_what_the_policy_allows(tolerance: float, level: str) -> None:
    gate = GatePolicy(segment_tolerance=tolerance)
    decision = decide(parted(200, 60), segments=owners(200, 60), gate=gate)
    assert finding(decision, "segment, goods, new anchor").level == level


def test_a_segment_that_is_behind_by_chance_refuses_nothing() -> None:
    swapped = parted(200, 32)
    segments: dict[Side, Any] = {"goods": ({"tail": np.arange(200) < 60}, {})}
    told = finding(decide(swapped, segments=segments), "segment, goods, tail")
    assert told.figures["ahead_by"][0] < -0.02 < told.figures["ahead_by"][2]
    assert told.level == "held"


def test_a_segment_of_rows_counts_only_what_is_relevant_in_it() -> None:
    both = {"ours": [1, 2], "popularity": [2, 1], CHALLENGER: [1, 2], CHAMPION: [2, 1]}
    played = Replay("goods", [query(owner, both, relevant=(1, 2)) for owner in range(60)])
    rows = np.arange(10)
    segments: dict[Side, Any] = {"goods": ({}, {"new SKU": rows == 2, "known SKU": rows == 1})}
    decision = decide(played, segments=segments)
    assert finding(decision, "segment, goods, new SKU").figures["ours"] == pytest.approx(1 - LOST)
    assert finding(decision, "segment, goods, known SKU").figures["theirs"] == pytest.approx(1 - LOST)
    assert [reason.split(": ")[0] for reason in decision.reasons] == ["goods, new SKU"]


def test_segments_are_held_against_the_champion_where_there_is_one() -> None:
    decision = decide(
        contest(400, behind=60, ahead=200), segments={"goods": ({"tail": np.arange(400) < 60}, {})}
    )
    assert [reason.split(": ")[0] for reason in decision.reasons] == ["goods, tail"]
    assert "against champion's 1.0000" in decision.reasons[0]


def test_where_the_whole_direction_is_lost_its_segments_are_told_and_add_no_reason() -> None:
    decision = decide(parted(100, 100), segments=owners(100, 60))
    assert len(decision.reasons) == 1
    assert finding(decision, "segment, goods, new anchor").level == "warned"


# hard rules


@pytest.fixture(scope="module")
def then(trained: Trained) -> Engine:
    """The engine of two weeks before the facts end."""
    facts = trained.facts.before(trained.facts.as_of_us - 14 * DAY_US)
    return build_engine(build_world(take_snapshot(facts), Policy()), trained.engine.model, {})


def replays_of(
    trained: Trained, engine: Engine, *, new_only: bool = False
) -> dict[tuple[Side, bool], Replay]:
    graded = graded_at(trained.facts, engine.world, SMALL)
    return {
        (side, new_only): replay(engine, graded[side], side, new_only=new_only, most_owners=10)
        for side in SIDES
    }


def test_no_replayed_list_breaks_a_hard_rule(trained: Trained, then: Engine) -> None:
    (told,) = check_lists(then, replays_of(trained, then))
    assert told.level == "held"
    assert told.figures["places"] > 1_000
    assert not told.figures["broken"]


@pytest.mark.parametrize("system", ["ours", "cosales"])
def test_one_place_that_breaks_a_rule_refuses_and_names_the_rule(
    trained: Trained, then: Engine, system: str
) -> None:
    replays = replays_of(trained, then, new_only=True)
    played = replays["goods", True]
    planted = next(
        (k, query, sold)
        for k, query in enumerate(played.queries)
        if len(sold := then.world.sold_together("goods", query.owner))
    )
    k, before, sold = planted
    lists = {**before.lists, system: np.append(before.lists[system][:-1], sold[0]).astype(np.int32)}
    replays["goods", True] = replace(
        played, queries=[*played.queries[:k], replace(before, lists=lists), *played.queries[k + 1 :]]
    )
    (told,) = check_lists(then, replays)
    assert told.level == "refused"
    assert told.figures["broken"] == {"SOLD_TOGETHER": 1}
    assert not decide(contest(60), findings=[told]).passed


def test_where_the_policy_bars_by_verdicts_the_replay_leaves_the_same_out_and_says_if_it_cannot(
    trained: Trained, then: Engine
) -> None:
    policy = Policy(modes=ModePolicy(cps_floor="require_pass", price_parity="exclude_fail"))
    strict = replace(then, world=replace(then.world, policy=policy))
    free = replays_of(trained, strict)
    assert [told.level for told in check_lists(strict, free)] == ["held", "unknown"]
    store = open_engine(trained.url)
    with reading(store) as session:
        dossiers = {dossier.sku_id: dossier for dossier in load_dossiers(session)}
        book = VerdictBook(dossiers, load_calendar(session), policy)
    store.dispose()
    barring = replace(strict, verdicts=book)
    (told,) = check_lists(barring, free)
    assert told.level == "refused"
    assert {"CPS_FLOOR", "PRICE_PARITY"} & set(told.figures["broken"])
    (told,) = check_lists(barring, replays_of(trained, barring))
    assert told.level == "held"


# calibration


OUTCOME = {
    "n": 1_000, "calibrated_on": 900, "coverage": 0.8, "below": 0.1, "above": 0.1,
    "units_expected": 10.0, "units_sold": 10.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({}, []),
        ({"coverage": 0.65}, []),
        ({"coverage": 0.649}, ["calibration of ranges"]),
        ({"coverage": 0.951}, ["calibration of ranges"]),
        ({"units_sold": 6.0}, []),
        ({"units_sold": 5.9}, ["calibration of units"]),
        ({"units_sold": 16.1}, ["calibration of units"]),
        ({"units_expected": 0.0}, ["calibration of units"]),
    ],
)
def test_promises_have_to_be_kept_within_bounds(changed: Mapping[str, float], refused: Sequence[str]) -> None:
    found = check_outcome(OUTCOME | changed, GatePolicy())
    assert [told.about for told in found if told.level == "refused"] == refused


@pytest.mark.parametrize("changed", [{"n": 299}, {"calibrated_on": 0}])
def test_promises_that_nobody_could_check_refuse_nothing_and_are_told(changed: Mapping[str, int]) -> None:
    (told,) = check_outcome(OUTCOME | changed, GatePolicy())
    assert told.level == "unknown"
    assert check_outcome({}, GatePolicy())[0].level == "unknown"


@pytest.mark.parametrize(
    ("ours", "theirs", "level"),
    [
        (0.5, 0.4, "warned"),  # the market fell, and the champion promises worse
        (0.5, 0.5, "warned"),
        (0.5, 0.7, "refused"),  # the champion's are the better promises
        (0.35, 0.2, "refused"),  # further off than the bounds squared
        (2.0, 2.2, "warned"),
        (2.0, 0.4, "warned"),  # off by 2.5 the other way
        (1.0, 3.0, "held"),
    ],
)
def test_promises_that_a_market_outran_are_weighed_beside_the_champions(
    ours: float, theirs: float, level: str
) -> None:
    reports = [OUTCOME | {"units_expected": 2.0, "units_sold": 2.0 * ratio} for ratio in (ours, theirs)]
    found = {finding.about: finding for finding in check_outcome(reports[0], GatePolicy(), reports[1])}
    assert found["calibration of units"].level == level
    assert f"the champion's promises {theirs:.2f} times" in found["calibration of units"].says


# feeds


def fed(facts: Facts, **gate: Any) -> dict[str, str]:
    return {told.about: told.level for told in check_feeds(facts, GatePolicy(feeds=FeedPolicy(**gate)))}


def without_listings(facts: Facts, days: float) -> Facts:
    """As if nothing had come in for so many days."""
    listings = facts.listings
    return replace(facts, listings=listings.take(listings.at_us < facts.as_of_us - int(days * DAY_US)))


def test_a_market_whose_feeds_have_come_in_passes(trained: Trained) -> None:
    assert set(fed(trained.facts).values()) == {"held"}


@pytest.mark.parametrize(("days", "level"), [(2, "held"), (3, "refused"), (9, "refused")])
def test_a_feed_of_listings_that_stops_is_refused_once_it_is_silent_longer_than_ever(
    trained: Trained, days: int, level: str
) -> None:
    assert fed(without_listings(trained.facts, days))["days without a listing"] == level
    assert (
        fed(without_listings(trained.facts, days), most_silent_days=days)["days without a listing"] == "held"
    )


def test_a_market_that_is_often_silent_may_be_silent_again(trained: Trained) -> None:
    listings = trained.facts.listings
    week = (trained.facts.as_of_us - 1 - listings.at_us) // (7 * DAY_US)
    day = ((trained.facts.as_of_us - 1 - listings.at_us) // DAY_US) % 7
    gappy = replace(trained.facts, listings=listings.take(day >= 3))
    assert week.max() > 8
    assert fed(gappy)["days without a listing"] == "held"


@pytest.mark.parametrize(("share", "level"), [(0.7, "held"), (0.4, "refused")])
def test_a_week_of_half_the_usual_listings_is_refused(trained: Trained, share: float, level: str) -> None:
    listings = trained.facts.listings
    last = listings.at_us >= trained.facts.as_of_us - 7 * DAY_US
    kept = ~last | (np.random.default_rng(1).random(len(last)) < share)
    assert fed(replace(trained.facts, listings=listings.take(kept)))["feed of listings"] == level


def test_results_that_were_dealt_to_the_wrong_goods_are_refused(trained: Trained) -> None:
    listings = trained.facts.listings
    last = np.flatnonzero(listings.at_us >= trained.facts.as_of_us - 7 * DAY_US)
    sku = listings.sku.copy()
    sku[last] = np.random.default_rng(1).integers(0, len(trained.facts.sku_ids), len(last))
    dealt = replace(trained.facts, listings=replace(listings, sku=sku))
    assert fed(dealt)["listings of pairs known before"] == "refused"


@pytest.mark.parametrize("name", ["anchor_stats", "audiences"])
def test_observations_of_anchors_may_be_so_old_and_no_older_but_need_never_have_been_there(
    trained: Trained, name: str
) -> None:
    column = {"anchor_stats": "stats", "audiences": "audiences"}[name]
    assert fed(trained.facts, **{f"{name}_max_age_days": 2})[f"age of {name}"] == "held"
    assert fed(trained.facts, **{f"{name}_max_age_days": 1})[f"age of {name}"] == "refused"
    empty = replace(trained.facts, **{column: getattr(trained.facts, column).clear()})
    assert fed(empty)[f"age of {name}"] == "held"


@pytest.mark.parametrize("days", [0, 1, 20])
def test_a_history_too_young_to_have_a_usual_week_refuses_nothing(trained: Trained, days: int) -> None:
    first = int(trained.facts.listings.at_us.min())
    levels = fed(trained.facts.before(first + days * DAY_US))
    assert levels["feed of listings"] == "unknown"
    assert levels["listings of pairs known before"] == "unknown"


def test_outcomes_that_were_never_settled_are_refused_where_the_market_settles(trained: Trained) -> None:
    drawn = draw_at(trained.facts, trained.world, SMALL, 1).listings
    n, gate = 10, GatePolicy()
    rows = replace(drawn, settled=np.arange(n) < 5)
    assert check_settled(trained.facts, [rows], drawn, gate).level == "held"
    rows = replace(drawn, settled=np.arange(n) < 4)
    assert check_settled(trained.facts, [rows], drawn, gate).level == "refused"
    assert check_settled(trained.facts, [], drawn, gate).level == "unknown"
    listings = trained.facts.listings
    never = replace(listings, settled_us=np.full_like(listings.settled_us, NEVER_US))
    assert check_settled(replace(trained.facts, listings=never), [rows], drawn, gate).level == "held"


# whole nights


def night(facts: Facts, recipe: Recipe = SMALL, **more: Any) -> Night:
    return run_night(facts, policy=Policy(), recipe=recipe, threads=1, say=lambda _step, _share: None, **more)


@pytest.fixture(scope="module")
def champion(trained: Trained) -> tuple[Model, Mapping[str, Any]]:
    """What a night on the judge day would have published, and its tables."""
    day = judge_day(trained.facts, SMALL)
    assert day is not None
    earlier = night(trained.facts.before(microseconds(midnight(day))))
    assert earlier.model is not None
    judged = earlier.provenance.metrics["judged"]
    assert isinstance(judged, dict)
    return earlier.model, judged


def test_a_champion_is_replayed_on_the_same_queries_and_changes_no_byte_of_the_model(
    trained: Trained, champion: tuple[Model, Mapping[str, Any]]
) -> None:
    model, judged = champion
    held = night(trained.facts, champion=model, champion_then=judged)
    assert held.files == trained.night.files
    for name, table in held.decision.figures.items():
        without = trained.night.decision.figures[name]
        assert table["queries"] == without["queries"]
        assert {**table["systems"], CHAMPION: None} == {**without["systems"], CHAMPION: None}
        assert 0 < table["systems"][CHAMPION]["ndcg10"] <= 1
    for side in SIDES:
        told = finding(held.decision, f"champion, {side}")
        assert (
            told.figures["champion"]
            == held.decision.figures[f"{side}, {DECIDES}"]["systems"][CHAMPION]["ndcg10"]
        )
        assert finding(held.decision, f"level, {side}").level == "held"


def test_the_decision_with_its_numbers_is_in_the_manifest_as_plain_json(trained: Trained) -> None:
    kept = trained.manifest.metrics["gate"]
    assert json.loads(json.dumps(kept, allow_nan=False)) == trained.night.decision.as_json()
    assert isinstance(kept, list)
    about = {told["about"]: told["level"] for told in kept}  # type: ignore[index,call-overload]
    assert about["hard rules"] == "held"
    assert about["champion, goods"] == "unknown"
    assert {
        "drift of features",
        "calibration of units",
        "feed of listings",
        "segment, goods, tier tail",
    } <= set(about)
    assert "refused" not in about.values()
    table = findings_table(trained.night.decision.findings)
    assert table.row_count == len(kept)


def test_a_night_of_shuffled_labels_is_refused(trained: Trained) -> None:
    """Labels dealt anew within each query: what is learnt from them is worth nothing, and the sources say so."""
    recipe = replace(SMALL, gate_tolerance=0.05)
    assert night(trained.facts, recipe).decision.passed

    with shuffled_labels():
        refused = night(trained.facts, recipe)
    assert not refused.decision.passed
    assert any("is behind" in reason for reason in refused.decision.reasons)
    assert not refused.provenance.gate.passed


def test_a_night_whose_feed_is_missing_is_refused(trained: Trained) -> None:
    refused = night(without_listings(trained.facts, 6))
    assert refused.decision.reasons
    assert any("listings in the last 7 days are" in reason for reason in refused.decision.reasons)
    assert any("days without a listing" in reason for reason in refused.decision.reasons)


def test_a_night_whose_last_weeks_stand_under_the_wrong_goods_is_refused(trained: Trained) -> None:
    listings = trained.facts.listings
    last = np.flatnonzero(listings.at_us >= trained.facts.as_of_us - 14 * DAY_US)
    sku = listings.sku.copy()
    sku[last] = np.random.default_rng(1).integers(0, len(trained.facts.sku_ids), len(last))
    refused = night(replace(trained.facts, listings=replace(listings, sku=sku)))
    assert any("of pairs put up before" in reason for reason in refused.decision.reasons)


@pytest.mark.parametrize("days", [0, 40, 60])
def test_where_nothing_could_be_grown_the_feeds_are_told_all_the_same(trained: Trained, days: int) -> None:
    short = night(trained.facts.before(int(trained.facts.listings.at_us.min()) + days * DAY_US))
    assert not short.decision.passed
    assert len(short.decision.reasons) == 1
    assert finding(short.decision, "days without a listing").level == ("held" if days else "unknown")
