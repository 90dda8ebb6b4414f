"""Which candidates make the list: the best, ties always alike, no more of a brand than allowed, the owed places kept?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.list_ import ListTerms, choose, choose_page


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_the_best_come_first_and_of_equals_the_lower_row() -> None:
    assert choose(scores(1, 3, 2, 3, 1), ListTerms(size=4)).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize(("size", "n"), [(0, 0), (2, 2), (3, 3), (9, 3)])
def test_a_list_is_as_long_as_asked_or_as_there_are_candidates(size: int, n: int) -> None:
    assert len(choose(scores(1, 2, 3), ListTerms(size=size))) == n


def test_of_a_group_only_the_best_up_to_the_cap_are_listed() -> None:
    group = np.array([7, 7, 7, 8], np.int32)
    capped = ListTerms(size=4, cap=2, group=group)
    assert choose(scores(4, 3, 2, 1), capped).tolist() == [0, 1, 3]
    assert choose(scores(4, 3, 2, 1), ListTerms(size=4, cap=3, group=group)).tolist() == [0, 1, 2, 3]
    assert choose(scores(4, 3, 2, 1), ListTerms(size=4, group=group)).tolist() == [0, 1, 2, 3]


def test_owed_places_go_to_the_best_reserved_in_place_of_the_lowest_others_and_the_order_stays() -> None:
    reserved = np.array([False, False, False, True, True])
    half = ListTerms(size=4, reserved=reserved, reserved_share=0.5)
    assert choose(scores(5, 4, 3, 2, 1), half).tolist() == [0, 1, 3, 4]
    quarter = ListTerms(size=4, reserved=reserved, reserved_share=0.25)
    assert choose(scores(5, 4, 3, 2, 1), quarter).tolist() == [0, 1, 2, 3]


def test_who_has_the_owed_places_by_merit_displaces_nobody() -> None:
    reserved = np.array([True, False, False, True])
    terms = ListTerms(size=2, reserved=reserved, reserved_share=0.5)
    assert choose(scores(4, 3, 2, 1), terms).tolist() == [0, 1]


def test_a_share_that_is_whole_owes_no_place_more() -> None:
    reserved = np.arange(200) >= 100
    terms = ListTerms(size=100, reserved=reserved, reserved_share=0.07)
    assert int(reserved[choose(-np.arange(200.0), terms)].sum()) == 7


def test_where_fewer_are_reserved_for_than_owed_all_of_them_are_listed() -> None:
    reserved = np.array([False, False, False, True])
    terms = ListTerms(size=3, reserved=reserved, reserved_share=1.0)
    assert choose(scores(4, 3, 2, 1), terms).tolist() == [0, 1, 3]


@given(
    st.lists(st.integers(0, 5), max_size=30),
    st.integers(0, 12),
    st.integers(0, 3),
    st.floats(0, 1),
    st.data(),
)
def test_no_candidate_is_listed_twice_the_cap_holds_and_the_order_falls(
    values: list[int], size: int, cap: int, share: float, data: st.DataObject
) -> None:
    n = len(values)
    group = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int32)
    reserved = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    chosen = choose(scores(*values), ListTerms(size, cap, group, reserved, share))
    assert len(set(chosen.tolist())) == len(chosen) <= size
    assert (np.diff(scores(*values)[chosen]) <= 0).all()
    if cap and n:
        assert np.bincount(group[chosen], minlength=4).max() <= cap


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(1, 7),
    st.sampled_from([0.0, 0.3, 0.5]),
    st.sampled_from([0, 1, 2]),
)
def test_pages_hold_every_place_once_and_the_first_is_the_list_of_its_size(
    values: list[int], size: int, share: float, cap: int
) -> None:
    given_scores = scores(*values)
    terms = ListTerms(
        size=size,
        cap=cap,
        group=np.arange(len(values), dtype=np.int32) % 5,
        reserved=np.arange(len(values)) % 3 == 0,
        reserved_share=share,
    )
    assert choose_page(given_scores, terms, 0).tolist() == choose(given_scores, terms).tolist()
    dealt: list[int] = []
    for skip in range(0, 60 * size, size):
        page = choose_page(given_scores, terms, skip).tolist()
        if not page:
            break
        dealt += page
    assert sorted(dealt) == list(range(len(values)))


def test_without_terms_pages_cut_one_order() -> None:
    given_scores = scores(5, 1, 4, 2, 3)
    pages = [choose_page(given_scores, ListTerms(size=2), skip).tolist() for skip in (0, 2, 4)]
    assert pages == [[0, 2], [4, 3], [1]]


def test_a_page_begins_after_whole_pages_only() -> None:
    with pytest.raises(ValueError, match="whole number of pages"):
        choose_page(scores(1, 2, 3), ListTerms(size=2), 1)
