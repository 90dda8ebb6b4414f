"""Do lists carry verdicts, leave out what the policy says, and never rank by a price elsewhere?"""

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from features.facts import load_facts
from features.snapshot import take_snapshot
from features.store.db import open_engine, reading
from features.store.dossier import Dossier
from features.store.dossiers import load_calendar, load_dossiers
from features.units import midnight
from matcher.engine import Engine
from matcher.policy import Mode, ModePolicy, Policy
from matcher.request import ListRequest
from matcher.verdict import Rule, Status
from matcher.verdict_book import VerdictBook, check
from matcher.world import build_world
from trained import Trained


@pytest.fixture(scope="module")
def judged(trained: Trained) -> Engine:
    """The trained engine with what the two rules say of its market."""
    return replace(trained.engine, verdicts=book(trained, Policy()))


def book(trained: Trained, policy: Policy) -> VerdictBook:
    store = open_engine(trained.url)
    with reading(store) as session:
        dossiers = {dossier.sku_id: dossier for dossier in load_dossiers(session)}
        calendar = load_calendar(session)
    store.dispose()
    return VerdictBook(dossiers, calendar, policy)


def requests(n: int = 12) -> list[ListRequest]:
    return [ListRequest("goods", owner, 50) for owner in range(n)] + [
        ListRequest("shortlist", owner, 20) for owner in range(n)
    ]


def test_each_pairing_carries_the_verdicts_of_its_sku_at_the_snapshots_instant(judged: Engine) -> None:
    assert judged.verdicts is not None
    at = judged.world.snapshot.as_of - timedelta(microseconds=1)
    n_seen = 0
    for request in requests():
        for pairing in judged.answer(request).pairings:
            dossier = judged.verdicts.dossiers[pairing.sku_id]
            fresh = check(dossier, judged.verdicts.calendar, at, judged.world.policy)
            assert pairing.verdicts is not None
            assert [(v.status, v.reason, v.margin) for v in pairing.verdicts] == [
                (v.status, v.reason, v.margin) for v in fresh
            ]
            n_seen += 1
    assert n_seen > 100


@pytest.mark.parametrize(
    ("mode", "barred"),
    [
        ("advise", set()),
        ("exclude_fail", {Status.FAIL}),
        ("require_pass", {Status.FAIL, Status.INDETERMINATE}),
    ],
)
@pytest.mark.parametrize("rule", ["cps_floor", "price_parity"])
def test_what_the_mode_bars_is_left_out_and_counted(
    judged: Engine, mode: Mode, barred: set[Status], rule: Rule
) -> None:
    policy = Policy(modes=ModePolicy.model_validate({rule: mode}))
    assert judged.verdicts is not None
    strict = replace(judged, verdicts=VerdictBook(judged.verdicts.dossiers, judged.verdicts.calendar, policy))
    at = judged.world.snapshot.as_of - timedelta(microseconds=1)
    said = {
        sku_id: judged.verdicts.of(sku_id, at).of(rule).status for sku_id in judged.world.snapshot.shelf.ids
    }
    assert set(said.values()) >= {Status.FAIL, Status.NOT_APPLICABLE}
    n_left_out = 0
    for request in requests(24):
        answer = strict.answer(request)
        assert not {said[pairing.sku_id] for pairing in answer.pairings} & barred
        n_left_out += answer.left_out.get(rule.upper(), 0)
    shelf, allowed = judged.world.snapshot.shelf.ids, judged.world.verdicts.allowed
    stands_to_be = [
        sku_id for sku_id, may in zip(shelf, allowed, strict=True) if may and said[sku_id] in barred
    ]
    assert (n_left_out > 0) == bool(stands_to_be)


