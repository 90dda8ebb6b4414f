"""What does each answer look like, filled in? One example a shape, for the API page and for generated clients' authors.

`test_http_problems` holds each of them against its shape.
"""

from typing import Any, Final

_REQUEST_ID: Final = "r_0123456789abcdef01234567"
_AT: Final = "2026-10-22T04:00:00Z"
_MODEL: Final = "20261022-0123456789ab"
_POLICY: Final = "e993ef956df2"
_MADE: Final[dict[str, Any]] = {
    "request_id": _REQUEST_ID,
    "model_version": _MODEL,
    "snapshot_at": _AT,
    "policy_version": _POLICY,
}
_VERDICTS: Final[list[dict[str, Any]]] = [
    {
        "rule": "cps_floor",
        "status": "PASS",
        "reason": "OK",
        "margin": 15_000,
        "provisional": False,
        "sentence": "the promise is kept",
    },
    {
        "rule": "price_parity",
        "status": "INDETERMINATE",
        "reason": "NO_OFFER",
        "margin": None,
        "provisional": False,
        "sentence": "no price of our own is known",
    },
]
_EXPECTED: Final[dict[str, Any]] = {
    "units": 35.3,
    "units_low": 2.6,
    "units_high": 83.5,
    "gmv_fen": 582_490,
    "gmv_low_fen": 43_400,
    "gmv_high_fen": 1_376_150,
    "commission_fen": 142_710,
    "commission_low_fen": 10_600,
    "commission_high_fen": 337_150,
}
_REASONS: Final[list[dict[str, Any]]] = [
    {"group": "need", "zh": "近 90 天被挂车 40 次", "en": "Put up 40 times in 90 days"}
]
_LINE: Final[dict[str, Any]] = {
    "rank": 1,
    "anchor_id": "A0018",
    "sku_id": "S00462",
    "score": 0.515,
    "rate_ppm": 245_000,
    "expected": _EXPECTED,
    "verdicts": _VERDICTS,
    "reasons": _REASONS,
}
_LIST: Final[dict[str, Any]] = {
    "next_cursor": None,
    **_MADE,
    "objective": "balanced",
    "considered": 89,
    "left_out": {"OFF_SHELF": 21, "NO_STOCK": 7},
}

