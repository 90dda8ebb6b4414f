"""How large can a market be made in memory? Facts of any size without a store: for speed, not for truth.

Each anchor keeps to a few categories and carries their better known SKUs; new SKUs come every month, a tenth of the
SKUs pays named anchors more, and everybody's crowd is known.
"""

from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl
from sqlmodel import SQLModel

from features.facts import NEVER_US, NO_DAY, Facts, Listings, Sessions
from features.kernels import F64, I32, I64
from features.shelf import day_of
from features.store.db import frame_schema
from features.store.observations import AnchorStat, Audience, Feedback
from features.store.tables import Anchor, Event, Plan, Sku
from features.units import DAY_US

AS_OF_US = 1_795_017_600_000_000
N_CATEGORIES, CATEGORIES_AN_ANCHOR, SKUS_A_BRAND = 300, 8, 60
LISTINGS_A_SESSION, LISTINGS_A_PAIR = 10, 4
BUCKETS = {"age": 6, "category": 12, "city_tier": 5, "gender": 2, "price_band": 8}


def large_facts(n_skus: int, *, n_anchors: int = 2_000, skus_an_anchor: int = 240, seed: int = 1) -> Facts:
    """A year of trade before AS_OF_US; what an anchor carries is about `skus_an_anchor`, listed four times each."""
    rng = np.random.default_rng(seed)
    category = np.sort(rng.integers(0, N_CATEGORIES, n_skus))
    starts = np.searchsorted(category, np.arange(N_CATEGORIES + 1))
    sku_ids = pl.Series("sku_id", [f"sku-{number:07d}" for number in range(n_skus)])
    anchor_ids = pl.Series("anchor_id", [f"anchor-{number:05d}" for number in range(n_anchors)])
    price_fen = np.round(np.exp(rng.normal(8.5, 1.0, n_skus))).astype(np.int64) + 100
    anchor, sku = _pairs(starts, n_anchors, skus_an_anchor, rng)
    sessions, listings = _trade(anchor, sku, n_anchors, price_fen, rng)
    return Facts(
        as_of_us=AS_OF_US,
        sku_ids=sku_ids,
        anchor_ids=anchor_ids,
        skus=_skus(sku_ids, category, price_fen, rng),
        anchors=_frame(
            Anchor,
            anchor_id=anchor_ids,
            name=anchor_ids,
            tier=pl.Series(("tail", "waist", "head")).gather(
                np.minimum(rng.geometric(0.6, n_anchors) - 1, 2)
            ),
            known_us=np.zeros(n_anchors, np.int64),
            joined_day=day_of(AS_OF_US) - rng.integers(1, 1_000, n_anchors),
            anchor=np.arange(n_anchors, dtype=np.int32),
        ),
        plans=_plans(sku_ids, anchor_ids, rng),
        stats=_frame(
            AnchorStat,
            anchor_id=anchor_ids,
            observed_day=np.full(n_anchors, day_of(AS_OF_US) - 2),
            fans=rng.integers(1_000, 5_000_000, n_anchors),
            known_us=np.full(n_anchors, AS_OF_US - DAY_US),
            anchor=np.arange(n_anchors, dtype=np.int32),
        ),
        audiences=_audiences(anchor_ids, rng),
        feedback=_frame(Feedback, anchor=np.zeros(0, np.int32), sku=np.zeros(0, np.int32)),
        events=_frame(Event),
        sessions=sessions,
        listings=listings,
    )


