"""What does a verdict cost? `check --all` over 100 000 SKUs with 300 000 quotes and 200 000 offers, beside its floor.

The floor is reading the same rows from the store as tuples and nothing else. Every brand is enrolled, an event runs,
every SKU has offers on both sides: nobody leaves early.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from sqlalchemy import Engine

from api.commands.checking import check_all
from api.stores import open_store
from features.settings import Settings
from features.store.db import read_rows, reading, writing
from features.store.ingest import ingest
from matcher.policy import Policy

N_SKUS = int(os.environ.get("FENXIAO_BENCH_CHECKS", "100000"))
NOW = datetime(2026, 10, 25, 4, tzinfo=UTC)


def test_checks_of_a_whole_library(tmp_path: Path) -> None:
    _write(tmp_path / "tables", N_SKUS)
    store = open_store(Settings(database_url=f"sqlite:///{tmp_path}/check.db", home=tmp_path))
    with writing(store) as session:
        ingest(session, [tmp_path / "tables"], now=NOW, source="operator", rejects=tmp_path).require_all()
    floor = _bare(store)
    begin = perf_counter()
    counts = check_all(store, tmp_path / "out.parquet", None, NOW, Policy())
    took = perf_counter() - begin
    store.dispose()
    print(
        f"\ncheck --all, {N_SKUS:,} SKUs: {took:.1f} s, {took / floor:.1f} x reading the rows alone ({floor:.1f} s)"
    )
    for (rule, status, reason), n in sorted(counts.items()):
        print(f"  {rule:13} {status:15} {reason:22} {n:8,}")
    assert sum(counts.values()) == 2 * N_SKUS


def _bare(store: Engine) -> float:
    begin = perf_counter()
    with reading(store) as session:
        for table in ("skus", "plans", "cps_quotes", "offers", "offer_promotions"):
            read_rows(session, f"SELECT * FROM {table}")
    return perf_counter() - begin


def _write(folder: Path, n: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(1)
    sku = [f"S{k:07}" for k in range(n)]
    brand = [f"B{k % 500:03}" for k in range(n)]
    brands = [f"B{k:03}" for k in range(500)]
    long_ago = "2024-01-01T00:00:00+08:00"

    def put(name: str, /, **columns: object) -> None:
        pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet")

    def seen(count: int, hours: int) -> list[str]:
        return [(NOW - timedelta(minutes=int(m))).isoformat() for m in rng.integers(0, hours * 60, count)]

    put("brands", brand_id=brands, name=brands)
    put("programmes", programme_id=["C"], name=["C"], rules=["cps_floor;price_parity"])
    put("enrolments", brand_id=brands, programme_id=["C"] * 500, valid_from=[long_ago] * 500)
    put(
        "events",
        event_id=["a", "b", "c", "d"],
        platform=["kuaishou"] * 3 + ["tmall"],
        kind=["616", "818", "116", "double_11"],
        name=["a", "b", "c", "d"],
        starts_at=["2026-06-01T00:00:00+08:00", "2026-08-10T00:00:00+08:00", "2026-10-20T00:00:00+08:00",
                   "2025-10-15T00:00:00+08:00"],
        ends_at=["2026-06-18T00:00:00+08:00", "2026-08-18T00:00:00+08:00", "2026-11-12T00:00:00+08:00",
                 "2025-11-12T00:00:00+08:00"],
        counts_as_big_promo=[True, True, True, True],
    )  # fmt: skip
    price = rng.integers(1_000, 50_000, n)
    put("skus", sku_id=sku, brand_id=brand, title=sku, category=["beauty/mask"] * n, list_price_fen=price)
    put("plans", plan_id=[f"P{k}" for k in range(n)], sku_id=sku, plan_type=["open"] * n,
        rate=[str(r) for r in rng.integers(5, 30, n)], rate_unit=["percent"] * n, valid_from=[long_ago] * n)  # fmt: skip
    put("cps_quotes", quote_id=[f"Q{k}" for k in range(3 * n)], sku_id=sku * 3,
        platform=["tmall"] * n + ["jd"] * n + ["douyin"] * n, rate=[str(r) for r in rng.integers(1, 25, 3 * n)],
        rate_unit=["percent"] * (3 * n), observed_at=seen(3 * n, 30))  # fmt: skip
    there = [f"2025-11-0{d}T12:00:00+08:00" for d in rng.integers(1, 9, n)]
    put("offers", offer_id=[f"O{k}" for k in range(2 * n)], sku_id=sku * 2,
        platform=["kuaishou"] * n + ["tmall"] * n, shop_kind=[None] * n + ["flagship"] * n,
        item_price_fen=np.concatenate([price, (price * rng.uniform(0.9, 1.1, n)).astype(int)]),
        mapping=[None] * n + ["code"] * n, evidence=[None] * n + ["shot"] * n,
        observed_at=[*seen(n, 26), *there])  # fmt: skip
    put("offer_promotions", promotion_id=[f"M{k}" for k in range(n)], offer_id=[f"O{k}" for k in range(n)],
        layer=["shop"] * n, kind=["threshold_off"] * n, off_fen=rng.integers(100, 900, n),
        threshold_fen=[5_000] * n)  # fmt: skip