GOODS_LIST: Final[dict[str, Any]] = {
    "anchor_id": "A0018",
    "items": [
        _LINE
        | {
            "title": "氨基酸洁面乳 120 g",
            "brand_id": "B0001",
            "brand_name": "云眠",
            "category": "beauty/skincare/cleanser",
            "list_price_fen": 16_900,
            "commission_fen_a_unit": 4_140,
            "stock": 458,
            "sample": "free",
            "rating_x100": 481,
            "supply_type": "brand",
            "rate_change": {"at": "2026-11-01T16:00:00Z", "rate_ppm": 200_000, "is_cut": True},
        }
    ],
    **_LIST,
}
SHORTLIST: Final[dict[str, Any]] = {
    "sku_id": "S00462",
    "items": [
        _LINE
        | {
            "anchor_name": "阿竹",
            "tier": "waist",
            "account_kind": "talent",
            "fans": 532_320,
            "reply_hours": 6.5,
            "past_with_brand": {
                "listings": 56,
                "units": 602,
                "gmv_fen": 3_168_245,
                "last_at": "2026-10-02T12:13:00Z",
            },
        }
    ],
    **_LIST,
}
SHORTLISTS_ASKED: Final[dict[str, Any]] = {
    "sku_ids": ["S00462", "S00463"],
    "size": 20,
    "most_skus_an_anchor": 1,
}
SHARED_SHORTLISTS: Final[dict[str, Any]] = {
    "brand_id": "B0001",
    "items": [SHORTLIST],
    "next_cursor": None,
    "request_id": _REQUEST_ID,
}
NIGHTLY_LISTS: Final[dict[str, Any]] = {
    "as_of": "2026-10-22",
    "model_version": _MODEL,
    "snapshot_at": "2026-10-21T16:00:00Z",
    "policy_version": _POLICY,
    "objective": "balanced",
    "lists": {"goods": 400, "shortlist": 2_000},
    "rows": {"goods": 19_870, "shortlist": 38_410},
    "request_id": _REQUEST_ID,
}
NIGHTLY_LIST: Final[dict[str, Any]] = {
    "as_of": "2026-10-22",
    "model_version": _MODEL,
    "snapshot_at": "2026-10-21T16:00:00Z",
    "items": [{"rank": 1, "sku_id": "S00462", "score": 0.515}],
    "next_cursor": None,
    "request_id": _REQUEST_ID,
}
PAIRING: Final[dict[str, Any]] = {
    "anchor_id": "A0018",
    "sku_id": "S00462",
    **_MADE,
    "rate_ppm": 245_000,
    "expected": _EXPECTED,
    "verdicts": _VERDICTS,
    "goods": {
        "status": "RANKED",
        "rank": 25,
        "score": -0.575,
        "considered": 89,
        "brought_by": ["history", "popularity"],
        "above": ["S00084", "S00015"],
        "reasons": _REASONS,
    },
    "shortlist": {
        "status": "RANKED",
        "rank": None,
        "score": None,
        "considered": None,
        "brought_by": [],
        "above": [],
        "reasons": [],
    },
}
CHECKS: Final[dict[str, Any]] = {
    "sku_id": "S00462",
    "policy_version": _POLICY,
    "request_id": _REQUEST_ID,
    "verdicts": [
        {
            "rule": "cps_floor",
            "status": "PASS",
            "reason": "OK",
            "sentence": {
                "zh": "承诺已履行",
                "en": "the promise is kept",
            },
            "margin": 15_000,
            "margin_unit": "ppm",
            "provisional": False,
            "policy_version": _POLICY,
            "checked_at": _AT,
            "next_change_at": None,
            "evidence": [{"id": "Q000123", "table": "cps_quotes", "observed_at": "2026-10-20T00:00:00Z"}],
            "notes": [],
            "account": {"nearest_rate": None},
        }
    ],
    "takers": None,
}
PLANNED_ASKED: Final[dict[str, Any]] = {
    "sku_id": "S00462",
    "plans": [{"plan_type": "open", "rate": "20", "rate_unit": "percent"}],
    "offers": [
        {
            "item_price_fen": 9_900,
            "promotions": [{"layer": "shop", "kind": "coupon", "off_fen": 500}],
        }
    ],
}
RATE: Final[dict[str, Any]] = {
    "sku_id": "S00462",
    "anchor_id": "A0018",
    "at": _AT,
    "rate_ppm": 245_000,
    "plan": {
        "plan_id": "P000123",
        "plan_type": "open",
        "rate_ppm": 245_000,
        "status": "on",
        "valid_from": "2026-04-06T16:00:00Z",
        "valid_to": None,
    },
    "kept_until": None,
    "losers": [],
    "policy_version": _POLICY,
    "request_id": _REQUEST_ID,
}
FEEDBACK_ASKED: Final[dict[str, Any]] = {
    "events": [
        {
            "event_id": "2026-10-22-A0018-S00462-picked",
            "request_id": _REQUEST_ID,
            "at": "2026-10-22T12:00:00+08:00",
            "anchor_id": "A0018",
            "sku_id": "S00462",
            "kind": "picked",
            "position": 1,
        }
    ]
}
ACCEPTED: Final[dict[str, Any]] = {
    "accepted": 1,
    "repeated": 0,
    "commitments": [
        {
            "event_id": "2026-10-22-A0018-S00462-picked",
            "sku_id": "S00462",
            "verdicts": _VERDICTS,
        }
    ],
    "request_id": _REQUEST_ID,
}
STORED: Final[dict[str, Any]] = {"table": "skus", "new": 1, "unchanged": 0, "request_id": _REQUEST_ID}
MODELS: Final[dict[str, Any]] = {
    "champion": _MODEL,
    "items": [
        {
            "version": _MODEL,
            "serves": True,
            "problem": None,
            "as_of": "2026-10-22",
            "data_from": "2026-05-07",
            "gate_passed": True,
            "gate_reasons": [],
            "policy_version": _POLICY,
            "metrics": {"judged": {}},
        }
    ],
    "next_cursor": None,
    "request_id": _REQUEST_ID,
}
PROMOTED: Final[dict[str, Any]] = {"version": _MODEL, "promoted_at": _AT, "request_id": _REQUEST_ID}
LIVE: Final[dict[str, Any]] = {"status": "alive"}
READY: Final[dict[str, Any]] = {
    "status": "ready",
    "model_version": _MODEL,
    "snapshot_at": _AT,
    "snapshot_age_seconds": 4.3,
    "policy_version": _POLICY,
    "trouble": None,
}
