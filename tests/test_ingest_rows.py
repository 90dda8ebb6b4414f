"""Is every kind of broken row found, once, with its line, column, value, code and a sentence to act on?"""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from features.store.db import open_engine, writing
from features.store.ingest import Imported, ingest
from features.store.migrations import upgrade
from features.store.tables import TABLES
from good_rows import GOOD

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

# Table, what is wrong with an otherwise good row, then the column, the code and words of the sentence to expect.
BROKEN: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("brands", {"brand_id": "b 1"}, "brand_id", "BAD_ID", "A-Z a-z 0-9 . _ : -"),
    ("brands", {"brand_id": "b" * 65}, "brand_id", "BAD_ID", "1 to 64"),
    ("brands", {"brand_id": "b1\n"}, "brand_id", "BAD_ID", "no id"),
    ("brands", {"brand_id": "品牌"}, "brand_id", "BAD_ID", "no id"),
    ("brands", {"brand_id": ""}, "brand_id", "MISSING", "brand_id is required and empty"),
    ("brands", {"name": ""}, "name", "MISSING", "name is required and empty"),
    ("brands", {"name": "  "}, "name", "MISSING", "name is required and empty"),
    ("brands", {"name": "a\0b"}, "name", "BAD_TEXT", "NUL"),
    ("brands", {"name": "x" * 4001}, "name", "BAD_TEXT", "at most 4000"),
    ("brands", {"stage": "New"}, "stage", "BAD_CHOICE", "none of new, zero_broken, distributing"),
    ("brands", {"observed_at": "2026-11-01T00:00:00"}, "observed_at", "BAD_INSTANT", "with an offset"),
    ("brands", {"observed_at": "2026-11-01"}, "observed_at", "BAD_INSTANT", "with an offset"),
    ("brands", {"observed_at": "2026-02-30T00:00:00Z"}, "observed_at", "BAD_INSTANT", "no instant"),
    ("brands", {"observed_at": "2026-02-03T24:01:00Z"}, "observed_at", "BAD_INSTANT", "no instant"),
    ("programmes", {"rules": "cps_floor;free_lunch"}, "rules", "BAD_CHOICE", "'free_lunch' is none of cps_floor"),
    ("programmes", {"rules": ";"}, "rules", "BAD_CHOICE", "empty place"),
    ("enrolments", {"brand_id": "b9"}, "brand_id", "UNKNOWN_ID", "no row of brands with the id 'b9'"),
    ("enrolments", {"programme_id": "p9"}, "programme_id", "UNKNOWN_ID", "no row of programmes"),
    ("enrolments", {"valid_to": "2026-01-01T00:00:00+08:00"}, "valid_to", "BAD_WINDOW", "not after valid_from"),
    ("enrolments", {"valid_to": "2025-12-31T16:00:00Z"}, "valid_to", "BAD_WINDOW", "not after valid_from"),
    ("events", {"ends_at": "2025-10-01T00:00:00+08:00"}, "ends_at", "BAD_WINDOW", "not after starts_at"),
    ("events", {"counts_as_big_promo": "maybe"}, "counts_as_big_promo", "BAD_FLAG", "neither true nor false"),
    ("anchors", {"own_brand_ids": "b1;b9"}, "own_brand_ids", "UNKNOWN_ID", "'b9'"),
    ("anchors", {"own_brand_ids": "b1;"}, "own_brand_ids", "BAD_ID", "empty place"),
    ("anchors", {"own_brand_ids": "b1; b1"}, "own_brand_ids", "BAD_ID", "no id"),
    ("anchors", {"joined_on": "2026-02-30"}, "joined_on", "BAD_DATE", "YYYY-MM-DD"),
    ("anchors", {"joined_on": "2026-2-3"}, "joined_on", "BAD_DATE", "YYYY-MM-DD"),
    ("anchors", {"joined_on": "03/02/2026"}, "joined_on", "BAD_DATE", "YYYY-MM-DD"),
    ("anchors", {"denied_categories": "beauty;;food"}, "denied_categories", "BAD_TEXT", "empty place"),
    ("skus", {"brand_id": "b9"}, "brand_id", "UNKNOWN_ID", "no row of brands"),
    ("skus", {"list_price_fen": "99.00"}, "list_price_fen", "BAD_NUMBER", "money is in whole fen"),
    ("skus", {"list_price_fen": "1e3"}, "list_price_fen", "BAD_NUMBER", "no whole number"),
    ("skus", {"list_price_fen": "1,000"}, "list_price_fen", "BAD_NUMBER", "no whole number"),
    ("skus", {"list_price_fen": "+5"}, "list_price_fen", "BAD_NUMBER", "no whole number"),
    ("skus", {"list_price_fen": "٣"}, "list_price_fen", "BAD_NUMBER", "no whole number"),
    ("skus", {"list_price_fen": "-1"}, "list_price_fen", "OUT_OF_RANGE", "below 0"),
    ("skus", {"list_price_fen": 2**63}, "list_price_fen", "OUT_OF_RANGE", "2^63 - 1"),
    ("skus", {"list_price_fen": "9" * 5000}, "list_price_fen", "OUT_OF_RANGE", "2^63 - 1"),
    ("skus", {"units_per_pack": "0"}, "units_per_pack", "OUT_OF_RANGE", "below 1"),
    ("skus", {"category": "beauty//mask"}, "category", "BAD_TEXT", "empty step"),
    ("skus", {"retired_on": "2025-02-28"}, "retired_on", "BAD_WINDOW", "before launched_on (2025-03-01)"),
    ("skus", {"refund_rate_unit": ""}, "refund_rate_unit", "BAD_UNIT", "percent, permille, bp, 1e-5, ppm"),
    ("skus", {"refund_rate_unit": "%"}, "refund_rate_unit", "BAD_UNIT", "'%' is no unit of a rate"),
    ("skus", {"refund_rate": "100.0001"}, "refund_rate", "BAD_RATE", "not within 0 % and 100 %"),
    ("skus", {"denied_anchor_ids": "a1;a9"}, "denied_anchor_ids", "UNKNOWN_ID", "no row of anchors"),
    ("skus", {"sku_id": "s2", "equivalent_sku_id": "s9"}, "equivalent_sku_id", "UNKNOWN_ID", "no row of skus"),
    ("skus", {"authorised_until": "soon"}, "authorised_until", "BAD_INSTANT", "no instant"),
    ("plans", {"rate": "12.34567"}, "rate", "BAD_RATE", "no whole number of ppm"),
    ("plans", {"rate": "90.0001"}, "rate", "BAD_RATE", "not within 0 % and 90 %"),
    ("plans", {"rate": "-1"}, "rate", "BAD_RATE", "not within 0 % and 90 %"),
    ("plans", {"rate": "20%"}, "rate", "BAD_RATE", "no whole number of ppm"),
    ("plans", {"rate": "NaN"}, "rate", "BAD_RATE", "no whole number of ppm"),
    ("plans", {"rate_unit": ""}, "rate_unit", "BAD_UNIT", "rate_unit is empty"),
    ("plans", {"rate": "1", "rate_unit": "percentage"}, "rate_unit", "BAD_UNIT", "name one of percent"),
    ("plans", {"valid_to": "2025-01-01T00:00:00+08:00"}, "valid_to", "BAD_WINDOW", "not after valid_from"),
    ("plans", {"plan_type": "open "}, "plan_type", "BAD_CHOICE", "none of open, target_item"),
    ("cps_quotes", {"quote_id": "q2", "rate_high": "1499"}, "rate_high", "BAD_RANGE", "ends below its beginning"),
    ("cps_quotes", {"quote_id": "q2", "rate_high": "9001"}, "rate_high", "BAD_RATE", "not within 0 % and 90 %"),
    ("cps_quotes", {"rate": "1600"}, "rate", "KEY_CONFLICT", "quote_id q1 is known with rate_ppm 150000, here 160000"),
    ("offers", {"offer_id": "o2", "event_id": "e9"}, "event_id", "UNKNOWN_ID", "no row of events"),
    ("offers", {"offer_id": "o2", "quantity": "0"}, "quantity", "OUT_OF_RANGE", "below 1"),
    ("offers", {"offer_id": "o2", "shipping_fen": "-100"}, "shipping_fen", "OUT_OF_RANGE", "below 0"),
    ("offers", {"item_price_fen": "8901"}, "item_price_fen", "KEY_CONFLICT", "known with item_price_fen 8900"),
    ("offers", {"evidence": "photo-1"}, "evidence", "KEY_CONFLICT", "known with evidence empty, here photo-1"),
    ("offer_promotions", {"promotion_id": "pr2", "offer_id": "o9"}, "offer_id", "UNKNOWN_ID", "no row of offers"),
    ("offer_promotions", {"promotion_id": "pr2", "off_fen": ""}, "off_fen", "INCOMPLETE", "kind coupon needs off_fen"),
    ("offer_promotions", {"promotion_id": "pr2", "kind": "percent_off"}, "off_rate", "INCOMPLETE", "needs off_rate"),
    ("anchor_stats", {"observed_on": "2026-11-02", "fans": "-1"}, "fans", "OUT_OF_RANGE", "below 0"),
    ("anchor_stats", {"observed_on": "2026-11-02", "reply_hours": "inf"}, "reply_hours", "BAD_NUMBER", "no number"),
    ("anchor_stats", {"fans": "1001"}, "fans", "KEY_CONFLICT", "anchor_id a1, observed_on 2026-11-01 is known"),
    ("audiences", {"role": "seller"}, "role", "BAD_CHOICE", "none of viewer, buyer, repeat_buyer"),
    ("audiences", {"role": "viewer", "share": "1.01"}, "share", "OUT_OF_RANGE", "above 1"),
    ("audiences", {"role": "viewer", "share": "-0.1"}, "share", "OUT_OF_RANGE", "below 0"),
    ("audiences", {"role": "viewer", "share": "0.998"}, "share", "SHARES_SUM", "sum to 0.998"),
    ("audiences", {"bucket": "male", "share": "0.01"}, "share", "SHARES_SUM", "sum to 1.01"),
    ("audiences", {"role": "viewer", "bucket": "x" * 201}, "bucket", "BAD_TEXT", "at most 200"),
    ("live_sessions", {"live_session_id": "l2", "anchor_id": "a9"}, "anchor_id", "UNKNOWN_ID", "no row of anchors"),
    (
        "live_sessions",
        {"live_session_id": "l2", "ended_at": "2026-11-02T19:59:59+08:00"},
        "ended_at",
        "BAD_WINDOW",
        "before started_at",
    ),
    ("listings", {"live_session_id": "l9"}, "live_session_id", "UNKNOWN_ID", "no row of live_sessions"),
    ("listings", {"sku_id": "s9"}, "sku_id", "UNKNOWN_ID", "no row of skus"),
    ("listings", {"units": "4"}, "units", "KEY_CONFLICT", "live_session_id l1, sku_id s1 is known with units 3, here 4"),
    ("listings", {"units": "-3"}, "units", "OUT_OF_RANGE", "below 0"),
    ("listings", {"gmv_fen": ""}, "gmv_fen", "MISSING", "gmv_fen is required and empty"),
    ("feedback", {"event_id": "f2", "kind": "looked"}, "kind", "BAD_CHOICE", "none of shown, clicked"),
    ("feedback", {"event_id": "f2", "request_id": "r 1"}, "request_id", "BAD_ID", "no id"),
]  # fmt: skip


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store that holds the good row of every table; the tests here only ask, by dry runs."""
    folder = tmp_path_factory.mktemp("market")
    engine = open_engine(f"sqlite:///{folder / 'store.db'}")
    upgrade(engine)
    for name, row in GOOD.items():
        write_csv(folder / "good", name, [row])
    with writing(engine) as session:
        imported = ingest(session, [folder / "good"], now=NOW, rejects=folder / "rejects")
        imported.require_all()
    assert all(counts.n_new == 1 for counts in imported.tables.values())
    yield engine
    engine.dispose()


def write_csv(folder: Path, table: str, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{table}.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_json_lines(folder: Path, table: str, rows: list[dict[str, Any]]) -> Path:
    file = folder / f"{table}.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def check(engine: Engine, file: Path) -> tuple[Imported, list[dict[str, str]]]:
    """What a dry run says of the file, and the rows of its report."""
    rejects = file.parent / "rejects"
    with writing(engine) as session:
        imported = ingest(session, [file], now=NOW, rejects=rejects, dry_run=True)
    report = rejects / f"{file.name.partition('.')[0]}.csv"
    if not report.exists():
        return imported, []
    with report.open(newline="", encoding="utf-8") as stream:
        return imported, list(csv.DictReader(stream))


def test_there_is_a_good_row_of_every_table() -> None:
    assert set(GOOD) == set(TABLES)


@pytest.mark.parametrize("table", GOOD)
def test_the_good_row_is_no_news_when_it_comes_again(table: str, market: Engine, tmp_path: Path) -> None:
    imported, rejects = check(market, write_csv(tmp_path, table, [GOOD[table]]))
    assert rejects == []
    assert (imported.tables[table].n_new, imported.tables[table].n_unchanged) == (0, 1)


@pytest.mark.parametrize(
    ("table", "wrong", "column", "code", "words"),
    BROKEN,
    ids=[
        f"{table}-{'-'.join(wrong)}-{code}-{number}"
        for number, (table, wrong, _, code, _) in enumerate(BROKEN)
    ],
)
def test_a_broken_row_is_reported_once_with_its_line_column_value_code_and_sentence(
    table: str, wrong: dict[str, Any], column: str, code: str, words: str, market: Engine, tmp_path: Path
) -> None:
    broken = GOOD[table] | wrong
    imported, rejects = check(
        market, write_csv(tmp_path, table, [dict.fromkeys(broken, "") | GOOD[table], broken])
    )
    assert [(reject["line"], reject["column"], reject["code"]) for reject in rejects] == [("3", column, code)]
    assert words in rejects[0]["sentence"]
    assert imported.tables[table].n_rejected == 1
    given = str(broken.get(column, ""))
    if len(given) < 200 and "\0" not in given and code != "MISSING":
        assert rejects[0]["value"] == given or code == "KEY_CONFLICT"


def test_a_row_with_several_faults_is_reported_once_by_the_first(market: Engine, tmp_path: Path) -> None:
    row = GOOD["skus"] | {"brand_id": "b 9", "list_price_fen": "x", "stock": "-1"}
    imported, rejects = check(market, write_csv(tmp_path, "skus", [row]))
    assert [(reject["line"], reject["column"]) for reject in rejects] == [("2", "brand_id")]
    assert imported.tables["skus"].n_rejected == 1


@pytest.mark.parametrize(
    ("table", "wrong", "column", "code", "words"),
    [
        ("skus", {"sku_id": 9007199254740993}, "sku_id", "NUMBER_AS_ID", "platform ids pass 2^53"),
        ("skus", {"sku_id": 1.5}, "sku_id", "NUMBER_AS_ID", "is a number"),
        ("skus", {"sku_id": True}, "sku_id", "BAD_ID", "is true or false"),
        ("skus", {"sku_id": ["s1"]}, "sku_id", "BAD_ID", "is a list"),
        ("skus", {"denied_anchor_ids": 7}, "denied_anchor_ids", "NUMBER_AS_ID", "is a number"),
        ("skus", {"denied_anchor_ids": ["a1", 7]}, "denied_anchor_ids", "BAD_ID", "is a list"),
        ("skus", {"denied_anchor_ids": ["a1", "a9"]}, "denied_anchor_ids", "UNKNOWN_ID", "'a9'"),
        ("skus", {"list_price_fen": 99.0}, "list_price_fen", "BAD_NUMBER", "'99.0' is no whole number"),
        ("skus", {"list_price_fen": True}, "list_price_fen", "BAD_NUMBER", "true or false"),
        ("skus", {"list_price_fen": 2**64}, "list_price_fen", "OUT_OF_RANGE", "2^63 - 1"),
        ("skus", {"list_price_fen": {}}, "list_price_fen", "BAD_NUMBER", "an object"),
        ("skus", {"title": ["x"]}, "title", "BAD_TEXT", "a list"),
        ("skus", {"title": "\ud800"}, "title", "NOT_UTF8", "surrogate"),
        ("skus", {"channel_exclusive": 2}, "channel_exclusive", "BAD_FLAG", "neither true nor false"),
        ("skus", {"launched_on": 20250301}, "launched_on", "BAD_DATE", "is a number"),
        ("plans", {"rate": 12.34567}, "rate", "BAD_RATE", "no whole number of ppm"),
        ("plans", {"valid_from": 1767196800}, "valid_from", "BAD_INSTANT", "is a number"),
        ("audiences", {"role": "viewer", "share": "half"}, "share", "BAD_NUMBER", "no number"),
    ],
)
def test_a_json_value_of_the_wrong_type_is_reported(
    table: str, wrong: dict[str, Any], column: str, code: str, words: str, market: Engine, tmp_path: Path
) -> None:
    file = tmp_path / f"{table}.jsonl"
    file.write_text(json.dumps(GOOD[table]) + "\n\n" + json.dumps(GOOD[table] | wrong) + "\n")
    _, rejects = check(market, file)
    assert [(reject["line"], reject["column"], reject["code"]) for reject in rejects] == [("3", column, code)]
    assert words in rejects[0]["sentence"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ('{"brand_id": "b2", "name": ', "BAD_JSON", "no JSON"),
        ('{"brand_id": "b2", "name": "x"} {"brand_id": "b3", "name": "x"}', "BAD_JSON", "extra data"),
        ('["b2", "x"]', "BAD_JSON", "no object"),
        ("null", "BAD_JSON", "no object"),
        ('{"brand_id": "b2", "brand_id": "b3", "name": "x"}', "BAD_JSON", "given twice"),
        ('{"brand_id": "b2", "name": NaN}', "BAD_JSON", "no numbers"),
        ('{"brand_id": "b2"}', "MISSING", "name is required"),
        ("[" * 100_000, "BAD_JSON", "no JSON"),
        ('{"brand_id": "b2", "name": "\xe9"}', "NOT_UTF8", "save it as UTF-8"),
    ],
)
def test_a_broken_line_of_json_is_reported(
    line: str, code: str, words: str, market: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "brands.jsonl"
    file.write_bytes(json.dumps(GOOD["brands"]).encode() + b"\n" + line.encode("latin-1") + b"\n")
    imported, rejects = check(market, file)
    assert [(reject["line"], reject["code"]) for reject in rejects] == [("2", code)]
    assert words in rejects[0]["sentence"]
    assert imported.tables["brands"].n_unchanged == 1


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"b2", "RAGGED", "1 cells where the header has 2"),
        (b"b2,x,", "RAGGED", "3 cells where the header has 2"),
        (b'b2,"x"y', "BAD_QUOTES", "double the quotes"),
        (b"b2,\xc7\xe0", "NOT_UTF8", "save it as UTF-8"),
        (b"b2\0,x", "BAD_ID", "no id"),
    ],
)
def test_a_broken_line_of_csv_is_reported(
    line: bytes, code: str, words: str, market: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "brands.csv"
    file.write_bytes(b'brand_id,name\nb3,"two\nlines"\n\n' + line + b"\nb4,x\n")
    imported, rejects = check(market, file)
    assert [(reject["line"], reject["code"]) for reject in rejects] == [("5", code)]
    assert words in rejects[0]["sentence"]
    assert imported.tables["brands"].n_new == 2


def test_a_dimension_s_shares_may_miss_the_whole_by_a_thousandth_and_no_more(
    market: Engine, tmp_path: Path
) -> None:
    shares = {"viewer": ("0.5", "0.499"), "repeat_buyer": ("0.5", "0.501")}
    rows = [
        GOOD["audiences"] | {"role": role, "bucket": f"bucket {number}", "share": share}
        for role, both in shares.items()
        for number, share in enumerate(both)
    ]
    assert check(market, write_csv(tmp_path, "audiences", rows))[1] == []
    rows[0]["share"] = "0.4999"
    rows[2]["share"] = "0.5001"
    _, rejects = check(market, write_csv(tmp_path, "audiences", rows))
    assert [(reject["line"], reject["code"]) for reject in rejects] == [
        (line, "SHARES_SUM") for line in ("2", "3", "4", "5")
    ]


def test_the_rest_of_a_dimension_is_reported_when_one_of_its_rows_is_bad(
    market: Engine, tmp_path: Path
) -> None:
    rows = [
        GOOD["audiences"] | {"role": "viewer", "bucket": "female", "share": "0.6"},
        GOOD["audiences"] | {"role": "viewer", "bucket": "male", "share": "O.4"},
    ]
    _, rejects = check(market, write_csv(tmp_path, "audiences", rows))
    assert [(reject["line"], reject["code"]) for reject in rejects] == [
        ("2", "SHARES_SUM"),
        ("3", "BAD_NUMBER"),
    ]


@pytest.mark.parametrize(
    ("value", "stored"),
    [("true", 1), ("TRUE", 1), ("1", 1), ("False", 0), ("0", 0), ("", None)],
)
def test_flags_are_taken_in_the_ways_programs_write_them(
    value: str, stored: int | None, market: Engine, tmp_path: Path
) -> None:
    row = GOOD["offers"] | {"offer_id": "o7", "welfare": value}
    with writing(market) as session:
        ingest(
            session, [write_csv(tmp_path, "offers", [row])], now=NOW, rejects=tmp_path / "rejects"
        ).require_all()
        connection = session.connection()
        found = connection.exec_driver_sql("SELECT welfare FROM offers WHERE offer_id = 'o7'").scalar_one()
        session.rollback()
    assert found == stored
