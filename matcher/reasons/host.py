"""Do I like the host? 喜欢主播: what is said of the anchor, its room, its crowd, and how it sells.

Of an anchor's own columns a brand alone is told, in words where a rival could use the figure: turnover, conversion, refunds.
"""

from typing import Final

from matcher.reasons.wording import Phrase, Topic, days, few, share, two, yuan

_ROLES: Final = (
    ("buyer", "买家", "buyers"), ("viewer", "观众", "viewers"), ("repeat_buyer", "回头客", "repeat buyers"),
)  # fmt: skip
_WHOSE: Final = (
    ("sku", "这个商品的买家", "those who buy it"),
    ("brand", "{brand}的买家", "those who buy {brand}"),
    ("category", "这个类目的买家", "those who buy in its category"),
)
_AUDIENCE: Final = tuple(
    Phrase(
        f"audience_{role}_{level}",
        f"{{who}}的{role_zh}与{level_zh}重合度 {{v}}",
        f"{{Whose}} {role_en} overlap {{v}} with {level_en}",
        low=0.5,
        shown=two,
    )
    for level, level_zh, level_en in _WHOSE
    for role, role_zh, role_en in _ROLES
    if (role, level) != ("repeat_buyer", "brand")
)


def _results(level: str, of_zh: str, of_en: str, *, own: bool) -> tuple[Phrase, ...]:
    """Units against expectation at a level; to a brand in figures only of what is its `own`."""
    name = f"{level}_ratio"
    figures = Phrase(
        name, f"{{who}}卖{of_zh}的成绩是预期的 {{v}} 倍", f"{{Who}} sold {{v}} times as much of {of_en} as expected",
        low=1.05, shown=few, voice=None if own else "goods",
    )  # fmt: skip
    words = Phrase(name, f"{{who}}卖{of_zh}好于预期", f"{{Who}} sold more of {of_en} than expected", low=1.05)
    steady = Phrase(
        name, f"{{who}}卖{of_zh}符合预期", f"{{Who}} sold as much of {of_en} as expected", low=0.9, high=1.05
    )
    return figures, words, steady


_LAST: Final = tuple(
    phrase
    for k, zh, en in (
        (1, "最近一次", "The last time"), (2, "倒数第 2 次", "The time before last"),
        (3, "倒数第 3 次", "Two times before the last"), (4, "倒数第 4 次", "Three times before the last"),
    )
    for phrase in (
        Phrase(f"pair_result_{k}", f"{{who}}{zh}卖它是预期的 {{v}} 倍",
               f"{en}, {{who}} sold {{v}} times as much of it as expected", low=1.05, shown=few),
        Phrase(f"pair_result_{k}", f"{{who}}{zh}卖它符合预期",
               f"{en}, {{who}} sold as much of it as expected", low=0.9, high=1.05),
    )
)  # fmt: skip

_EFFICIENCY: Final = (
    ("gpm", "千次曝光成交", "sales per thousand exposures", "speak"),
    ("gmv_per_watched_second", "每秒观看成交", "sales per watched second", "speak"),
    ("gmv_per_session", "单场成交", "sales per session", "speak"),
    ("order_value", "客单价", "usual order", "speaks"),
    ("units_per_listing", "单次挂车销量", "units per listing", "speak"),
    ("gmv_per_listing", "单次挂车成交", "sales per listing", "speak"),
    ("click_share", "商品点击率", "clicks per exposure", "speak"),
)
"""What a brand is told of in words: name, zh, en, and its verb."""

