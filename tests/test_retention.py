"""Do nights for years leave a registry of a bounded size, in which nothing is missing that may be asked for?"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from api.commands import main
from features.errors import Refused, UnknownId
from matcher.registry import champion, list_versions, newest_serving, promote, remove, rollback
from matcher.retention import ROLL_BACK, prune, superseded
from test_registry import published

FIRST = date(2026, 6, 1)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def nights(home: Path, n: int, *, refused: tuple[int, ...] = ()) -> list[str]:
    """A model a night, promoted where it passed."""
    versions = []
    for k in range(n):
        version = published(home, FIRST + timedelta(days=k), passed=k not in refused)
        versions.append(version)
        if k not in refused:
            promote(home, version, at=NOON + timedelta(days=k))
    return versions


def test_the_newest_that_passed_stay_and_what_was_refused_goes_with_its_time(tmp_path: Path) -> None:
    versions = nights(tmp_path, 20, refused=(2, 9, 15))
    card = tmp_path / "cards" / f"{versions[0]}.html"
    card.parent.mkdir()
    card.write_text("a card", encoding="utf-8")
    assert prune(tmp_path, kept=8) == versions[:11]
    assert list_versions(tmp_path) == versions[11:]
    assert not card.exists()
    assert prune(tmp_path, kept=8) == []


def test_those_that_served_last_stay_whatever_their_age(tmp_path: Path) -> None:
    versions = nights(tmp_path, 12)
    for version in (versions[1], versions[0]):
        promote(tmp_path, version, at=NOON + timedelta(days=40))
    gone = prune(tmp_path, kept=1)
    assert gone == versions[2:9]
    assert len(list_versions(tmp_path)) == ROLL_BACK
    assert rollback(tmp_path).version == versions[1]


def test_the_champion_is_never_removed_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    versions = nights(tmp_path, 2)
    with pytest.raises(Refused, match="serves"):
        remove(tmp_path, [versions[1]])
    with pytest.raises(UnknownId, match="20200101-000000000000"):
        remove(tmp_path, ["20200101-000000000000"])
    serving = champion(tmp_path)
    assert serving is not None
    assert serving.version == versions[1]


def test_a_damaged_model_stays_for_a_person_to_look_at(tmp_path: Path) -> None:
    versions = nights(tmp_path, 10)
    (tmp_path / "models" / versions[0] / "manifest.json").write_text("{", encoding="utf-8")
    assert superseded(tmp_path, kept=1) == versions[1:5]


def test_a_night_of_ninety_days_ago_can_still_stand_against_tonights(tmp_path: Path) -> None:
    nights(tmp_path, 100)
    prune(tmp_path, kept=90)
    rival = newest_serving(tmp_path, FIRST + timedelta(days=99 - 42))
    assert rival is not None
    assert rival.as_of == FIRST + timedelta(days=99 - 42)


def test_the_command_names_what_it_would_remove_and_removes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = nights(tmp_path, 9)
    command = ["models", "prune", "--keep", "3", "--home", str(tmp_path)]
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--dry-run"])
    assert capsys.readouterr().out.splitlines() == [f"{version} would be removed" for version in versions[:4]]
    assert list_versions(tmp_path) == versions
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--json"])
    assert json.loads(capsys.readouterr().out)["removed"] == versions[:4]
    assert list_versions(tmp_path) == versions[4:]
