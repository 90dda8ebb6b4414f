"""What does every column of the matrix mean? Each feature declared once; all else is derived from here.

The order of this file is the order of the columns. `group` says under which of a buyer's three questions a reason
made from the feature is told; `sign` is the direction in which the ranker may use it (0: either).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from features.kernels import F32, F64

Family = Literal["sku", "anchor", "audience", "history", "content", "fit", "terms", "occasion", "source"]
Group = Literal["host", "need", "cheap"]

SKU: Family = "sku"
ANCHOR: Family = "anchor"
SOURCES = (
    "history",
    "cosales",
    "recent_cosales",
    "neighbours",
    "adoption",
    "popularity",
    "category",
    "content",
    "audience",
    "newcomers",
)
"""The candidate sources, in the order of their columns; `matcher/candidates` has one file for each."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: what it is called, counted in, means, and what it says where nothing is known."""

    name: str
    family: Family
    unit: str
    meaning: str
    missing: str
    group: Group
    sign: int = 0


def _sku(name: str, unit: str, meaning: str, missing: str = "0", group: Group = "need") -> Feature:
    return Feature(f"sku_{name}", "sku", unit, meaning, missing, group)


def _kin(name: str, unit: str, meaning: str, missing: str) -> Feature:
    return Feature(name, "sku", unit, meaning, missing, "need")


def _anchor(name: str, unit: str, meaning: str, missing: str = "nan") -> Feature:
    return Feature(f"anchor_{name}", "anchor", unit, meaning, missing, "host")


def _past(name: str, unit: str, meaning: str, missing: str = "nan", group: Group = "need") -> Feature:
    return Feature(name, "history", unit, meaning, missing, group)


def _like(name: str, unit: str, meaning: str) -> Feature:
    return Feature(f"title_{name}", "content", unit, meaning, "nan", "need")


def _fit(name: str, unit: str, meaning: str, group: Group) -> Feature:
    return Feature(name, "fit", unit, meaning, "nan", group)


def _terms(name: str, unit: str, meaning: str) -> Feature:
    return Feature(name, "terms", unit, meaning, "nan", "cheap")


def _occasion(name: str, unit: str, meaning: str, missing: str) -> Feature:
    return Feature(name, "occasion", unit, meaning, missing, "need")


_LAST = {1: "the last listing", 2: "the last but one", 3: "the last but two", 4: "the last but three"}

_SKU_FEATURES = (
    _sku("price", "yuan", "list price", group="cheap"),
    _sku("price_place", "share", "share of its category's SKUs that cost no more", group="cheap"),
    _sku("price_gap", "log ratio", "list price to its category's median", group="cheap"),
    _sku("nonstandard", "0/1", "non-standard goods, which need the host's trust", "nan"),
    _sku("brand_goods", "0/1", "brand goods, not source goods", "nan"),
    _sku("age", "days", "since launch, else since first listed", "nan"),
    _sku("first_listed", "days", "since first listed by anybody within the year", "nan"),
    _sku("last_listed", "days", "since last listed by anybody", "nan"),
    _sku("stock_cover", "days", "stock at the last 28 days' pace", "nan"),
    _sku("rating", "stars", "buyers' rating", "nan"),
    _sku("reviews", "count", "reviews", "nan"),
    _sku("refund_rate", "share", "declared refund rate", "nan"),
    *(_sku(f"units_{d}d", "units", f"sold in {d} days") for d in (7, 30, 90)),
    *(_sku(f"listings_{d}d", "count", f"listings in {d} days") for d in (7, 30, 90)),
    *(_sku(f"anchors_{d}d", "count", f"anchors that listed it in {d} days") for d in (7, 30, 90, 365)),
    *(_sku(f"adoptions_{d}d", "count", f"anchors that first listed it in {d} days") for d in (7, 14, 28)),
    _sku("gmv_30d", "yuan", "GMV in 30 days"),
    _sku("adoption_share", "share", "of its anchors, those new in 28 days"),
    _sku("growth", "ratio", "listings of 30 days to a third of 90 days'", "1"),
    _sku("growth_week", "ratio", "listings of 7 days to those of 30, at the same pace", "1"),
    _sku("conversion", "units/exposure", "shrunk SKU -> brand -> category -> all", "nan"),
    _sku("click_share", "share", "clicks an impression, shrunk", "nan"),
    _sku("gpm", "yuan/1000", "GMV a thousand exposures, shrunk", "nan"),
    _sku("units_per_listing", "units", "shrunk", "nan"),
    _sku("gmv_per_listing", "yuan", "shrunk", "nan"),
    _sku("gmv_per_explained_second", "yuan/s", "shrunk", "nan"),
    _sku("refund_share", "share", "settled refunds of GMV, shrunk", "nan"),
    _sku("repeat_share", "share", "repeat buyers of its buyers, shrunk", "nan"),
    _kin("brand_anchors_90d", "count", "anchors that listed the brand in 90 days", "0"),
    _kin("brand_adoptions_28d", "count", "first listings of its SKUs in 28 days", "0"),
    _kin("category_growth", "ratio", "the category's listings of 30 days to a third of 90", "1"),
    _kin("category_conversion", "units/exposure", "mean shrunk conversion of its SKUs", "nan"),
)

