"""Do the commands answer in the promised shape from a real store, and a mistake in one line with its exit code?"""

import csv
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api.commands import main
from api.stores import open_store
from features.catalogue import FEATURES
from features.settings import read_settings
from trained import SIDES, SMALL, Trained

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on the trained store: its exit code, stdout, stderr."""
    monkeypatch.setenv("MATCHER_THREADS", "1")
    monkeypatch.setenv("MATCHER_DATABASE_URL", trained.url)
    monkeypatch.setenv("MATCHER_HOME", str(trained.home))

    def ran(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, told.out, told.err

    return ran


@pytest.fixture
def answer(run: Run, trained: Trained) -> Callable[..., Any]:
    """The JSON that a command prints, of the market's last day."""

    def asked(*arguments: object, as_of: bool = True) -> Any:
        day = ("--as-of", trained.market.as_of) if as_of else ()
        code, out, err = run(*arguments, *day, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return asked


def anchor_of(trained: Trained, row: int = 3) -> str:
    return str(trained.world.snapshot.roster.ids[row])


def own_store(trained: Trained, folder: Path) -> str:
    """A copy that may be written to."""
    return f"sqlite:///{shutil.copy(trained.url.removeprefix('sqlite:///'), folder / 'm.db')}"


def sku_of(trained: Trained) -> str:
    return str(trained.world.snapshot.shelf.ids[int(trained.world.verdicts.allowed.argmax())])


def test_goods_answers_with_lines_their_promise_and_the_account(answer: Any, trained: Trained) -> None:
    told = answer("goods", "--anchor", anchor_of(trained), "--size", 5, "--explain")
    assert told["owner_id"] == anchor_of(trained)
    assert told["model_version"] == trained.manifest.version
    assert told["snapshot_at"] == "2026-10-21T16:00:00+00:00"
    assert told["left_out"].keys() >= {
        "OFF_SHELF",
        "RETIRED",
        "NOT_LAUNCHED",
        "NO_STOCK",
        "NOT_JOINED",
        "NOT_A_CANDIDATE",
    }
    assert [line["rank"] for line in told["items"]] == [1, 2, 3, 4, 5]
    line = told["items"][0]
    assert line["expected"]["gmv_low_fen"] <= line["expected"]["gmv_fen"] <= line["expected"]["gmv_high_fen"]
    assert {reason.keys() == {"group", "zh", "en"} for reason in line["reasons"]} == {True}
    same = trained.engine.row("goods", anchor_of(trained))
    assert same == 3


def test_goods_are_50_and_a_shortlist_20_where_nothing_is_said(answer: Any, trained: Trained) -> None:
    assert len(answer("goods", "--anchor", anchor_of(trained))["items"]) == 50
    assert len(answer("shortlist", "--sku", sku_of(trained))["items"]) == 20


def test_a_brand_gets_a_shortlist_for_each_of_its_skus(answer: Any, trained: Trained) -> None:
    rows = trained.world.snapshot.shelf.rows
    brand = rows["brand_id"][0]
    told = answer("shortlist", "--brand", brand, "--size", 3)
    assert {one["owner_id"] for one in told} == set(rows.filter(pl.col("brand_id") == brand)["sku_id"])


@pytest.mark.parametrize("option", ["--new-only", "--min-rate=25", "--max-price=50", "--category=beauty"])
def test_options_narrow_a_list(answer: Any, trained: Trained, option: str) -> None:
    plain = answer("goods", "--anchor", anchor_of(trained), "--size", 1000)
    narrow = answer("goods", "--anchor", anchor_of(trained), "--size", 1000, option)
    ids = [{line["sku_id"] for line in told["items"]} for told in (plain, narrow)]
    assert ids[1] < ids[0]
    if option.startswith("--min-rate"):
        assert all(line["rate_ppm"] >= 250_000 for line in narrow["items"])


def test_an_objective_is_what_best_first_means(answer: Any, trained: Trained) -> None:
    lists = {
        objective: [line["sku_id"] for line in answer("goods", "--anchor", anchor_of(trained), "--objective", objective)["items"]]
        for objective in ("fit", "gmv")
    }  # fmt: skip
    assert lists["fit"] != lists["gmv"]


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("goods", ["anchor_id", "rank", "sku_id", "score"]),
        ("shortlist", ["sku_id", "rank", "anchor_id", "score"]),
    ],
)
def test_lists_of_everybody_have_exactly_the_promised_columns_in_both_formats(
    answer: Any, trained: Trained, tmp_path: Path, command: str, columns: list[str]
) -> None:
    frames = []
    for name in ("lists.csv", "lists.parquet"):
        file = tmp_path / name
        said = answer(command, "--all", "--out", file, "--size", 4, "--new-only", "--objective", "fit")
        assert said["model_version"] == trained.manifest.version
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        types = {columns[0]: pl.String, "rank": pl.Int64, columns[2]: pl.String, "score": pl.Float64}
        frame = pl.read_csv(file, schema_overrides=types) if file.suffix == ".csv" else pl.read_parquet(file)
        assert frame.columns == columns
        assert len(frame) == said["rows"]
        assert frame[columns[0]].n_unique() == said["lists"]
        frames.append(frame)
    assert frames[0].equals(frames[1])
    with (tmp_path / "lists.csv").open() as opened:
        assert next(csv.reader(opened)) == columns
    owner = frames[0][columns[0]][0]
    single = answer(
        command, "--anchor" if command == "goods" else "--sku", owner, "--size", 4, "--new-only",
        "--objective", "fit",
    )  # fmt: skip
    listed = [line[columns[2]] for line in single["items"]]
    assert frames[0].filter(pl.col(columns[0]) == owner)[columns[2]].to_list() == listed


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_lists_of_nobody_are_a_file_with_columns_and_no_rows(answer: Any, tmp_path: Path, name: str) -> None:
    said = answer("goods", "--all", "--out", tmp_path / name, "--min-price", 10**9)
    assert said["rows"] == 0
    frame = pl.read_csv(tmp_path / name) if name.endswith("csv") else pl.read_parquet(tmp_path / name)
    assert frame.columns == ["anchor_id", "rank", "sku_id", "score"]