def test_no_feature_and_no_score_changes_with_prices_and_rates_elsewhere(
    trained: Trained, judged: Engine, tmp_path: Path
) -> None:
    file = Path(shutil.copy(trained.url.removeprefix("sqlite:///"), tmp_path / "m.db"))
    with sqlite3.connect(file) as connection:
        for table in ("offer_promotions", "offers", "cps_quotes", "enrolments"):
            assert connection.execute(f"DELETE FROM {table}").rowcount > 0
    store = open_engine(f"sqlite:///{file}")
    with reading(store) as session:
        facts = load_facts(session, as_of=midnight(trained.market.as_of))
    store.dispose()
    without = replace(trained.engine, world=build_world(take_snapshot(facts), Policy()))
    for request in requests():
        one, two = (
            judged.rank(request, judged.among(request)[0]),
            without.rank(request, without.among(request)[0]),
        )
        assert one[0].rows.tobytes() == two[0].rows.tobytes()
        assert one[1] is not None
        assert two[1] is not None
        assert one[1].tobytes() == two[1].tobytes()
        assert one[2].tobytes() == two[2].tobytes()


def test_a_verdict_is_made_again_when_its_time_is_over(judged: Engine) -> None:
    assert judged.verdicts is not None
    at = judged.world.snapshot.as_of
    for sku_id, dossier in judged.verdicts.dossiers.items():
        held = judged.verdicts.of(sku_id, at)
        assert judged.verdicts.of(sku_id, at) is held
        ends = [v.next_change_at for v in held if v.next_change_at is not None]
        if ends:
            assert judged.verdicts.of(sku_id, min(ends) - timedelta(microseconds=1)) is held
            later = judged.verdicts.of(sku_id, min(ends))
            assert later == check(dossier, judged.verdicts.calendar, min(ends), judged.verdicts.policy)
            again = judged.verdicts.of(sku_id, at)  # of the past: as it was then
            assert [(v.status, v.reason, v.margin) for v in again] == [
                (v.status, v.reason, v.margin) for v in held
            ]


def test_a_sku_without_a_dossier_is_one_of_which_nothing_was_promised(judged: Engine) -> None:
    assert judged.verdicts is not None
    empty = VerdictBook({}, judged.verdicts.calendar, Policy())
    assert [v.reason for v in empty.of("nobody", judged.world.snapshot.as_of)] == ["NOT_ENROLLED"] * 2
    assert check(Dossier("nobody", ()), empty.calendar, judged.world.snapshot.as_of, Policy()) == empty.of(
        "nobody", judged.world.snapshot.as_of
    )
    assert not empty.refused("cps_floor", pl.Series(["a", "b"]), judged.world.snapshot.as_of).any()


def test_the_dossiers_of_a_page_are_fetched_together_and_once(judged: Engine) -> None:
    assert judged.verdicts is not None
    known, asked = judged.verdicts.dossiers, []

    def fetch(sku_ids: Sequence[str]) -> dict[str, Dossier]:
        asked.append(list(sku_ids))
        return {sku_id: known[sku_id] for sku_id in sku_ids}

    at, page = judged.world.snapshot.as_of, list(known)[:5]
    lazy = VerdictBook({}, judged.verdicts.calendar, Policy(), fetch)
    assert lazy.of_page(page, at) == [check(known[id_], lazy.calendar, at, Policy()) for id_ in page]
    lazy.of_page([*page[3:], *page], at)
    assert asked == [page, []]


def test_what_is_left_out_of_a_shelf_is_held_until_a_verdict_changes(judged: Engine) -> None:
    assert judged.verdicts is not None
    policy = Policy(modes=ModePolicy(cps_floor="require_pass"))
    strict = VerdictBook(judged.verdicts.dossiers, judged.verdicts.calendar, policy)
    shelf, at = judged.world.snapshot.shelf.ids, judged.world.snapshot.as_of
    held = strict.refused("cps_floor", shelf, at)
    assert strict.refused("cps_floor", shelf, at) is held
    ends = [end for id_ in shelf for v in strict.of(id_, at) if (end := v.next_change_at) is not None]
    later = strict.refused("cps_floor", shelf, max(ends))
    assert later is not held
    assert later.tolist() == [strict.is_refused("cps_floor", id_, max(ends)) for id_ in shelf]
