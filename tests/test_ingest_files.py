"""Which files are taken, which are refused, and with which words? And do all ways of writing say the same?"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as parquet_writer
from sqlalchemy import Engine

from features.errors import WrongInput
from features.store.db import frame_schema, open_engine, read_frame, reading, writing
from features.store.ingest import Imported, ingest
from features.store.intake import chunks, csv_files, json_lines, parquet_files
from features.store.migrations import upgrade
from features.store.tables import TABLES

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A store without rows, which stays so: every import here is a dry run or an error."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'store.db'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def run(engine: Engine, *paths: Path, dry_run: bool = True) -> Imported:
    with writing(engine) as session:
        return ingest(session, paths, now=NOW, rejects=paths[0].parent / "rejects", dry_run=dry_run)


def refusal(engine: Engine, *paths: Path) -> str:
    with pytest.raises(WrongInput) as error:
        run(engine, *paths)
    return str(error.value)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the hour is no part of a test's name


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream)
    return stream.getvalue()


GOOD_CSV = b"brand_id,name\nb1,x\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("brand.csv", GOOD_CSV, "named after no table (brand); the tables are brands, programmes, enrolments"),
        ("Brands.csv", GOOD_CSV, "named after no table (Brands)"),
        ("brands.xlsx", b"", "write brands as one of .csv, .csv.gz, .jsonl, .jsonl.gz, .parquet"),
        ("brands.json", b"[]", "write brands as one of"),
        ("brands", GOOD_CSV, "write brands as one of"),
        ("brands.csv", b"", "brands.csv is empty"),
        ("brands.jsonl", b"", "brands.jsonl is empty"),
        ("brands.parquet", b"", "brands.parquet is empty"),
        ("brands.csv.gz", packed(b""), "brands.csv.gz is empty"),
        ("brands.csv", b"brand_id,name,colour\nb1,x,red\n", "unknown columns 'colour'; the columns of brands"),
        ("brands.csv", b"brand_id,name,source\nb1,x,job\n", "unknown columns 'source'"),
        ("brands.csv", b"brand_id,name,\nb1,x,\n", "unknown columns ''"),
        ("brands.csv", b"BRAND_ID,name\nb1,x\n", "unknown columns 'BRAND_ID'"),
        ("brands.csv", b"brand_id,name,name\nb1,x,y\n", "columns given twice: 'name'"),
        ("brands.csv", b"brand_id\nb1\n", "required columns are missing: name"),
        ("brands.csv", b"brand_id;name\nb1;x\n", "put commas between the columns"),
        ("brands.csv", b"brand_id\tname\nb1\tx\n", "put commas between the columns"),
        ("brands.csv", b"b1,x\nb2,y\n", "unknown columns 'b1', 'x'; required columns are missing: brand_id, name"),
        ("brands.csv", GOOD_CSV.decode().encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("brands.csv", b"\0\0\0\0", "no UTF-8 text"),
        ("brands.csv", b"PK\x03\x04 and so on", "is a ZIP or Excel file"),
        ("brands.csv", packed(GOOD_CSV), "is compressed; name it .gz"),
        ("brands.csv", parquet(brand_id=["b1"], name=["x"]), "is Parquet; name it .parquet"),
        ("brands.csv.gz", GOOD_CSV, "is damaged"),
        ("brands.csv.gz", packed(GOOD_CSV * 1000)[:-20], "is damaged"),
        ("brands.csv", b'brand_id,name\nb1,x\nb2,"y\nb3,z\n', "a cell on line 3 does not end"),
        ("brands.csv", b'brand_id,name\nb1,"' + b"x" * 200_000 + b'"\n', "a cell on line 2 does not end"),
        ("brands.csv", b'"brand_id,name\nb1,x\n', "a cell on line 1 does not end"),
        ("brands.jsonl", b'{"brand_id": "b1", "name": "x"}\n{"brand_id": "b1", "nane": "x"}\n', "line 2: unknown columns 'nane'"),
        ("brands.parquet", GOOD_CSV, "no Parquet file, or a damaged one"),
        ("brands.parquet", parquet(brand_id=["b1"], name=["x"])[:-9], "no Parquet file, or a damaged one"),
        ("brands.parquet", parquet(brand_id=["b1"]), "required columns are missing: name"),
        ("brands.parquet", parquet(brand_id=["b1"], name=["x"], index=[0]), "unknown columns 'index'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_meant_is_refused_with_words(
    name: str, content: bytes, words: str, empty: Engine, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert words in refusal(empty, file)


def test_unknown_columns_are_answered_with_all_that_are_known(empty: Engine, tmp_path: Path) -> None:
    file = tmp_path / "plans.csv"
    file.write_text("plan_id,commission\n")
    assert refusal(empty, file).endswith(
        "the columns of plans (* required) are plan_id*, observed_at, sku_id*, plan_type*, rate*, rate_unit*, "
        "anchor_ids, service_fee_rate, service_fee_rate_unit, status, valid_from*, valid_to"
    )


def test_all_files_with_wrong_columns_are_named_at_once(empty: Engine, tmp_path: Path) -> None:
    for name in ("brands", "skus"):
        (tmp_path / f"{name}.csv").write_text("what\n1\n")
    words = refusal(empty, tmp_path)
    assert "brands.csv: unknown" in words
    assert "skus.csv: unknown" in words


def test_a_path_that_is_not_there_and_a_folder_without_imports_are_refused(
    empty: Engine, tmp_path: Path
) -> None:
    assert "does not exist" in refusal(empty, tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    assert "no import file in" in refusal(empty, tmp_path)


def test_in_a_folder_what_is_no_import_is_left_alone_and_told(empty: Engine, tmp_path: Path) -> None:
    (tmp_path / "brands.csv").write_bytes(GOOD_CSV)
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / ".DS_Store").write_text("hello")
    (tmp_path / "older").mkdir()
    imported = run(empty, tmp_path)
    assert [path.name for path in imported.left_alone] == ["README.md", "older"]
    assert imported.tables["brands"].n_new == 1


def test_a_slip_in_a_name_is_refused_in_a_folder_too(empty: Engine, tmp_path: Path) -> None:
    (tmp_path / "brands.csv").write_bytes(GOOD_CSV)
    (tmp_path / "sku.csv").write_bytes(b"")
    (tmp_path / "anchors.xls").write_bytes(b"")
    words = refusal(empty, tmp_path)
    assert "sku.csv is named after no table" in words
    assert "anchors.xls is written in no way known here" in words


def test_a_file_named_twice_is_read_once(empty: Engine, tmp_path: Path) -> None:
    (tmp_path / "brands.csv").write_bytes(GOOD_CSV)
    imported = run(empty, tmp_path, tmp_path / "brands.csv")
    assert (imported.tables["brands"].n_new, imported.tables["brands"].n_unchanged) == (1, 0)


def test_files_in_the_folder_for_reports_are_not_overwritten(empty: Engine, tmp_path: Path) -> None:
    file = tmp_path / "brands.csv"
    file.write_bytes(GOOD_CSV)
    with writing(empty) as session, pytest.raises(WrongInput, match="lies in the folder for reports"):
        ingest(session, [file], now=NOW, rejects=tmp_path)
    assert file.read_bytes() == GOOD_CSV


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD_CSV,
        GOOD_CSV.replace(b"\n", b"\r\n"),
        GOOD_CSV.replace(b"\n", b"\r"),
        GOOD_CSV.rstrip(),
        GOOD_CSV + b"\n\n",
        b" brand_id , name \nb1,x\n",
        b'"brand_id","name"\n"b1","x"\n',
        b"name,brand_id\nx,b1\n",
    ],
    ids=["bom", "crlf", "cr", "no-last-newline", "empty-lines", "spaced-header", "quoted", "other-order"],
)
def test_csv_as_programs_write_it_is_taken(content: bytes, empty: Engine, tmp_path: Path) -> None:
    file = tmp_path / "brands.csv"
    file.write_bytes(content)
    imported = run(empty, file)
    assert (imported.tables["brands"].n_new, imported.tables["brands"].n_rejected) == (1, 0)


def test_a_header_without_rows_is_taken(empty: Engine, tmp_path: Path) -> None:
    (tmp_path / "brands.csv").write_bytes(b"brand_id,name\n")
    (tmp_path / "anchors.parquet").write_bytes(parquet(anchor_id=pl.Series([], dtype=pl.String), name=[]))
    imported = run(empty, tmp_path)
    assert {name: table.n_new for name, table in imported.tables.items()} == {"brands": 0, "anchors": 0}


SKU_ROWS: list[dict[str, Any]] = [
    {
        "sku_id": f"s{number}",
        "brand_id": "b1",
        "title": '面膜, "大"\n第二行' if number == 1 else f"面膜 {number}",
        "category": "beauty/skincare/mask",
        "list_price_fen": 9_007_199_254_740_993 + number,
        "stock": None if number % 2 else number,
        "refund_rate": None if number == 3 else "4.0625",
        "refund_rate_unit": None if number == 3 else "percent",
        "launched_on": "2025-03-01",
        "authorised_until": "2027-01-01T00:00:00+08:00",
        "channel_exclusive": number == 2,
        "denied_anchor_ids": "a2;a1" if number == 2 else None,
        "observed_at": f"2026-01-0{number}T08:00:00.25+08:00",
    }
    for number in range(1, 6)
]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def _json(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _native_json(rows: list[dict[str, Any]]) -> bytes:
    """Numbers as numbers, lists as lists, nothing where there is nothing."""
    lines = []
    for row in rows:
        native = {name: value for name, value in row.items() if value is not None}
        if "denied_anchor_ids" in native:
            native["denied_anchor_ids"] = native["denied_anchor_ids"].split(";")
        text = json.dumps(native)
        lines.append(text.replace('"4.0625"', "4.0625"))
    return "\n".join(lines).encode()


def _text_parquet(rows: list[dict[str, Any]]) -> bytes:
    return parquet(
        **{name: [None if row[name] is None else str(row[name]) for row in rows] for name in rows[0]}
    )


def _native_parquet(rows: list[dict[str, Any]]) -> bytes:
    frame = pl.DataFrame(rows).with_columns(
        pl.col("stock").cast(pl.UInt16),
        pl.col("refund_rate").cast(pl.Float64),
        pl.col("refund_rate_unit", "category").cast(pl.Categorical),
        pl.col("launched_on").str.to_date(),
        pl.col("authorised_until").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z").dt.cast_time_unit("ms"),
        pl.col("observed_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z").dt.convert_time_zone("Asia/Shanghai").dt.cast_time_unit("ns"),
        pl.col("denied_anchor_ids").str.split(";"),
    )  # fmt: skip
    stream = io.BytesIO()
    frame.write_parquet(stream, row_group_size=2)
    return stream.getvalue()


WAYS = {
    "skus.csv": _csv,
    "skus.csv.gz": lambda rows: packed(_csv(rows)),
    "skus.jsonl": _json,
    "skus.jsonl.gz": lambda rows: packed(_native_json(rows)),
    "skus.parquet": _text_parquet,
    "native/skus.parquet": _native_parquet,
}


@pytest.mark.parametrize("rows_a_chunk", [2, 100_000])
def test_every_way_of_writing_gives_the_same_stored_rows(
    rows_a_chunk: int, sqlite_store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (chunks, csv_files, json_lines, parquet_files):
        monkeypatch.setattr(module, "CHUNK_ROWS", rows_a_chunk)
    (tmp_path / "brands.csv").write_bytes(GOOD_CSV)
    (tmp_path / "anchors.csv").write_bytes(b"anchor_id,name\na1,x\na2,y\n")
    run(sqlite_store, tmp_path, dry_run=False).require_all()
    first, *others = (tmp_path / "ways" / name for name in WAYS)
    for name, write in WAYS.items():
        file = tmp_path / "ways" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(write(SKU_ROWS))
    assert run(sqlite_store, first, dry_run=False).tables["skus"].n_new == 5
    for other in others:  # the same rows again, whichever way they are written, are no news
        counts = run(sqlite_store, other, dry_run=False).tables["skus"]
        assert (counts.n_new, counts.n_unchanged, counts.n_rejected) == (0, 5, 0), other
    with reading(sqlite_store) as session:
        schema = frame_schema(TABLES["skus"].model)
        row = read_frame(session, "SELECT * FROM skus WHERE sku_id = 's2'", {}, schema).row(0, named=True)
    assert row["list_price_fen"] == 9_007_199_254_740_995
    assert row["refund_rate_ppm"] == 40_625
    assert row["denied_anchor_ids"] == "a1;a2"
    assert row["channel_exclusive"] is True
    assert row["launched_on"] == date(2025, 3, 1)
    assert row["known_at"] == datetime(2026, 1, 2, 0, 0, 0, 250_000, tzinfo=UTC).timestamp() * 1_000_000


@pytest.mark.parametrize(
    ("table", "columns", "code"),
    [
        ("brands", {"brand_id": [1, 2], "name": ["x", "y"]}, "NUMBER_AS_ID"),
        ("brands", {"brand_id": ["b1", "b2"], "name": [1.5, 2.5]}, "BAD_TEXT"),
        (
            "brands",
            {"brand_id": ["b1", "b2"], "name": ["x", "y"], "observed_at": [datetime(2026, 1, 1)] * 2},  # noqa: DTZ001
            "BAD_INSTANT",
        ),
        (
            "brands",
            {"brand_id": ["b1", "b2"], "name": ["x", "y"], "observed_at": [date(2026, 1, 1)] * 2},
            "BAD_INSTANT",
        ),
        ("anchors", {"anchor_id": ["a1", "a2"], "name": ["x", "y"], "own_brand_ids": [[1], [2]]}, "NUMBER_AS_ID"),
        (
            "anchors",
            {"anchor_id": ["a1", "a2"], "name": ["x", "y"], "joined_on": [datetime(2026, 1, 1)] * 2},  # noqa: DTZ001
            "BAD_DATE",
        ),
        (
            "anchor_stats",
            {"anchor_id": ["a1", "a2"], "observed_on": ["2026-01-01"] * 2, "fans": [1.5, 2.0**53]},
            "BAD_NUMBER",
        ),
        (
            "anchor_stats",
            {"anchor_id": ["a1", "a2"], "observed_on": ["2026-01-01"] * 2, "fans": [2**63, 2**64 - 1]},
            "OUT_OF_RANGE",
        ),
        (
            "anchor_stats",
            {"anchor_id": ["a1", "a2"], "observed_on": ["2026-01-01"] * 2, "fans": [Decimal("1.5")] * 2},
            "BAD_NUMBER",
        ),
        (
            "anchor_stats",
            {"anchor_id": ["a1", "a2"], "observed_on": ["2026-01-01"] * 2, "reply_hours": [float("nan")] * 2},
            "BAD_NUMBER",
        ),
    ],
)  # fmt: skip
def test_a_parquet_column_of_the_wrong_type_is_reported_row_by_row(
    table: str, columns: dict[str, Any], code: str, empty: Engine, tmp_path: Path
) -> None:
    file = tmp_path / f"{table}.parquet"
    file.write_bytes(parquet(**columns))
    imported = run(empty, file)
    assert imported.tables[table].n_rejected == 2
    with (tmp_path / "rejects" / f"{table}.csv").open(newline="") as stream:
        assert [(row["line"], row["code"]) for row in csv.DictReader(stream)] == [("1", code), ("2", code)]


def test_counts_written_as_floats_are_taken_where_they_are_whole_and_money_never(
    empty: Engine, tmp_path: Path
) -> None:
    stats = tmp_path / "anchor_stats.parquet"
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    stats.write_bytes(parquet(anchor_id=["a1"] * 3, observed_on=days, fans=[1.0, None, 2.0**53 - 1]))
    skus = tmp_path / "skus.parquet"
    skus.write_bytes(
        parquet(sku_id=["s9"], brand_id=["b1"], title=["t"], category=["c"], list_price_fen=[1990.0])
    )
    imported = run(empty, stats, skus)
    assert imported.tables["skus"].n_rejected == 1
    assert imported.tables["anchor_stats"].n_rejected == 3  # of an anchor that is not there, not of its fans
    with (tmp_path / "rejects" / "anchor_stats.csv").open(newline="") as stream:
        assert {row["column"] for row in csv.DictReader(stream)} == {"anchor_id"}


def test_parquet_text_that_is_not_utf8_is_refused(empty: Engine, tmp_path: Path) -> None:
    raw = pa.array([b"\xc7\xe0\xb4\xc9"])  # 青瓷 in GBK
    text = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    parquet_writer.write_table(pa.table({"brand_id": ["b1"], "name": text}), tmp_path / "brands.parquet")
    assert "UTF8" in refusal(empty, tmp_path / "brands.parquet")


def test_a_report_is_in_the_order_of_the_lines_and_goes_when_there_is_nothing_to_report(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_files, "CHUNK_ROWS", 3)
    file, report = tmp_path / "brands.csv", tmp_path / "rejects" / "brands.csv"
    bad = {3, 4, 8}
    file.write_text(
        "brand_id,name\n" + "".join(f"b {n},x\n" if n in bad else f"b{n},x\n" for n in range(2, 10))
    )
    assert run(empty, file).tables["brands"].n_rejected == 3
    with report.open(newline="") as stream:
        assert [int(row["line"]) for row in csv.DictReader(stream)] == sorted(bad)
    file.write_bytes(GOOD_CSV)
    run(empty, file)
    assert not report.exists()


def test_a_report_that_cannot_be_written_is_told(empty: Engine, tmp_path: Path) -> None:
    file = tmp_path / "brands.csv"
    file.write_bytes(b"brand_id,name\nb 1,x\n")
    (tmp_path / "taken").write_text("a file, no folder")
    with writing(empty) as session, pytest.raises(WrongInput, match="name another folder with --rejects"):
        ingest(session, [file], now=NOW, rejects=tmp_path / "taken")


def test_an_unknown_source_is_refused(empty: Engine, tmp_path: Path) -> None:
    (tmp_path / "brands.csv").write_bytes(GOOD_CSV)
    for source in ("", "brand", "brand:", "brand:b 1", "Operator", "job\n"):
        with writing(empty) as session, pytest.raises(WrongInput, match="is none of operator, job"):
            ingest(session, [tmp_path], now=NOW, source=source, rejects=tmp_path / "rejects")
