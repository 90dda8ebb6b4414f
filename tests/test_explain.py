"""Are reasons true, fair, in both languages and for both readers, and does every feature have one?"""

import re
from typing import get_args

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import FEATURES, NAMES, Group, fingerprint
from features.kernels import F32, F64
from matcher.candidates.union import Side
from matcher.explain import GROUP_NAMES, LEAST_SHARE, STRONG_SHARE, Reason, differing, explain, reasons_from
from matcher.ranker import Ranker
from matcher.reasons import TOPICS, topics_for
from matcher.request import ListRequest
from trained import Trained

VOICES: tuple[Side, ...] = get_args(Side)
GROUP = {feature.name: feature.group for feature in FEATURES}
PLAUSIBLE = (0.0, 0.02, 0.3, 0.6, 1.0, 1.3, 2.0, 5.0, 40.0, -0.5)
"""One of these is sensible for any feature."""


def told(
    values: dict[str, float], added: dict[str, float], voice: Side = "goods", most: int = 3
) -> tuple[Reason, ...]:
    """The reasons of one pairing: features not named are unknown, and add nothing."""
    matrix: F32 = np.full((1, len(NAMES)), np.nan, np.float32)
    contributions: F64 = np.zeros((1, len(NAMES) + 1))
    contributions[0, -1] = 3.0  # the mean: nobody's reason
    for name, value in values.items():
        matrix[0, NAMES.index(name)] = value
    for name, value in added.items():
        contributions[0, NAMES.index(name)] = value
    return reasons_from(contributions, matrix, NAMES, voice=voice, most=most)[0]


def tells(voice: Side) -> set[str]:
    """Features that can differ between the lines of a reader's list: all but the owner's own and the calendar's."""
    own = {
        "goods": {"anchor"},
        "shortlist": {"sku", "brand_anchors_90d", "brand_adoptions_28d", "event_focus", "category_growth",
                      "category_conversion", "price_gap_nonstandard"},
    }[voice]  # fmt: skip
    return {
        name for name in NAMES if not any(name == word or name.startswith(f"{word}_") for word in own)
    } - {"days_to_event"}


@pytest.mark.parametrize("voice", VOICES)
def test_every_feature_that_can_differ_in_a_list_is_in_one_topic_and_a_topic_in_one_group(
    voice: Side,
) -> None:
    topics = topics_for(voice)
    own = {"popularity_score", "popularity_rank", "adoption_score", "adoption_rank"}
    assert {name for topic in topics for name in topic.features} == tells(voice) | own
    assert sum(len(topic.features) for topic in topics) == len(tells(voice) | own)
    for topic in topics:
        assert len({GROUP[name] for name in topic.features}) == 1, topic.name
        assert {phrase.feature for phrase in topic.phrases} == set(topic.features), topic.name
    assert {GROUP[topic.features[0]] for topic in topics} == set(get_args(Group)) == set(GROUP_NAMES)


@pytest.mark.parametrize("side", VOICES)
def test_what_is_the_same_for_all_candidates_of_a_real_list_is_no_reason_in_it(
    trained: Trained, side: Side
) -> None:
    engine = trained.engine
    for owner in range(3):
        request = ListRequest(side, engine.owners(ListRequest(side, 0, 1))[owner], 20, explain=True)
        _, matrix, _ = engine.rank(request, engine.among(request)[0])
        assert matrix is not None
        same = {
            name for name, values in zip(NAMES, matrix.T, strict=True) if len({str(v) for v in values}) == 1
        }
        assert "days_to_event" in same
        told = {reason.feature for pairing in engine.answer(request).pairings for reason in pairing.reasons}
        assert told
        assert not told & same


def test_a_feature_that_does_not_differ_adds_nothing_to_its_topic() -> None:
    matrix: F32 = np.full((2, len(NAMES)), np.nan, np.float32)
    added: F64 = np.zeros((2, len(NAMES)))
    for name, values in {"pair_units": (4, 4), "pair_listings": (2, 3), "rate": (20, 20)}.items():
        matrix[:, NAMES.index(name)] = values
        added[:, NAMES.index(name)] = 1.0
    differ = differing(matrix)
    assert [NAMES[k] for k in np.flatnonzero(differ)] == ["pair_listings"]
    first, second = reasons_from(added, matrix, NAMES, voice="goods", tells=differ)
    assert [reason.en for reason in first] == ["You put it up 2 times within a year"]
    assert [(reason.feature, reason.contribution) for reason in second] == [("pair_listings", 1.0)]
    assert differing(matrix[:1]).all()


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("name", NAMES)
def test_every_feature_that_can_differ_gives_a_sentence_from_its_own_value_alone(
    name: str, voice: Side
) -> None:
    reasons = [reason for value in PLAUSIBLE for reason in told({name: value}, {name: 0.5}, voice)]
    told_here = {feature for topic in topics_for(voice) for feature in topic.features}
    assert bool(reasons) == (name in told_here), f"{name} to the reader of {voice}"
    for reason in reasons:
        assert (reason.feature, reason.group, reason.contribution) == (name, GROUP[name], 0.5)
        _is_wording(reason)


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
def test_what_is_not_known_is_no_reason(voice: Side, unknown: float) -> None:
    assert told(dict.fromkeys(NAMES, unknown), dict.fromkeys(NAMES, 1.0), voice) == ()