def test_in_words_a_list_has_its_ids_whole_and_its_account(run: Run, trained: Trained) -> None:
    code, out, err = run("goods", "--anchor", anchor_of(trained), "--explain", "--language", "zh")
    assert (code, err) == (0, "")
    assert f"goods for anchor {anchor_of(trained)}" in out
    assert trained.manifest.version in out
    assert "candidates ranked; left out:" in out
    assert any("\u4e00" <= character <= "\u9fff" for character in out)


def test_why_tells_both_sides(answer: Any, run: Run, trained: Trained) -> None:
    top = answer("goods", "--anchor", anchor_of(trained), "--size", 2)["items"][1]
    pair = ("--anchor", anchor_of(trained), "--sku", top["sku_id"])
    told = answer("why", *pair)
    assert (told["goods"]["status"], told["goods"]["rank"], told["goods"]["score"]) == (
        "RANKED",
        2,
        top["score"],
    )
    assert told["shortlist"]["considered"] > 0
    code, out, _ = run("why", *pair, "--as-of", trained.market.as_of)
    assert code == 0
    assert "in the anchor's goods: rank 2 of" in out


def test_features_prints_every_one(run: Run) -> None:
    code, out, _ = run("features", "--json")
    told = json.loads(out)
    assert code == 0
    assert [feature["name"] for feature in told["features"]] == [feature.name for feature in FEATURES]
    assert {"unit", "meaning", "missing"} < told["features"][0].keys()
    assert run("features")[0] == 0


