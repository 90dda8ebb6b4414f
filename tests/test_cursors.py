"""Does a cursor go on where its list stopped, for its own caller and list, and for nobody and nothing else?"""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursors import LONGEST, make_cursor, read_cursor
from api.problems import Problem
from api.signing import serializer

SECRET = bytes(range(32))
ACCOUNT = "anchor:A1"
WHAT: dict[str, Any] = {
    "path": "/v1/anchors/A1/goods",
    "category": "美妆/面膜",
    "min_rate": None,
    "explain": True,
}
POSITION = {"score": 0.1 + 0.2, "sku_id": "9007199254740993", "rank": 20}


def made(**other: Any) -> str:
    return make_cursor(
        other.pop("secret", SECRET), **{"account": ACCOUNT, "what": WHAT, "position": POSITION} | other
    )


def refused(cursor: str, **other: Any) -> bool:
    with pytest.raises(Problem) as problem:
        read_cursor(other.pop("secret", SECRET), cursor, **{"account": ACCOUNT, "what": WHAT} | other)
    return problem.value.code == "bad_cursor"


def test_a_cursor_gives_back_its_position_to_the_last_bit() -> None:
    assert read_cursor(SECRET, made(), account=ACCOUNT, what=WHAT) == POSITION


def test_a_cursor_stands_in_an_address_as_it_is() -> None:
    assert set(made()) <= set(string.ascii_letters + string.digits + "-_.")


def test_the_order_in_which_filters_were_named_does_not_count() -> None:
    assert read_cursor(SECRET, made(), account=ACCOUNT, what=dict(reversed(WHAT.items()))) == POSITION


@pytest.mark.parametrize(
    "other",
    [
        {"account": "anchor:A2"},
        {"account": "brand:A1"},
        {"what": WHAT | {"category": "美妆"}},
        {"what": WHAT | {"path": "/v1/anchors/A2/goods"}},
        {"what": WHAT | {"min_rate": 0}},
        {"what": {}},
        {"secret": bytes(32)},
    ],
    ids=str,
)
def test_another_caller_list_or_house_is_refused_alike(other: dict[str, Any]) -> None:
    assert refused(made(), **other)


def test_what_was_signed_for_another_purpose_is_no_cursor() -> None:
    binding, position = serializer(SECRET, "cursor").loads(made())
    assert refused(serializer(SECRET, "session").dumps([binding, position]))


@given(
    place=st.integers(0, len(made()) - 2),
    letter=st.sampled_from(string.ascii_letters + string.digits + "-_."),
)
def test_one_changed_character_damages_it(place: int, letter: str) -> None:
    # The last character holds bits that base64 does not read: changing those changes nothing that was signed.
    cursor = made()
    changed = cursor[:place] + letter + cursor[place + 1 :]
    assert changed == cursor or refused(changed)


@pytest.mark.parametrize("length", [0, 1, len(made()) // 2, len(made()) - 1])
def test_a_cursor_that_was_cut_is_refused(length: int) -> None:
    assert refused(made()[:length])


@given(st.text(max_size=2_000))
def test_any_text_is_refused_without_a_fault(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", ["\ud800.x", "中.文", "\0", ".", "..", "W10.AAAA", made() + "é"], ids=ascii)
def test_odd_text_is_refused_without_a_fault(text: str) -> None:
    assert refused(text)


def test_a_cursor_is_at_most_a_kibibyte_when_it_is_made() -> None:
    noise = "".join(f"{number * 2_654_435_761 % 2**32:08x}" for number in range(400))
    longest = max(n for n in range(1, 1_600) if _fits(noise[:n]))
    assert read_cursor(SECRET, made(position={"noise": noise[:longest]}), account=ACCOUNT, what=WHAT)
    with pytest.raises(ValueError, match="keep its position short"):
        made(position={"noise": noise[: longest + 4]})


def _fits(noise: str) -> bool:
    try:
        return len(made(position={"noise": noise})) <= LONGEST
    except ValueError:
        return False


def test_a_longer_text_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr("api.cursors.serializer", lambda *of: read.append(of) or serializer(*of))
    assert refused("x" * LONGEST)
    assert len(read) == 1
    assert refused("x" * (LONGEST + 1))
    assert len(read) == 1
