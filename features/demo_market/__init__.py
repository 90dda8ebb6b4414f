"""What would the trade look like if we knew the truth? A seeded pretend market for the demo and the tests."""

from features.demo_market.market import Market, make_market, write_market
from features.demo_market.reference import own_best_sellers, popularity
from features.demo_market.spec import MarketSpec, Strengths
from features.demo_market.truth import Truth, capture, capture_by_anchor, read_truth, write_truth

__all__ = [
    "Market",
    "MarketSpec",
    "Strengths",
    "Truth",
    "capture",
    "capture_by_anchor",
    "make_market",
    "own_best_sellers",
    "popularity",
    "read_truth",
    "write_market",
    "write_truth",
]