_ANCHOR_FEATURES = (
    _anchor("tier", "0..2", "tail, waist, head"),
    _anchor("fans", "count", "followers when last observed"),
    _anchor("fans_growth", "share", "followers against a month before"),
    _anchor("tenure", "days", "since it joined, else since its first session"),
    _anchor("last_session", "days", "since its last session began"),
    _anchor("usual_gap", "days", "between days on air"),
    _anchor("recent_gap", "days", "between days on air, last 90 days"),
    _anchor("due", "ratio", "days since the last session to its usual gap"),
    _anchor("days_on_air", "count", "days with a session in the year", "0"),
    *(_anchor(f"sessions_{d}d", "count", f"sessions in {d} days", "0") for d in (7, 28, 90)),
    _anchor("listings_per_session", "count", "SKUs put up in a session"),
    _anchor("skus_365d", "count", "distinct SKUs listed in the year", "0"),
    *(_anchor(f"adoptions_{d}d", "count", f"SKUs first listed in {d} days", "0") for d in (28, 90)),
    _anchor("new_per_day", "count", "distinct SKUs of the year a day on air"),
    _anchor("recent_new_per_day", "count", "SKUs new in 90 days a day on air"),
    _anchor("exposure_per_session", "count", "follow, public and paid exposure a session"),
    _anchor("entry_share", "share", "entries of exposure: the formula's click-through"),
    _anchor("watch_seconds", "seconds", "watched an entry"),
    _anchor("private_share", "share", "follow-page exposure of all"),
    _anchor("peak_viewers", "count", "mean peak of a session"),
    _anchor("gmv_per_session", "yuan", "GMV a session"),
    _anchor("gmv_per_watched_second", "yuan/s", "the formula's last factor"),
    _anchor("gpm", "yuan/1000", "GMV a thousand exposures"),
    _anchor("conversion_ratio", "ratio", "units against what its SKUs usually sell, drawn to 1", "1"),
    _anchor("click_share", "share", "clicks an impression"),
    _anchor("order_value", "yuan", "GMV an order"),
    _anchor("units_per_listing", "units", "mean"),
    _anchor("gmv_per_listing", "yuan", "mean"),
    _anchor("refund_share", "share", "settled refunds of GMV, shrunk"),
    _anchor("repeat_share", "share", "repeat buyers of its buyers, shrunk"),
    _anchor("trust", "0..1", "mean of repeat share, private share and 1 - refund share"),
    _anchor("usual_price", "yuan", "geometric mean list price of its listings"),
    _anchor("price_spread", "log", "standard deviation of log list price"),
    _anchor("impressions_per_listing", "count", "exposures a listing gets in its room"),
    _anchor("category_entropy", "nats", "of its listings over categories"),
    _anchor("violation_points", "points", "when last observed"),
    _anchor("reply_hours", "hours", "to answer an invitation"),
    _anchor("sample_fulfilment", "share", "samples taken and then shown"),
)

_AUDIENCE_FEATURES = tuple(
    Feature(
        f"audience_{role}_{level}",
        "audience",
        "0..1",
        f"overlap of the anchor's {role.replace('_', ' ')}s with the {level}'s buyers",
        "nan",
        "host",
    )
    for role, levels in (
        ("viewer", ("sku", "brand", "category")),
        ("buyer", ("sku", "brand", "category")),
        ("repeat_buyer", ("sku", "category")),
    )
    for level in levels
)

