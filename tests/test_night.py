"""Is a night repeatable, does the gate keep out what lost, and does nothing serve before its data end?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from api.commands.nightly import print_night
from api.commands.opening import open_list_engine
from features.catalogue import SOURCES
from features.facts import Facts
from features.settings import read_settings
from features.units import DAY_US, microseconds, midnight
from matcher.candidates.union import Side
from matcher.registry import champion, list_versions, load_manifest, newest_serving, rollback
from trained import SIDES, SMALL, Trained, small_night
from training.gate import DECIDES, judge
from training.mixing import UPTAKE_KEPT, WEIGHTS
from training.nightly import Night
from training.replay import Query, Replay, best_source
from training.shift import record
from training.split import split_time, suited

OURS_FIRST = {"ours": [1, 2, 3], "popularity": [9, 8, 1]}


def replayed(lists: dict[str, Sequence[int]], n: int = 3) -> Replay:
    rows = {name: np.array(held, np.int32) for name, held in lists.items()}
    return Replay("goods", [Query(owner, np.array([1], np.int32), 1, rows) for owner in range(n)])


@pytest.fixture(scope="module")
def earlier(trained: Trained) -> Night:
    """The night of a week before."""
    return small_night(facts_at(trained, days_before(trained, 7)))


@pytest.fixture(scope="module")
def lost(trained: Trained) -> Night:
    """A night whose gate asks for more than can be had."""
    return small_night(trained.facts, replace(SMALL, gate_tolerance=-1.0))


def days_before(trained: Trained, days: int) -> date:
    return trained.market.as_of - timedelta(days=days)


def facts_at(trained: Trained, day: date) -> Facts:
    return trained.facts.before(microseconds(midnight(day)))


def test_a_second_night_on_the_same_facts_gives_the_same_bytes_and_version_on_two_threads_too(
    trained: Trained, tmp_path: Path
) -> None:
    steps: list[tuple[str, float]] = []
    again = small_night(trained.facts, say=lambda step, share: steps.append((step, share)), threads=2)
    assert again.files == trained.night.files
    now = midnight(trained.market.as_of)
    versions = {record(night, tmp_path, now=now)["version"] for night in (trained.night, again)}
    assert versions == {trained.manifest.version}
    assert list_versions(tmp_path) == [trained.manifest.version]
    shares = [share for _, share in steps]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1


def test_a_night_in_the_past_sees_nothing_of_what_came_after(trained: Trained, earlier: Night) -> None:
    assert earlier.provenance.as_of == days_before(trained, 7)
    assert max(earlier.report["origins"]) == str(days_before(trained, 21))
    assert max(trained.night.report["origins"]) == str(days_before(trained, 14))
    assert earlier.files != trained.night.files


def test_a_challenger_that_loses_is_published_but_does_not_serve(
    trained: Trained, lost: Night, tmp_path: Path
) -> None:
    assert not lost.decision.passed
    assert all("is behind" in reason for reason in lost.decision.reasons)
    assert all(
        reason.endswith("over all and new pairs together; the tolerance is -1.0000")
        for reason in lost.decision.reasons
    )
    said = record(lost, tmp_path, now=midnight(trained.market.as_of))
    assert said["serving"] == f"source:{lost.best_source['goods']}"
    printed = Console(width=200, record=True, file=StringIO())
    print_night(lost, said, printed)
    assert (
        f"gate: refused: model {said['version']} is kept in the registry and does not serve; goods by "
        f"source:{lost.best_source['goods']}, shortlists by source:{lost.best_source['shortlist']}"
    ) in printed.export_text()
    assert champion(tmp_path) is None
    assert newest_serving(tmp_path, trained.market.as_of) is None
    settings = read_settings(database_url=trained.url, home=tmp_path)
    for as_of in (None, trained.market.as_of):
        engine = open_list_engine(settings, as_of)
        assert engine.model is None
        assert engine.best_source == lost.best_source


def test_a_nights_tables_are_whole_in_a_pipe_and_name_the_one_that_decides(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = record(trained.night, tmp_path, now=midnight(trained.market.as_of))
    capsys.readouterr()
    print_night(trained.night, said)
    out = capsys.readouterr().out
    assert "…" not in out
    for side in SIDES:
        n = trained.night.decision.figures[f"{side}, {DECIDES}"]["queries"]
        assert f"judge window: {side}, all and new pairs together ({n} queries, decides)" in out


def test_a_loss_leaves_the_champion_before_it_in_its_place(
    trained: Trained, earlier: Night, lost: Night, tmp_path: Path
) -> None:
    now = midnight(trained.market.as_of)
    first = record(earlier, tmp_path, now=now)
    assert first["serving"] == first["version"]
    assert record(lost, tmp_path, now=now)["serving"] == first["version"]
    later = record(trained.night, tmp_path, now=now)
    assert later["serving"] == later["version"]
    # a night made up for does not take the place of a newer one
    assert record(earlier, tmp_path, now=now)["serving"] == later["version"]
    # what was rolled back does not serve now; lists of a day use what was published by then
    rollback(tmp_path)
    settings = read_settings(database_url=trained.url, home=tmp_path)
    served = [
        open_list_engine(settings, as_of).version
        for as_of in (None, trained.market.as_of, days_before(trained, 1), days_before(trained, 7))
    ]
    assert served == [first["version"], later["version"], first["version"], first["version"]]
    assert open_list_engine(settings, days_before(trained, 8)).version.startswith("source:")


@pytest.mark.parametrize("days", [0, 20, 60])
def test_where_history_is_too_short_nothing_is_made_and_a_source_serves(
    trained: Trained, tmp_path: Path, days: int
) -> None:
    first = int(trained.facts.listings.at_us.min())
    night = small_night(trained.facts.before(first + days * DAY_US))
    assert night.model is None
    assert not night.files
    assert not night.decision.passed
    assert len(night.decision.reasons) == 1
    said = record(night, tmp_path, now=midnight(trained.market.as_of))
    assert said["serving"] == f"source:{night.best_source['goods']}"
    assert load_manifest(tmp_path, said["version"]).gate.reasons == tuple(night.decision.reasons)


def test_three_windows_lie_apart_in_time_and_their_labels_do_not_reach_into_each_other(
    trained: Trained,
) -> None:
    recipe = suited(trained.facts, SMALL)
    split = split_time(trained.facts, recipe)
    assert split.judge is not None
    assert split.stop is not None
    label_us = recipe.label_days * DAY_US
    assert split.judge + label_us <= trained.facts.as_of_us
    assert split.stop + label_us <= split.judge
    assert all(origin + label_us <= split.stop for origin in split.fit)


def test_the_manifest_says_how_it_came_about(trained: Trained) -> None:
    manifest = trained.manifest
    assert manifest.as_of == trained.market.as_of
    assert manifest.metrics["best_source"] == dict(trained.night.best_source)
    assert manifest.recipe["label_days"] == 14
    judged = manifest.metrics["judged"]
    assert isinstance(judged, dict)
    assert {"goods, all pairs", "goods, new pairs", "shortlist, all pairs"} <= set(judged)
    assert {"ours", "popularity", "cosales", "gmv_formula"} <= set(judged["goods, all pairs"]["systems"])  # type: ignore[index,call-overload]


def test_the_gate_passes_who_is_at_least_as_good_as_every_single_source() -> None:
    assert judge({("goods", False): replayed(OURS_FIRST)}, replace(SMALL, gate_tolerance=0.0)).passed
    even = {"ours": [1], "popularity": [1]}
    assert judge({("goods", False): replayed(even)}, replace(SMALL, gate_tolerance=0.0)).passed


def test_the_gate_refuses_who_is_behind_one_source_in_one_direction() -> None:
    behind = {"ours": [9, 1], "popularity": [1, 9], "cosales": [9, 8]}
    replays = {("goods", False): replayed(OURS_FIRST), ("shortlist", True): replayed(behind)}
    decision = judge(replays, replace(SMALL, gate_tolerance=0.0))  # type: ignore[arg-type]
    assert [reason.split(" (")[0] for reason in decision.reasons] == [
        "shortlist: NDCG@10 0.6309 is behind popularity's 1.0000"
    ]
    assert judge(replays, replace(SMALL, gate_tolerance=0.5)).passed  # type: ignore[arg-type]


def test_the_gate_takes_all_pairs_and_new_pairs_of_a_direction_together() -> None:
    behind = replayed({"ours": [9, 1], "popularity": [1, 9]})
    ahead = replayed({"ours": [1, 9], "popularity": [9, 8]})
    refused = judge({("goods", False): behind}, replace(SMALL, gate_tolerance=0.0))
    assert not refused.passed
    assert judge(
        {("goods", False): behind, ("goods", True): ahead}, replace(SMALL, gate_tolerance=0.0)
    ).passed


def test_the_gate_and_the_best_source_go_by_the_same_pooled_figures_and_these_are_told(
    trained: Trained,
) -> None:
    everything = replayed({"ours": [1], "popularity": [1], "cosales": [9, 1]}, n=2)
    new = replayed({"ours": [1], "popularity": [9, 8], "cosales": [1]}, n=4)
    replays = {("goods", False): everything, ("goods", True): new}
    judged = judge(replays, SMALL).figures["goods, all and new pairs together"]  # type: ignore[arg-type]
    assert judged["queries"] == 6
    means = {name: row["ndcg10"] for name, row in judged["systems"].items()}
    assert means == pytest.approx(
        {"ours": 1, "popularity": 1 / 3, "cosales": (2 * 0.63093 + 4) / 6}, abs=1e-4
    )
    of_two = replace(
        trained.world, sources={name: trained.world.sources[name] for name in ("popularity", "cosales")}
    )
    assert best_source(replays, of_two) == {"goods": "cosales"}  # type: ignore[arg-type]
    assert best_source({("goods", False): everything}, of_two) == {"goods": "popularity"}


def test_the_best_source_of_a_night_is_first_of_the_figures_that_decide(trained: Trained) -> None:
    for side in SIDES:
        systems = trained.night.decision.figures[f"{side}, all and new pairs together"]["systems"]
        sources = {name: systems[name]["ndcg10"] for name in SOURCES}
        assert sources[trained.night.best_source[side]] == max(sources.values())


def test_the_gate_refuses_where_nothing_could_be_judged() -> None:
    decision = judge({("goods", False): Replay("goods", [])}, SMALL)
    assert not decision.passed
    assert "nothing could be judged" in decision.reasons[0]


def test_a_market_that_sells_nothing_is_refused_in_words_not_by_a_crash(trained: Trained) -> None:
    listings = trained.facts.listings
    nothing = replace(
        trained.facts, listings=replace(listings, units=np.zeros_like(listings.units), gmv_fen=np.zeros_like(listings.gmv_fen))
    )  # fmt: skip
    night = small_night(nothing)
    assert isinstance(night, Night)
    assert not night.decision.passed


@pytest.mark.parametrize("side", ["goods", "shortlist"])
def test_balanced_gets_the_least_weight_that_keeps_the_uptake_it_owes(trained: Trained, side: Side) -> None:
    weighed = dict(trained.night.report["mix"][f"balanced_{side}"])
    chosen = weighed.pop("chosen")
    assert list(weighed) == [str(weight) for weight in WEIGHTS]
    enough = [weight for weight in WEIGHTS if weighed[str(weight)]["uptake_kept"] >= UPTAKE_KEPT[side]]
    assert chosen == min(enough, default=WEIGHTS[-1])
