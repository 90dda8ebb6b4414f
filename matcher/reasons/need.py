"""Do I need it? 需要它: what is said of the goods, of the pair's past, and of what others do with them.

Of a SKU's own columns an anchor alone is told: sums over `SEVERAL` anchors, and words where there are fewer.
"""

from collections.abc import Sequence
from typing import Final

from matcher.candidates.union import Side
from matcher.reasons.wording import SEVERAL, Phrase, Topic, days, few, share


def _past(level: str, of_zh: str, of_en: str) -> tuple[Phrase, ...]:
    """How often and how lately the anchor listed the SKU's kin."""
    return (
        Phrase(f"{level}_listings", f"{{who}}近一年带过{of_zh} {{v}} 次", f"{{Who}} put {of_en} up {{v}} times within a year", low=2),
        Phrase(f"{level}_listings", f"{{who}}近一年带过{of_zh}", f"{{Who}} put {of_en} up within the year", low=1, high=1),
        Phrase(f"{level}_listings", f"{{who}}近一年没带过{of_zh}，可以试试", f"{{Who}} {{have}} not put {of_en} up for a year: a trial", high=0),
        Phrase(f"{level}_lift", f"{{who}}近一年带过{of_zh} {{w}} 次，比例是平均的 {{v}} 倍",
               f"{{Who}} put {of_en} up {{w}} times within a year, {{v}} times as much as others do", low=1.1, shown=few,
               beside=f"{level}_listings"),
        Phrase(f"{level}_lift", f"{{who}}带{of_zh}的比例是平均的 {{v}} 倍",
               f"{{Who}} {{carry}} {of_en} {{v}} times as much as others do", low=1.1, shown=few),
        Phrase(f"{level}_lift", f"{{who}}带{of_zh}的比例与平均相当", f"{{Who}} {{carry}} {of_en} as much as others do", low=0.8, high=1.1),
        Phrase(f"{level}_last", f"{{who}}近一年带过{of_zh} {{w}} 次，上次距今 {{v}}",
               f"{{Who}} put {of_en} up {{w}} times within a year, last {{v}} ago", low=0, shown=days, beside=f"{level}_listings"),
        Phrase(f"{level}_last", f"{{who}}上次带{of_zh}距今 {{v}}", f"{{Who}} last put {of_en} up {{v}} ago", shown=days),
    )  # fmt: skip


def _source(name: str, ranked: tuple[str, str], said: tuple[str, str], best: int = 50) -> tuple[Phrase, ...]:
    """What a source says: its place while that is worth telling, else the thing itself."""
    return (
        Phrase(f"{name}_rank", ranked[0], ranked[1], high=best),
        Phrase(f"{name}_rank", said[0], said[1], low=best),
        Phrase(f"{name}_score", said[0], said[1], low=1e-9),
    )


def _both(name: str) -> tuple[str, str]:
    return f"{name}_score", f"{name}_rank"


