"""How is a category called? The parts of its path in zh and en, as far as somebody has named them.

Paths are the operator's own; what stands here are those of the pretend market, and others read well without a name.
"""

from typing import Final

from api.problems import Language

NAMES: Final[dict[str, tuple[str, str]]] = {
    "baby": ("母婴", "Baby"),
    "diaper": ("纸尿裤", "Nappies"),
    "pants": ("拉拉裤", "Pull-ups"),
    "toy": ("玩具", "Toys"),
    "block": ("积木", "Blocks"),
    "beauty": ("美妆", "Beauty"),
    "makeup": ("彩妆", "Make-up"),
    "lipstick": ("口红", "Lipstick"),
    "skincare": ("护肤", "Skincare"),
    "mask": ("面膜", "Masks"),
    "serum": ("精华液", "Serum"),
    "books": ("图书", "Books"),
    "children": ("儿童", "Children"),
    "picture": ("绘本", "Picture books"),
    "clothing": ("服饰", "Clothing"),
    "set": ("童装", "Sets"),
    "men": ("男装", "Men"),
    "shirt": ("衬衫", "Shirts"),
    "women": ("女装", "Women"),
    "coat": ("外套", "Coats"),
    "dress": ("连衣裙", "Dresses"),
    "digital": ("数码家电", "Electronics"),
    "appliance": ("小家电", "Appliances"),
    "fryer": ("空气炸锅", "Air fryers"),
    "audio": ("影音", "Audio"),
    "earphone": ("耳机", "Earphones"),
    "food": ("食品", "Food"),
    "fruit": ("水果", "Fruit"),
    "orange": ("脐橙", "Oranges"),
    "meat": ("肉类", "Meat"),
    "beef": ("牛肉", "Beef"),
    "snack": ("零食", "Snacks"),
    "nut": ("坚果", "Nuts"),
    "staple": ("主食", "Staples"),
    "rice": ("大米", "Rice"),
    "tea": ("茶叶", "Tea"),
    "green": ("绿茶", "Green tea"),
    "health": ("保健滋补", "Health"),
    "tonic": ("滋补品", "Tonics"),
    "birdnest": ("燕窝", "Bird's nest"),
    "ginseng": ("人参", "Ginseng"),
    "home": ("家居", "Home"),
    "kitchen": ("厨具", "Kitchen"),
    "pan": ("炒锅", "Pans"),
    "paper": ("纸品", "Paper"),
    "tissue": ("抽纸", "Tissues"),
    "textile": ("家纺", "Textiles"),
    "bedding": ("四件套", "Bedding"),
    "jewellery": ("珠宝", "Jewellery"),
    "jade": ("玉石", "Jade"),
    "bangle": ("玉镯", "Bangles"),
    "pearl": ("珍珠", "Pearls"),
    "necklace": ("珍珠项链", "Necklaces"),
    "shoes": ("鞋靴", "Shoes"),
    "sport": ("运动", "Sport"),
    "running": ("跑鞋", "Running shoes"),
}


def category_name(path: str, language: Language, *, leaf: bool = False) -> str:
    """A category as people call it, all its levels or the last; a part that nobody has named is shown as it is.

    >>> category_name("food/tea/oolong", "en"), category_name("food/tea/green", "zh", leaf=True)
    ('Food › Tea › oolong', '绿茶')
    """
    parts = path.split("/")[-1:] if leaf else path.split("/")
    place = 0 if language == "zh" else 1
    return " › ".join(NAMES[part][place] if part in NAMES else part for part in parts)
