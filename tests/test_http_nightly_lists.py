"""Are the lists that a night left there for programs: whole, at once, and never half or damaged?"""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from api.schemas.nightly_lists import NightlyList, NightlyLists
from features.errors import Fault
from features.units import midnight
from live import Live, served_copy
from matcher import kept_lists
from matcher.candidates.union import Side
from matcher.kept_lists import find_lists, list_of, make_lists, read_lists
from night_lists import WATCHES, leave_lists
from quiet import quiet
from trained import SIDES, Trained


@pytest.fixture(scope="module")
def left(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the lists of one night, to be copied."""
    home = tmp_path_factory.mktemp("left")
    leave_lists(home, trained)
    return home


@pytest.fixture(scope="module")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with served_copy(trained, tmp_path_factory.mktemp("nightly")) as made, quiet():
        yield made


@pytest.fixture
def site(server: Live, left: Path) -> Iterator[Live]:
    """The site after that night, whatever the test before did to the lists."""
    place = server.settings.home / "lists"
    shutil.copytree(left / "lists", place)
    yield server
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def home(left: Path, tmp_path: Path) -> Path:
    """A home of one's own."""
    shutil.copytree(left / "lists", tmp_path / "lists")
    return tmp_path


def ask(site: Live, path: str, *, role: str = "job", **headers: str) -> httpx.Response:
    with site.client(role, headers=headers) as client:
        return client.get(path)


def folder_of(home: Path) -> Path:
    found: str = json.loads((home / "lists" / "current.json").read_text())["folder"]
    return home / "lists" / found


def owner_of(site: Live, side: str) -> str:
    return site.anchor_id if side == "goods" else site.sku_id


def spoil(file: Path) -> None:
    """One bit in the middle, the length as it was."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("role", ["job", "operator"])
def test_it_is_told_what_the_lists_of_the_night_were_made_of(site: Live, trained: Trained, role: str) -> None:
    answer = ask(site, "/v1/lists", role=role)
    assert answer.status_code == 200, answer.text
    told = NightlyLists.model_validate_json(answer.content)
    kept = read_lists(site.settings.home)
    assert kept is not None
    assert told.as_of == trained.market.as_of
    assert told.model_version == trained.manifest.version
    assert told.snapshot_at == midnight(trained.market.as_of)
    assert (told.policy_version, told.objective) == (kept.policy_version, "balanced")
    assert told.lists is not None
    assert told.rows is not None
    for side in SIDES:
        stored = pl.read_parquet(folder_of(site.settings.home) / f"{side}.parquet")
        assert getattr(told.rows, side) == len(stored) > 0
        assert getattr(told.lists, side) >= stored["anchor_id" if side == "goods" else "sku_id"].n_unique()
    assert answer.headers["x-request-id"] == told.request_id


@pytest.mark.parametrize("side", SIDES)
def test_a_list_is_the_rows_that_the_night_stored_for_its_owner(site: Live, side: Side) -> None:
    owner, other = ("anchor_id", "sku_id") if side == "goods" else ("sku_id", "anchor_id")
    answer = ask(site, f"/v1/lists/{side}/{owner_of(site, side)}")
    assert answer.status_code == 200, answer.text
    told = NightlyList.model_validate_json(answer.content)
    stored = pl.read_parquet(folder_of(site.settings.home) / f"{side}.parquet")
    rows = stored.filter(pl.col(owner) == owner_of(site, side)).sort("rank")
    assert answer.json()["items"] == rows.select("rank", other, "score").to_dicts()
    assert [item.rank for item in told.items] == list(range(1, len(rows) + 1))
    assert told.next_cursor is None
    told_at_all = NightlyLists.model_validate_json(ask(site, "/v1/lists").content)
    assert (told.as_of, told.model_version, told.snapshot_at) == (
        told_at_all.as_of,
        told_at_all.model_version,
        told_at_all.snapshot_at,
    )


@pytest.mark.parametrize("side", SIDES)
def test_each_owner_has_a_list_of_its_own(home: Path, side: Side) -> None:
    owner = "anchor_id" if side == "goods" else "sku_id"
    stored = pl.read_parquet(folder_of(home) / f"{side}.parquet")
    for (owner_id,), rows in list(stored.group_by(owner))[:40]:
        found = list_of(home, side, str(owner_id))
        assert found is not None
        assert found[1].equals(rows.drop(owner).sort("rank"))


def test_who_has_no_list_of_the_night_is_not_found(site: Live) -> None:
    for path in ("goods/NOBODY-1", f"goods/{site.sku_id}", f"shortlist/{site.anchor_id}"):
        answer = ask(site, f"/v1/lists/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


@pytest.mark.parametrize("path", ["anchors/A0001", "goods/a%20b", f"goods/{'A' * 65}"])
def test_what_cannot_be_meant_is_told(site: Live, path: str) -> None:
    assert ask(site, f"/v1/lists/{path}").status_code == 422


def test_before_the_first_night_there_is_nothing(server: Live) -> None:
    told = ask(server, "/v1/lists").json()
    del told["request_id"]
    assert set(told.values()) == {None}
    assert ask(server, f"/v1/lists/goods/{server.anchor_id}").status_code == 404


@pytest.mark.parametrize("role", ["anchor", "brand"])
def test_lists_without_verdicts_are_for_operators_and_programs_alone(site: Live, role: str) -> None:
    for path in ("", f"/goods/{site.anchor_id}", f"/shortlist/{site.sku_id}"):
        assert ask(site, f"/v1/lists{path}", role=role).status_code == 403


def test_they_are_there_while_nothing_is_loaded_yet(site: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.app.state.serving, "_served", None)
    live = ask(site, f"/v1/anchors/{site.anchor_id}/goods", role="operator")
    assert live.status_code == 503
    assert ask(site, "/v1/lists").json()["as_of"] is not None
    for side in SIDES:
        assert ask(site, f"/v1/lists/{side}/{owner_of(site, side)}").json()["items"]


def test_a_later_nights_lists_are_told_at_once(site: Live, trained: Trained) -> None:
    before = ask(site, "/v1/lists").json()
    leave_lists(site.settings.home, trained, trained.market.as_of + timedelta(days=1))
    after = ask(site, "/v1/lists").json()
    assert (before["as_of"], after["as_of"]) == (
        str(trained.market.as_of),
        str(trained.market.as_of + timedelta(days=1)),
    )
    assert ask(site, f"/v1/lists/goods/{site.anchor_id}").json()["as_of"] == after["as_of"]


def test_lists_that_are_being_written_count_for_nothing_yet(site: Live, trained: Trained) -> None:
    tomorrow = trained.market.as_of + timedelta(days=1)
    made = make_lists(site.settings.home, trained.engine, tomorrow, threads=1, watches=WATCHES)
    assert ask(site, "/v1/lists").json()["as_of"] == str(trained.market.as_of)
    made.rename(
        made.with_name(json.loads((made / "manifest.json").read_text())["folder"])
    )  # killed before the pointer
    assert ask(site, "/v1/lists").json()["as_of"] == str(trained.market.as_of)
    assert ask(site, f"/v1/lists/goods/{site.anchor_id}").json()["as_of"] == str(trained.market.as_of)


DAMAGES: dict[str, Any] = {
    "a bit of the goods": lambda folder: spoil(folder / "goods.parquet"),
    "half of the goods": lambda folder: (folder / "goods.parquet").write_bytes(
        (folder / "goods.parquet").read_bytes()[:1_000]
    ),
    "no goods": lambda folder: (folder / "goods.parquet").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text('{"folder": "x"'),
    "a manifest that seals nothing": lambda folder: (folder / "manifest.json").write_text(
        json.dumps(json.loads((folder / "manifest.json").read_text()) | {"sha256": {}})
    ),
    "a manifest of something else": lambda folder: (folder / "manifest.json").write_text("[1]"),
    "no folder": shutil.rmtree,
    "a pointer to nowhere": lambda folder: (folder.parent / "current.json").write_text('{"folder": "gone"}'),
    "half a pointer": lambda folder: (folder.parent / "current.json").write_text('{"fol'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_lists_are_handed_to_nobody(site: Live, left: Path, damage: str) -> None:
    goods = f"/v1/lists/goods/{site.anchor_id}"
    assert (
        ask(site, goods).status_code == ask(site, "/v1/lists").status_code == 200
    )  # the seals are known now
    DAMAGES[damage](folder_of(site.settings.home))
    for path in (goods, "/v1/lists"):
        answer = ask(site, path, **{"Accept-Language": "zh"})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), path
        assert "下一夜" in answer.json()["detail"]
        assert str(site.settings.home) not in answer.text
    shutil.rmtree(site.settings.home / "lists")
    shutil.copytree(left / "lists", site.settings.home / "lists")
    assert ask(site, goods).status_code == ask(site, "/v1/lists").status_code == 200


def test_a_damaged_side_takes_the_other_with_it_in_no_answer_but_the_sum(site: Live) -> None:
    spoil(folder_of(site.settings.home) / "shortlist.parquet")
    assert ask(site, f"/v1/lists/shortlist/{site.sku_id}").status_code == 409
    assert ask(site, "/v1/lists").status_code == 409
    assert ask(site, f"/v1/lists/goods/{site.anchor_id}").status_code == 200


def count_sums(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are summed from now on."""
    summed: list[str] = []
    sha256 = kept_lists._sha256

    def counted(file: Path) -> str:
        summed.append(file.name)
        return sha256(file)

    monkeypatch.setattr(kept_lists, "_sha256", counted)
    return summed


def test_a_file_is_summed_once_and_again_when_it_was_written_to(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summed = count_sums(monkeypatch)
    for _ in range(3):
        find_lists(home)
        list_of(home, "goods", "A0001")
    assert sorted(summed) == ["goods.parquet", "shortlist.parquet"]
    file = folder_of(home) / "goods.parquet"
    file.write_bytes(file.read_bytes())
    list_of(home, "goods", "A0001")
    assert sorted(summed) == ["goods.parquet", "goods.parquet", "shortlist.parquet"]
    read_lists(home)
    assert len(summed) == 5, "who publishes trusts nothing that was known before"


def test_lists_that_go_while_they_are_read_are_looked_for_again(
    home: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder_of(home)
    sha256 = kept_lists._sha256
    rows = pl.read_parquet(before / "goods.parquet")
    owner_id = rows["anchor_id"][0]

    def goes(file: Path) -> str:
        if before.exists() and file.parent == before:
            leave_lists(home, trained, trained.market.as_of + timedelta(days=1))
            shutil.rmtree(before)
        return sha256(file)

    monkeypatch.setattr(kept_lists, "_sha256", goes)
    found = list_of(home, "goods", owner_id)
    assert found is not None
    assert found[0].as_of == str(trained.market.as_of + timedelta(days=1))
    assert found[1].equals(rows.filter(pl.col("anchor_id") == owner_id).drop("anchor_id"))


def test_a_file_that_is_written_to_while_it_is_read_is_not_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of what was there before says nothing of what is there now."""
    sha256 = kept_lists._sha256

    def spoils(file: Path) -> str:
        found = sha256(file)
        spoil(file)
        return found

    monkeypatch.setattr(kept_lists, "_sha256", spoils)
    with pytest.raises(Fault, match=r"replaced while it was read|not as it was published"):
        list_of(home, "goods", "A0001")


def test_what_stays_damaged_is_a_fault(home: Path) -> None:
    spoil(folder_of(home) / "goods.parquet")
    for look in (read_lists, find_lists, lambda place: list_of(place, "goods", "A0001")):
        with pytest.raises(Fault, match="the next night makes"):
            look(home)