def _windows(prefix: str, spans: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{prefix}_{span}d" for span in spans)


_GOODS: Final[Side] = "goods"
_SHORTLIST: Final[Side] = "shortlist"

_SELLING: Final = tuple(
    phrase
    for d in (30, 7, 90)
    for phrase in (
        Phrase(f"sku_units_{d}d", f"近 {d} 天售出 {{v}} 件", f"{{v}} units sold in {d} days", low=2,
               given=(f"sku_anchors_{d}d", SEVERAL)),
        Phrase(f"sku_units_{d}d", f"近 {d} 天有成交", f"It sold within {d} days", low=1),
        Phrase(f"sku_listings_{d}d", f"近 {d} 天被挂车 {{v}} 次", f"Put up {{v}} times in {d} days", low=2),
        Phrase(f"sku_listings_{d}d", f"近 {d} 天有人挂车", f"Put up within {d} days", low=1, high=1),
    )
)  # fmt: skip
_CARRIED: Final = tuple(
    phrase
    for d, zh, en in ((30, "近 30 天", "in 30 days"), (7, "近 7 天", "in 7 days"), (90, "近 90 天", "in 90 days"),
                      (365, "近一年", "within a year"))
    for phrase in (
        Phrase(f"sku_anchors_{d}d", f"{zh}有 {{v}} 位主播带它", f"{{v}} anchors carried it {en}", low=2),
        Phrase(f"sku_anchors_{d}d", f"{zh}已有主播带它", f"An anchor carried it {en}", low=1, high=1),
    )
)  # fmt: skip
_SPREADING: Final = tuple(
    phrase
    for d in (28, 14, 7)
    for phrase in (
        Phrase(f"sku_adoptions_{d}d", f"近 {d} 天有 {{v}} 位主播新开始带它", f"{{v}} anchors began selling it in the last {d} days", low=2),
        Phrase(f"sku_adoptions_{d}d", f"近 {d} 天有主播新开始带它", f"An anchor began selling it in the last {d} days", low=1, high=1),
    )
)  # fmt: skip
_RATES: Final = (
    "conversion",
    "click_share",
    "gpm",
    "units_per_listing",
    "gmv_per_listing",
    "gmv_per_explained_second",
)
_ADOPTING: Final = ("在新开始被带的货里热度第 {v}", "No. {v} among what anchors are taking up"), (
    "主播们正新开始带它", "Anchors are taking it up",
)  # fmt: skip

# fmt: off
NEED: Final = (
    Topic("kind", "sku", ("sku_nonstandard",), (
        Phrase("sku_nonstandard", "非标商品，靠主播讲解", "Non-standard goods, sold by an anchor's word", low=1),
        Phrase("sku_nonstandard", "标准品，观众一看就懂", "Standard goods, decided at a glance", high=0),
    )),
    Topic("supply", "sku", ("sku_brand_goods",), (
        Phrase("sku_brand_goods", "品牌好货", "Brand goods", low=1),
        Phrase("sku_brand_goods", "源头好货", "Source goods, straight from origin", high=0),
    )),
    Topic("age", "sku", ("sku_age", "sku_first_listed", "sku_last_listed"), (
        Phrase("sku_age", "新品，上架 {v}", "New: on sale for {v}", high=60, shown=days),
        Phrase("sku_age", "已上架 {v}，经过市场检验", "On sale for {v}, a known quantity", low=60, shown=days),
        Phrase("sku_first_listed", "首次被带货距今 {v}", "First put up by an anchor {v} ago", shown=days),
        Phrase("sku_last_listed", "{v}前还有主播在带", "An anchor put it up {v} ago", high=30, shown=days),
        Phrase("sku_last_listed", "近一个月没有主播带，不撞品", "No anchor put it up for a month", low=30),
    )),
    Topic("stock", "sku", ("sku_stock_cover",), (
        Phrase("sku_stock_cover", "按近期销速，库存够卖 {v}", "Stock for {v} at the present pace", low=7, high=365, shown=days),
        Phrase("sku_stock_cover", "库存充足", "Ample stock", low=365),
    )),
    Topic("reputation", "sku", ("sku_rating", "sku_reviews"), (
        Phrase("sku_rating", "买家评分 {v}", "Rated {v} by buyers", low=4.0, shown=few),
        Phrase("sku_reviews", "有 {v} 条评价", "{v} reviews", low=2),
    )),
    Topic("refunds", "sku", ("sku_refund_rate", "sku_refund_share"), (
        Phrase("sku_refund_rate", "申报退款率 {v}", "Declared refund rate {v}", high=0.2, shown=share),
        Phrase("sku_refund_share", "退款少", "Few refunds", high=0.2),
    )),
    Topic("selling", "sku", (*_windows("sku_units", (7, 30, 90)), *_windows("sku_listings", (7, 30, 90)), "sku_gmv_30d"), (
        *_SELLING,
        Phrase("sku_gmv_30d", "近 30 天成交额可观", "It has been bringing money for 30 days", low=1),
    )),
    Topic("carried", "sku", _windows("sku_anchors", (7, 30, 90, 365)), _CARRIED),
    Topic("spreading", "sku", (*_windows("sku_adoptions", (7, 14, 28)), "sku_adoption_share"), (
        *_SPREADING,
        Phrase("sku_adoption_share", "带它的主播里有 {v} 是近 28 天新加入的", "{v} of its anchors began in the last 28 days", low=0.01, shown=share),
    )),
    Topic("growth", "sku", ("sku_growth", "sku_growth_week"), (
        Phrase("sku_growth", "近 30 天挂车频次是近 90 天平均的 {v} 倍",
               "In the last 30 days put up {v} times as often as over 90", low=1.1, shown=few),
        Phrase("sku_growth_week", "近 7 天挂车频次是近 30 天平均的 {v} 倍",
               "In the last 7 days put up {v} times as often as over 30", low=1.1, shown=few),
        *(Phrase(name, "热度平稳", "Put up as steadily as before", low=0.8, high=1.1) for name in ("sku_growth", "sku_growth_week")),
    )),
    Topic("sells well", "sku", tuple(f"sku_{name}" for name in _RATES), (
        Phrase("sku_conversion", "转化是类目平均的 {v} 倍", "Converts {v} times as well as its category", low=1.1, shown=few,
               given=("sku_anchors_365d", SEVERAL), against="category_conversion"),
        Phrase("sku_conversion", "转化不低于类目平均", "Converts no worse than its category", low=1.0, against="category_conversion"),
        Phrase("sku_units_per_listing", "一次挂车通常卖 {v} 件", "{v} units a listing are usual", low=0.1, shown=few,
               given=("sku_anchors_365d", SEVERAL)),
        *(Phrase(f"sku_{name}", "挂车后容易成交", "It sells once it is put up", low=1e-9) for name in _RATES),
    )),
    Topic("bought again", "sku", ("sku_repeat_share",), (
        Phrase("sku_repeat_share", "买家中有 {v} 会回购", "{v} of its buyers come back", low=0.01, shown=share,
               given=("sku_anchors_365d", SEVERAL)),
        Phrase("sku_repeat_share", "有买家回购", "Some of its buyers come back", low=0.01),
    )),
    Topic("brand at large", "sku", ("brand_anchors_90d", "brand_adoptions_28d"), (
        Phrase("brand_anchors_90d", "近 90 天有 {v} 位主播带{brand}", "{v} anchors carried {brand} in 90 days", low=2),
        Phrase("brand_anchors_90d", "近 90 天有主播带{brand}", "An anchor carried {brand} in 90 days", low=1, high=1),
        Phrase("brand_adoptions_28d", "近 28 天{brand}的商品被新带 {v} 次", "SKUs of {brand} were taken up {v} times in 28 days", low=2),
        Phrase("brand_adoptions_28d", "近 28 天有主播新带{brand}", "An anchor took up {brand} in 28 days", low=1, high=1),
    )),
    Topic("category at large", "sku", ("category_growth", "category_conversion"), (
        Phrase("category_growth", "类目近 30 天挂车频次是近 90 天平均的 {v} 倍",
               "Its category is put up {v} times as often as over 90 days", low=1.05, shown=few),
        Phrase("category_growth", "类目热度平稳", "Its category is put up as steadily as before", low=0.9, high=1.05),
        Phrase("category_conversion", "所属类目有稳定成交", "Its category sells", low=1e-9),
    )),
    Topic("sold before", "pair", (
        "pair_listings", "pair_sold_share", "pair_last", "pair_units", "pair_fatigue", *_both("history"),
    ), (
        Phrase("pair_units", "{who}近一年卖过它 {v} 件", "{Who} sold {v} of it within a year", low=1),
        Phrase("pair_listings", "{who}近一年带过它 {v} 次", "{Who} put it up {v} times within a year", low=2),
        Phrase("pair_listings", "{who}近一年带过它", "{Who} put it up within the year", low=1, high=1),
        Phrase("pair_listings", "{who}还没带过它，观众新鲜", "New to {whose} audience", high=0),
        Phrase("pair_sold_share", "{who}带它的场次有 {v} 成交", "It sold in {v} of {whose} listings", low=0.3, shown=share),
        Phrase("pair_last", "{who}近一年卖过它 {w} 件，上次带它距今 {v}",
               "{Who} sold {w} of it within a year and last put it up {v} ago", low=0, shown=days, beside="pair_units"),
        Phrase("pair_last", "{who}上次带它距今 {v}", "{Who} last put it up {v} ago", shown=days),
        Phrase("pair_fatigue", "{who}近 28 天没带过它，观众不腻", "{Who} {have} not put it up for 28 days: nobody is tired of it", high=0),
        Phrase("pair_fatigue", "{who}近 28 天带过它 {v} 次", "{Who} put it up {v} times in 28 days", low=2),
        Phrase("pair_fatigue", "{who}近 28 天带过它", "{Who} put it up in the last 28 days", low=1, high=1),
        Phrase("history_rank", "按近期、频次与成绩，在{who}带过的货里第 {v}",
               "No. {v} of {whose} goods by how lately, how often and how well {who} sold them", high=50, voice=_GOODS),
        Phrase("history_rank", "按近期、频次与成绩，在带过它的主播里第 {v}",
               "No. {v} of its sellers by how lately, how often and how well they sold it", high=50, voice=_SHORTLIST),
        *(Phrase(name, "{who}带过它", "{Who} {have} sold it before", low=1e-9) for name in _both("history")),
    )),
    *(Topic(f"past with the {level}", "pair", (f"{level}_listings", f"{level}_lift", f"{level}_last"), _past(level, zh, en))
      for level, zh, en in (("brand", "{brand}", "{brand}"), ("category", "同类目商品", "goods of its category"),
                            ("band", "同价位商品", "goods of its price band"))),
    Topic("like titles", "pair", ("title_cosine", "title_nearest", *_both("content")), (
        Phrase("title_cosine", "与{who}常带的商品相似", "Like the goods that {who} {carry}", low=0.05),
        Phrase("title_nearest", "{who}带过标题相近的商品", "{Who} carried goods with like titles", low=0.01),
        *_source("content", ("与{who}带过的商品相似，候选中第 {v}", "No. {v} of the candidates by likeness to what {who} carried"),
                 ("与{who}带过的商品相似", "Like goods that {who} carried")),
    )),
    Topic("brisk", "pair", ("units_gap",), (
        Phrase("units_gap", "动销快过{who}常带的货", "It sells faster than what {who} usually {carry}", low=0.05),
        Phrase("units_gap", "动销与{who}常带的货相当", "It sells as fast as what {who} usually {carry}", low=-0.2, high=0.05),
    )),
    Topic("event focus", "sku", ("event_focus",), (
        Phrase("event_focus", "契合下一个大促的主推货盘", "Of the kind that the next event is for", low=1),
    )),
    Topic("sells together", "pair", (*_both("cosales"), *_both("recent_cosales")), (
        *_source("cosales", ("带{who}这些货的主播也常带它，候选中第 {v}",
                             "Anchors who carry {whose} goods carry it too: no. {v} of the candidates"),
                 ("带{who}这些货的主播也常带它", "Anchors who carry {whose} goods carry it too")),
        *_source("recent_cosales", ("带{who}近期这些货的主播也常带它，候选中第 {v}",
                                    "Anchors who carry {whose} latest goods carry it too: no. {v} of the candidates"),
                 ("带{who}近期这些货的主播也常带它", "Anchors who carry {whose} latest goods carry it too")),
    )),
    Topic("anchors alike", "pair", _both("neighbours"), _source(
        "neighbours", ("与{who}相似的主播近 28 天开始带它，候选中第 {v}",
                       "Anchors like {who} began selling it in the last 28 days: no. {v} of the candidates"),
        ("与{who}相似的主播近 28 天开始带它", "Anchors like {who} began selling it in the last 28 days"))),
    Topic("crowd alike", "pair", _both("audience"), _source(
        "audience", ("{who}的人群与买家相似，候选中第 {v}", "No. {v} of the candidates by how like {whose} crowd is to its buyers"),
        ("{who}的人群与买家相似", "{Whose} crowd is like its buyers"))),
    Topic("leading in the category", "pair", _both("category"), _source(
        "category", ("在{who}主营类目的热卖里第 {v}", "No. {v} among the leaders of {whose} categories"),
        ("{who}主营类目的热卖商品", "A leader in {whose} categories")), voice=_GOODS),
    Topic("leading in the category", "pair", _both("category"), _source(
        "category", ("在带这个类目的主播里挂车数第 {v}", "No. {v} of the anchors by listings in its category"),
        ("{who}常带这个类目", "{Who} {carry} its category")), voice=_SHORTLIST),
    Topic("popular", "sku", _both("popularity"), _source(
        "popularity", ("近 28 天带它的主播数排第 {v}", "No. {v} by how many anchors carried it in 28 days"),
        ("近 28 天多位主播在带", "Carried by many in 28 days")), voice=_GOODS),
    Topic("popular", "anchor", _both("popularity"), _source(
        "popularity", ("带货品种数在候选主播中第 {v}", "No. {v} of the anchors by how many SKUs they carry"),
        ("带货品种多", "{Who} {carry} a wide range")), voice=_SHORTLIST),
    Topic("taken up", "sku", _both("adoption"), _source("adoption", *_ADOPTING), voice=_GOODS),
    Topic("taken up", "anchor", _both("adoption"), _source(
        "adoption", ("近 28 天新带商品数在候选主播中第 {v}", "No. {v} of the anchors by how much they took up in 28 days"),
        ("近 28 天乐于上新", "{Who} took up new goods in 28 days")), voice=_SHORTLIST),
    Topic("newcomer", "pair", _both("newcomers"), _source(
        "newcomers", ("新品试卖：类目与人群对路，新品中第 {v}", "A new SKU to try: no. {v} of the new by category and crowd"),
        ("新品，可以试卖", "A new SKU to try")), voice=_GOODS),
    Topic("newcomer", "pair", _both("newcomers"), _source(
        "newcomers", ("新主播，人群对路，新人中第 {v}", "A new anchor: no. {v} of the new by how like the crowd is"),
        ("新主播，可以试卖", "A new anchor to try")), voice=_SHORTLIST),
)
# fmt: on
