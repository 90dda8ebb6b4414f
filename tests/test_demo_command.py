"""Does `matcher demo` go from nothing to lists, say that it is simulated, and leave other facts alone?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.commands import main
from api.stores import mark_simulated, open_store
from features.demo_market import MarketSpec
from features.settings import read_settings
from trained import SMALL

Demo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The command over a market small enough for a test."""
    monkeypatch.setattr(MarketSpec, "demo", MarketSpec.tiny)
    monkeypatch.setattr("api.commands.pretending.FAST", SMALL)
    monkeypatch.setenv("MATCHER_THREADS", "1")
    place = ("--database", f"sqlite:///{tmp_path / 'store.db'}", "--home", str(tmp_path / "home"))

    def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["demo", *arguments, *place])
        told = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, told.out, told.err

    return ran


def test_a_market_is_simulated_ingested_trained_on_and_its_lists_printed(demo: Demo) -> None:
    code, out, err = demo("--language", "zh")
    assert (code, err) == (0, "")
    for said in ("simulated", "ingested: 24 brands", "gate: passed", "goods for anchor", "anchors for SKU"):
        assert said in out
    assert "of the attainable GMV, the first 20 goods capture: ours (gmv) " in out
    # the same again is no contradiction, another market in the same store is
    code, out, err = demo("--seed", "8")
    assert code == 2
    assert err == (
        "matcher: the store holds other facts than this demo's; name an empty one with --database and --home\n"
    )


def test_as_json_the_demo_is_one_document_and_what_people_read_is_beside_it(demo: Demo) -> None:
    code, out, err = demo("--tiny", "--json")
    document = json.loads(out)
    assert code == 0
    assert "goods for anchor" in err
    assert document["simulated"] is True
    assert len(document["goods"]["items"]) == len(document["shortlist"]["items"]) == 8
    assert {row["rule"] for row in document["checks"]} == {"cps_floor", "price_parity"}
    assert 0 < document["captured"]["ours (gmv)"] <= 1


@pytest.mark.parametrize("arguments", [("--seed", "-1"), ("--seed", "x"), ("--language", "fr")])
def test_a_mistake_ends_with_2_before_anything_is_made(
    demo: Demo, tmp_path: Path, arguments: tuple[str, str]
) -> None:
    assert demo(*arguments)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_an_import_into_the_demos_store_is_warned_of_and_one_beside_it_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, home = f"sqlite:///{tmp_path / 'db' / 'store.db'}", tmp_path / "home"
    settings = read_settings(database_url=url, home=home)
    open_store(settings).dispose()
    mark_simulated(settings)
    mark_simulated(settings)
    store = str(tmp_path / "db" / "store.db")
    assert (home / "simulated").read_text() == (tmp_path / "db" / "simulated").read_text() == f"{store}\n"
    (tmp_path / "brands.csv").write_text("brand_id,name\nmine,mine\n")

    def warning(database: str, home: Path) -> str:
        with pytest.raises(SystemExit) as end:
            main(["ingest", str(tmp_path / "brands.csv"), "--database", database, "--home", str(home)])
        assert end.value.code == 0
        return capsys.readouterr().err

    said = (
        "matcher: this store holds the simulated market of `matcher demo`; "
        "name another with --database and --home\n"
    )
    assert warning(url, home) == warning(url, tmp_path / "another") == said
    assert warning(f"sqlite:///{tmp_path / 'db' / 'mine.db'}", home) == ""
    for file in (tmp_path / "db").glob("store.db*"):
        file.unlink()
    # what stands there next is another store
    assert [warning(url, home), warning(url, home)] == ["", ""]


def test_the_demo_leaves_its_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(Exception):
        """The mark is made before the night begins."""

    def stop(*_: object) -> None:
        raise Enough

    monkeypatch.setattr(MarketSpec, "demo", MarketSpec.tiny)
    monkeypatch.setattr("api.commands.pretending._import", stop)
    with pytest.raises(Enough):
        main(["demo", "--database", f"sqlite:///{tmp_path / 'store.db'}", "--home", str(tmp_path / "home")])
    assert (tmp_path / "home" / "simulated").read_text() == f"{tmp_path / 'store.db'}\n"
