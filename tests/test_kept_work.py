"""Does a night that died go on from what it had done, and only where that is of the very same work?"""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.facts import Facts
from features.snapshot import take_snapshot
from matcher.kept_lists import read_lists
from matcher.policy import Policy
from matcher.registry import champion
from matcher.world import build_world
from test_shift import bytes_of, copy_of, shift_of
from trained import SMALL, Trained
from training import nightly
from training.kept_work import KeptWork, work_key
from training.origins import Drawn, draw_at
from training.recipe import Recipe
from training.shift import work_night
from training.split import split_time


class Died(BaseException):
    """As near to a kill as one process can come to itself."""


def die_at(shift: Any, named: str, nth: int = 1) -> None:
    seen: list[str] = []

    def say(step: str, _share: float) -> None:
        seen.append(step)
        if sum(one.startswith(named) for one in seen) == nth:
            raise Died

    object.__setattr__(shift, "say", say)


@pytest.fixture(scope="module")
def drawn(trained: Trained) -> Drawn:
    origin = split_time(trained.facts, SMALL).everything[0]
    world = build_world(take_snapshot(trained.facts, origin), Policy(), threads=1)
    return draw_at(trained.facts, world, SMALL, 1)


def assert_equal(left: Any, right: Any) -> None:
    """Every column, to the last bit and with its kind."""
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if one is None or isinstance(one, int):
            assert one == other
            assert type(one) is type(other)
        else:
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_what_was_drawn_comes_back_to_the_last_bit(tmp_path: Path, trained: Trained, drawn: Drawn) -> None:
    kept = KeptWork(tmp_path, trained.market.as_of, "0" * 64)
    kept.begin()
    assert kept.drawn(7) is None
    kept.keep(7, drawn)
    again = kept.drawn(7)
    assert again is not None
    assert_equal(again.listings, drawn.listings)
    assert set(again.shown) == set(drawn.shown)
    for side, parts in drawn.queries.items():
        for one, other in zip(again.queries[side], parts, strict=True):
            assert_equal(one, other)
    for side, part in drawn.shown.items():
        assert_equal(again.shown[side], part)


@pytest.mark.parametrize("damage", ["half", "empty", "other"])
def test_what_is_damaged_is_as_if_it_were_not_there(
    tmp_path: Path, trained: Trained, drawn: Drawn, damage: str
) -> None:
    kept = KeptWork(tmp_path, trained.market.as_of, "0" * 64)
    kept.begin()
    kept.keep(7, drawn)
    (file,) = (tmp_path / "night").rglob("7.npz")
    content = file.read_bytes()
    file.write_bytes(
        {"half": content[: len(content) // 2], "empty": b"", "other": b"PK\3\4no archive"}[damage]
    )
    assert kept.drawn(7) is None


def test_a_disk_that_takes_nothing_costs_the_night_nothing(
    tmp_path: Path, trained: Trained, drawn: Drawn, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "night").write_text("a file where the folder should be", encoding="utf-8")
    kept = KeptWork(tmp_path, trained.market.as_of, "0" * 64)
    kept.begin()
    kept.keep(7, drawn)
    kept.keep_published("20261022-0123456789ab")
    kept.end()
    assert kept.drawn(7) is None
    assert kept.published is None
    assert "7.npz cannot be kept" in caplog.text


def test_the_work_of_another_night_goes_and_a_night_that_has_ended_leaves_nothing(
    tmp_path: Path, trained: Trained
) -> None:
    before = KeptWork(tmp_path, trained.market.as_of, "a" * 64)
    before.begin()
    before.keep_published("20261022-0123456789ab")
    assert before.published == "20261022-0123456789ab"
    other = KeptWork(tmp_path, trained.market.as_of, "b" * 64)
    other.begin()
    assert not before.published
    assert not other.published
    other.end()
    assert list((tmp_path / "night").iterdir()) == []


def keys_of(facts: Facts, recipe: Recipe) -> dict[str, str]:
    listings = facts.listings
    units = listings.units.copy()
    units[len(units) // 2] += 1
    other = {
        "one unit more": replace(facts, listings=replace(listings, units=units)),
        "a name": replace(
            facts, anchors=facts.anchors.with_columns(tier=pl.lit("head", dtype=facts.anchors["tier"].dtype))
        ),
    }
    keys = {name: work_key(changed, Policy(), recipe, None, {}, 1) for name, changed in other.items()}
    keys["champion"] = work_key(facts, Policy(), recipe, "20261001-0123456789ab", {}, 1)
    keys["recipe"] = work_key(facts, Policy(), replace(recipe, seed=1), None, {}, 1)
    keys["policy"] = work_key(facts, Policy(rate_lock_days=9), recipe, None, {}, 1)
    return keys


def test_the_key_is_of_everything_that_the_work_depends_on(trained: Trained) -> None:
    plain = work_key(trained.facts, Policy(), SMALL, None, {}, 1)
    assert work_key(replace(trained.facts), Policy(), SMALL, None, {}, 1) == plain
    keys = keys_of(trained.facts, SMALL)
    assert len({plain, *keys.values()}) == len(keys) + 1


def test_a_night_that_died_while_drawing_draws_only_the_rest(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, home = copy_of(trained, tmp_path)
    shift = shift_of(url, home)
    die_at(shift, "lists as of", 3)
    with pytest.raises(Died):
        work_night(shift, trained.market.as_of)
    kept = {file.stem for file in (home / "night").rglob("*.npz")}
    assert len(kept) == 2
    at: list[int] = []

    def draw(facts: Any, world: Any, recipe: Any, threads: int) -> Drawn:
        at.append(world.snapshot.as_of_us)
        return draw_at(facts, world, recipe, threads)

    monkeypatch.setattr(nightly, "draw_at", draw)
    again = shift_of(url, home)
    worked = work_night(again, trained.market.as_of)
    again.store.dispose()
    assert at
    assert not {str(origin) for origin in at} & kept
    assert worked.manifest.version == trained.manifest.version
    assert list((home / "night").iterdir()) == []


def test_a_night_that_died_after_publishing_trains_nothing_again(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, home = copy_of(trained, tmp_path)
    shift = shift_of(url, home)
    die_at(shift, "promote")
    with pytest.raises(Died):
        work_night(shift, trained.market.as_of)
    assert champion(home) is None
    monkeypatch.setattr("training.shift.run_night", _not_again)
    again = shift_of(url, home)
    worked = work_night(again, trained.market.as_of)
    again.store.dispose()
    serving, lists = champion(home), read_lists(home)
    assert serving is not None
    assert lists is not None
    assert serving.version == lists.model_version == trained.manifest.version
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    url, other = copy_of(trained, undisturbed)
    monkeypatch.undo()
    whole = shift_of(url, other)
    first = work_night(whole, trained.market.as_of)
    whole.store.dispose()
    assert bytes_of(home) == bytes_of(other)
    assert json.dumps(worked.said, default=str) == json.dumps(first.said, default=str)


def _not_again(*_: Any, **__: Any) -> None:
    message = "it was trained already"
    raise AssertionError(message)
