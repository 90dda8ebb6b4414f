"""Does the README tell of commands that are there, and does its quick start work from beginning to end?"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from api.commands import main
from features.demo_market import MarketSpec, make_market, write_market
from matcher.verdict import SENTENCES, Reason
from trained import SMALL

README = Path(__file__).parents[1] / "README.md"
QUICK = replace(SMALL, owners_a_side=12, judged_owners=12, listing_rows_an_origin=400, outcome_rounds=5)
DATED = ("nightly", "goods", "shortlist", "why")
"""Commands that are told the day on which the simulated market ends."""


def section(heading: str) -> str:
    return README.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]


def code_lines(text: str) -> Iterator[str]:
    """Lines of its code blocks, without prompt and comment."""
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip().removeprefix("$ ").split(" #")[0].strip()


def matcher_lines() -> list[str]:
    text = README.read_text(encoding="utf-8")
    spoken = re.findall(r"`(matcher [^`]+)`", text)
    return [line for line in (*code_lines(text), *spoken) if line.startswith("matcher ")]


@pytest.mark.parametrize("line", matcher_lines())
def test_every_line_is_a_known_command_with_known_options(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*shlex.split(line)[1:], "--help"])
    assert (end.value.code, capsys.readouterr().err) == (0, "")


def test_a_line_with_an_unknown_option_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["goods", "--anchr", "A17", "--help"])
    assert end.value.code == 2
    assert "--anchr" in capsys.readouterr().err


def test_every_reason_of_a_verdict_is_told_in_its_own_words() -> None:
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", section("The two promises"), re.MULTILINE))
    assert told == {str(reason): SENTENCES[reason][1] for reason in Reason}


def test_every_script_that_is_named_is_there() -> None:
    makes = set(re.findall(r"^([a-z-]+):", (README.parent / "Makefile").read_text(), re.MULTILINE))
    text = README.read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z-]+)`", text)) <= makes
    files = re.findall(r"`((?:api|features|matcher|training)/[\w/]+\.py)`|(tests/\w+\.py)`", text)
    assert [name for pair in files for name in pair if name and not (README.parent / name).exists()] == []


def test_the_quick_start_goes_from_own_files_to_lists_in_a_store_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    market = make_market(MarketSpec.tiny(), seed=7)
    sold = market.listings.filter(pl.col("units") > 0).join(market.live_sessions, on="live_session_id")
    (tmp_path / "my-tables").mkdir()
    write_market(market, tmp_path / "my-tables")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATCHER_THREADS", "1")
    monkeypatch.setattr("training.recipe.Recipe", lambda: QUICK)
    busiest = sold.group_by("anchor_id", "sku_id").len().sort("len", "anchor_id", "sku_id").row(-1)
    ran = []
    for line in code_lines(section("Bring your own data")):
        if line.startswith("export "):
            for setting in shlex.split(line)[1:]:
                monkeypatch.setenv(*setting.split("=", 1))
        if not line.startswith("matcher "):
            continue
        words = shlex.split(line.replace("A17", busiest[0]).replace("S42", busiest[1]))[1:]
        dated = ("--as-of", str(market.as_of)) if words[0] in DATED else ()
        with pytest.raises(SystemExit) as end:
            main([*words, *dated])
        told = capsys.readouterr()
        assert (end.value.code, told.err) == (0, ""), line
        assert told.out, line
        ran.append(words[0])
    assert ran[:4] == ["ingest", "nightly", "goods", "shortlist"]
    assert "why" in ran
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "my-tables", "goods.parquet"}
    assert pl.read_parquet("goods.parquet").columns == ["anchor_id", "rank", "sku_id", "score"]
