"""How is a small market asked for a list? One of a few rows, an engine over it, and one call a side."""

from sqlalchemy import Engine as Store

from features.snapshot import take_snapshot
from market import Market, ago
from matcher.candidates.union import Side
from matcher.engine import Engine, build_engine
from matcher.pairing import PairingList
from matcher.policy import Policy
from matcher.request import Filters, ListRequest
from matcher.world import build_world
from trained import SIDES


def ids_of(answer: PairingList, side: Side = "goods") -> list[str]:
    return [pairing.sku_id if side == "goods" else pairing.anchor_id for pairing in answer.pairings]


def small_market(*sku_ids: str) -> Market:
    """Two anchors and a newcomer; the first sold everything of late, the second but the last of it."""
    market = Market().add("brands", brand_id="brand", name="brand")
    for anchor_id in ("ann", "bob", "new"):
        market.anchor(anchor_id)
    for sku_id in sku_ids:
        market.sku(sku_id)
    return market


def sold(market: Market, *sku_ids: str) -> Market:
    for days in (3, 10, 20):
        market.live("ann", ago(days), dict.fromkeys(sku_ids, 5))
        market.live("bob", ago(days - 1), dict.fromkeys(sku_ids[:-1], 3))
    return market


def serving(market: Market, store: Store, source: str = "popularity", policy: Policy | None = None) -> Engine:
    world = build_world(take_snapshot(market.facts(store)), policy or Policy())
    return build_engine(world, None, dict.fromkeys(SIDES, source))


def goods(engine: Engine, anchor_id: str, size: int = 50, **asked: object) -> PairingList:
    filters = Filters(**{name: asked.pop(name) for name in list(asked) if name in Filters.__slots__})  # type: ignore[arg-type]
    return engine.answer(
        ListRequest("goods", engine.row("goods", anchor_id), size, filters=filters, **asked)  # type: ignore[arg-type]
    )


def shortlist(engine: Engine, sku_id: str, **asked: object) -> PairingList:
    filters = Filters(**{name: asked.pop(name) for name in list(asked) if name in Filters.__slots__})  # type: ignore[arg-type]
    return engine.answer(
        ListRequest("shortlist", engine.row("shortlist", sku_id), 50, filters=filters, **asked)  # type: ignore[arg-type]
    )
