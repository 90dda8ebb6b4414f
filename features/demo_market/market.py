"""Which pretend market is this? One spec and one seed, one world: the import tables, and the truth beside them."""

import zlib
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.demo_market.bars import allowed_pairs, draw_bars
from features.demo_market.broadcasts import live_through
from features.demo_market.columns import name_ids
from features.demo_market.crowd import draw_anchors, draw_segments
from features.demo_market.crowd_tables import anchor_table, audience_table, stats_table
from features.demo_market.goods import draw_brands, draw_skus
from features.demo_market.promise_tables import (
    enrolment_table,
    event_table,
    offer_tables,
    programme_table,
    quote_table,
)
from features.demo_market.spec import MarketSpec
from features.demo_market.supply_tables import brand_table, plan_table, sku_table
from features.demo_market.trade_tables import feedback_table, listing_table, session_table
from features.demo_market.truth import Truth, log_conversions, settle_truth


@dataclass(frozen=True, slots=True)
class Market:
    """A frame for every import table, in the order of import, and the truth that only an evaluation may read."""

    brands: pl.DataFrame
    programmes: pl.DataFrame
    enrolments: pl.DataFrame
    events: pl.DataFrame
    anchors: pl.DataFrame
    skus: pl.DataFrame
    plans: pl.DataFrame
    cps_quotes: pl.DataFrame
    offers: pl.DataFrame
    offer_promotions: pl.DataFrame
    anchor_stats: pl.DataFrame
    audiences: pl.DataFrame
    live_sessions: pl.DataFrame
    listings: pl.DataFrame
    feedback: pl.DataFrame
    truth: Truth
    as_of: date  # the Shanghai day before which all of it was known

    def tables(self) -> dict[str, pl.DataFrame]:
        """Every import table by its name, each after those that it refers to."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: frame for name, frame in found.items() if isinstance(frame, pl.DataFrame)}


def make_market(spec: MarketSpec, seed: int) -> Market:
    """The market of this seed, the same to the last byte each time it is made."""

    def draw(name: str) -> np.random.Generator:
        """A stream of its own for each part: to change one leaves the others as they were."""
        return np.random.default_rng([seed, zlib.crc32(name.encode())])

    ids = name_ids(spec)
    segments = draw_segments(draw("segments"))
    anchors = draw_anchors(spec, segments, draw("anchors"))
    brands = draw_brands(spec, draw("brands"))
    skus = draw_skus(spec, brands, draw("skus"))
    bars = draw_bars(spec, anchors, draw("bars"))
    allowed = allowed_pairs(bars, anchors, skus)
    affinity = log_conversions(spec, anchors, brands, skus, draw("chemistry"))
    streams = draw("rhythm"), draw("choices"), draw("sales")
    history = live_through(spec, anchors, skus, brands.fame, affinity, allowed, streams)
    offers, promotions = offer_tables(spec, ids, brands, skus, draw("offers"))
    truth = settle_truth(
        spec, skus, affinity, history.recent, allowed, (ids.anchors, ids.skus), draw("shuffle")
    )
    return Market(
        brands=brand_table(spec, ids, brands, draw("brand stages")),
        programmes=programme_table(),
        enrolments=enrolment_table(spec, ids, brands, draw("enrolments")),
        events=event_table(spec),
        anchors=anchor_table(spec, ids, anchors, brands, bars, draw("accounts")),
        skus=sku_table(spec, ids, skus, bars, history, draw("sku versions")),
        plans=plan_table(spec, ids, anchors, skus, bars, draw("plans")),
        cps_quotes=quote_table(spec, ids, brands, skus, draw("quotes")),
        offers=offers,
        offer_promotions=promotions,
        anchor_stats=stats_table(spec, ids, anchors, draw("stats")),
        audiences=audience_table(spec, ids, segments, anchors, draw("audiences")),
        live_sessions=session_table(spec, ids, history),
        listings=listing_table(spec, ids, history),
        feedback=feedback_table(spec, ids, history, draw("feedback")),
        truth=truth,
        as_of=spec.end_on,
    )


def write_market(market: Market, folder: Path) -> list[Path]:
    """One Parquet file a table in `folder`, made if it is missing; the truth is not among them (`write_truth`)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, frame in market.tables().items():
        path = folder / f"{name}.parquet"
        frame.write_parquet(path, compression="zstd", compression_level=1, row_group_size=200_000)
        paths.append(path)
    return paths
