"""How fast is an import, beside a bare `executemany` of the same rows into the same table? And how much memory?

Both write into copies of one SQLite store, in one run, each in a process of its own. The floor is given its rows as
ready tuples, outside of the clock. FENXIAO_BENCH_LISTINGS says how many rows, 5 million where it does not.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from features.store.db import open_engine, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade

N_ANCHORS, N_SKUS, SKUS_A_SESSION = 2_000, 6_000, 25
NOW = datetime(2026, 11, 22, tzinfo=UTC)
CHUNK_ROWS = 100_000


def test_an_import_of_listings_beside_a_bare_executemany(tmp_path: Path) -> None:
    n_rows = int(os.environ.get("FENXIAO_BENCH_LISTINGS", "5_000_000"))
    _write_market(tmp_path, n_rows)
    engine = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    upgrade(engine)
    with writing(engine) as session:
        ingest(session, [tmp_path / "around"], now=NOW, rejects=tmp_path / "rejects").require_all()
    engine.dispose()
    # In turns, and the better of two: whatever else the machine does should not decide.
    runs: dict[str, list[tuple[float, float]]] = {part: [] for part in ("floor", "ours")}
    for part in (*runs, *runs):
        runs[part].append(_run(part, tmp_path))
    floor_seconds = min(seconds for seconds, _ in runs["floor"])
    seconds = min(seconds for seconds, _ in runs["ours"])
    peak_mib = max(peak for _, peak in runs["ours"])
    sys.stdout.write(
        f"\ningest of {n_rows:,} listings (Parquet): {n_rows / seconds:,.0f} rows/s, a bare executemany "
        f"{n_rows / floor_seconds:,.0f} rows/s: ratio {floor_seconds / seconds:.2f} (at least 0.60); "
        f"peak {peak_mib:,.0f} MiB (at most 1,536)\n"
    )
    assert floor_seconds / seconds >= 0.6
    assert peak_mib <= 1536


def _run(part: str, folder: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one of the two, in a process of its own and a store of its own."""
    shutil.copy(folder / "empty.db", folder / f"{part}.db")
    command = [sys.executable, __file__, part, str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent,
                            env={**os.environ, "PYTHONPATH": "."})  # fmt: skip
    (folder / f"{part}.db").unlink()
    seconds, peak_mib = map(float, answer.stdout.split())
    return seconds, peak_mib


def _floor(folder: Path) -> None:
    """The same rows, as tuples that lie ready, into the same table."""
    rows = pl.scan_parquet(folder / "listings.parquet").with_columns(
        pl.col("settled_at").dt.epoch("us"),
        known_at=pl.lit(1_700_000_000_000_000, dtype=pl.Int64),
        source=pl.lit("operator"),
    )
    columns = rows.collect_schema().names()
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO listings ({', '.join(columns)}) VALUES ({marks})"
    spent = 0.0
    engine = open_engine(f"sqlite:///{folder / 'floor.db'}")
    with writing(engine) as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        for ready in _ready(rows):
            start = perf_counter()
            driver.executemany(statement, ready)
            spent += perf_counter() - start
        start = perf_counter()
        session.commit()
    _answer(spent + perf_counter() - start)


def _ready(rows: pl.LazyFrame) -> Iterator[list[tuple[object, ...]]]:
    n_rows = rows.select(pl.len()).collect().item()
    for start in range(0, n_rows, CHUNK_ROWS):
        yield rows.slice(start, CHUNK_ROWS).collect().rows()


def _ours(folder: Path) -> None:
    engine = open_engine(f"sqlite:///{folder / 'ours.db'}")
    start = perf_counter()
    with writing(engine) as session:
        imported = ingest(session, [folder / "listings.parquet"], now=NOW, rejects=folder / "rejects")
        imported.require_all()
    _answer(perf_counter() - start)


def _answer(seconds: float) -> None:
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{seconds} {int(peak_kib) / 1024}")


def _write_market(folder: Path, n_rows: int) -> None:
    """Sessions of 25 listings each, every column filled, in the order in which the sessions took place."""
    rng = np.random.default_rng(7)
    around = folder / "around"
    around.mkdir()
    anchors = pl.Series([f"anchor-{number:05d}" for number in range(N_ANCHORS)])
    skus = pl.Series([f"sku-{number:06d}" for number in range(N_SKUS)])
    pl.DataFrame({"brand_id": ["b1"], "name": ["b"]}).write_parquet(around / "brands.parquet")
    pl.DataFrame({"anchor_id": anchors, "name": anchors}).write_parquet(around / "anchors.parquet")
    pl.DataFrame(
        {"sku_id": skus, "brand_id": "b1", "title": skus, "category": "c", "list_price_fen": 9900}
    ).write_parquet(around / "skus.parquet")
    n_sessions = -(-n_rows // SKUS_A_SESSION)
    sessions = pl.DataFrame({"number": pl.int_range(n_sessions, eager=True)}).select(
        live_session_id=pl.format("live-{}", pl.col("number").cast(pl.String).str.zfill(9)),
        anchor_id=anchors.gather(rng.integers(0, N_ANCHORS, n_sessions)),
        started_at=pl.lit("2026-01-01T00:00:00Z").str.to_datetime("%Y-%m-%dT%H:%M:%S%#z")
        + pl.duration(minutes=pl.col("number")),
    )
    sessions.write_parquet(around / "live_sessions.parquet")
    place = np.arange(n_rows)
    first = np.repeat(rng.integers(0, N_SKUS, n_sessions), SKUS_A_SESSION)[:n_rows]
    units = rng.integers(0, 50, n_rows)
    pl.DataFrame(
        {
            "live_session_id": sessions["live_session_id"].gather(place // SKUS_A_SESSION),
            "sku_id": skus.gather((first + (place % SKUS_A_SESSION) * 211) % N_SKUS),
            "role": pl.Series(["welfare", "hit", "profit", "regular"]).gather(place % 4),
            "slot": place % SKUS_A_SESSION,
            "explained_seconds": rng.integers(30, 600, n_rows),
            "impressions": units * 100,
            "clicks": units * 10,
            "orders": units,
            "units": units,
            "gmv_fen": units * 9900,
            "buyers": units,
            "repeat_buyers": units // 3,
            "refund_fen": units * 330,
            "settled_at": sessions["started_at"].gather(place // SKUS_A_SESSION).dt.offset_by("15d"),
        }
    ).write_parquet(folder / "listings.parquet")


if __name__ == "__main__":
    {"floor": _floor, "ours": _ours}[sys.argv[1]](Path(sys.argv[2]))
