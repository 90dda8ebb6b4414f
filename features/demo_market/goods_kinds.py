"""Which kinds of goods does the pretend market trade in? One line a category; figures are plausible, not measured."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A leaf category. Prices in yuan, `season_peak` as month 1..12, leans from -1 to 1 (women or the old: +1)."""

    path: str
    noun: str
    price_yuan: float  # median of the log-normal
    price_sigma: float
    standard_share: float  # how many of its SKUs are standard goods
    source_share: float  # ... are source goods rather than brand goods
    unit: str
    units_per_pack: int
    rate_percent: int  # usual commission
    refund_percent: int
    gender_lean: float
    age_lean: float
    season_peak: int
    season_amplitude: float


KINDS = (
    Kind("beauty/skincare/mask", "面膜", 79, 0.45, 0.8, 0.2, "piece", 10, 25, 6, 0.9, -0.3, 11, 0.10),
    Kind("beauty/skincare/serum", "精华液", 169, 0.50, 0.5, 0.1, "ml", 30, 28, 6, 0.9, 0.0, 11, 0.10),
    Kind("beauty/makeup/lipstick", "口红", 99, 0.45, 0.8, 0.1, "piece", 1, 22, 7, 0.9, -0.8, 2, 0.10),
    Kind("food/fruit/orange", "脐橙", 45, 0.35, 0.2, 0.9, "g", 5000, 15, 8, 0.1, 0.3, 12, 0.40),
    Kind("food/snack/nut", "坚果", 59, 0.40, 0.7, 0.4, "g", 1000, 18, 3, 0.3, -0.2, 1, 0.30),
    Kind("food/tea/green", "绿茶", 128, 0.60, 0.1, 0.7, "g", 250, 30, 4, -0.5, 0.7, 4, 0.35),
    Kind("food/staple/rice", "大米", 59, 0.30, 0.8, 0.7, "g", 5000, 8, 2, 0.2, 0.5, 10, 0.15),
    Kind("food/meat/beef", "牛肉", 129, 0.40, 0.4, 0.6, "g", 1500, 12, 5, -0.2, 0.1, 1, 0.20),
    Kind("health/tonic/birdnest", "燕窝", 299, 0.50, 0.1, 0.5, "g", 100, 30, 5, 0.8, 0.2, 12, 0.15),
    Kind("health/tonic/ginseng", "人参", 259, 0.60, 0.1, 0.8, "g", 100, 32, 5, -0.1, 0.9, 12, 0.25),
    Kind("clothing/women/dress", "连衣裙", 159, 0.50, 0.1, 0.5, "piece", 1, 20, 28, 0.9, -0.2, 6, 0.50),
    Kind("clothing/women/coat", "外套", 299, 0.50, 0.1, 0.4, "piece", 1, 20, 25, 0.9, 0.1, 11, 0.60),
    Kind("clothing/men/shirt", "衬衫", 119, 0.45, 0.2, 0.4, "piece", 1, 18, 18, -0.8, 0.1, 5, 0.20),
    Kind("clothing/children/set", "童装", 89, 0.40, 0.3, 0.6, "piece", 1, 18, 15, 0.6, -0.1, 9, 0.30),
    Kind("shoes/sport/running", "跑鞋", 199, 0.45, 0.7, 0.2, "piece", 1, 15, 12, -0.4, -0.5, 4, 0.15),
    Kind("jewellery/jade/bangle", "玉镯", 899, 0.80, 0.0, 0.9, "piece", 1, 25, 18, 0.6, 0.6, 2, 0.10),
    Kind("jewellery/pearl/necklace", "珍珠项链", 399, 0.60, 0.1, 0.7, "piece", 1, 25, 15, 0.8, 0.2, 5, 0.10),
    Kind("home/kitchen/pan", "炒锅", 139, 0.40, 0.8, 0.2, "piece", 1, 15, 5, 0.3, 0.4, 11, 0.10),
    Kind("home/textile/bedding", "四件套", 199, 0.45, 0.5, 0.4, "piece", 4, 20, 8, 0.6, 0.3, 10, 0.20),
    Kind("home/paper/tissue", "抽纸", 35, 0.30, 1.0, 0.3, "piece", 30, 8, 1, 0.3, 0.0, 6, 0.05),
    Kind("baby/diaper/pants", "拉拉裤", 109, 0.35, 1.0, 0.1, "piece", 60, 10, 2, 0.5, -0.5, 6, 0.05),
    Kind("baby/toy/block", "积木", 99, 0.50, 0.8, 0.2, "piece", 1, 18, 4, 0.2, -0.3, 12, 0.30),
    Kind("digital/audio/earphone", "耳机", 159, 0.60, 1.0, 0.1, "piece", 1, 10, 7, -0.7, -0.8, 11, 0.15),
    Kind("digital/appliance/fryer", "空气炸锅", 229, 0.40, 0.9, 0.1, "piece", 1, 12, 5, 0.1, 0.0, 11, 0.15),
    Kind("books/children/picture", "绘本", 69, 0.45, 1.0, 0.0, "piece", 8, 20, 2, 0.6, -0.2, 6, 0.20),
)

GENDERS = ("female", "male")
AGES = ("18-23", "24-30", "31-40", "41-49", "50+")
CITY_TIERS = ("new_first", "second", "third", "fourth", "fifth")
PRICE_BANDS_YUAN = (0, 50, 100, 200, 400)  # lower bounds
PRICE_BANDS = ("0-50", "50-100", "100-200", "200-400", "400+")

# One pair of words for each end of each latent axis of taste: what a title lets one see of it.
TASTE_WORDS = (
    (("国风", "雅致"), ("潮流", "街头")),
    (("轻奢", "礼盒"), ("实惠", "家庭装")),
    (("天然", "草本"), ("科技", "专研")),
    (("甜美", "可爱"), ("极简", "高级")),
    (("户外", "运动"), ("居家", "舒适")),
    (("手工", "老字号"), ("网红", "新品")),
)
PLAIN_WORDS = ("正品", "热卖", "升级", "优选", "加厚", "经典", "新款", "大容量", "便携", "多用")