@given(
    st.lists(
        st.sampled_from([np.nan, 0.0, 0.4, 1.0, 2.5, 33.0, -1.0]), min_size=len(NAMES), max_size=len(NAMES)
    ),
    st.lists(st.floats(-1, 1), min_size=len(NAMES), max_size=len(NAMES)),
    st.sampled_from(VOICES),
)
def test_whatever_is_known_and_added_at_most_three_true_sentences_are_told(
    values: list[float], added: list[float], voice: Side
) -> None:
    by_name, contributions = dict(zip(NAMES, values, strict=True)), dict(zip(NAMES, added, strict=True))
    reasons = told(by_name, contributions, voice)
    topic_of = {name: topic for topic in topics_for(voice) for name in topic.features}
    assert len(reasons) <= 3
    assert len({topic_of[reason.feature].name for reason in reasons}) == len(reasons)
    for reason in reasons:
        total = sum(contributions[name] for name in topic_of[reason.feature].features)
        assert reason.contribution == pytest.approx(total)
        assert total > 0
        assert contributions[reason.feature] > 0
        assert np.isfinite(by_name[reason.feature])
        _is_wording(reason)


def test_the_anchor_reads_you_and_the_brand_reads_this_anchor() -> None:
    values, added = {"pair_units": 12.0}, {"pair_units": 0.5}
    (mine,), (theirs,) = told(values, added, "goods"), told(values, added, "shortlist")
    assert (mine.en, mine.zh) == ("You sold 12 of it within a year", "你近一年卖过它 12 件")
    assert (theirs.en, theirs.zh) == ("This anchor sold 12 of it within a year", "该主播近一年卖过它 12 件")
    values, added = {"brand_listings": 9.0, "brand_last": 0.4}, {"brand_last": 0.5}
    (mine,), (theirs,) = told(values, added, "goods"), told(values, added, "shortlist")
    assert mine.en == "You put this brand up 9 times within a year, last less than a day ago"
    assert theirs.en == "This anchor put your brand up 9 times within a year, last less than a day ago"
    assert theirs.zh == "该主播近一年带过你的品牌 9 次，上次距今不到 1 天"


@pytest.mark.parametrize(
    ("values", "en", "zh"),
    [
        ({"sku_price_gap": np.log(0.82)}, "Price 18 % under its category's median", "价格比类目中位价低 18%"),
        (
            {"sku_price_gap": np.log(1.18)},
            "Placed 18 % above its category's median price",
            "定位高于类目中位价 18%",
        ),
        ({"sku_price_gap": 0.0}, "Priced at its category's median", "价格与类目中位价相当"),
        (
            {"sku_adoptions_28d": 3.0},
            "3 anchors began selling it in the last 28 days",
            "近 28 天有 3 位主播新开始带它",
        ),
        (
            {"sku_adoptions_28d": 1.0},
            "An anchor began selling it in the last 28 days",
            "近 28 天有主播新开始带它",
        ),
        (
            {"audience_buyer_sku": 0.83},
            "Your buyers overlap 0.83 with those who buy it",
            "你的买家与这个商品的买家重合度 0.83",
        ),
        ({"rate": 12.5}, "The commission rate is 12.5 %", "佣金率 12.5%"),
        ({"commission_per_unit": 19.9}, "Some ¥19.90 commission a unit", "每件佣金约 ¥19.90"),
        ({"sku_price": 1288.0}, "List price ¥1,288", "标价 ¥1,288"),
        ({"pair_last": 1.2}, "You last put it up 1 day ago", "你上次带它距今 1 天"),
        (
            {"history_rank": 1.0, "pair_units": 370.0},
            "No. 1 of your goods by how lately, how often and how well you sold them",
            "按近期、频次与成绩，在你带过的货里第 1",
        ),
        (
            {"pair_result_1": 1.0},
            "The last time, you sold as much of it as expected",
            "你最近一次卖它符合预期",
        ),
        ({"pair_result_3": 1.0}, "Two times before the last, you sold as much of it as expected", None),
        ({"category_ratio": 1.0}, "You sold as much of the goods of its category as expected", None),
        ({"sku_conversion": 0.03, "category_conversion": 0.02}, "Converts no worse than its category", None),
        (
            {"sku_conversion": 0.03, "category_conversion": 0.02, "sku_anchors_365d": 3.0},
            "Converts 1.5 times as well as its category",
            "转化是类目平均的 1.5 倍",
        ),
        (
            {"neighbours_rank": 2.0},
            "Anchors like you began selling it in the last 28 days: no. 2 of the candidates",
            "与你相似的主播近 28 天开始带它，候选中第 2",
        ),
        ({"neighbours_rank": 51.0}, "Anchors like you began selling it in the last 28 days", None),
    ],
)
def test_sentences_tell_the_value_in_its_unit(values: dict[str, float], en: str, zh: str | None) -> None:
    (reason,) = told(values, {next(iter(values)): 1.0})
    assert reason.en == en
    assert zh is None or reason.zh == zh


