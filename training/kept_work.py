"""What has a killed night already done? What it drew at each origin, and what it published: kept until the night has ended.

    night/20261111-5f2c9a1b7d04/     named by the date and by everything that the work depends on
        1762790400000000.npz         what was drawn at an origin; there whole or not at all
        published.json               the version that came of it

Nothing of it is believed that was made of other facts, by another recipe, policy or code, or against another champion.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import polars as pl

from features.facts import Facts
from features.store.dossier import Dossier
from matcher.policy import Policy
from training.dataset import ListingRows, Queries
from training.origins import SIDES, Drawn
from training.recipe import Recipe

_LOG: Final = logging.getLogger("training")
_FOLDER: Final = "night"
_PUBLISHED: Final = "published.json"


class KeptWork:
    """One night's folder; `Drawn` in, `Drawn` out. What is damaged or incomplete is as if it were not there."""

    def __init__(self, home: Path, as_of: date, key: str) -> None:
        self._folder = home / _FOLDER / f"{as_of:%Y%m%d}-{key[:12]}"

    def begin(self) -> None:
        """A folder for this night; those of other nights, or of other facts, go."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for other in self._folder.parent.iterdir():
                if other != self._folder:
                    shutil.rmtree(other, ignore_errors=True)
        except OSError as error:
            _LOG.warning("what this night does cannot be kept for a run after it: %s", error)

    def end(self) -> None:
        """The night is over: nobody asks any more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def drawn(self, origin_us: int) -> Drawn | None:
        """What was drawn at an origin, to the last bit."""
        try:
            with (
                (self._folder / f"{origin_us}.npz").open("rb") as file,
                np.load(file, allow_pickle=False) as held,
            ):
                return _from_arrays({name: held[name] for name in held.files})
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, origin_us: int, drawn: Drawn) -> None:
        """For a run after this one."""
        arrays = _to_arrays(drawn)
        self._write(f"{origin_us}.npz", lambda file: np.savez(file, **arrays))

    @property
    def published(self) -> str | None:
        """The version that this very work came to."""
        try:
            return str(json.loads((self._folder / _PUBLISHED).read_bytes())["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_published(self, version: str) -> None:
        """Training is over."""
        content = json.dumps({"version": version}).encode()
        self._write(_PUBLISHED, lambda file: file.write(content))

    def _write(self, name: str, write: Callable[[BinaryIO], Any]) -> None:
        """A full disk costs a later run its start, not this one its work."""
        aside = self._folder / f".{name}.part"
        try:
            with aside.open("wb") as opened:
                write(opened)
                opened.flush()
                os.fsync(opened.fileno())
            aside.replace(self._folder / name)
        except OSError as error:
            _LOG.warning("%s cannot be kept for a run after this one: %s", name, error)
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def work_key(
    facts: Facts,
    policy: Policy,
    recipe: Recipe,
    rival: str | None,
    dossiers: Mapping[str, Dossier],
    threads: int,
) -> str:
    """SHA-256 of all that tonight's model depends on, in hexadecimal."""
    digest = hashlib.sha256()
    for part in _parts(facts):
        digest.update(part)
    told = [policy.version, recipe.as_json(), rival, threads, _sources()]
    digest.update(json.dumps(told, sort_keys=True, default=list).encode())
    for sku_id in sorted(dossiers):
        digest.update(repr(dossiers[sku_id]).encode())
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """The bytes of a fact, with its kind before it, so that neighbours cannot run into each other."""
    if isinstance(value, np.ndarray):
        yield f"|{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).view(np.uint8).data if value.size else b""
    elif isinstance(value, pl.Series):
        yield from _parts(value.to_frame("held"))
    elif isinstance(value, pl.DataFrame):
        held = BytesIO()
        value.rechunk().write_ipc(held, compression="uncompressed")
        yield held.getbuffer()
    elif is_dataclass(value):
        for field in fields(value):
            yield f"|{field.name}".encode()
            yield from _parts(getattr(value, field.name))
    else:
        yield f"|{value!r}".encode()


@cache
def _sources() -> str:
    """SHA-256 of the code that works."""
    digest = hashlib.sha256()
    for package in ("features", "matcher", "training"):
        for name, content in sorted(_modules(files(package), package)):
            digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        inner = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _modules(entry, inner)
        elif entry.name.endswith(".py"):
            yield inner, entry.read_bytes()


def _to_arrays(drawn: Drawn) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for side in SIDES:
        for place, part in enumerate(drawn.queries[side]):
            arrays |= _named(f"queries.{side}.{place}", part)
        if side in drawn.shown:
            arrays |= _named(f"shown.{side}.0", drawn.shown[side])
    return arrays | _named("listings.all.0", drawn.listings)


def _named(prefix: str, part: Queries | ListingRows) -> dict[str, Any]:
    """Its columns; one that is nothing is left out."""
    held = {field.name: getattr(part, field.name) for field in fields(part)}
    return {f"{prefix}.{name}": np.asarray(value) for name, value in held.items() if value is not None}


def _from_arrays(arrays: Mapping[str, Any]) -> Drawn:
    parts: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, array in arrays.items():
        kind, side, place, column = name.split(".")
        held = int(array) if column == "n_dropped" else array
        parts.setdefault((kind, side, place), {})[column] = held
    return Drawn(
        queries={
            side: tuple(Queries(**parts["queries", side, place]) for place in ("0", "1")) for side in SIDES
        },
        listings=ListingRows(**parts["listings", "all", "0"]),
        shown={side: Queries(**parts["shown", side, "0"]) for side in SIDES if ("shown", side, "0") in parts},
    )
