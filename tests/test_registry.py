"""Does the champion serve through publishing, kills and damage, and is no damaged byte ever handed out?"""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import GateRefused, NoModel, Refused, RegistryDamaged, UnknownId
from matcher.registry import (
    Gate,
    Manifest,
    Provenance,
    champion,
    list_versions,
    load_manifest,
    newest_serving,
    promote,
    publish,
    read_history,
    read_model,
    rollback,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
FILES = {"goods_uptake.txt": b"tree\n", "model.json": b"{}"}


def provenance(as_of: date = date(2026, 6, 1), *, passed: bool = True, **more: Any) -> Provenance:
    facts = {
        "data_from": as_of - timedelta(days=365),
        "as_of": as_of,
        "fingerprint": "f00d",
        "policy_version": "abc",
        "recipe": {"num_leaves": 31, "learning_rate": 0.05},
        "seeds": {"fit": 7},
        "libraries": {"lightgbm": "4.7.0"},
        "metrics": {"ndcg_at_10": 0.1432, "by_segment": {"new": None}},
        "gate": Gate(passed=passed, reasons=() if passed else ("popularity did better",)),
    }
    return Provenance(**facts | more)


def published(home: Path, as_of: date = date(2026, 6, 1), **more: Any) -> str:
    return publish(home, provenance(as_of, **more), FILES).version


def test_a_published_model_reads_back_as_it_was(tmp_path: Path) -> None:
    manifest = publish(tmp_path, provenance(), FILES)
    assert read_model(tmp_path, manifest.version) == FILES
    assert load_manifest(tmp_path, manifest.version) == manifest
    assert list_versions(tmp_path) == [manifest.version]
    assert sorted(path.name for path in (tmp_path / "models" / manifest.version).iterdir()) == [
        "goods_uptake.txt",
        "manifest.json",
        "model.json",
    ]


def test_publishing_lets_nobody_serve(tmp_path: Path) -> None:
    published(tmp_path)
    assert champion(tmp_path) is None
    assert read_history(tmp_path) == ()


def test_the_version_begins_with_the_day_the_data_ends_and_goes_on_with_the_content(tmp_path: Path) -> None:
    version = published(tmp_path)
    assert version.startswith("20260601-")
    assert len(version) == len("20260601-0123456789ab")
    assert Manifest.seal(provenance(), FILES).version == version
    assert Manifest.seal(provenance(), dict(reversed(FILES.items()))).version == version
    others = [
        Manifest.seal(provenance(), FILES | {"model.json": b"{ }"}),
        Manifest.seal(provenance(), FILES | {"more.json": b"{}"}),
        Manifest.seal(provenance(seeds={"fit": 8}), FILES),
        Manifest.seal(provenance(passed=False), FILES),
    ]
    assert len({manifest.version for manifest in others} | {version}) == 5


def test_publishing_the_same_again_changes_no_byte(tmp_path: Path) -> None:
    version = published(tmp_path)
    manifest = tmp_path / "models" / version / "manifest.json"
    before = manifest.read_bytes(), manifest.stat().st_mtime_ns
    assert published(tmp_path) == version
    assert (manifest.read_bytes(), manifest.stat().st_mtime_ns) == before


@pytest.mark.parametrize("name", ["manifest.json", "../up", "a/b", "", ".hidden"])
def test_a_file_that_could_stand_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        publish(tmp_path, provenance(), {name: b""})


def test_a_figure_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        published(tmp_path, metrics={"ndcg": float("nan")})
    assert list_versions(tmp_path) == []


def test_who_is_promoted_serves_and_rollback_goes_to_the_champion_before(tmp_path: Path) -> None:
    first, second = published(tmp_path), published(tmp_path, date(2026, 6, 2))
    promote(tmp_path, first, at=NOON)
    promote(tmp_path, second, at=NOON + timedelta(days=1))
    serving = champion(tmp_path)
    assert serving is not None
    assert serving.version == second
    assert rollback(tmp_path).version == first
    serving = champion(tmp_path)
    assert serving is not None
    assert serving.version == first


def test_promoting_the_champion_again_is_no_promotion(tmp_path: Path) -> None:
    version = published(tmp_path)
    promote(tmp_path, version, at=NOON)
    assert promote(tmp_path, version, at=NOON + timedelta(days=1)).promoted_at == NOON
    assert len(read_history(tmp_path)) == 1


@given(promotions=st.lists(st.integers(0, 3), min_size=1, max_size=6), last=st.integers(0, 3))
def test_promote_then_rollback_is_identity(
    tmp_path_factory: pytest.TempPathFactory, promotions: list[int], last: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    versions = [published(home, date(2026, 6, day)) for day in range(1, 5)]
    for which in promotions:
        promote(home, versions[which], at=NOON)
    pointer = home / "models" / "champion.json"
    before = pointer.read_bytes()
    if versions[last] == read_history(home)[-1].version:
        promote(home, versions[last], at=NOON)
    else:
        promote(home, versions[last], at=NOON + timedelta(days=9))
        rollback(home)
    assert pointer.read_bytes() == before


def test_there_is_no_way_back_from_the_first_champion_or_from_none(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="no model serves"):
        rollback(tmp_path)
    promote(tmp_path, published(tmp_path), at=NOON)
    with pytest.raises(Refused, match="is the first champion"):
        rollback(tmp_path)
    assert len(read_history(tmp_path)) == 1


def test_a_model_that_did_not_pass_its_gate_is_kept_and_never_serves(tmp_path: Path) -> None:
    version = published(tmp_path, passed=False)
    assert list_versions(tmp_path) == [version]
    with pytest.raises(GateRefused, match="popularity did better"):
        promote(tmp_path, version, at=NOON)
    assert newest_serving(tmp_path, date(2030, 1, 1)) is None


@pytest.mark.parametrize("version", ["20260601-000000000000", "../models", "", "latest"])
def test_an_unknown_version_is_the_callers_mistake(tmp_path: Path, version: str) -> None:
    published(tmp_path)
    with pytest.raises(UnknownId, match="matcher models list"):
        promote(tmp_path, version, at=NOON)


def test_the_newest_model_whose_data_ends_by_the_day_may_serve_its_lists(tmp_path: Path) -> None:
    first, second = published(tmp_path, date(2026, 6, 1)), published(tmp_path, date(2026, 6, 8))
    published(tmp_path, date(2026, 6, 9), passed=False)

    def may_serve(day: date) -> str | None:
        manifest = newest_serving(tmp_path, day)
        return None if manifest is None else manifest.version

    assert may_serve(date(2026, 5, 31)) is None
    assert may_serve(date(2026, 6, 1)) == first
    assert may_serve(date(2026, 6, 7)) == first
    assert may_serve(date(2026, 6, 8)) == second
    assert may_serve(date(2027, 1, 1)) == second


def test_of_two_models_of_one_night_the_one_promoted_last_may_serve(tmp_path: Path) -> None:
    versions = sorted(published(tmp_path, seeds={"fit": seed}) for seed in range(3))
    assert newest_serving(tmp_path, date(2026, 6, 1)) == load_manifest(tmp_path, versions[2])
    promote(tmp_path, versions[0], at=NOON)
    promote(tmp_path, versions[1], at=NOON)
    assert newest_serving(tmp_path, date(2026, 6, 1)) == load_manifest(tmp_path, versions[1])
    promote(tmp_path, versions[0], at=NOON)
    assert newest_serving(tmp_path, date(2026, 6, 1)) == load_manifest(tmp_path, versions[0])


@pytest.mark.parametrize("harm", ["cut short", "one bit", "emptied", "gone"])
@pytest.mark.parametrize("name", ["goods_uptake.txt", "model.json", "manifest.json"])
def test_a_damaged_file_is_named_and_no_byte_of_the_model_is_handed_out(
    tmp_path: Path, name: str, harm: str
) -> None:
    sound = published(tmp_path)
    promote(tmp_path, sound, at=NOON)
    version = published(tmp_path, date(2026, 6, 2))
    file = tmp_path / "models" / version / name
    content = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        harmed = {"cut short": content[:-1], "emptied": b"", "one bit": bytes([content[0] ^ 1]) + content[1:]}
        file.write_bytes(harmed[harm])
    for attempt in (
        lambda: read_model(tmp_path, version),
        lambda: promote(tmp_path, version, at=NOON),
    ):
        with pytest.raises(RegistryDamaged, match=name):
            attempt()
    assert champion(tmp_path) == load_manifest(tmp_path, sound)
    assert published(tmp_path, date(2026, 6, 2)) == version  # the night again mends it
    assert read_model(tmp_path, version) == FILES


def test_a_manifest_that_was_edited_is_damaged_even_if_it_reads_well(tmp_path: Path) -> None:
    version = published(tmp_path, passed=False)
    manifest = tmp_path / "models" / version / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"passed": false', '"passed": true'))
    with pytest.raises(RegistryDamaged, match="was changed after it was published"):
        promote(tmp_path, version, at=NOON)


def test_a_folder_under_another_versions_name_is_damaged(tmp_path: Path) -> None:
    version = published(tmp_path)
    other = "20270101-" + version[9:]
    (tmp_path / "models" / version).rename(tmp_path / "models" / other)
    with pytest.raises(RegistryDamaged, match="changed"):
        newest_serving(tmp_path, date(2027, 1, 1))


def test_a_damaged_pointer_or_a_champion_that_is_gone_is_said(tmp_path: Path) -> None:
    version = published(tmp_path)
    promote(tmp_path, version, at=NOON)
    (tmp_path / "models" / version).rename(tmp_path / "elsewhere")
    with pytest.raises(RegistryDamaged, match="should serve and is gone"):
        champion(tmp_path)
    (tmp_path / "models" / "champion.json").write_text("{")
    with pytest.raises(RegistryDamaged, match="remove it and promote a model"):
        champion(tmp_path)


def test_rollback_does_not_go_to_a_damaged_model(tmp_path: Path) -> None:
    first, second = published(tmp_path), published(tmp_path, date(2026, 6, 2))
    promote(tmp_path, first, at=NOON)
    promote(tmp_path, second, at=NOON)
    (tmp_path / "models" / first / "model.json").write_bytes(b"{}x")
    with pytest.raises(RegistryDamaged, match=r"model\.json"):
        rollback(tmp_path)
    assert read_history(tmp_path)[-1].version == second


def test_a_promotion_needs_an_instant_with_an_offset(tmp_path: Path) -> None:
    version = published(tmp_path)
    with pytest.raises(ValidationError):
        promote(tmp_path, version, at=datetime(2026, 6, 1))  # noqa: DTZ001  what it is about
    assert champion(tmp_path) is None


KILLED_AT_EVERY_STEP = """
import os, shutil, signal, sys
from datetime import UTC, date, datetime
from pathlib import Path
from matcher.registry import Gate, Provenance, champion, list_versions, promote, publish, read_history, read_model

home, at = Path(sys.argv[1]), datetime(2026, 6, 1, tzinfo=UTC)
FILES = {"goods_uptake.txt": b"tree" * 1000, "model.json": b"{}"}
STEPS = "fsync rename replace mkdir open close unlink rmdir".split()

def of(day):
    return Provenance(data_from=date(2025, 1, 1), as_of=date(2026, 6, day), fingerprint="f", policy_version="p",
                      gate=Gate(passed=True))

def night(day):
    promote(home, publish(home, of(day), FILES).version, at=at)

def killed_at(step):
    left = [step]
    def guarded(name):
        true = getattr(os, name)
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return true(*arguments, **named)
        setattr(os, name, call)
    for name in STEPS:
        guarded(name)

kills, step = 0, 0
while True:
    shutil.rmtree(home, ignore_errors=True)
    night(1)
    old = champion(home).version
    child = os.fork()
    if child == 0:
        killed_at(step)
        night(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    serving = champion(home).version
    for version in list_versions(home):
        assert read_model(home, version) == FILES
    if os.WIFSIGNALED(status):
        kills += 1
        assert serving == old or len(read_history(home)) == 2
    night(2)
    assert len(list_versions(home)) == len(read_history(home)) == 2
    assert not list((home / "models").glob(".aside-*"))
    if not os.WIFSIGNALED(status):
        break
    step += 1
print(kills)
"""


def test_killed_at_any_step_of_a_night_the_old_champion_serves_and_the_next_night_finishes(
    tmp_path: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_STEP, tmp_path / "home"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= 12
