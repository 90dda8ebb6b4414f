"""Is it cheap? 便宜吗: what is said of prices, the money a listing brings, and commission."""

from typing import Final

from matcher.reasons.wording import Phrase, Topic, few, off, percent, share, yuan

# fmt: off
CHEAP: Final = (
    Topic("price", "sku", ("sku_price",), (
        Phrase("sku_price", "标价 {v}", "List price {v}", low=0.01, shown=yuan),
    )),
    Topic("price gap", "sku", ("sku_price_gap", "sku_price_place", "price_gap_nonstandard"), (
        Phrase("sku_price_gap", "价格比类目中位价低 {v}", "Price {v} under its category's median", high=-0.03, shown=off),
        Phrase("sku_price_gap", "价格与类目中位价相当", "Priced at its category's median", low=-0.03, high=0.03),
        Phrase("sku_price_gap", "定位高于类目中位价 {v}", "Placed {v} above its category's median price", low=0.03, shown=off),
        Phrase("sku_price_place", "价格处于类目最低的 {v} 之内", "Among the cheapest {v} of its category", high=0.5, shown=share),
        Phrase("sku_price_place", "价格处于类目的中上档", "In the upper half of its category's prices", low=0.5),
        Phrase("price_gap_nonstandard", "非标商品，价格比类目中位价低 {v}",
               "Non-standard goods {v} under their category's median price", high=-0.03, shown=off),
        Phrase("price_gap_nonstandard", "非标商品，定位高于类目中位价 {v}",
               "Non-standard goods, placed {v} above their category's median price", low=0.03, shown=off),
        Phrase("price_gap_nonstandard", "价格与类目中位价相当", "Priced as its category is", low=-0.03, high=0.03),
    )),
    Topic("usual price", "pair", ("price_gap_usual", "price_gap_size"), (
        Phrase("price_gap_size", "价格就在{who}常卖的价位里", "Priced like the goods that {who} usually sell{s}", high=1.0),
        Phrase("price_gap_size", "价格与{who}常卖的价位错开", "Priced apart from what {who} usually sell{s}", low=1.0),
        Phrase("price_gap_usual", "比{who}常卖的货便宜", "Cheaper than what {who} usually sell{s}", high=-0.5),
        Phrase("price_gap_usual", "价格就在{who}常卖的价位里", "Priced like the goods that {who} usually sell{s}", low=-0.5, high=0.5),
        Phrase("price_gap_usual", "客单价高于{who}常卖的货", "Dearer than what {who} usually sell{s}", low=0.5),
    )),
    Topic("formula", "pair", ("formula_gmv",), (
        Phrase("formula_gmv", "按平台公式，一次挂车约可成交 {v}",
               "By the platform's formula a listing brings some {v}", low=0.01, shown=yuan),
    )),
    Topic("commission", "pair", ("rate", "commission_per_unit", "rate_gap"), (
        Phrase("rate", "{rate} {v}", "{Rate} is {v}", low=0.01, shown=percent),
        Phrase("commission_per_unit", "每件佣金约 {v}", "Some {v} commission a unit", low=0.01, shown=yuan),
        Phrase("rate_gap", "{rate}比类目中位数高 {v} 个百分点",
               "{Rate} is {v} points above its category's median", low=0.05, shown=few),
        Phrase("rate_gap", "{rate}与类目中位数相当", "{Rate} is about its category's median", low=-0.5, high=0.05),
    )),
)
# fmt: on
