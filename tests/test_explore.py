"""Are places drawn only where the policy says so, as likely as they are logged, within what a list owes, and kept?"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine as Store
from sqlmodel import select

from features.store.db import reading
from features.store.journal import Journal
from features.store.propensities import Draw, ExposureRow
from features.store.written import event_of, line_of
from journals import event, rows_of
from matcher.engine import Engine
from matcher.explore import AMONG, deal
from matcher.list_ import ListTerms, choose_page
from matcher.pairing import PairingList
from matcher.policy import ListPolicy, Policy
from matcher.request import ListRequest
from trained import SIDES, Trained

FALLING = -np.arange(100.0)
DRAW = Draw(0.05, ("s1", "s2"), "balanced", "m1", "p1")


def page(seed: int | None, *, slots: int = 2, size: int = 20, skip: int = 0, n: int = 100) -> list[int]:
    return deal(FALLING[:n], ListTerms(size=size), skip, slots=slots, seed=seed).places.tolist()


@pytest.fixture(scope="module")
def exploring(trained: Trained) -> Engine:
    return replace(
        trained.engine,
        world=replace(trained.world, policy=Policy(lists=ListPolicy(explore_slots=2))),
    )


# A page -------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 9), max_size=60), st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**48),
    st.sampled_from([0.0, 0.3]), st.sampled_from([0, 2]),
)  # fmt: skip
def test_without_slots_or_without_a_seed_a_page_is_the_certain_one(
    values: list[int], size: int, number: int, seed: int, share: float, cap: int
) -> None:
    scores = np.array(values, np.float64)
    terms = ListTerms(
        size, cap, np.arange(len(scores), dtype=np.int32) % 5, np.arange(len(scores)) % 3 == 0, share
    )
    expected = choose_page(scores, terms, number * size)
    for slots, given_seed in ((0, seed), (3, None), (0, None)):
        dealt = deal(scores, terms, number * size, slots=slots, seed=given_seed)
        assert dealt.places.tobytes() == expected.tobytes()
        assert dealt.propensity.tolist() == [1.0] * len(expected)
        assert not dealt.is_drawn.any()
        assert not len(dealt.among)


def test_a_page_is_drawn_by_its_seed_and_by_nothing_else() -> None:
    assert page(1) == page(1)
    assert len({tuple(page(seed)) for seed in range(50)}) > 40


def test_the_upper_half_stays_and_so_does_the_order_of_all_that_is_not_drawn() -> None:
    for seed in range(50):
        dealt = deal(FALLING, ListTerms(size=20), 0, slots=3, seed=seed)
        assert np.flatnonzero(dealt.is_drawn).tolist() == [11, 15, 18]
        assert dealt.places[~dealt.is_drawn].tolist() == list(range(17))
        assert dealt.among.tolist() == list(range(17, 17 + AMONG))
        assert set(dealt.places[dealt.is_drawn].tolist()) <= set(dealt.among.tolist())


def test_what_may_stand_at_a_drawn_place_stands_there_as_often_as_is_logged() -> None:
    n = 4_000
    times = Counter(place for seed in range(n) for place in enumerate(page(seed)) if place[0] in {12, 17})
    assert len(times) == 2 * AMONG
    expected = n / AMONG
    chi_square = sum((count - expected) ** 2 / expected for count in times.values())
    assert chi_square < 75  # 38 degrees of freedom: once in 3 000 where all is well
    dealt = deal(FALLING, ListTerms(size=20), 0, slots=2, seed=1)
    assert dealt.propensity.tolist() == [1 / AMONG if place in {12, 17} else 1.0 for place in range(20)]


def test_no_more_than_the_lower_half_is_drawn() -> None:
    for size in (1, 2, 5, 20):
        dealt = deal(FALLING, ListTerms(size=size), 0, slots=1_000, seed=3)
        assert int(dealt.is_drawn.sum()) == size // 2
        assert not dealt.is_drawn[: size - size // 2].any()


@pytest.mark.parametrize(("n", "is_drawn"), [(20, False), (21, True), (22, True)])
def test_nothing_is_drawn_where_nothing_lies_below_the_page(n: int, is_drawn: bool) -> None:
    dealt = deal(FALLING[:n], ListTerms(size=20), 0, slots=2, seed=1)
    assert dealt.is_drawn.any() == is_drawn
    assert dealt.propensity.min() == (1 / (n - 18) if is_drawn else 1)


@given(st.integers(0, 2**48), st.integers(1, 9), st.integers(0, 70), st.integers(0, 4))
def test_pages_dealt_with_one_seed_hold_every_candidate_once(
    seed: int, size: int, n: int, slots: int
) -> None:
    dealt = [
        place for skip in range(0, n, size) for place in page(seed, slots=slots, size=size, skip=skip, n=n)
    ]
    assert sorted(dealt) == list(range(n))


def test_who_lost_a_place_to_a_draw_comes_first_on_the_next_page() -> None:
    lost = sorted({18, 19} - set(page(5)))
    assert page(5, skip=20)[: len(lost)] == lost


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(2, 12), st.integers(1, 3), st.floats(0, 1),
    st.integers(0, 2**48), st.data(),
)  # fmt: skip
def test_a_drawn_page_keeps_to_what_a_list_owes(
    values: list[int], size: int, cap: int, share: float, seed: int, data: st.DataObject
) -> None:
    n, scores = len(values), np.array(values, np.float64)
    group = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), np.int32)
    reserved = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    terms = ListTerms(size, cap, group, reserved, share)
    certain, dealt = (deal(scores, terms, 0, slots=slots, seed=seed) for slots in (0, 3))
    assert len(dealt.places) == len(set(dealt.places.tolist())) == len(certain.places)
    assert np.bincount(group[dealt.places]).max() <= cap
    owed = int(np.ceil(share * len(certain.places) - 1e-9))
    assert reserved[dealt.places].sum() >= min(owed, reserved[certain.places].sum())


def test_who_has_a_place_because_it_is_owed_keeps_it() -> None:
    reserved = np.arange(100) >= 60
    for seed in range(30):
        dealt = deal(FALLING, ListTerms(8, reserved=reserved, reserved_share=0.25), 0, slots=3, seed=seed)
        assert dealt.places[~dealt.is_drawn].tolist() == [0, 1, 2, 60, 61]
        assert dealt.among.tolist() == list(range(3, 3 + AMONG))


# A list -------------------------------------------------------------------------------------------------------------


def told(answer: PairingList) -> list[tuple[object, ...]]:
    return [(one.rank, one.anchor_id, one.sku_id, one.score, one.expected) for one in answer.pairings]


def test_a_list_without_a_seed_is_certain_whatever_the_policy(trained: Trained, exploring: Engine) -> None:
    for side in SIDES:
        request = ListRequest(side, 0, 8)
        assert repr(told(exploring.answer(request))) == repr(told(trained.engine.answer(request)))
        owners = exploring.owners(request)
        for (_, one), (_, other) in zip(
            exploring.choose_all(request, owners, threads=1),
            trained.engine.choose_all(request, owners, threads=1),
            strict=True,
        ):
            assert (one.rows.tobytes(), one.scores.tobytes()) == (
                other.rows.tobytes(),
                other.scores.tobytes(),
            )


def test_a_seed_changes_nothing_where_the_policy_draws_nothing(trained: Trained) -> None:
    request = ListRequest("goods", 0, 8)
    certain, seeded = (trained.engine.answer(replace(request, seed=seed)) for seed in (None, 7))
    assert repr(seeded) == repr(certain)
    assert {one.propensity for one in certain.pairings} == {1.0}
    assert not certain.drawn_from


def test_a_drawn_list_says_what_was_drawn_from_what_and_how_likely(exploring: Engine) -> None:
    for side in SIDES:
        answer = exploring.answer(ListRequest(side, 0, 8, seed=7))
        ids = [one.sku_id if side == "goods" else one.anchor_id for one in answer.pairings]
        certain = exploring.choose(ListRequest(side, 0, 6 + len(answer.drawn_from)))
        names = exploring.world.snapshot.shelf.ids if side == "goods" else exploring.world.snapshot.roster.ids
        assert list(answer.drawn_from) == [names[int(row)] for row in certain.rows[6:]]
        assert len(set(ids)) == 8
        for name, one in zip(ids, answer.pairings, strict=True):
            assert one.is_drawn == (name in answer.drawn_from)
            assert one.propensity == (1 / len(answer.drawn_from) if one.is_drawn else 1.0)
        assert sum(one.is_drawn for one in answer.pairings) == 2


def test_rows_that_are_asked_for_by_name_are_never_drawn(exploring: Engine) -> None:
    only = exploring.choose(ListRequest("goods", 0, 30)).rows[[1, 4, 9, 20]]
    answer = exploring.answer(ListRequest("goods", 0, 4, only=only, seed=7))
    assert not any(one.is_drawn for one in answer.pairings)


# What is kept -------------------------------------------------------------------------------------------------------


def test_an_event_that_was_drawn_reads_back_from_its_line_and_others_have_the_line_that_they_had() -> None:
    for noted in (True, False):
        drawn = event("e1", kind="shown", draw=DRAW)
        assert event_of(line_of(drawn, noted=noted).rstrip(b"\n")) == (drawn, noted)
    plain = line_of(event("e1"), noted=False)
    assert b"draw" not in plain
    assert list(json.loads(plain[9:])) == [
        "event_id", "request_id", "at", "anchor_id", "sku_id", "kind", "position", "source", "noted",
    ]  # fmt: skip


def test_a_line_whose_draw_is_none_is_damaged_and_not_half_read() -> None:
    whole = json.loads(line_of(event("e1", draw=DRAW), noted=True)[9:])
    for damage in (
        {"draw": None},
        {"draw": {"propensity": 1}},
        {"draw": whole["draw"] | {"propensity": "often"}},
    ):
        content = json.dumps(whole | damage).encode()
        assert event_of(b"%08x %s" % (crc32(content), content)) is None


@pytest.fixture
def drained(store: Store, tmp_path: Path) -> Iterator[Store]:
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.append([event("e1", kind="shown", draw=DRAW), event("e2", kind="shown", position=4)])
        journal.append([event("e3", kind="shown", draw=replace(DRAW, propensity=1.0, drawn_from=()))])
        journal.drain(store)
        journal.append([event("e1", kind="shown", draw=replace(DRAW, propensity=0.9))])
        journal.drain(store)
        yield store


def test_chances_go_into_the_store_beside_what_was_shown_once(drained: Store) -> None:
    assert [row.event_id for row in rows_of(drained)] == ["e1", "e2", "e3"]
    with reading(drained) as session:
        rows = session.exec(select(ExposureRow).order_by(ExposureRow.event_id)).all()
    made_of = {"objective": "balanced", "model_version": "m1", "policy_version": "p1"}
    pair = {"request_id": "r", "position": 3, "anchor_id": "a", "sku_id": "s"}
    assert [row.model_dump() for row in rows] == [
        {"event_id": "e1", "propensity": 0.05, "explored": True, "drawn_from": "s1 s2", **pair, **made_of},
        {"event_id": "e3", "propensity": 1.0, "explored": False, "drawn_from": None, **pair, **made_of},
    ]


def test_the_default_policy_draws_nothing() -> None:
    assert Policy().lists.explore_slots == 0