def test_of_several_features_of_a_topic_the_one_that_adds_most_is_told_and_all_are_counted() -> None:
    values = {"sku_units_7d": 4.0, "sku_units_30d": 9.0, "sku_listings_30d": 5.0, "sku_anchors_7d": 3.0}
    added = {"sku_units_7d": 0.3, "sku_units_30d": -0.1, "sku_listings_30d": 0.2}
    (reason,) = told(values, added)
    assert (reason.feature, reason.en) == ("sku_units_7d", "4 units sold in 7 days")
    assert reason.contribution == pytest.approx(0.4)


def test_a_feature_that_speaks_against_the_pairing_is_not_told_for_it() -> None:
    assert told({"pair_units": 12.0}, {"pair_units": -0.2, "pair_last": 0.5}) == ()
    assert told({"pair_units": 12.0}, {"pair_units": 0.2, "pair_last": -0.5}) == ()


@pytest.mark.parametrize(("share", "is_heard"), [(STRONG_SHARE * 1.01, True), (STRONG_SHARE * 0.99, False)])
def test_a_group_is_heard_before_the_third_reason_of_another_where_it_is_strong(
    share: float, is_heard: bool
) -> None:
    values = {"pair_units": 3.0, "sku_adoptions_28d": 4.0, "cosales_rank": 2.0, "sku_price_gap": -0.5}
    added = {"pair_units": 1.0, "sku_adoptions_28d": 0.8, "cosales_rank": 0.6, "sku_price_gap": share}
    groups = [reason.group for reason in told(values, added)]
    assert groups == (["need", "need", "cheap"] if is_heard else ["need", "need", "need"])


@pytest.mark.parametrize(("share", "n"), [(LEAST_SHARE * 1.01, 2), (LEAST_SHARE * 0.99, 1)])
def test_what_adds_next_to_nothing_is_no_reason(share: float, n: int) -> None:
    values = {"pair_units": 3.0, "sku_price_gap": -0.5}
    assert len(told(values, {"pair_units": 1.0, "sku_price_gap": share})) == n


@pytest.mark.parametrize(
    ("voice", "own", "other"),
    [
        ("goods", "anchor_fans", "sku_adoptions_28d"),
        ("shortlist", "sku_adoptions_28d", "anchor_fans"),
        ("shortlist", "days_to_event", "anchor_fans"),
        ("goods", "days_to_event", "sku_price"),
        ("shortlist", "sku_price", "pair_units"),
    ],
)
def test_what_is_the_same_for_the_whole_list_is_no_reason_however_much_it_adds(
    voice: Side, own: str, other: str
) -> None:
    values, added = {own: 5.0, other: 5.0}, {own: 9.0, other: 0.1}
    assert [reason.feature for reason in told(values, added, voice)] == [other]


def test_a_rank_names_what_it_ranks_by_and_stands_beside_no_count() -> None:
    """A count of units orders otherwise than the source's measure: together they would contradict each other."""
    for topic in TOPICS:
        for phrase in topic.phrases:
            if phrase.feature == "history_rank" and "{v}" in phrase.en:
                assert "by how lately, how often and how well" in phrase.en
                assert "按近期、频次与成绩" in phrase.zh
            if phrase.feature.endswith("_rank"):
                assert "{w}" not in phrase.en + phrase.zh


