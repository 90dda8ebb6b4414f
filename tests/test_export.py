"""Does an export, ingested into an empty store, give the same store, and is told what files cannot say?"""

import csv
import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import Engine

import copies as fixtures
from copies import House, dump_of
from features.store import exporting as room
from features.store.db import frame_schema, open_engine, read_frame, reading, writing
from features.store.exporting import FORMATS, Exported, choose_tables, export
from features.store.ingest import ingest, ingest_rows
from features.store.records import retract
from features.store.tables import TABLES
from features.units import microseconds, midnight
from good_rows import GOOD
from market import Market
from promises import NOON
from trained import Trained

house, other, run, trained_house = fixtures.house, fixtures.other, fixtures.run, fixtures.trained_house

EVERY = tuple(TABLES)
LATER = NOON + timedelta(days=400)


def rows_of(store: Engine, *names: str) -> dict[str, list[Any]]:
    """Every row of these tables, or of all."""
    found = {}
    with reading(store) as session:
        for name in names or EVERY:
            frame = read_frame(session, f"SELECT * FROM {name}", {}, frame_schema(TABLES[name].model))
            found[name] = frame.sort(TABLES[name].key).rows()
    return found


def exported(
    store: Engine, folder: Path, *names: str, ending: str = "csv", **options: Any
) -> dict[str, Exported]:
    with reading(store) as session:
        return export(session, choose_tables(names), folder, ending=ending, **options)


def imported(store: Engine, folder: Path, *, now: datetime = LATER, source: str = "operator") -> None:
    with writing(store) as session:
        ingest(session, [folder], now=now, rejects=folder / "rejects", source=source).require_all()


def good_store(store: Engine, **changes: dict[str, Any]) -> Engine:
    """A row in every table; `changes` by table."""
    with writing(store) as session:
        for name, row in GOOD.items():
            done = ingest_rows(
                session, TABLES[name], [(1, row | changes.get(name, {}))], now=NOON, source="operator"
            )
            assert done.bad == ()
    return store


@pytest.fixture
def second(sqlite_template: Path, tmp_path: Path) -> Any:
    """Another store without rows."""
    engine = open_engine(f"sqlite:///{tmp_path / 'second.db'}")
    with (
        closing(sqlite3.connect(sqlite_template)) as source,
        closing(sqlite3.connect(tmp_path / "second.db")) as to,
    ):
        source.backup(to)
    yield engine
    engine.dispose()


# There and back


