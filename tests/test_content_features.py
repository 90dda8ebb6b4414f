"""How alike are titles, in either language? Cosines worked out by hand or by plain numpy."""

from math import log

import numpy as np
import pytest
from sqlalchemy import Engine

from features.content import LEAST_COSINE, N_NEAREST, _pieces
from market import Market, Seen, ago


def shelf(**titles: str) -> Market:
    market = Market().anchor("a1").anchor("a2")
    for sku_id, title in titles.items():
        market.sku(sku_id, title=title)
    return market


def nearest(seen: Seen, sku_id: str) -> dict[str, float]:
    content, row = seen.snapshot.content, seen.sku_row(sku_id)
    here = content.nearest[row] >= 0
    ids = [seen.snapshot.shelf.ids[int(other)] for other in content.nearest[row][here]]
    return dict(zip(ids, content.cosine[row][here].tolist(), strict=True))


@pytest.mark.parametrize(
    ("run", "pieces"),
    [
        ("茶", ["茶"]),
        ("绿茶", ["绿茶"]),
        ("保湿面膜", ["保湿", "湿面", "面膜"]),
        ("𠮷野家", ["𠮷野", "野家"]),  # beyond the basic plane
    ],
)
def test_a_word_is_one_token_and_a_run_of_chinese_its_pairs(run: str, pieces: list[str]) -> None:
    assert _pieces(run) == pieces


def test_like_titles_find_each_other(sqlite_store: Engine) -> None:
    seen = shelf(s1="moist night mask", s2="night MASK, moist!", s3="green tea", s4="mask").seen(sqlite_store)
    assert list(nearest(seen, "s1")) == ["s2", "s4"]
    assert nearest(seen, "s1")["s2"] == pytest.approx(1)
    assert nearest(seen, "s3") == {}


def test_like_chinese_titles_find_each_other(sqlite_store: Engine) -> None:
    seen = shelf(s1="保湿补水面膜", s2="补水面膜 10片", s3="龙井绿茶", s4="西湖龙井绿茶").seen(sqlite_store)
    assert list(nearest(seen, "s1")) == ["s2"]
    assert list(nearest(seen, "s3")) == ["s4"]


def test_letters_of_any_alphabet_make_words(sqlite_store: Engine) -> None:
    seen = shelf(s1="Crème brûlée", s2="CRÈME BRÛLÉE", s3="creme", s4="чай Чёрный", s5="чёрный чай").seen(
        sqlite_store
    )
    assert nearest(seen, "s1") == {"s2": pytest.approx(1)}
    assert nearest(seen, "s4") == {"s5": pytest.approx(1)}


def test_a_cosine_is_over_words_weighted_by_rarity(sqlite_store: Engine) -> None:
    seen = shelf(s1="tea cup", s2="tea pot", s3="tea", s4="cup").seen(sqlite_store)
    rarity = {word: log(4 / n) + 0.1 for word, n in (("tea", 3), ("cup", 2), ("pot", 1))}
    norms = [np.hypot(rarity["tea"], rarity[other]) for other in ("cup", "pot")]
    expected = {
        "s2": rarity["tea"] ** 2 / norms[0] / norms[1],
        "s3": rarity["tea"] / norms[0],
        "s4": rarity["cup"] / norms[0],
    }
    found = nearest(seen, "s1")
    assert found == pytest.approx({sku: cosine for sku, cosine in expected.items() if cosine >= LEAST_COSINE})
    assert expected["s2"] < LEAST_COSINE  # so both sides of the edge are here
    assert list(found) == ["s4", "s3"]


def test_a_word_said_twice_is_said_once(sqlite_store: Engine) -> None:
    seen = shelf(s1="tea tea tea cup", s2="cup tea", s3="pot").seen(sqlite_store)
    assert nearest(seen, "s1")["s2"] == pytest.approx(1)


def test_no_more_than_a_few_are_kept_ties_by_the_lower_row(sqlite_store: Engine) -> None:
    seen = shelf(**{f"s{i:02d}": "the same title" for i in range(N_NEAREST + 6)}).seen(sqlite_store)
    kept = [f"s{i:02d}" for i in range(1, N_NEAREST + 1)]
    assert list(nearest(seen, "s00")) == kept


def test_titles_without_a_word_are_like_nothing(sqlite_store: Engine) -> None:
    market = shelf(s1="!!! --", s2="…", s3="tea").live("a1", ago(1), {"s1": 1})
    seen = market.seen(sqlite_store)
    assert nearest(seen, "s1") == {}
    assert seen.pair("a1", "s3")["title_cosine"] == 0


def test_a_shelf_of_titles_without_a_word_is_one_too(sqlite_store: Engine) -> None:
    seen = shelf(s1="!").live("a1", ago(1), {"s1": 1}).seen(sqlite_store)
    assert seen.pair("a1", "s1")["title_cosine"] == 0


def test_an_anchors_profile_is_what_it_carries(sqlite_store: Engine) -> None:
    market = shelf(s1="moist mask", s2="green tea", s3="mask moist").live("a1", ago(300), {"s1": 0})
    seen = market.seen(sqlite_store)
    assert seen.pair("a1", "s1")["title_cosine"] == pytest.approx(1)
    assert seen.pair("a1", "s3")["title_cosine"] == pytest.approx(1)
    assert seen.pair("a1", "s2")["title_cosine"] == 0


def test_who_carries_nothing_has_no_profile(sqlite_store: Engine) -> None:
    pair = shelf(s1="tea").live("a1", ago(1), {"s1": 1}).seen(sqlite_store).pair("a2", "s1")
    assert np.isnan(pair["title_cosine"])
    assert np.isnan(pair["title_nearest"])


def test_carried_neighbours_add_their_squared_cosines(sqlite_store: Engine) -> None:
    market = shelf(s1="red cup", s2="red cup", s3="cup red", s4="tea").live(
        "a1", ago(1), {"s2": 1, "s3": 1, "s4": 1}
    )
    seen = market.live("a2", ago(1), {"s1": 1}).seen(sqlite_store)
    assert seen.pair("a1", "s1")["title_nearest"] == pytest.approx(2)
    assert seen.pair("a2", "s1")["title_nearest"] == 0  # itself is no neighbour
    assert seen.pair("a2", "s2")["title_nearest"] == pytest.approx(1)
    assert seen.pair("a1", "s4")["title_nearest"] == 0


def test_a_title_of_many_common_words_does_not_take_for_ever(sqlite_store: Engine) -> None:
    words = " ".join(f"w{i}" for i in range(60))
    seen = shelf(**{f"s{i:03d}": f"{words} own{i // 2}" for i in range(300)}).seen(sqlite_store)
    assert next(iter(nearest(seen, "s100"))) == "s101"  # by the rare word, which is looked at first