_HISTORY_FEATURES = (
    _past("pair_listings", "count", "times the anchor listed the SKU in the year", "0"),
    _past("pair_sold_share", "share", "of those, listings that sold"),
    _past("pair_last", "days", "since it last did"),
    _past("pair_units", "units", "sold together in the year"),
    _past("pair_ratio", "ratio", "units against expectation, drawn to 1", group="host"),
    _past("pair_fatigue", "count", "times listed in the last 28 days", "0"),
    *(
        _past(f"pair_result_{k}", "ratio", f"{_LAST[k]} against expectation", group="host")
        for k in range(1, 5)
    ),
    *(
        feature
        for level, words in (("brand", "brand"), ("category", "category"), ("band", "price band"))
        for feature in (
            _past(f"{level}_listings", "count", f"of the SKU's {words} by the anchor", "0"),
            _past(f"{level}_lift", "ratio", f"the {words}'s share of its listings to all's", "1"),
            _past(f"{level}_last", "days", f"since it last listed the {words}"),
            _past(f"{level}_ratio", "ratio", f"units against expectation in the {words}", group="host"),
        )
    ),
)

_CONTENT_FEATURES = (
    _like("cosine", "0..1", "title to the words of what the anchor carries"),
    _like("nearest", "sum", "squared cosines of carried SKUs with like titles"),
)

_FIT_FEATURES = (
    _fit("price_gap_usual", "deviations", "list price to what the anchor usually sells", "cheap"),
    _fit("price_gap_size", "deviations", "size of that gap", "cheap"),
    _fit("price_gap_nonstandard", "log ratio", "gap to the category's median x non-standard", "cheap"),
    _fit("trust_nonstandard", "-1..1", "trust of the host x (1 non-standard, -1 standard)", "host"),
    _fit("units_gap", "log ratio", "units a listing to what the anchor usually sells", "need"),
    _fit("expected_ratio", "units", "SKU's conversion x anchor's ratio x its exposures a listing", "host"),
    _fit("formula_gmv", "yuan", "GMV formula: exposure x conversion x price a listing", "cheap"),
)

_TERMS_FEATURES = (
    _terms("rate", "percent", "the commission rate that applies to this anchor"),
    _terms("commission_per_unit", "yuan", "that rate of the list price, floored to the fen"),
    _terms("rate_gap", "percent", "that rate less the category's median open rate"),
)

_OCCASION_FEATURES = (
    _occasion("days_to_event", "days", "until the next event starts; 0 during one", "nan"),
    _occasion("event_focus", "-1..1", "next event's goods focus: 1 the SKU's supply type, -1 the other", "0"),
)

_SOURCE_FEATURES = tuple(
    feature
    for source in SOURCES
    for feature in (
        Feature(f"{source}_score", "source", "score", f"of the {source} source", "0", "need"),
        Feature(
            f"{source}_rank", "source", "rank", f"among the candidates by {source}; from 1", "nan", "need"
        ),
    )
)

FEATURES: tuple[Feature, ...] = (
    *_SKU_FEATURES,
    *_ANCHOR_FEATURES,
    *_AUDIENCE_FEATURES,
    *_HISTORY_FEATURES,
    *_CONTENT_FEATURES,
    *_FIT_FEATURES,
    *_TERMS_FEATURES,
    *_OCCASION_FEATURES,
    *_SOURCE_FEATURES,
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def names_of(family: Family) -> list[str]:
    """The columns of one family, in order."""
    return [feature.name for feature in FEATURES if feature.family == family]


@cache
def first_column(family: Family) -> int:
    """Where a family's columns begin in the matrix."""
    return next(place for place, feature in enumerate(FEATURES) if feature.family == family)


def stack(family: Family, columns: Mapping[str, F64]) -> F32:
    """The named columns in the catalogue's order, shape (n, n_family) float32; names must agree exactly."""
    names = names_of(family)
    if set(names) != set(columns):
        message = f"{family}: declared {sorted(set(names) - set(columns))}, made {sorted(set(columns) - set(names))}"
        raise ValueError(message)
    return np.stack([columns[name] for name in names], axis=1).astype(np.float32)


def fingerprint(names: Iterable[str] = NAMES) -> str:
    """Sixteen hex digits that change when a feature, its order, unit or meaning does."""
    declared = {feature.name: feature for feature in FEATURES}
    content = [[f.name, f.family, f.unit, f.meaning, f.missing] for f in (declared[name] for name in names)]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]
