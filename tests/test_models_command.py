"""Does `matcher models` show and move the registry as it says?"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.commands import main
from matcher.registry import Gate, Provenance, publish


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    """Two that passed their gate and one that did not."""
    return [
        publish(
            tmp_path,
            Provenance(
                data_from=date(2025, 6, 1),
                as_of=date(2026, 6, day),
                fingerprint="f00d",
                policy_version="abc",
                metrics={"goods": {"ndcg_at_10": 0.14321}},
                gate=Gate(passed=day < 3, reasons=("popularity did better",) if day == 3 else ()),
            ),
            {"goods_uptake.txt": b"tree"},
        ).version
        for day in (1, 2, 3)
    ]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["models", *arguments, "--home", str(tmp_path)])
        assert end.value.code == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return say


def test_an_empty_registry_is_no_error(said: Any) -> None:
    assert "no model in" in said("list")
    assert json.loads(said("list", "--json")) == {"champion": None, "models": []}


def test_nobody_serves_until_somebody_is_promoted(said: Any, versions: list[str]) -> None:
    listed = json.loads(said("list", "--json"))
    assert (listed["champion"], [model["version"] for model in listed["models"]]) == (None, versions)
    assert "no model serves yet" in said("show", code=3)


def test_promote_and_rollback_move_who_serves(said: Any, versions: list[str]) -> None:
    for version in versions[:2]:
        assert said("promote", version).startswith(f"model {version} serves, since ")
    assert json.loads(said("list", "--json"))["champion"] == versions[1]
    assert json.loads(said("rollback", "--json"))["version"] == versions[0]
    assert [model["serves"] for model in json.loads(said("list", "--json"))["models"]] == [True, False, False]
    assert "is the first champion" in said("rollback", code=3)


def test_a_model_that_did_not_pass_is_refused_and_an_unknown_one_is_wrong_input(
    said: Any, versions: list[str]
) -> None:
    assert "popularity did better" in said("promote", versions[2], code=3)
    assert "no model 'latest'" in said("promote", "latest", code=2)
    assert "no model 'latest'" in said("show", "latest", code=2)


def test_show_tells_all_of_the_manifest(said: Any, versions: list[str]) -> None:
    shown = json.loads(said("show", versions[0], "--json"))
    assert (shown["version"], shown["as_of"], list(shown["files"])) == (
        versions[0],
        "2026-06-01",
        ["goods_uptake.txt"],
    )
    words = said("show", versions[0])
    assert "0.1432" in words
    assert "f00d" in words


def test_without_a_version_the_champion_is_shown(said: Any, versions: list[str]) -> None:
    said("promote", versions[1])
    assert json.loads(said("show", "--json"))["version"] == versions[1]


def test_a_damaged_model_is_listed_as_such_and_not_shown(
    said: Any, versions: list[str], tmp_path: Path
) -> None:
    (tmp_path / "models" / versions[0] / "goods_uptake.txt").write_bytes(b"treE")
    listed = json.loads(said("list", "--json"))["models"]
    assert "is not the file that was published" in listed[0]["problem"]
    assert listed[1]["problem"] is None
    assert all(version in said("list") for version in versions)
    assert "is not the file that was published" in said("show", versions[0], code=1)