@pytest.mark.parametrize("ending", FORMATS)
def test_a_whole_market_that_is_exported_and_ingested_is_the_same_store_with_the_same_answers(
    trained_house: House, other: House, trained: Trained, tmp_path: Path, ending: str
) -> None:
    told = trained_house.answer("export", "--out", tmp_path / "out", "--format", ending)
    assert list(told["tables"]) == list(EVERY)
    assert all(table["rows"] for table in told["tables"].values())
    assert {file.name for file in (tmp_path / "out").iterdir()} == {f"{name}.{ending}" for name in EVERY}
    assert other("ingest", tmp_path / "out")[0] == 0
    assert dump_of(other.file) == dump_of(trained_house.file)
    where = ("--database", other.database, "--home", trained_house.home)
    sku = str(trained.world.snapshot.shelf.ids[3])
    for words in (
        ("check", "--sku", sku, "--at", str(trained.market.as_of)),
        ("rate", "--sku", sku, "--at", str(trained.market.as_of)),
    ):
        assert trained_house.run(*words, "--json", *where) == trained_house(*words, "--json")
    assert House(other.database, trained_house.home, trained_house.run).goods(trained) == trained_house.goods(
        trained
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_from_either_database_every_row_comes_back_with_the_instant_at_which_it_was_known(
    store: Engine, second: Engine, tmp_path: Path, ending: str
) -> None:
    good_store(store)
    exported(store, tmp_path / "out", ending=ending)
    imported(second, tmp_path / "out")
    assert rows_of(second) == rows_of(store)


def test_every_version_comes_with_its_own_instant(store: Engine, second: Engine, tmp_path: Path) -> None:
    market = (
        Market().sku("s1").sku("s1", title="later", known_at=NOON).sku("s1", title="last", known_at=LATER)
    )
    market.anchor("a1", known_at=datetime(1999, 1, 1, tzinfo=UTC)).anchor("a1", tier="head", known_at=NOON)
    market.add("brands", brand_id="brand", name="b")
    market.plan("s1", 20, plan_type="open", valid_from=NOON, known_at=NOON, plan_id="p1")
    market.plan(
        "s1", 30, plan_type="open", valid_from=NOON, known_at=NOON + timedelta(microseconds=1), plan_id="p1"
    )
    with writing(store) as session:
        market.write(session)
    exported(store, tmp_path / "out")
    imported(second, tmp_path / "out", now=NOON)
    assert rows_of(second) == rows_of(store)
    assert [row[1] for row in rows_of(second, "skus")["skus"]] == [0, microseconds(NOON), microseconds(LATER)]


AWKWARD = (
    "=1+1", "-1", '"', 'a "b", c', "two\nlines", "a\rb", "a\r\nb", "'", ";", "tab\there", "面膜\u3000x", "\u2028", "NULL", "true", "007",
    "1e5", "{}", "\\", "\U0001f600", "x" * 4_000,
)  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
def test_no_text_is_changed_on_its_way(store: Engine, second: Engine, tmp_path: Path, ending: str) -> None:
    with writing(store) as session:
        rows = [(n, {"brand_id": f"b{n:02d}", "name": text}) for n, text in enumerate(AWKWARD)]
        assert ingest_rows(session, TABLES["brands"], rows, now=NOON, source="operator").bad == ()
    assert [row[2] for row in rows_of(store, "brands")["brands"]] == list(AWKWARD)
    exported(store, tmp_path / "out", "brands", ending=ending)
    imported(second, tmp_path / "out")
    assert rows_of(second, "brands") == rows_of(store, "brands")


INSTANTS = (
    "0001-01-01T00:00:00+00:00", "1969-12-31T23:59:59.999999+00:00", "1970-01-01T00:00:00+00:00", "2026-11-11T20:00:00+08:00",
    "2026-11-11T20:00:00.000001+08:00", "2026-11-11T20:00:00.120000+08:00", "9999-12-31T23:59:59.999999+00:00",
)  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("instants", [INSTANTS, *((one,) for one in INSTANTS)])
def test_no_instant_is_changed_on_its_way(
    sqlite_store: Engine, second: Engine, tmp_path: Path, ending: str, instants: tuple[str, ...]
) -> None:
    good_store(sqlite_store)
    with writing(sqlite_store) as session:
        rows = [(n, {"brand_id": f"x{n}", "name": "x", "observed_at": at}) for n, at in enumerate(instants)]
        assert ingest_rows(session, TABLES["brands"], rows, now=NOON, source="operator").bad == ()
        quotes = [
            (n, GOOD["cps_quotes"] | {"quote_id": f"x{n}", "observed_at": at})
            for n, at in enumerate(instants)
        ]
        assert ingest_rows(session, TABLES["cps_quotes"], quotes, now=NOON, source="operator").bad == ()
    exported(sqlite_store, tmp_path / "out", ending=ending)
    imported(second, tmp_path / "out")
    assert rows_of(second) == rows_of(sqlite_store)


NUMBERS = ("0", "0.1", "1e-7", "0.30000000000000004", "123456789.123456789", "1e300", "5e-324")


@pytest.mark.parametrize("ending", FORMATS)
def test_no_number_is_changed_on_its_way(store: Engine, second: Engine, tmp_path: Path, ending: str) -> None:
    most = 2**63 - 1
    good_store(
        store,
        skus={"stock": most, "refund_rate": "100"},
        cps_quotes={"rate": "0.0001", "rate_unit": "percent", "rate_high": "90"},
    )
    with writing(store) as session:
        rows = [
            (
                n,
                {
                    "anchor_id": "a1",
                    "observed_on": f"2026-10-{n + 1:02d}",
                    "reply_hours": text,
                    "fans_gained": -most,
                },
            )
            for n, text in enumerate(NUMBERS)
        ]
        assert ingest_rows(session, TABLES["anchor_stats"], rows, now=NOON, source="operator").bad == ()
    exported(store, tmp_path / "out", ending=ending)
    imported(second, tmp_path / "out")
    assert rows_of(second) == rows_of(store)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
def test_a_table_that_is_read_in_pieces_is_read_whole_and_once(
    store: Engine, second: Engine, tmp_path: Path, n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of several columns, days and instants among them, on both databases."""
    good_store(store)
    with writing(store) as session:
        for day in range(1, 5):
            for role in ("buyer", "viewer"):
                rows = [
                    (
                        n,
                        {
                            "anchor_id": "a1",
                            "observed_on": f"2026-10-0{day}",
                            "role": role,
                            "dimension": "age",
                            "bucket": bucket,
                            "share": share,
                        },
                    )
                    for n, (bucket, share) in enumerate((("18-23", 0.25), ("24-30", 0.5), ("面", 0.25)))
                ]
                assert ingest_rows(session, TABLES["audiences"], rows, now=NOON, source="operator").bad == ()
    monkeypatch.setattr(room, "_ROWS_A_PIECE", n_rows)
    read: list[int] = []

    def counting(*words: Any) -> pl.DataFrame:
        frame = read_frame(*words)
        read.append(len(frame))
        return frame

    monkeypatch.setattr(room, "read_frame", counting)
    told = exported(store, tmp_path / "out")
    assert max(read) <= n_rows
    assert told["audiences"].n_rows == 25
    imported(second, tmp_path / "out")
    assert rows_of(second) == rows_of(store)


def test_the_columns_are_those_of_the_import_in_the_contracts_order(
    sqlite_store: Engine, tmp_path: Path
) -> None:
    told = exported(good_store(sqlite_store), tmp_path)
    for name, one in told.items():
        assert one.file is not None
        with one.file.open(encoding="utf-8", newline="") as file:
            assert tuple(next(csv.reader(file))) == TABLES[name].file_columns


def test_parquet_has_the_types_that_its_columns_mean(sqlite_store: Engine, tmp_path: Path) -> None:
    exported(good_store(sqlite_store), tmp_path, ending="parquet")
    skus = pl.read_parquet(tmp_path / "skus.parquet")
    assert skus.schema["observed_at"] == pl.Datetime("us", "UTC")
    assert (skus.schema["launched_on"], skus.schema["channel_exclusive"]) == (pl.Date, pl.Boolean)
    assert skus.select("sku_id", "refund_rate", "refund_rate_unit").row(0) == ("s1", 45_000, "ppm")


def test_a_store_without_rows_gives_files_that_an_import_takes(
    sqlite_store: Engine, second: Engine, tmp_path: Path
) -> None:
    for ending in ("csv", "parquet"):
        exported(sqlite_store, tmp_path / ending, ending=ending)
        assert len(list((tmp_path / ending).iterdir())) == len(EVERY)
        imported(second, tmp_path / ending)
    told = exported(sqlite_store, tmp_path / "jsonl", ending="jsonl")  # a line a row: no row, no file
    assert {one.file for one in told.values()} == {None}
    assert list((tmp_path / "jsonl").iterdir()) == []


# What is left out


def test_as_of_a_day_only_what_was_known_before_it_began_is_written(store: Engine, tmp_path: Path) -> None:
    good_store(store)
    day = date(2026, 11, 3)
    with writing(store) as session:
        later = [
            (
                1,
                {
                    "sku_id": "s1",
                    "brand_id": "b1",
                    "title": "later",
                    "category": "x",
                    "list_price_fen": 1,
                    "observed_at": "2026-11-03T00:00:00+08:00",
                },
            ),
            (
                2,
                {
                    "sku_id": "s1",
                    "brand_id": "b1",
                    "title": "just before",
                    "category": "x",
                    "list_price_fen": 1,
                    "observed_at": "2026-11-02T23:59:59+08:00",
                },
            ),
        ]
        assert ingest_rows(session, TABLES["skus"], later, now=NOON, source="operator").bad == ()
    told = exported(store, tmp_path / "out", as_of=midnight(day))
    assert {name: one.n_rows for name, one in told.items() if one.n_rows != 1} == {
        "skus": 2, "cps_quotes": 0, "offers": 0, "offer_promotions": 0, "feedback": 0,
    }  # fmt: skip
    titles = pl.read_csv(tmp_path / "out" / "skus.csv")["title"].to_list()
    assert titles == ["面膜", "just before"]


@pytest.mark.parametrize(
    ("settled_at", "is_known"),
    [("2026-11-05T00:00:00+08:00", True), ("2026-11-06T00:00:00+08:00", False), (None, False)],
)
def test_as_of_a_day_a_refund_is_written_once_it_is_settled(
    sqlite_store: Engine, tmp_path: Path, settled_at: str | None, is_known: bool
) -> None:
    good_store(
        sqlite_store, listings={"refund_fen": 700} | ({"settled_at": settled_at} if settled_at else {})
    )
    exported(sqlite_store, tmp_path / "then", "listings", as_of=midnight(date(2026, 11, 6)), ending="parquet")
    then = pl.read_parquet(tmp_path / "then" / "listings.parquet")
    assert then["refund_fen"].to_list() == [700 if is_known else None]
    assert then["settled_at"].is_not_null().to_list() == [is_known]
    exported(sqlite_store, tmp_path / "now", "listings", ending="parquet")
    assert pl.read_parquet(tmp_path / "now" / "listings.parquet")["refund_fen"].to_list() == [700]


def test_rows_that_were_retracted_are_written_and_told(
    house: House, tmp_path: Path, sqlite_store: Engine
) -> None:
    good_store(sqlite_store)
    with writing(sqlite_store) as session:
        retract(session, "offers", "o1", reason="misread", source="operator", at=NOON)
    told = exported(sqlite_store, tmp_path / "out")
    assert (told["offers"].n_rows, told["offers"].retracted) == (1, ("o1",))
    before = exported(sqlite_store, tmp_path / "before", as_of=NOON)
    assert before["offers"].retracted == ()
    database = sqlite_store.url.render_as_string()
    code, _, err = house.run("export", "--out", tmp_path / "x", "--database", database, "--home", tmp_path)
    assert (code, "offers: 1 retracted rows" in err) == (0, True)


def test_who_supplied_a_row_is_told_and_kept_by_an_export_for_each(
    store: Engine, second: Engine, tmp_path: Path, run: Callable[..., Any]
) -> None:
    good_store(store)
    with writing(store) as session:
        quote = GOOD["cps_quotes"] | {"quote_id": "theirs"}
        assert ingest_rows(session, TABLES["cps_quotes"], [(1, quote)], now=NOON, source="brand:b1").bad == ()
    told = exported(store, tmp_path / "all")
    assert told["cps_quotes"].sources == {"brand:b1": 1, "operator": 1}
    for source in ("operator", "brand:b1"):
        written = exported(store, tmp_path / source, source=source)
        assert written["cps_quotes"].n_rows == 1
        imported(second, tmp_path / source, source=source)
    assert rows_of(second) == rows_of(store)
    if store.dialect.name == "sqlite":
        database = store.url.render_as_string()
        _, _, err = run("export", "--out", tmp_path / "x", "--database", database, "--home", tmp_path)
        assert "supplied by brand:b1 too" in err


# Where the files go


def test_only_the_tables_that_are_named_are_written_in_the_order_of_import(
    house: House, tmp_path: Path
) -> None:
    told = house.answer("export", "skus", "brands", "skus", "--out", tmp_path / "new" / "out")
    assert list(told["tables"]) == ["brands", "skus"]
    assert told["tables"]["brands"]["file"] == str(tmp_path / "new" / "out" / "brands.csv")
    code, out, err = house("export", "skus", "--out", tmp_path / "new" / "out", "--as-of", "2020-01-01")
    assert (code, out.split()[:3]) == (0, ["table", "rows", "file"]), err


def test_what_cannot_be_meant_is_wrong_input(house: House, other: House, tmp_path: Path) -> None:
    for words, said in (
        (("skuz",), "the tables are brands"),
        (("--format", "xlsx"), "name one of csv, parquet, jsonl"),
        (("--as-of", "yesterday"), "no day"),
        (("--out", "/dev/null/x"), "cannot be made"),
    ):
        code, _, err = house("export", "--out", tmp_path / "out", *words)
        assert (code, said in err) == (2, True), words
    assert not (tmp_path / "out").exists()
    assert other("export", "--out", tmp_path / "out")[0] == 2


def test_a_file_of_the_same_name_is_replaced_and_one_with_another_ending_stops_the_export(
    sqlite_store: Engine, tmp_path: Path
) -> None:
    good_store(sqlite_store)
    (tmp_path / "brands.csv").write_text("old")
    exported(sqlite_store, tmp_path, "brands")
    assert (tmp_path / "brands.csv").read_text().startswith("brand_id,")
    with pytest.raises(Exception, match="an import would read both"):
        exported(sqlite_store, tmp_path, ending="jsonl")
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".jsonl"] == []


def test_on_a_full_disk_nothing_is_exported_and_what_was_there_stays(
    sqlite_store: Engine, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good_store(sqlite_store)
    folder = tmp_path / "out"
    exported(sqlite_store, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    true, left = os.fsync, [5]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        true(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = house("export", "--out", folder)
    assert (code, "No space left on device" in err) == (1, True)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_nothing_reads_a_file_before_it_is_whole(sqlite_store: Engine, tmp_path: Path) -> None:
    good_store(sqlite_store)
    folder = tmp_path / "out"
    folder.mkdir()
    seen: list[list[str]] = []

    def look(_table: str, _share: float) -> None:
        seen.append([file.name for file in folder.iterdir() if not file.name.startswith(".")])

    exported(sqlite_store, folder, say=look)
    assert seen == [[]] * len(EVERY)
    assert {file.name for file in folder.iterdir()} == {f"{name}.csv" for name in EVERY}
