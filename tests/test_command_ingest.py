"""What does `matcher ingest` answer, where does it put its reports, and with which code does it end?"""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from api.commands import main

GOOD = "brand_id,name\nb1,x\nb2,y\n"
BAD = "brand_id,name\nb1,x\nb 2,y\nb3,\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder `in` for what is to be imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


def ingest(*arguments: str) -> int:
    """The exit code of the command on the folder `in`."""
    with pytest.raises(SystemExit) as end:
        main(["ingest", "in", "--database", "sqlite:///store.db", *arguments])
    assert end.value.code is None or isinstance(end.value.code, int)
    return end.value.code or 0


def brands() -> list[Any]:
    with sqlite3.connect("store.db") as connection:
        return connection.execute("SELECT brand_id, source FROM brands ORDER BY 1").fetchall()


def test_good_files_come_in_and_the_table_of_what_came_in_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "brands.csv").write_text(GOOD)
    assert ingest("--source", "brand:b1") == 0
    printed = capsys.readouterr()
    assert printed.out.split() == ["table", "new", "unchanged", "rejected", "report", "brands", "2", "0", "0"]
    assert printed.err == ""  # no bar where nobody watches
    assert brands() == [("b1", "brand:b1"), ("b2", "brand:b1")]
    assert not (folder / "rejects").exists()


def test_bad_rows_end_with_2_and_a_report_in_the_working_directory(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "brands.csv").write_text(BAD)
    assert ingest() == 2
    assert brands() == []
    assert (folder / "rejects" / "brands.csv").read_text().splitlines() == [
        "line,column,value,code,sentence",
        "3,brand_id,b 2,BAD_ID,'b 2' is no id; one has 1 to 64 of A-Z a-z 0-9 . _ : -",
        "4,name,,MISSING,name is required and empty",
    ]
    assert capsys.readouterr().err == (
        "matcher: nothing was imported; 2 bad rows of brands: rejects/brands.csv; "
        "mend them, or import the good rows with --skip-bad\n"
    )


def test_skip_bad_ends_with_0_and_writes_the_same_report(folder: Path) -> None:
    (folder / "in" / "brands.csv").write_text(BAD)
    ingest()
    report = (folder / "rejects" / "brands.csv").read_bytes()
    assert ingest("--skip-bad") == 0
    assert (folder / "rejects" / "brands.csv").read_bytes() == report
    assert brands() == [("b1", "operator")]


def test_a_dry_run_answers_as_the_import_would(folder: Path) -> None:
    (folder / "in" / "brands.csv").write_text(BAD)
    assert ingest("--dry-run") == 2
    assert ingest("--dry-run", "--skip-bad") == 0
    (folder / "in" / "brands.csv").write_text(GOOD)
    assert ingest("--dry-run") == 0
    assert not (folder / "store.db").exists()
    assert ingest() == 0
    (folder / "in" / "brands.csv").write_text(GOOD + "b9,x\n")
    assert ingest("--dry-run") == 0
    assert len(brands()) == 2


def test_json_says_all_of_it_to_a_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in" / "brands.csv").write_text(BAD)
    (folder / "in" / "notes.txt").write_text("")
    assert ingest("--json", "--rejects", "bad") == 2
    report = str(Path("bad") / "brands.csv")
    assert json.loads(capsys.readouterr().out) == {
        "imported": False,
        "dry_run": False,
        "tables": {"brands": {"new": 1, "unchanged": 0, "rejected": 2, "report": report}},
        "left_alone": [str(Path("in") / "notes.txt")],
    }


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("skuz.csv", "sku_id\n", "the tables are brands, programmes"),
        ("brands.csv", "brand_id,name,colour\n", "unknown columns 'colour'; the columns of brands"),
        ("brands.csv", "", "is empty"),
        ("brands.parquet", "no parquet", "no Parquet file"),
    ],
)
def test_a_file_that_cannot_be_meant_ends_with_2_and_one_message(
    name: str, content: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / name).write_text(content)
    assert ingest() == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
