"""What came of a pair after an origin, and which grade is that? Worlds of a few listings, each edge from both sides."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from features.facts import Facts
from features.snapshot import Snapshot, take_snapshot
from features.units import microseconds
from market import MICROSECOND, NOW, Market, ago, facts_in
from matcher.candidates.union import Side
from training.labels import Outcomes, exposed, grade, quintiles, read_outcomes

ORIGIN, DAYS = ago(28), 14


def fair(n_skus: int = 4) -> Market:
    market = Market().anchor("a1").anchor("a2")
    for place in range(1, n_skus + 1):
        market.sku(f"s{place}")
    return market


def outcomes_of(market: Market, store: Engine, as_of: Any = NOW) -> tuple[Outcomes, Snapshot]:
    facts = market.facts(store, as_of)
    snapshot = take_snapshot(facts, microseconds(ORIGIN))
    return read_outcomes(facts, snapshot, DAYS), snapshot


def labels_of(
    market: Market, store: Engine, side: Side = "goods", as_of: Any = NOW
) -> dict[str, dict[str, int]]:
    """Owner -> id of the other side -> label, of those above 0."""
    outcomes, snapshot = outcomes_of(market, store, as_of)
    ids = {"goods": snapshot.roster.ids.to_list(), "shortlist": snapshot.shelf.ids.to_list()}
    owners, rows = (ids["goods"], ids["shortlist"]) if side == "goods" else (ids["shortlist"], ids["goods"])
    graded = grade(outcomes, side, len(owners), len(rows))
    found = {}
    for place, owner in enumerate(owners):
        chosen, labels = graded.of(place)
        assert (np.diff(chosen) > 0).all()
        found[owner] = {rows[int(row)]: int(label) for row, label in zip(chosen, labels, strict=True)}
    return found


def test_a_label_is_two_where_listed_and_three_where_sold(sqlite_store: Engine) -> None:
    market = fair().live("a1", ago(20), {"s1": 0, "s2": 3}).live("a2", ago(20), {"s1": 1})
    assert labels_of(market, sqlite_store) == {"a1": {"s1": 2, "s2": 3}, "a2": {"s1": 3}}


def test_a_shortlist_has_the_same_pairs_the_other_way(sqlite_store: Engine) -> None:
    market = fair(3).live("a1", ago(20), {"s1": 0, "s2": 3}).live("a2", ago(20), {"s1": 1})
    assert labels_of(market, sqlite_store, "shortlist") == {
        "s1": {"a1": 2, "a2": 3},
        "s2": {"a1": 3},
        "s3": {},
    }


def test_a_pair_listed_often_has_its_best_result(sqlite_store: Engine) -> None:
    market = (
        fair().live("a1", ago(25), {"s1": 0}).live("a1", ago(24), {"s1": 2}).live("a1", ago(23), {"s1": 0})
    )
    assert labels_of(market, sqlite_store)["a1"] == {"s1": 3}


def test_a_window_holds_what_begins_in_it(sqlite_store: Engine) -> None:
    market = fair().live("a1", ORIGIN - MICROSECOND, {"s1": 1}).live("a1", ORIGIN, {"s2": 1})
    market.live("a1", ago(28 - DAYS) - MICROSECOND, {"s3": 1}).live("a1", ago(28 - DAYS), {"s4": 1})
    assert labels_of(market, sqlite_store)["a1"] == {"s2": 3, "s3": 3}


def test_what_is_not_known_yet_is_no_outcome(sqlite_store: Engine) -> None:
    as_of = ago(20)
    market = (
        fair().live("a1", ago(20, hours=1), {"s1": 1}).live("a1", ago(20, hours=1) - MICROSECOND, {"s2": 1})
    )
    assert labels_of(market, sqlite_store, as_of=as_of)["a1"] == {"s2": 3}


def test_interest_is_a_one_and_less_than_a_listing(sqlite_store: Engine) -> None:
    market = fair(6).live("a1", ago(20), {"s1": 0})
    for sku_id, kind in (
        ("s1", "picked"),
        ("s2", "picked"),
        ("s3", "sample_sent"),
        ("s4", "shown"),
        ("s5", "clicked"),
    ):
        market.feedback("a1", sku_id, kind, ago(21))
    market.feedback("a1", "s2", "saved", ago(22)).feedback("a1", "s6", "declined", ago(22))
    assert labels_of(market, sqlite_store)["a1"] == {"s1": 2, "s2": 1, "s3": 1}


def test_interest_counts_within_the_window(sqlite_store: Engine) -> None:
    market = fair()
    for sku_id, at in (
        ("s1", ORIGIN - MICROSECOND),
        ("s2", ORIGIN),
        ("s3", ago(28 - DAYS) - MICROSECOND),
        ("s4", ago(28 - DAYS)),
    ):
        market.feedback("a1", sku_id, "picked", at)
    assert labels_of(market, sqlite_store)["a1"] == {"s2": 1, "s3": 1}


def test_whom_the_origin_did_not_know_is_left_out(sqlite_store: Engine) -> None:
    market = fair(1).sku("s9", known_at=ORIGIN).anchor("a9", known_at=ORIGIN)
    market.live("a1", ago(20), {"s1": 1, "s9": 5}).live("a9", ago(20), {"s1": 1})
    market.feedback("a9", "s1", "picked", ago(20)).feedback("a1", "s9", "picked", ago(20))
    assert labels_of(market, sqlite_store) == {"a1": {"s1": 3}, "a2": {}}


def sale(gmv_fen: int, **columns: Any) -> dict[str, Any]:
    return {"units": 1, "gmv_fen": gmv_fen, "impressions": 100} | columns


@pytest.mark.parametrize(("n_sold", "n_top"), [(3, 0), (4, 1), (7, 1), (8, 2)])
def test_the_best_quarter_of_what_sold_is_a_four(sqlite_store: Engine, n_sold: int, n_top: int) -> None:
    market = fair(8).live("a1", ago(20), {f"s{k}": sale(1_000 * k) for k in range(1, n_sold + 1)})
    labels = labels_of(market, sqlite_store)["a1"]
    assert [sku for sku, label in labels.items() if label == 4] == [
        f"s{k}" for k in range(n_sold - n_top + 1, n_sold + 1)
    ]
    assert set(labels.values()) == ({3, 4} if n_top else {3})


def test_the_best_is_by_gmv_an_impression(sqlite_store: Engine) -> None:
    sold = {
        "s1": sale(9_000, impressions=1_000),
        "s2": sale(2_000, impressions=100),
        "s3": sale(10),
        "s4": sale(10),
    }
    assert labels_of(fair().live("a1", ago(20), sold), sqlite_store)["a1"]["s2"] == 4


def test_refunds_come_off_and_what_is_not_settled_stays_below_four(sqlite_store: Engine) -> None:
    settled = {"settled_at": ago(5)}
    sold = {
        "s1": sale(9_000, refund_fen=8_900, **settled),
        "s2": sale(5_000, refund_fen=0, **settled),
        "s3": sale(99_000),
        "s4": sale(88_000, refund_fen=0, settled_at=NOW),
        "s5": sale(10, **settled),
        "s6": sale(10, **settled),
    }
    labels = labels_of(fair(6).live("a1", ago(20), sold), sqlite_store)["a1"]
    assert labels == {"s1": 3, "s2": 4, "s3": 3, "s4": 3, "s5": 3, "s6": 3}


def test_where_nothing_ever_settles_everything_is_mature(sqlite_store: Engine) -> None:
    market = fair().live("a1", ago(20), {f"s{k}": sale(1_000 * k) for k in range(1, 5)})
    outcomes, _ = outcomes_of(market, sqlite_store)
    assert outcomes.settled.all()
    assert labels_of_graded(outcomes)[3] == 4


def labels_of_graded(outcomes: Outcomes) -> list[int]:
    return [int(label) for label in grade(outcomes, "goods", 2, 4).of(0)[1]]


def test_outcomes_are_what_came_in_the_rows_of_the_origin(sqlite_store: Engine) -> None:
    market = fair(2).sku("s0", known_at=ago(2))  # codes of the facts are not rows of the origin
    row = {"units": 3, "gmv_fen": 900, "impressions": 50, "refund_fen": 100, "settled_at": ago(3)}
    market.live("a2", ago(20), {"s2": row, "s1": {"units": 0, "gmv_fen": 0, "impressions": 0}})
    outcomes, _ = outcomes_of(market, sqlite_store)
    assert outcomes.anchor.tolist() == [1, 1]
    assert outcomes.sku.tolist() == [0, 1]
    assert outcomes.units.tolist() == [0, 3]
    assert outcomes.net_fen.tolist() == [0, 800]
    assert outcomes.settled.tolist() == [False, True]
    np.testing.assert_array_equal(outcomes.exposure, [np.nan, 50])
    assert len(set(outcomes.session.tolist())) == 1


def test_a_window_in_which_nothing_happened_has_no_labels(sqlite_store: Engine) -> None:
    assert labels_of(fair(), sqlite_store) == {"a1": {}, "a2": {}}


def test_the_same_outcomes_are_read_from_facts_cut_later(sqlite_store: Engine) -> None:
    market = (
        fair()
        .live("a1", ago(20), {"s1": sale(5, refund_fen=5, settled_at=ago(9))})
        .live("a1", ago(15), {"s2": 1})
    )
    early: Facts = market.facts(sqlite_store, ago(10))
    late = facts_in(sqlite_store, NOW).before(early.as_of_us)
    snapshot = take_snapshot(early, microseconds(ORIGIN))
    one, another = read_outcomes(early, snapshot, DAYS), read_outcomes(late, snapshot, DAYS)
    assert one.net_fen.tolist() == another.net_fen.tolist() == [5, 10_000]


# Grades inside a session ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worth", "grades"),
    [
        ([5.0], [0]),
        ([1.0, 2.0], [0, 2]),
        ([5.0, 4.0, 3.0, 2.0, 1.0], [4, 3, 2, 1, 0]),
        ([7.0, 7.0, 7.0], [0, 0, 0]),
        ([0.0, 0.0, 0.0, 9.0], [0, 0, 0, 3]),
        ([0.0] * 9 + [1.0], [0] * 9 + [4]),
    ],
)
def test_grades_are_fifths_by_rank_ties_at_the_lower(worth: list[float], grades: list[int]) -> None:
    assert quintiles(np.zeros(len(worth), np.int64), np.array(worth)).tolist() == grades


def test_each_session_is_graded_by_itself() -> None:
    group = np.array([7, 7, 3, 3, 3], np.int64)
    assert quintiles(group, np.array([1.0, 2.0, 900.0, 800.0, 700.0])).tolist() == [0, 2, 3, 1, 0]


def test_nothing_has_no_grades() -> None:
    assert len(quintiles(np.zeros(0, np.int64), np.zeros(0))) == 0


def test_an_unknown_exposure_is_taken_from_its_session_then_from_all_and_is_one_where_nobody_counts() -> None:
    nan = np.nan
    shown = exposed(np.array([100.0, nan, 300.0, nan, nan]), np.array([1, 1, 1, 2, 2]))
    assert shown.tolist() == [100.0, 200.0, 300.0, 200.0, 200.0]
    assert exposed(np.array([nan, nan]), np.array([1, 2])).tolist() == [1.0, 1.0]
    assert len(exposed(np.zeros(0), np.zeros(0, np.int64))) == 0
