"""What does an import leave in the store: which rows, known since when, and after what goes wrong?"""

import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine

from features.errors import RejectedRows
from features.store.db import read_frame, reading, writing
from features.store.ingest import Imported, ingest
from features.store.intake import csv_files, filling, spill
from features.units import DAWN, microseconds, midnight, parse_day, parse_instant

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)

MARKET = {
    "brands": "brand_id,name\nb1,青瓷\nb2,白鹿\n",
    "programmes": "programme_id,name,rules\np1,品牌C位计划,price_parity;cps_floor\n",
    "enrolments": (
        "brand_id,programme_id,valid_from,committed_at\n"
        "b1,p1,2026-01-01T00:00:00+08:00,2026-01-05T00:00:00+08:00\n"
        "b2,p1,2026-01-01T00:00:00+08:00,\n"
    ),
    "events": (
        "event_id,platform,kind,name,starts_at,ends_at,counts_as_big_promo\n"
        "e1,tmall,double_11,双11,2026-10-20T20:00:00+08:00,2026-11-12T00:00:00+08:00,true\n"
    ),
    "anchors": "anchor_id,name,own_brand_ids\na1,小雅,b2;b1\na2,阿北,\n",
    "skus": (
        "sku_id,brand_id,title,category,list_price_fen,denied_anchor_ids,equivalent_sku_id,launched_on\n"
        "s1,b1,面膜,beauty/mask,9900,a2,s2,2026-03-01\n"
        "s2,b2,茶壶,home/tea,19900,,,\n"
    ),
    "plans": (
        "plan_id,sku_id,plan_type,rate,rate_unit,valid_from,anchor_ids\n"
        "pl1,s1,target_item,200,permille,2026-02-01T00:00:00+08:00,a1\n"
    ),
    "cps_quotes": (
        "quote_id,sku_id,platform,rate,rate_unit,rate_high,observed_at\n"
        "q1,s1,douyin,15,percent,17.5,2026-11-10T12:00:00+08:00\n"
    ),
    "offers": (
        "offer_id,sku_id,platform,item_price_fen,event_id,gift_other,welfare,observed_at\n"
        "o1,s1,tmall,8900,e1,毛巾,false,2026-11-10T12:00:00+08:00\n"
        "o2,s1,kuaishou,8800,,0,,2026-11-10T12:00:00+08:00\n"
    ),
    "offer_promotions": (
        "promotion_id,offer_id,layer,kind,off_fen,off_rate,off_rate_unit\npr1,o1,shop,percent_off,,5,percent\n"
    ),
    "anchor_stats": "anchor_id,observed_on,fans,reply_hours\na1,2026-11-01,1000,1.5\n",
    "audiences": (
        "anchor_id,observed_on,role,dimension,bucket,share\n"
        "a1,2026-11-01,buyer,gender,female,0.7\na1,2026-11-01,buyer,gender,male,0.3\n"
    ),
    "live_sessions": (
        "live_session_id,anchor_id,started_at,ended_at\n"
        "l1,a1,2026-11-02T20:00:00+08:00,2026-11-02T23:00:00+08:00\nl2,a2,2026-11-03T20:00:00+08:00,\n"
    ),
    "listings": (
        "live_session_id,sku_id,units,gmv_fen,refund_fen,settled_at\n"
        "l1,s1,3,26700,8900,2026-11-09T00:00:00Z\nl2,s2,1,19900,,\n"
    ),
    "feedback": "event_id,at,anchor_id,sku_id,kind\nf1,2026-11-03T09:00:00+08:00,a1,s1,picked\n",
}


