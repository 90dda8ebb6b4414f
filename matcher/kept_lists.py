"""Which lists did the last night leave for everybody? Files with a manifest, published whole, kept for some nights.

    lists/20261111-20261111-5f2c9a1b7d04-90c1e2a4b6d8/    named by the day, by what ranked, and by what they hold
        goods.parquet, shortlist.parquet                  owner, rank, other, score
        manifest.json                                     what they were made of, and the sha256 of each; written last
    lists/current.json                                    the folder that counts, replaced in one step

A downstream job reads the files that `current.json` names, or asks the server for one list, which has nothing to load
for it. What is not as it was published is handed to nobody.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import polars as pl

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
_MORE_LOOKS: Final = 2
_Found = TypeVar("_Found")


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
    aside = _cleared(home) / f"{_ASIDE}{name}"
    aside.mkdir()
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
        "",
        str(as_of),
        engine.version,
        snapshot.as_of_us,
        engine.world.policy.version,
        "balanced",
        rows,
        lists,
        sums,
    )
    content = json.dumps(asdict(made), sort_keys=True)
    named = replace(made, folder=f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}")
    _write(aside / _MANIFEST, asdict(named))
    _sync(aside)
    return aside


def publish_lists(home: Path, aside: Path) -> KeptLists:
    """Let lists that were written aside count, and forget those of nights long past.

    A folder that bears its name is never changed: a run that goes on from one that died finds its own lists published.
    """
    folder = home / "lists"
    place = folder / json.loads((aside / _MANIFEST).read_bytes())["folder"]
    if _same(aside, place):
        shutil.rmtree(aside)
    else:
        _take_away(place)
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
            _take_away(old)
    return found


def _cleared(home: Path) -> Path:
    """The folder of lists, without what a killed night left aside."""
    folder = home / "lists"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(home)
    for left in folder.glob(f"{_ASIDE}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return folder


def _same(aside: Path, place: Path) -> bool:
    """Whether the very files are in place already, undamaged."""
    try:
        return all(_sha256(place / file.name) == _sha256(file) for file in aside.iterdir())
    except OSError:
        return False


def _take_away(place: Path) -> None:
    """Without its name first: what bears one is whole."""
    gone = place.with_name(f"{_ASIDE}gone")
    shutil.rmtree(gone, ignore_errors=True)
    if place.exists():
        place.rename(gone)
        shutil.rmtree(gone)


def read_lists(home: Path) -> KeptLists | None:
    """The lists that count; nothing before the first night. Fault where they are not as they were published."""
    return _read(home, _sha256)


def find_lists(home: Path) -> KeptLists | None:
    """As `read_lists`, for who asks often: a file's bytes are summed again only where it is another or was written to."""
    return _look_again(lambda: _read(home, _known_sha256))


def list_of(home: Path, side: Side, owner_id: str) -> tuple[KeptLists, pl.DataFrame] | None:
    """One owner's rows, best first: rank, the other's id, score; no rows where the night made none for that owner.

    Nothing before the first night. Fault where the lists are not as they were published.
    """
    return _look_again(lambda: _list_of(home, side, owner_id))


def _look_again(look: Callable[[], _Found]) -> _Found:
    """What was found; where it was not as published a night may have put others in its place that moment."""
    for _ in range(_MORE_LOOKS):
        try:
            return look()
        except Fault:
            continue
    return look()


def _list_of(home: Path, side: Side, owner_id: str) -> tuple[KeptLists, pl.DataFrame] | None:
    found = _published(home)
    if found is None:
        return None
    file = home / "lists" / found.folder / f"{side}.parquet"
    owner = "anchor_id" if side == "goods" else "sku_id"
    try:
        identity = _identity(file)
        if _sum_of(file, identity) != found.sha256[file.name]:
            raise _damaged(file)
        # on one thread: whoever asks has a thread of the server's already
        rows = pl.scan_parquet(file, parallel="none").filter(pl.col(owner) == owner_id).drop(owner)
        of_owner = rows.sort("rank").collect()
        if _identity(file) != identity:
            raise _damaged(file)
    except (OSError, KeyError, pl.exceptions.PolarsError) as error:
        raise _unreadable(home / "lists", error) from error
    return found, of_owner


def _read(home: Path, sum_of: Callable[[Path], str]) -> KeptLists | None:
    found = _published(home)
    if found is None:
        return None
    folder = home / "lists" / found.folder
    try:
        damaged = [file for file, sum_ in found.sha256.items() if sum_of(folder / file) != sum_]
    except OSError as error:
        raise _unreadable(home / "lists", error) from error
    if damaged:
        raise _damaged(folder / damaged[0])
    return found


def _published(home: Path) -> KeptLists | None:
    """What the pointer and the manifest say, the files unread."""
    folder = home / "lists"
    if not (folder / _POINTER).is_file():
        return None
    try:
        name = json.loads((folder / _POINTER).read_bytes())["folder"]
        found = KeptLists(**json.loads((folder / name / _MANIFEST).read_bytes()))
        names_all = found.folder == name and found.sha256.keys() == {f"{side}.parquet" for side in SIZES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(folder, error) from error
    if not names_all:
        raise _unreadable(folder, f"the manifest in {name} names other files")
    return found


def _unreadable(folder: Path, why: object) -> Fault:
    return Fault(f"the lists in {folder} cannot be read: {why}; the next night makes them anew")


def _damaged(file: Path) -> Fault:
    return Fault(f"{file.name} in {file.parent} is not as it was published; the next night makes it anew")


_Identity = tuple[int, int, int]


def _identity(file: Path) -> _Identity:
    """Changes with the file and with every writing to it."""
    told = file.stat()
    return told.st_ino, told.st_mtime_ns, told.st_size


def _known_sha256(file: Path) -> str:
    return _sum_of(file, _identity(file))


@lru_cache(maxsize=2 * len(SIZES))
def _sum_of(file: Path, identity: _Identity) -> str:
    """Of the bytes of the file of that identity; OSError, which is not kept, where it became another meanwhile."""
    found = _sha256(file)
    if _identity(file) != identity:
        raise OSError(f"{file.name} was replaced while it was read")
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