def test_the_person_is_an_anchor_in_every_sentence_and_every_sentence_has_a_reader() -> None:
    for topic in TOPICS:
        readers = [voice for voice in VOICES if topic in topics_for(voice)]
        assert readers, topic.name
        for phrase in topic.phrases:
            assert not re.search(r"\bhosts?\b|'s way of selling|times ago", phrase.en, re.IGNORECASE), (
                phrase.en
            )
            assert phrase.voice in (None, *readers), phrase.en


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"sku_units_30d": 57.0, "sku_anchors_30d": 2.0}, "sku_units_30d"),
        ({"sku_units_30d": 57.0}, "sku_units_30d"),
        ({"sku_gmv_30d": 57.0, "sku_anchors_30d": 9.0}, "sku_gmv_30d"),
        ({"sku_units_per_listing": 57.0, "sku_anchors_365d": 2.0}, "sku_units_per_listing"),
        ({"sku_repeat_share": 0.57, "sku_anchors_365d": 2.0}, "sku_repeat_share"),
        ({"sku_refund_share": 0.057}, "sku_refund_share"),
    ],
)
def test_what_two_anchors_sold_is_told_in_words_to_a_third(values: dict[str, float], name: str) -> None:
    (to_anchor,) = told(values, {name: 1.0}, "goods")
    assert "57" not in to_anchor.en + to_anchor.zh


def test_what_three_anchors_sold_is_told_in_figures() -> None:
    (reason,) = told({"sku_units_30d": 57.0, "sku_anchors_30d": 3.0}, {"sku_units_30d": 1.0})
    assert reason.en == "57 units sold in 30 days"


@pytest.mark.parametrize(
    "name",
    [
        *(f"anchor_{name}" for name in (
            "gmv_per_session", "gmv_per_watched_second", "gpm", "conversion_ratio", "click_share", "order_value",
            "units_per_listing", "gmv_per_listing", "refund_share", "repeat_share", "private_share", "trust",
            "exposure_per_session", "impressions_per_listing", "entry_share", "watch_seconds",
        )),
        "category_ratio", "band_ratio",
    ],
)  # fmt: skip
def test_what_an_anchor_earned_with_others_is_told_to_a_brand_in_words_only(name: str) -> None:
    for value in (*PLAUSIBLE, 0.57, 57.0):
        for reason in told({name: value}, {name: 1.0}, "shortlist"):
            assert not re.search(r"\d", reason.en + reason.zh), reason


def test_no_sentence_speaks_of_who_a_person_is_or_of_another_platform() -> None:
    barred = re.compile(
        r"\b(gender|age|aged|wom[ae]n|m[ae]n|male|female|taobao|tmall|douyin|jd)\b", re.IGNORECASE
    )
    for topic in TOPICS:
        for phrase in topic.phrases:
            assert not barred.search(phrase.en), phrase.en
            assert not re.search("性别|年龄|男|女|淘宝|天猫|抖音|京东|拼多多", phrase.zh), phrase.zh


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    rng = np.random.default_rng(3)
    matrix = rng.normal(2.0, 2.0, (600, len(NAMES))).astype(np.float32)
    label = np.digitize(
        matrix[:, NAMES.index("pair_units")] - matrix[:, NAMES.index("sku_price_gap")], [0, 2, 4]
    )
    rows = lightgbm.Dataset(matrix, label, group=[20] * 30, feature_name=list(NAMES))
    parameters = {"objective": "lambdarank", "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
    return Ranker.from_booster(lightgbm.train(parameters, rows, 20), fingerprint=fingerprint())


def test_reasons_of_a_row_are_the_models_own_and_do_not_depend_on_the_page(ranker: Ranker) -> None:
    page = np.random.default_rng(4).normal(2.0, 2.0, (12, len(NAMES))).astype(np.float32)
    page[0, NAMES.index("pair_units")], page[0, NAMES.index("sku_price_gap")] = 8.0, -1.0
    together = explain(ranker, page, voice="goods")
    assert together == [explain(ranker, page[k : k + 1], voice="goods")[0] for k in range(12)]
    assert [reason.feature for reason in together[0]][:2] == ["pair_units", "sku_price_gap"]
    assert together[0][1].en == "Price 63 % under its category's median"


def test_an_empty_page_has_no_reasons(ranker: Ranker) -> None:
    assert explain(ranker, np.zeros((0, len(NAMES)), np.float32), voice="shortlist") == []


def _is_wording(reason: Reason) -> None:
    assert re.search(r"[\u4e00-\u9fff]", reason.zh)
    assert not re.search(r"[\u4e00-\u9fff]", reason.en)
    for text in (reason.zh, reason.en):
        assert not re.search(r"[{}]|\bnan\b|\binf\b|  |^\s|\s$", text), text
    assert reason.en[0] == reason.en[0].upper()