def write(folder: Path, **tables: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def run(store: Engine, *paths: Path, now: datetime = NOW, **options: Any) -> Imported:
    with writing(store) as session:
        return ingest(session, paths, now=now, rejects=paths[0].parent / "rejects", **options)


def rows(store: Engine, sql: str, schema: dict[str, type[pl.DataType]]) -> list[tuple[Any, ...]]:
    with reading(store) as session:
        return read_frame(session, sql, {}, schema).rows()


def known(store: Engine, table: str) -> list[datetime]:
    """When each row of the table was known, in the order of its key."""
    found = rows(store, f"SELECT known_at FROM {table} ORDER BY 1", {"known_at": pl.Int64})
    return [DAWN + timedelta(microseconds=at_us) for (at_us,) in found]


def titles(store: Engine, key: str = "s1") -> list[tuple[int, str]]:
    """The versions of a SKU, by the microsecond from which they hold."""
    schema = {"known_at": pl.Int64, "title": pl.String}
    return rows(store, f"SELECT known_at, title FROM skus WHERE sku_id = '{key}' ORDER BY known_at", schema)


def count(store: Engine, table: str) -> int:
    return int(rows(store, f"SELECT COUNT(*) AS n FROM {table}", {"n": pl.Int64})[0][0])


def report(folder: Path, table: str) -> list[tuple[int, str, str]]:
    frame = pl.read_csv(folder.parent / "rejects" / f"{table}.csv")
    return list(frame.select("line", "column", "code").iter_rows())


def sku(rows_: list[str], *, columns: str = "") -> str:
    """SKUs: id, title, and what else the columns say."""
    lines = [row.split(",") for row in rows_]
    body = "".join(",".join([line[0], "b1", line[1], "c", "100", *line[2:]]) + "\n" for line in lines)
    return f"sku_id,brand_id,title,category,list_price_fen{columns}\n{body}"


BRAND = {"brands": "brand_id,name\nb1,x\n"}


# All of it, and again


def test_a_whole_market_is_imported_and_the_same_files_again_change_nothing(
    store: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "market", **MARKET)
    first = run(store, folder)
    first.require_all()
    n_rows = {name: content.count("\n") - 1 for name, content in MARKET.items()}
    assert {name: table.n_new for name, table in first.tables.items()} == n_rows
    again = run(store, folder, now=NOW + DAY)
    assert {name: table.n_new for name, table in again.tables.items()} == dict.fromkeys(MARKET, 0)
    assert {name: table.n_unchanged for name, table in again.tables.items()} == n_rows
    assert {name: count(store, name) for name in MARKET} == n_rows


def test_single_files_in_any_order_are_one_import(store: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "market", **MARKET)
    files = sorted(folder.iterdir(), reverse=True)
    imported = run(store, *files)
    imported.require_all()
    assert list(imported.tables) == list(MARKET)


def test_a_row_refers_to_what_is_stored_or_in_the_same_import(store: Engine, tmp_path: Path) -> None:
    run(store, write(tmp_path / "first", brands=MARKET["brands"])).require_all()
    second = write(tmp_path / "second", anchors=MARKET["anchors"], skus=MARKET["skus"])
    run(store, second).require_all()


def test_values_are_kept_exactly(store: Engine, tmp_path: Path) -> None:
    run(store, write(tmp_path / "market", **MARKET)).require_all()
    whole, text, flag = pl.Int64, pl.String, pl.Boolean
    assert rows(store, "SELECT rules FROM programmes", {"rules": text}) == [("cps_floor;price_parity",)]
    assert rows(store, "SELECT own_brand_ids AS b FROM anchors ORDER BY anchor_id", {"b": text}) == [
        ("b1;b2",),
        (None,),
    ]
    assert rows(store, "SELECT rate_ppm FROM plans", {"rate_ppm": whole}) == [(200_000,)]
    assert rows(
        store, "SELECT rate_ppm, rate_high_ppm FROM cps_quotes", {"rate_ppm": whole, "rate_high_ppm": whole}
    ) == [(150_000, 175_000)]
    assert rows(store, "SELECT off_rate_ppm AS r FROM offer_promotions", {"r": whole}) == [(50_000,)]
    assert rows(
        store, "SELECT gift_other AS g, welfare AS w FROM offers ORDER BY offer_id", {"g": text, "w": flag}
    ) == [
        ("毛巾", False),
        (None, None),
    ]
    assert rows(store, "SELECT reply_hours AS h FROM anchor_stats", {"h": pl.Float64}) == [(1.5,)]
    assert rows(store, "SELECT DISTINCT source FROM listings", {"source": text}) == [("operator",)]


@pytest.mark.parametrize(
    "title", ['"', "a\rb", "a\r\nb", "a\nb", "\\.", "\\N", "NULL", "a,b", "'; --", "😀", "a\tb", "null"]
)
def test_awkward_texts_are_kept(title: str, store: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    pl.DataFrame({"brand_id": ["b1"], "name": [title]}).write_parquet(folder / "brands.parquet")
    run(store, folder).require_all()
    assert rows(store, "SELECT name FROM brands", {"name": pl.String}) == [(title,)]
    assert run(store, folder).tables["brands"].n_unchanged == 1


def test_floats_come_back_to_the_last_bit(store: Engine, tmp_path: Path) -> None:
    folder, hours = tmp_path / "1", [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, 1 / 3]
    write(folder, anchors="anchor_id,name\na1,x\n")
    pl.DataFrame(
        {"anchor_id": "a1", "observed_on": [f"2026-01-0{day}" for day in range(1, 6)], "reply_hours": hours}
    ).write_parquet(folder / "anchor_stats.parquet")
    run(store, folder).require_all()
    found = rows(store, "SELECT reply_hours AS h FROM anchor_stats ORDER BY observed_on", {"h": pl.Float64})
    assert [hour for (hour,) in found] == hours
    assert run(store, folder).tables["anchor_stats"].n_unchanged == 5


def test_each_row_is_known_since_when_the_contract_says(store: Engine, tmp_path: Path) -> None:
    run(store, write(tmp_path / "market", **MARKET)).require_all()
    observed = parse_instant("2026-11-10T12:00:00+08:00")
    end, start = parse_instant("2026-11-02T23:00:00+08:00"), parse_instant("2026-11-03T20:00:00+08:00")
    day_is_over = midnight(parse_day("2026-11-02")) - timedelta(microseconds=1)
    assert {name: known(store, name) for name in MARKET} == {
        "brands": [DAWN, DAWN],
        "programmes": [DAWN],
        "enrolments": [
            parse_instant("2026-01-01T00:00:00+08:00"),
            parse_instant("2026-01-05T00:00:00+08:00"),
        ],
        "events": [DAWN],
        "anchors": [DAWN, DAWN],
        "skus": [DAWN, DAWN],
        "plans": [parse_instant("2026-02-01T00:00:00+08:00")],
        "cps_quotes": [observed],
        "offers": [observed, observed],
        "offer_promotions": [observed],
        "anchor_stats": [day_is_over],
        "audiences": [day_is_over, day_is_over],
        "live_sessions": [end, start],
        "listings": [end, start],
        "feedback": [parse_instant("2026-11-03T09:00:00+08:00")],
    }


def test_who_supplied_a_row_is_kept_and_the_same_row_from_another_is_no_news(
    store: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "market", **BRAND)
    run(store, folder, source="brand:b1")
    assert run(store, folder, source="operator").tables["brands"].n_unchanged == 1
    assert rows(store, "SELECT source FROM brands", {"source": pl.String}) == [("brand:b1",)]


# History


def test_a_later_row_is_a_version_that_holds_from_its_import(store: Engine, tmp_path: Path) -> None:
    run(store, write(tmp_path / "1", **BRAND, skus=sku(["s1,old", "s2,same"])))
    run(store, write(tmp_path / "2", skus=sku(["s1,new", "s2,same"])), now=NOW + DAY)
    run(store, write(tmp_path / "3", skus=sku(["s1,old", "s2,same"])), now=NOW + 2 * DAY)
    later = [microseconds(NOW + days * DAY) for days in (1, 2)]
    assert titles(store) == [(0, "old"), (later[0], "new"), (later[1], "old")]
    assert titles(store, "s2") == [(0, "same")]


def test_a_row_that_says_when_it_was_observed_holds_from_then(store: Engine, tmp_path: Path) -> None:
    dated = sku(["s1,b,2026-05-01T00:00:00Z", "s1,a,2026-04-01T00:00:00Z"], columns=",observed_at")
    folder = write(tmp_path / "1", **BRAND, skus=dated)
    run(store, folder).require_all()
    april, may = (microseconds(datetime(2026, month, 1, tzinfo=UTC)) for month in (4, 5))
    assert titles(store) == [(april, "a"), (may, "b")]
    assert run(store, folder, now=NOW + DAY).tables["skus"].n_unchanged == 2


def test_rows_with_and_without_a_date_in_one_file_are_no_news_the_second_time(
    store: Engine, tmp_path: Path
) -> None:
    mixed = sku(
        ["s1,first,", "s1,later,2026-05-01T00:00:00Z", "s2,dated,2026-05-01T00:00:00Z", "s2,now,"],
        columns=",observed_at",
    )
    folder = write(tmp_path / "1", **BRAND, skus=mixed)
    run(store, folder).require_all()
    may = microseconds(datetime(2026, 5, 1, tzinfo=UTC))
    expected = {"s1": [(0, "first"), (may, "later")], "s2": [(may, "dated"), (microseconds(NOW), "now")]}
    assert {key: titles(store, key) for key in expected} == expected
    assert run(store, folder, now=NOW + DAY).tables["skus"].n_unchanged == 4
    assert {key: titles(store, key) for key in expected} == expected


def test_a_first_row_after_stored_dated_ones_is_news(store: Engine, tmp_path: Path) -> None:
    run(
        store, write(tmp_path / "1", **BRAND, skus=sku(["s1,a,2026-05-01T00:00:00Z"], columns=",observed_at"))
    )
    run(store, write(tmp_path / "2", skus=sku(["s1,b"])))
    assert titles(store)[1:] == [(microseconds(NOW), "b")]


def test_a_version_holds_after_what_it_replaces_even_if_that_is_yet_to_come(
    store: Engine, tmp_path: Path
) -> None:
    head = "plan_id,sku_id,plan_type,rate,rate_unit,valid_from\n"
    first = write(
        tmp_path / "1",
        **BRAND,
        skus=sku(["s1,x"]),
        plans=f"{head}p1,s1,open,10,percent,2027-01-01T00:00:00Z\n",
    )
    second = write(tmp_path / "2", plans=f"{head}p1,s1,open,20,percent,2027-01-01T00:00:00Z\n")
    for _ in range(2):
        run(store, first).require_all()
        run(store, second).require_all()
    starts = microseconds(datetime(2027, 1, 1, tzinfo=UTC))
    found = rows(
        store, "SELECT known_at, rate_ppm FROM plans ORDER BY 1", {"known_at": pl.Int64, "rate_ppm": pl.Int64}
    )
    assert found[:2] == [(starts, 100_000), (starts + 1, 200_000)]


def test_two_contents_for_one_version_in_one_file_are_a_contradiction(store: Engine, tmp_path: Path) -> None:
    rows_ = ["s1,a,", "s1,a,", "s1,b,", "s2,a,2026-05-01T00:00:00Z", "s2,b,2026-05-01T00:00:00Z"]
    folder = write(tmp_path / "1", **BRAND, skus=sku(rows_, columns=",observed_at"))
    imported = run(store, folder, skip_bad=True)
    assert report(folder, "skus") == [(4, "title", "KEY_CONFLICT"), (6, "title", "KEY_CONFLICT")]
    assert (imported.tables["skus"].n_new, imported.tables["skus"].n_unchanged) == (2, 1)
    again = run(store, folder, skip_bad=True, now=NOW + DAY).tables["skus"]
    assert (again.n_new, again.n_unchanged, again.n_rejected) == (0, 3, 2)


def test_a_column_that_a_later_file_leaves_out_is_unknown_from_then_on(store: Engine, tmp_path: Path) -> None:
    run(store, write(tmp_path / "1", **BRAND, skus=sku(["s1,x,7"], columns=",stock")))
    run(store, write(tmp_path / "2", skus=sku(["s1,x"])))
    found = rows(store, "SELECT stock FROM skus ORDER BY known_at", {"stock": pl.Int64})
    assert found == [(7,), (None,)]


# Bad rows


def test_a_bad_row_anywhere_stops_the_whole_import(store: Engine, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "market", **MARKET | {"feedback": MARKET["feedback"].replace("picked", "liked")}
    )
    imported = run(store, folder)
    assert imported.is_refused
    with pytest.raises(RejectedRows, match=r"1 bad rows of feedback: .*feedback.csv"):
        imported.require_all()
    assert {name: count(store, name) for name in MARKET} == dict.fromkeys(MARKET, 0)


def test_with_skip_bad_the_good_rows_come_in_and_what_refers_to_bad_ones_does_not(
    store: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "market", **MARKET | {"anchors": MARKET["anchors"].replace("b2;b1", "b2;b 1")})
    refused = run(store, folder)
    reports = {file.name: file.read_bytes() for file in (tmp_path / "rejects").iterdir()}
    imported = run(store, folder, skip_bad=True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "rejects").iterdir()} == reports
    assert imported.tables == refused.tables
    assert report(folder, "anchors") == [(2, "own_brand_ids", "BAD_ID")]
    assert report(folder, "plans") == [(2, "anchor_ids", "UNKNOWN_ID")]
    assert report(folder, "live_sessions") == [(2, "anchor_id", "UNKNOWN_ID")]
    assert report(folder, "listings") == [(2, "live_session_id", "UNKNOWN_ID")]
    kept = {
        "anchors": 1,
        "plans": 0,
        "live_sessions": 1,
        "listings": 1,
        "skus": 2,
        "audiences": 0,
        "feedback": 0,
    }
    assert {name: count(store, name) for name in kept} == kept


def test_a_dry_run_reports_and_leaves_nothing(store: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "market", **MARKET)
    assert run(store, folder, dry_run=True).tables["listings"].n_new == 2
    assert {name: count(store, name) for name in MARKET} == dict.fromkeys(MARKET, 0)


def test_an_equivalent_sku_may_come_later_in_the_file_but_must_be_taken_itself(
    store: Engine, tmp_path: Path
) -> None:
    chain = sku(
        ["s1,x,s2", "s2,x,s3", "s3,x,s9", "s4,x,s5", "s5,x,", "s6,x,s6"], columns=",equivalent_sku_id"
    )
    folder = write(tmp_path / "1", **BRAND, skus=chain)
    run(store, folder, skip_bad=True)
    assert report(folder, "skus") == [(line, "equivalent_sku_id", "UNKNOWN_ID") for line in (2, 3, 4)]
    found = rows(store, "SELECT sku_id FROM skus ORDER BY 1", {"sku_id": pl.String})
    assert found == [("s4",), ("s5",), ("s6",)]


def test_a_conflict_within_a_file_is_found_across_chunks(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "CHUNK_ROWS", 2)
    folder = write(tmp_path / "market", **MARKET)
    run(store, folder).require_all()
    lines = [
        "live_session_id,sku_id,units,gmv_fen",
        "l1,s2,1,1",
        "l1,s2,1,1",
        "l2,s1,1,1",
        "l1,s2,2,1",
        "l2,s1,1,1",
    ]
    imported = run(store, write(tmp_path / "more", listings="\n".join(lines)), skip_bad=True)
    assert report(folder, "listings") == [(5, "units", "KEY_CONFLICT")]
    assert (imported.tables["listings"].n_new, imported.tables["listings"].n_unchanged) == (2, 2)


def test_an_audience_grows_only_as_a_whole(store: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "market", **MARKET)
    run(store, folder).require_all()
    head = "anchor_id,observed_on,role,dimension,bucket,share\n"
    more = (
        "a1,2026-11-01,buyer,gender,female,0.7\na1,2026-11-01,buyer,gender,other,0.1\n"
        "a1,2026-11-01,viewer,gender,female,0.5\na1,2026-11-01,viewer,gender,male,0.5\n"
        "a1,2026-11-02,buyer,gender,female,1\n"
    )
    imported = run(store, write(tmp_path / "more", audiences=head + more), skip_bad=True)
    assert report(folder, "audiences") == [(3, "share", "SHARES_SUM")]
    assert (imported.tables["audiences"].n_new, imported.tables["audiences"].n_unchanged) == (3, 1)


def test_what_does_not_fit_in_memory_is_judged_the_same(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 300
    many = [f"s{number % 100},{number // 100},s{(number * 7) % 101}" for number in range(n)]
    content = sku([f"{row},2026-0{1 + number // 100}-01T00:00:00Z" for number, row in enumerate(many)],
                  columns=",equivalent_sku_id,observed_at")  # fmt: skip
    folder = write(tmp_path / "1", **BRAND, skus=content)
    in_memory = run(store, folder, dry_run=True, skip_bad=True)
    expected = report(folder, "skus")
    monkeypatch.setattr(csv_files, "CHUNK_ROWS", 16)
    monkeypatch.setattr(spill, "_HELD_ROWS", 40)
    assert run(store, folder, skip_bad=True).tables == in_memory.tables
    assert report(folder, "skus") == expected
    assert 0 < in_memory.tables["skus"].n_rejected < n


def test_with_several_files_for_a_table_a_report_names_the_file(store: Engine, tmp_path: Path) -> None:
    first = write(tmp_path / "1", brands="brand_id,name\nb1,x\n")
    second = write(tmp_path / "2", brands="brand_id,name\nb1,y\nb 2,x\n")
    imported = run(store, first, second, skip_bad=True)
    assert report(first, "brands") == [(2, "name", "KEY_CONFLICT"), (3, "brand_id", "BAD_ID")]
    assert str(second / "brands.csv") in (tmp_path / "rejects" / "brands.csv").read_text()
    assert imported.tables["brands"].n_new == 1


# Killed


@pytest.mark.parametrize("at_table", ["brands", "listings"])
def test_an_import_that_is_killed_leaves_nothing(
    at_table: str, store_url: str, store: Engine, tmp_path: Path
) -> None:
    folder = write(tmp_path / "market", **MARKET)
    sign = tmp_path / "in-the-middle"
    program = f"""
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from features.store.db import open_engine, writing
from features.store.ingest import ingest

def hold(file, share):
    if file.name == "{at_table}.csv" and share == 1.0:
        Path({str(sign)!r}).touch()
        time.sleep(600)

with writing(open_engine({store_url!r})) as session:
    ingest(session, [Path({str(folder)!r})], now=datetime.now(UTC), rejects=Path({str(tmp_path / "rejects")!r}), on_progress=hold)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent.parent)
    deadline = monotonic() + 60
    while not sign.exists():
        assert process.poll() is None
        assert monotonic() < deadline
        sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert {name: count(store, name) for name in MARKET} == dict.fromkeys(MARKET, 0)
    run(store, folder).require_all()  # and the way is free
    assert count(store, "listings") == 2


def test_a_failure_in_the_middle_leaves_nothing(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    folder = write(tmp_path / "market", **MARKET)
    monkeypatch.setattr(filling.Filling, "finish", fail)
    with pytest.raises(Exception, match="nothing was imported: database or disk is full"):
        run(store, folder)
    assert count(store, "brands") == 0


# Real data


REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "online_retail"


@pytest.mark.skipif(
    not REAL.is_dir(), reason="the real data set lies outside the repository, and is not here"
)
def test_the_real_data_set_comes_in_whole(sqlite_store: Engine, tmp_path: Path) -> None:
    with writing(sqlite_store) as session:
        imported = ingest(session, [REAL], now=NOW, rejects=tmp_path / "rejects")
    imported.require_all()
    assert imported.tables["listings"].n_new == 386_326
    assert known(sqlite_store, "skus")[-1] == DAWN