# fmt: off
HOST: Final = (
    Topic("audience", "pair", tuple(phrase.feature for phrase in _AUDIENCE), _AUDIENCE),
    Topic("results with it", "pair", ("pair_ratio", *(f"pair_result_{k}" for k in range(1, 5))),
          (*_results("pair", "它", "it", own=True), *_LAST)),
    Topic("results with the brand", "pair", ("brand_ratio",), _results("brand", "{brand}", "{brand}", own=True)),
    Topic("results in the category", "pair", ("category_ratio",), _results("category", "这个类目", "the goods of its category", own=False)),
    Topic("results in the price band", "pair", ("band_ratio",), _results("band", "这个价位", "the goods of its price band", own=False)),
    Topic("trust for such goods", "pair", ("trust_nonstandard",), (
        Phrase("trust_nonstandard", "非标商品靠信任，{who}的粉丝信得过",
               "Non-standard goods need trust, and {whose} followers have it", low=0.3),
        Phrase("trust_nonstandard", "非标商品，可借此积累信任", "Non-standard goods, which build trust", low=0.0, high=0.3),
        Phrase("trust_nonstandard", "标准品，不靠信任也能卖", "Standard goods, which need little trust", high=0.0),
    )),
    Topic("expected units", "pair", ("expected_ratio",), (
        Phrase("expected_ratio", "按{who}直播间的情况，一次挂车约可卖 {v} 件",
               "Some {v} units a listing are to be expected in {whose} room", low=0.1, shown=few),
    )),
    Topic("reach", "anchor", ("anchor_tier", "anchor_fans", "anchor_fans_growth"), (
        Phrase("anchor_tier", "{who}是头部主播", "{Who} {are} a head anchor", low=2),
        Phrase("anchor_tier", "{who}是腰部主播", "{Who} {are} a waist anchor", low=1, high=1),
        Phrase("anchor_tier", "{who}是成长中的主播", "{Who} {are} an anchor who is still growing", high=0),
        Phrase("anchor_fans", "{who}有 {v} 粉丝", "{Who} {have} {v} followers", low=1),
        Phrase("anchor_fans_growth", "{who}的粉丝一个月增长 {v}", "{Whose} followers grew by {v} in a month", low=0.005, shown=share),
        Phrase("anchor_fans_growth", "{who}的粉丝保持稳定", "{Whose} followers stay", low=-0.02, high=0.005),
    )),
    Topic("rhythm", "anchor", (
        "anchor_tenure", "anchor_last_session", "anchor_usual_gap", "anchor_recent_gap", "anchor_due",
        "anchor_days_on_air", *(f"anchor_sessions_{d}d" for d in (7, 28, 90)),
    ), (
        *(Phrase(f"anchor_sessions_{d}d", f"{{who}}近 {d} 天开播 {{v}} 场", f"{{Who}} went live {{v}} times in {d} days", low=2)
          for d in (28, 7, 90)),
        *(Phrase(f"anchor_sessions_{d}d", f"{{who}}近 {d} 天开过播", f"{{Who}} went live within {d} days", low=1, high=1)
          for d in (28, 7, 90)),
        Phrase("anchor_last_session", "{who}上次开播距今 {v}", "{Whose} last session was {v} ago", high=60, shown=days),
        Phrase("anchor_usual_gap", "{who}通常每隔 {v} 开播", "{Who} usually {go} live every {v}", high=60, shown=days),
        Phrase("anchor_recent_gap", "{who}近来每隔 {v} 开播", "Lately {who} went live every {v}", high=60, shown=days),
        Phrase("anchor_due", "按{who}的节奏，下一场快到了", "By {whose} rhythm the next session is due", low=0.7),
        Phrase("anchor_due", "{who}刚开过播，势头正好", "{Who} {have} just been live", high=0.7),
        Phrase("anchor_days_on_air", "{who}近一年开播 {v} 天", "{Who} went live on {v} days of the year", low=2),
        Phrase("anchor_tenure", "{who}入驻 {v}", "{Who} {have} been here for {v}", low=0, shown=days),
    )),
    Topic("range", "anchor", ("anchor_listings_per_session", "anchor_skus_365d", "anchor_category_entropy"), (
        Phrase("anchor_skus_365d", "{who}近一年带过 {v} 个商品", "{Who} carried {v} SKUs within a year", low=2),
        Phrase("anchor_listings_per_session", "{who}每场约挂 {v} 个商品", "{Who} put{s} up some {v} SKUs a session", low=1, shown=few),
        Phrase("anchor_category_entropy", "{who}带货类目集中", "{Who} keep{s} to few categories", high=1.0),
        Phrase("anchor_category_entropy", "{who}带货类目宽", "{Who} {carry} many categories", low=1.0),
    )),
    Topic("open to the new", "anchor", (
        "anchor_adoptions_28d", "anchor_adoptions_90d", "anchor_new_per_day", "anchor_recent_new_per_day",
    ), (
        *(Phrase(f"anchor_adoptions_{d}d", f"{{who}}近 {d} 天新带了 {{v}} 个商品", f"{{Who}} took up {{v}} new SKUs in {d} days", low=2)
          for d in (28, 90)),
        Phrase("anchor_new_per_day", "{who}每个开播日平均带 {v} 个不同的商品",
               "{Who} carried {v} different SKUs a day on air", low=0.1, shown=few),
        Phrase("anchor_recent_new_per_day", "{who}近来每个开播日新带 {v} 个商品",
               "{Who} took up {v} new SKUs a day on air lately", low=0.1, shown=few),
    )),
    Topic("room", "anchor", (
        "anchor_exposure_per_session", "anchor_entry_share", "anchor_watch_seconds", "anchor_peak_viewers",
        "anchor_impressions_per_listing",
    ), (
        Phrase("anchor_peak_viewers", "{who}直播间峰值约 {v} 人在线", "Some {v} viewers at the peak of {whose} sessions", low=10),
        Phrase("anchor_watch_seconds", "{who}的直播间留得住人", "{Whose} room holds its viewers", low=1),
        Phrase("anchor_entry_share", "{who}的直播间吸引人进来", "{Whose} room draws people in", low=0.001),
        Phrase("anchor_exposure_per_session", "{who}每场有可观的曝光", "{Whose} sessions are widely shown", low=1),
        Phrase("anchor_impressions_per_listing", "{who}的挂车有可观的曝光", "{Whose} listings are widely shown", low=2),
    )),
    Topic("selling power", "anchor", (
        "anchor_gmv_per_session", "anchor_gmv_per_watched_second", "anchor_gpm", "anchor_conversion_ratio",
        "anchor_click_share", "anchor_order_value", "anchor_units_per_listing", "anchor_gmv_per_listing",
    ), (
        Phrase("anchor_conversion_ratio", "{who}卖货好于同样商品的通常水平", "{Who} sells more than the same goods usually do", low=1.05),
        Phrase("anchor_conversion_ratio", "{who}卖货与同样商品的通常水平相当", "{Who} sell{s} what the same goods usually do", low=0.9, high=1.05),
        *(Phrase(f"anchor_{name}", f"{{who}}的{zh}是加分项", f"{{Whose}} {en} {verb} in its favour", low=0.0001)
          for name, zh, en, verb in _EFFICIENCY),
    )),
    Topic("trust", "anchor", ("anchor_repeat_share", "anchor_refund_share", "anchor_trust", "anchor_private_share"), (
        Phrase("anchor_repeat_share", "{who}的买家多有回头", "Many of {whose} buyers come back", low=0.3),
        Phrase("anchor_refund_share", "{who}的退款少", "Few of {whose} sales are refunded", high=0.15),
        Phrase("anchor_trust", "粉丝信任{who}", "{Whose} followers trust {them}", low=0.5),
        Phrase("anchor_private_share", "看{who}的多是老粉", "Mostly followers watch {who}", low=0.5),
    )),
    Topic("usual goods", "anchor", ("anchor_usual_price", "anchor_price_spread"), (
        Phrase("anchor_usual_price", "{who}常卖 {v} 左右的货", "{Who} usually sell{s} at about {v}", low=0.01, shown=yuan),
        Phrase("anchor_price_spread", "{who}卖的价位集中", "{Who} keep{s} to one range of prices", high=0.7),
        Phrase("anchor_price_spread", "{who}卖的价位宽", "{Who} sell{s} at many prices", low=0.7),
    )),
    Topic("conduct", "anchor", ("anchor_violation_points", "anchor_reply_hours", "anchor_sample_fulfilment"), (
        Phrase("anchor_violation_points", "{who}没有违规扣分", "{Who} {have} no violation points", high=0),
        Phrase("anchor_reply_hours", "{who}通常 {v} 小时内回复邀约", "{Who} usually answer{s} within {v} hours", low=1, high=72),
        Phrase("anchor_reply_hours", "{who}通常 1 小时内回复邀约", "{Who} usually answer{s} within an hour", high=1),
        Phrase("anchor_sample_fulfilment", "{who}收样后 {v} 会上播", "{v} of the samples that {who} took were shown", low=0.5, shown=share),
    )),
)
# fmt: on