def test_evaluate_answers_with_every_source_beside_ours_and_a_plot(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.png"
    day = trained.market.as_of - timedelta(days=14)
    period = ("--from", day - timedelta(days=14), "--to", day, "--step", 14, "--days", 14, "--queries", 10)
    code, out, err = run("evaluate", *period, "--json", "--plot", plot)
    assert code == 0
    assert err == (
        f"matcher: no model's data end before {day - timedelta(days=14)}, {day}: "
        "only sources and baselines are judged there\n"
    )
    told = json.loads(out)
    assert told.keys() == {"goods", "shortlist"}
    assert len(told["goods"]["origins"]) == 2
    assert "popularity" in told["goods"]["systems"]
    assert plot.stat().st_size > 10_000
    code, out, _ = run("evaluate", *period)
    assert "NDCG@10 by segment" in out


def test_a_night_that_wins_is_published_and_serves(
    run: Run, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.recipe.FAST", SMALL)
    monkeypatch.setenv("MATCHER_DATABASE_URL", own_store(trained, tmp_path))
    night = ("nightly", "--as-of", trained.market.as_of, "--fast", "--home", tmp_path / "home")
    code, out, err = run(*night, "--json")
    told = json.loads(out)
    assert (code, err, told["passed"]) == (0, "", True)
    assert told["version"] == told["serving"] == trained.manifest.version
    code, out, _ = run("models", "show", "--home", tmp_path / "home", "--json")
    assert json.loads(out)["version"] == told["version"]
    code, out, _ = run("goods", "--anchor", anchor_of(trained), "--home", tmp_path / "home", "--json")
    assert json.loads(out)["model_version"] == told["version"]


def test_a_night_on_too_little_ends_with_3_and_a_source_serves(
    run: Run, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATCHER_DATABASE_URL", own_store(trained, tmp_path))
    early = trained.market.as_of - timedelta(days=150)
    code, out, err = run("nightly", "--as-of", early, "--home", tmp_path)
    assert code == 3
    assert err.startswith("matcher: the gate refused: ")
    assert err.count("\n") == 1
    assert (
        "gate: refused: no model was made; goods by source:popularity, shortlists by source:popularity" in out
    )
    asked = ("goods", "--anchor", anchor_of(trained), "--as-of", early, "--home", tmp_path)
    code, out, err = run(*asked, "--json")
    assert json.loads(out)["model_version"] == "source:popularity"
    assert err.startswith("matcher: no model serves here (the gate refused ")
    assert err.endswith("): ranked by source:popularity; expectations and reasons need a model\n")
    assert "a score orders within this list only, and is the source's" in run(*asked)[1]


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        (("goods", "--anchor", "A"), "source:"),
        (("shortlist", "--sku", "S"), "source:"),
        (("goods", "--all", "--out", "lists.csv"), "source:"),
        (("why", "--sku", "S", "--anchor", "A"), "reasons need one"),
    ],
)
def test_a_home_without_a_model_is_named_in_one_line(
    run: Run,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, ...],
    by: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("api.commands.opening.fallback_sources", lambda *_: dict.fromkeys(SIDES, "cosales"))
    named = {"A": anchor_of(trained), "S": sku_of(trained)}
    code, _, err = run(*[named.get(word, word) for word in asked], "--home", tmp_path / "wrong")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith(f"matcher: no model serves here (none is in {tmp_path / 'wrong'}): ")
    assert by in err


def test_reasons_are_not_written_to_files_and_that_is_said(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    asked = ("goods", "--all", "--as-of", trained.market.as_of, "--size", 2, "--out", tmp_path / "x.csv")
    assert run(*asked)[2] == ""
    code, _, err = run(*asked, "--explain")
    assert (code, err) == (0, "matcher: --explain is left out of files: they hold ranks and scores\n")


def test_where_no_row_passes_the_filters_that_is_said_and_no_empty_table_printed(
    run: Run, trained: Trained
) -> None:
    anchor = anchor_of(trained)
    asked = ("goods", "--anchor", anchor, "--as-of", trained.market.as_of, "--min-price", 10**9)
    assert run(*asked) == (0, f"goods for anchor {anchor}: no row passes the filters\n", "")


def test_a_line_shows_its_reader_what_it_is(answer: Any, run: Run, trained: Trained) -> None:
    line = answer("goods", "--anchor", anchor_of(trained), "--size", 1)["items"][0]
    sku = trained.world.snapshot.shelf.rows.filter(pl.col("sku_id") == line["sku_id"]).row(0, named=True)
    for name in ("title", "brand_id", "category", "list_price_fen"):
        assert line[name] == sku[name]
    out = run("goods", "--anchor", anchor_of(trained), "--as-of", trained.market.as_of, "--size", 1)[1]
    assert sku["title"].split()[0] in out
    assert f"{sku['brand_id']}, {sku['category']}" in out
    line = answer("shortlist", "--sku", sku_of(trained), "--size", 1)["items"][0]
    out = run("shortlist", "--sku", sku_of(trained), "--as-of", trained.market.as_of, "--size", 1)[1]
    assert f"{line['anchor_name']}, {line['tier']}" in out


def test_a_printed_list_says_how_it_is_read_and_its_time_in_shanghai(run: Run, trained: Trained) -> None:
    asked = ("goods", "--anchor", anchor_of(trained), "--as-of", trained.market.as_of, "--objective", "gmv")
    out = run(*asked)[1]
    assert "as of 2026-10-22 00:00 (Shanghai)" in out
    assert (
        "objective gmv; a score orders within this list only; units, GMV and commission are what one" in out
    )
    assert "next session brings if the SKU is put up, in brackets the 80 % range" in out


TOMORROW = "2999-01-01"
MISTAKES = [
    (("goods",), "name exactly one of --anchor and --all"),
    (("goods", "--anchor", "A", "--all"), "name exactly one of --anchor and --all"),
    (("shortlist", "--sku", "S", "--brand", "B"), "name exactly one of --sku, --brand and --all"),
    (("shortlist", "--sku", "S", "--all", "--out", "x.csv"), "name exactly one of"),
    (("goods", "--all"), "--all needs --out FILE"),
    (("goods", "--anchor", "A", "--out", "x.csv"), "--out goes with --all"),
    (("goods", "--all", "--out", "x.xlsx"), "has to end in .csv or .parquet"),
    (("goods", "--all", "--out", "/no/such/x.csv"), "there is no folder /no/such"),
    (("goods", "--anchor", "nobody"), "anchor 'nobody' was not known at"),
    (("shortlist", "--sku", "nothing"), "SKU 'nothing' was not known at"),
    (("shortlist", "--brand", "nobody"), "brand 'nobody' had no SKU"),
    (("why", "--sku", "nothing", "--anchor", "nobody"), "was not known at"),
    (("goods", "--anchor", "A", "--as-of", "2026-13-01"), "'2026-13-01' is no day; write YYYY-MM-DD"),
    (("goods", "--anchor", "A", "--as-of", "yesterday"), "'yesterday' is no day"),
    (("goods", "--anchor", "A", "--as-of", TOMORROW), "--as-of 2999-01-01 is not between 1971 and today"),
    (("goods", "--anchor", "A", "--as-of", "0001-01-01"), "--as-of 0001-01-01 is not between"),
    (("goods", "--anchor", "A", "--as-of", "1980-01-01"), "'A' was not known at"),
    (("goods", "--anchor", "A", "--size", "0"), "size 0 is not within 1 and 1000"),
    (("goods", "--anchor", "A", "--size", "1001"), "size 1001 is not within 1 and 1000"),
    (("goods", "--anchor", "A", "--min-price", "cheap"), "--min-price: 'cheap' is no amount in yuan"),
    (("goods", "--anchor", "A", "--max-price", "1.999"), "--max-price: '1.999' is no amount in yuan"),
    (("goods", "--anchor", "A", "--min-price", "-1"), "'-1' is no amount in yuan"),
    (("goods", "--anchor", "A", "--min-price", "9", "--max-price", "8"), "is above --max-price 8"),
    (("goods", "--anchor", "A", "--min-rate", "101"), "--min-rate: rate '101' percent is not within"),
    (("goods", "--anchor", "A", "--min-rate", "x"), "--min-rate: rate 'x'"),
    (("goods", "--anchor", "A", "--tier", "giant"), "--tier 'giant' is not known; name head, waist or tail"),
    (("goods", "--anchor", "A", "--supply-type", "both"), "name source or brand"),
    (("goods", "--anchor", "A", "--objective", "profit"), "name one of balanced, fit, gmv, commission"),
    (("goods", "--anchor", "A", "--language", "fr"), "name en or zh"),
    (("why", "--sku", "S", "--anchor", "A", "--language", "fr"), "name en or zh"),
    (("goods", "--anchor", "A", "--policy", "/nowhere.toml"), "cannot be read"),
    (("goods", "--anchor", "A", "--database", "foo"), "database URL cannot be read"),
    (("rate", "--sku", "S", "--database", "foo"), "database URL cannot be read"),
    (("rate", "--sku", "S", "--database", "postgresql+psycopg://u:p@ss:word@h/db"), "database URL cannot be read; write"),
    (("ingest", ".", "--database", "foo"), "database URL cannot be read"),
    (("nights", "--database", "foo"), "database URL cannot be read"),
    (("serve", "--database", "foo"), "database URL cannot be read"),
    (("backup", "create", "--out", "b", "--database", "foo"), "database URL cannot be read"),
    (("nightly", "--as-of", TOMORROW), "is not between 1971 and today"),
    (("nightly", "--as-of", "1999-01-01"), "knows no listing from before 1999-01-01"),
    (("nightly", "--home", "/dev/null/home"), "cannot be made"),
    (("evaluate", "--from", "2026-09-02", "--to", "2026-09-01"), "--from 2026-09-02 is after --to 2026-09-01"),
    (("evaluate", "--from", "soon", "--to", "2026-09-01"), "'soon' is no day"),
    (("evaluate", "--from", "2026-09-01", "--to", TOMORROW), "--to 2999-01-01 is not between"),
    (("evaluate", "--from", "1999-01-01", "--to", "1999-01-02"), "nothing sold in the 28 days after any origin"),
    (("evaluate", "--from", "2026-09-01", "--to", "2026-09-01", "--plot", "x.gif"), "has to end in .png"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES]
)
def test_a_mistake_is_answered_in_one_line_and_ends_with_2(
    run: Run, trained: Trained, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run(*[anchor_of(trained) if word == "A" and "1980" not in str(arguments) else word for word in arguments])  # fmt: skip
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("matcher: ")
    assert err.count("\n") == 1


def test_a_category_that_is_not_on_the_shelf_is_named_with_those_that_are(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    for asked in (("--anchor", anchor_of(trained)), ("--all", "--out", tmp_path / "x.csv")):
        code, out, err = run("goods", *asked, "--category", "spoons")
        assert (code, out) == (2, "")
        assert "'spoons' is not on the shelf; the shelf has " in err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("goods", "--anchor", "A"),
        ("shortlist", "--sku", "S"),
        ("why", "--sku", "S", "--anchor", "A"),
        ("nightly",),
        ("evaluate", "--from", "2026-01-01", "--to", "2026-01-02"),
    ],
)
def test_an_empty_store_is_answered_with_what_to_do(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    store = ("--database", f"sqlite:///{tmp_path / 'empty.db'}", "--home", tmp_path / "home")
    told = run(*arguments, *store)
    # nothing is made by asking
    assert told == (2, "", f"matcher: no store at {tmp_path / 'empty.db'}; `matcher ingest` makes one\n")
    assert list(tmp_path.iterdir()) == []
    open_store(read_settings(database_url=store[1])).dispose()  # type: ignore[arg-type]
    code, out, err = run(*arguments, *store)
    assert (code, out) == (2, "")
    assert err.startswith(f"matcher: the store {tmp_path / 'empty.db'} knows no ")
    assert err.count("\n") == 1


def test_ids_are_printed_as_they_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "brands.csv": "brand_id,name\nb:cat:1,b\n",
        "anchors.csv": "anchor_id,name\na:dog:1,ann\n",
        "skus.csv": "sku_id,brand_id,title,category,list_price_fen\ns:cat:1,b:cat:1,soap,home,1000\n",
        "live_sessions.csv": "live_session_id,anchor_id,started_at\nL,a:dog:1,2026-05-20T20:00:00+08:00\n",
        "listings.csv": "live_session_id,sku_id,units,gmv_fen\nL,s:cat:1,3,3000\n",
    }
    (tmp_path / "files").mkdir()
    for name, text in tables.items():
        (tmp_path / "files" / name).write_text(text)
    monkeypatch.setenv("MATCHER_DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    monkeypatch.setenv("MATCHER_HOME", str(tmp_path))
    assert run("ingest", tmp_path / "files")[0] == 0
    code, out, _ = run("goods", "--anchor", "a:dog:1", "--as-of", "2026-06-01")
    assert code == 0
    assert "goods for anchor a:dog:1" in out
    assert "s:cat:1" in out
    assert run("nightly", "--as-of", "2026-06-01")[0] == 3


def test_the_verdicts_of_a_list_that_was_shown_are_found_again(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--database", own_store(trained, tmp_path), "--home", str(trained.home))
    day = str(trained.market.as_of)
    for anchor in trained.engine.world.snapshot.roster.ids[:6]:
        with pytest.raises(SystemExit):
            main(["goods", "--anchor", anchor, "--as-of", day, "--json", *where])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    said = [
        (item["sku_id"], verdict)
        for answer in answers
        for item in answer["items"]
        for verdict in item["verdicts"]
        if verdict["status"] != "NOT_APPLICABLE"
    ]
    sku_id, verdict = said[0]
    with pytest.raises(SystemExit):
        main(["check", "--sku", sku_id, "--shown", "--json", *where])
    shown = json.loads(capsys.readouterr().out)
    assert (verdict["rule"], verdict["status"], verdict["reason"]) in {
        (row["rule"], row["status"], row["reason"]) for row in shown
    }
