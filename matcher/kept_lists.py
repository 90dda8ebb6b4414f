"""Which lists did the last night leave for everybody? Files with a manifest, published whole, kept for some nights.

    lists/20261111-20261111-5f2c9a1b7d04/    named by the day they are of and by what ranked
        goods.parquet, shortlist.parquet     owner, rank, other, score
        manifest.json                        what they were made of, and the sha256 of each; written last
    lists/current.json                       the folder that counts, replaced in one step

A downstream job reads the files that `current.json` names; a server that has nothing in memory yet can do the same.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from features.errors import Fault
from matcher.candidates.union import Side
from matcher.engine import Engine
from matcher.everybody import Watch, write_lists
from matcher.request import ListRequest

SIZES: Final[Mapping[Side, int]] = {"goods": 50, "shortlist": 20}
KEPT: Final = 14
"""Nights whose lists stay."""
_POINTER: Final = "current.json"
_MANIFEST: Final = "manifest.json"
_ASIDE: Final = ".aside-"


@dataclass(frozen=True, slots=True)
class KeptLists:
    """What a night left."""

    folder: str
    as_of: str
    model_version: str
    snapshot_at_us: int
    policy_version: str
    objective: str
    rows: Mapping[str, int]
    lists: Mapping[str, int]
    sha256: Mapping[str, str]


def make_lists(
    home: Path, engine: Engine, as_of: date, *, threads: int, watches: Mapping[Side, Watch]
) -> Path:
    """Write the lists of everybody aside; `publish_lists` makes them count. The same engine leaves the same bytes."""
    name = f"{as_of:%Y%m%d}-{engine.version.replace(':', '-')}"
    aside = home / "lists" / f"{_ASIDE}{name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    rows: dict[str, int] = {}
    lists: dict[str, int] = {}
    sums: dict[str, str] = {}
    for side, size in SIZES.items():
        file = aside / f"{side}.parquet"
        lists[side], rows[side] = write_lists(
            engine, ListRequest(side, 0, size), file, threads=threads, watch=watches[side]
        )
        sums[file.name] = _sha256(file)
    snapshot = engine.world.snapshot
    made = KeptLists(
        name,
        str(as_of),
        engine.version,
        snapshot.as_of_us,
        engine.world.policy.version,
        "balanced",
        rows,
        lists,
        sums,
    )
    _write(aside / _MANIFEST, asdict(made))
    _sync(aside)
    return aside


def publish_lists(home: Path, aside: Path) -> KeptLists:
    """Let lists that were written aside count, and forget those of nights long past."""
    folder = home / "lists"
    place = folder / aside.name.removeprefix(_ASIDE)
    if place.exists():
        shutil.rmtree(place)
    aside.rename(place)
    _sync(folder)
    pointer = folder / f"{_ASIDE}{_POINTER}"
    _write(pointer, {"folder": place.name})
    pointer.replace(folder / _POINTER)
    _sync(folder)
    found = read_lists(home)
    assert found is not None
    for old in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[:1] != ".")[:-KEPT]:
        if old.name != found.folder:
            shutil.rmtree(old)
    return found


def read_lists(home: Path) -> KeptLists | None:
    """The lists that count; nothing before the first night. Fault where they are not as they were published."""
    folder = home / "lists"
    if not (folder / _POINTER).is_file():
        return None
    try:
        name = json.loads((folder / _POINTER).read_bytes())["folder"]
        found = KeptLists(**json.loads((folder / name / _MANIFEST).read_bytes()))
        damaged = [file for file, sum_ in found.sha256.items() if _sha256(folder / name / file) != sum_]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fault(
            f"the lists in {folder} cannot be read: {error}; the next night makes them anew"
        ) from error
    if damaged:
        raise Fault(
            f"{damaged[0]} in {folder / name} is not as it was published; the next night makes it anew"
        )
    return found


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(file: Path, content: Any) -> None:
    with file.open("w", encoding="utf-8") as opened:
        json.dump(content, opened, indent=1, sort_keys=True)
        opened.flush()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