def _pairs(starts: I64, n_anchors: int, each: int, rng: np.random.Generator) -> tuple[I32, I32]:
    """Who carries what: within an anchor's categories the early SKUs are the better known, as a power law."""
    anchor = np.repeat(np.arange(n_anchors), each)
    own = rng.integers(0, N_CATEGORIES, (n_anchors, CATEGORIES_AN_ANCHOR))
    category = own[anchor, rng.integers(0, CATEGORIES_AN_ANCHOR, len(anchor))]
    size = np.diff(starts)[category]
    sku = starts[category] + (np.maximum(size - 1, 0) * rng.random(len(anchor)) ** 2.5).astype(np.int64)
    pairs = np.unique(anchor * (starts[-1] + 1) + sku)
    return (pairs // (starts[-1] + 1)).astype(np.int32), (pairs % (starts[-1] + 1)).astype(np.int32)


def _trade(
    anchor: I32, sku: I32, n_anchors: int, price_fen: I64, rng: np.random.Generator
) -> tuple[Sessions, Listings]:
    n_sessions = max(len(anchor) * LISTINGS_A_PAIR // LISTINGS_A_SESSION // n_anchors, 1)
    started_us = np.sort(AS_OF_US - rng.integers(1, 365 * DAY_US, n_anchors * n_sessions))
    room = rng.permutation(np.repeat(np.arange(n_anchors, dtype=np.int32), n_sessions))
    of_anchor = np.argsort(room, kind="stable").reshape(n_anchors, n_sessions)  # its sessions, by time
    pair = np.repeat(np.arange(len(anchor)), LISTINGS_A_PAIR)
    begun = rng.random(len(anchor))[pair]  # from then on it is listed now and then
    place = n_sessions * (begun + (1.0 - begun) * rng.random(len(pair)))
    session = of_anchor[anchor[pair], place.astype(np.int64)]
    distinct = np.unique(session * np.int64(len(price_fen)) + sku[pair])
    session, sku_row = distinct // len(price_fen), (distinct % len(price_fen)).astype(np.int32)
    n = len(session)
    units = rng.negative_binomial(0.5, 0.03, n).astype(np.float64)
    numbers = {
        "units": units,
        "gmv_fen": units * price_fen[sku_row],
        "impressions": units * 40 + rng.integers(100, 5_000, n),
        "clicks": units * 4.0,
        "orders": units,
        "buyers": units,
        "repeat_buyers": np.floor(units / 3),
        "explained_seconds": rng.integers(30, 600, n).astype(np.float64),
        "refund_fen": np.floor(units * price_fen[sku_row] / 20),
    }
    at_us = started_us[session]
    listings = Listings(
        session=session,
        anchor=room[session],
        sku=sku_row,
        at_us=at_us,
        known_us=at_us,
        settled_us=np.where(at_us < AS_OF_US - 15 * DAY_US, at_us + 15 * DAY_US, NEVER_US),
        **numbers,
    )
    rooms = {
        field.name: rng.integers(1_000, 100_000, len(room)).astype(np.float64)
        for field in fields(Sessions)
        if field.name not in {"anchor", "started_us", "known_us"}
    }
    return Sessions(anchor=room, started_us=started_us, known_us=started_us, **rooms), listings


def _skus(sku_ids: pl.Series, category: I64, price_fen: I64, rng: np.random.Generator) -> pl.DataFrame:
    n = len(sku_ids)
    paths = pl.Series([f"top-{number // 15:02d}/leaf-{number:03d}" for number in range(N_CATEGORIES)])
    brands = category * 7 + rng.integers(0, max(n // SKUS_A_BRAND // N_CATEGORIES, 1), n)
    return _frame(
        Sku,
        sku_id=sku_ids,
        known_us=np.zeros(n, np.int64),
        brand_id=pl.Series(np.char.add("brand-", brands.astype(str))),
        title=_titles(category, brands, rng),
        category=paths.gather(category),
        standardness=pl.Series(("standard", "nonstandard")).gather(rng.integers(0, 2, n)),
        supply_type=pl.Series(("source", "brand")).gather(rng.integers(0, 2, n)),
        list_price_fen=price_fen,
        stock=rng.integers(0, 500, n),
        rating_x100=rng.integers(350, 500, n),
        review_count=rng.integers(0, 10_000, n),
        refund_rate_ppm=rng.integers(0, 200_000, n),
        launched_day=day_of(AS_OF_US) - rng.integers(1, 900, n),
        status=pl.Series(("on", "off")).gather((rng.random(n) < 0.05).astype(np.int64)),
        sku=np.arange(n, dtype=np.int32),
    )


def _titles(category: I64, brands: I64, rng: np.random.Generator) -> pl.Series:
    """The brand, two words of the category's forty, one of two thousand, a size: as titles go."""
    n, words = len(category), _words(2_000 + N_CATEGORIES * 40)
    own = 2_000 + category * 40
    return (
        pl.DataFrame(
            {
                "brand": pl.Series(np.char.add("b", brands.astype(str))),
                "kind": words.gather(own + np.minimum(rng.geometric(0.15, n) - 1, 39)),
                "form": words.gather(own + rng.integers(0, 40, n)),
                "note": words.gather(np.minimum(rng.zipf(1.3, n) - 1, 1_999)),
                "size": pl.Series(np.char.add(rng.integers(1, 400, n).astype(str), "g")),
            }
        )
        .select(pl.concat_str(pl.all(), separator=" "))
        .to_series()
    )


def _words(n: int) -> pl.Series:
    """`n` pairs of Chinese characters, all different."""
    return pl.Series([chr(0x4E00 + number // 150) + chr(0x5E00 + number % 150) for number in range(n)])


def _plans(sku_ids: pl.Series, anchor_ids: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """An open plan for each SKU; for every tenth also a better one, for twenty anchors."""
    n = len(sku_ids)
    named = sku_ids.gather_every(10)
    lists = [
        ";".join(anchor_ids.gather(np.sort(rng.choice(len(anchor_ids), 20, replace=False))))
        for _ in range(100)
    ]
    kinds = pl.Series(["open"] * n + ["target_item"] * len(named))
    return _frame(
        Plan,
        plan_id=pl.Series([f"plan-{number:07d}" for number in range(n + len(named))]),
        known_us=np.zeros(n + len(named), np.int64),
        sku_id=pl.concat([sku_ids, named]),
        plan_type=kinds,
        rate_ppm=np.where(kinds == "open", 100_000, 200_000) + rng.integers(0, 100_000, n + len(named)),
        anchor_ids=pl.Series(
            [None] * n + [lists[number % 100] for number in range(len(named))], dtype=pl.String
        ),
        valid_from_us=np.zeros(n + len(named), np.int64),
    )


def _audiences(anchor_ids: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    n = len(anchor_ids)
    parts = []
    for role in ("buyer", "viewer"):
        for dimension, size in BUCKETS.items():
            shares: F64 = rng.dirichlet(np.full(size, 0.7), n)
            bucket = pl.Series([f"{place:02d}" for place in range(size)])
            parts.append(
                pl.DataFrame(
                    {"anchor": np.repeat(np.arange(n, dtype=np.int32), size), "share": shares.ravel()}
                )
                .with_columns(role=pl.lit(role), dimension=pl.lit(dimension))
                .with_columns(bucket=bucket.gather(np.tile(np.arange(size), n)))
            )
    rows = pl.concat(parts).sort("anchor", "role", "dimension", "bucket")
    day = np.full(len(rows), day_of(AS_OF_US) - 5)
    return _frame(
        Audience,
        **{name: rows[name] for name in ("role", "dimension", "bucket", "share", "anchor")},
        anchor_id=anchor_ids.gather(rows["anchor"]),
        observed_day=day,
        known_us=np.full(len(rows), AS_OF_US - 4 * DAY_US),
    )


def _frame(table: type[SQLModel], **columns: Any) -> pl.DataFrame:
    """Named as `facts` names a table's columns; what is not given is null, an unknown day NO_DAY."""
    renamed = {
        name.removesuffix("_on") + "_day" if name.endswith("_on") else name: pl.Int32
        if name.endswith("_on")
        else kind
        for name, kind in frame_schema(table).items()
    }
    instants = {
        "known_at", "valid_from", "valid_to", "started_at", "ended_at", "starts_at", "ends_at", "at", "authorised_until",
    }  # fmt: skip
    schema = {
        name.removesuffix("_at") + "_us" if name in instants else name: kind for name, kind in renamed.items()
    } | {name: pl.Int32 for name in ("anchor", "sku") if name in columns}
    n = len(next(iter(columns.values()))) if columns else 0
    return pl.DataFrame(
        {
            name: pl.Series(columns[name]).cast(kind)
            if name in columns
            else pl.repeat(NO_DAY if name.endswith("_day") else None, n, dtype=kind, eager=True)
            for name, kind in schema.items()
        }
    )
