"""Which model serves, and are its bytes the ones that were judged? Models as folders under `<home>/models`.

    models/20261111-5f2c9a1b7d04/    named by the day its data ends and by what it holds; never changed
        manifest.json                how it came about, and the sha256 of every file beside it
        goods_uptake.txt, ...        whatever files the bundle has; the registry does not look inside
    models/champion.json             who serves, and who did before: the pointer, written last

A folder is written aside, synced and renamed, then the pointer is replaced; killed anywhere, the old champion still
serves. LightGBM dies of damaged bytes, it does not raise: so no byte is handed out before its sha256 was checked.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError

from features.errors import GateRefused, NoModel, Refused, RegistryDamaged, UnknownId, needs_room

_VERSION: Final = re.compile(r"\d{8}-[0-9a-f]{12}")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_FileName = Annotated[str, StringConstraints(pattern=f"^{_FILE_NAME.pattern}$")]  # leads nowhere else
_MANIFEST: Final = "manifest.json"
_POINTER: Final = "champion.json"
_ASIDE: Final = ".aside-"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gate(_Frozen):
    """What the gate said: only a model that passed may serve."""

    passed: bool
    reasons: tuple[str, ...] = ()


class Provenance(_Frozen):
    """How a model came about. No clock and no duration stands here: the same facts give the same bytes."""

    data_from: date
    as_of: date
    """Where its data ends: only what was known before this day began."""
    fingerprint: str
    """Of the catalogue of features."""
    policy_version: str
    recipe: dict[str, JsonValue] = {}
    seeds: dict[str, int] = {}
    libraries: dict[str, str] = {}
    metrics: dict[str, JsonValue] = {}
    gate: Gate


class Manifest(Provenance):
    """A published model: its provenance, and the seal of every file."""

    version: str
    files: dict[_FileName, str]
    """File name -> sha256 of its bytes, in hexadecimal."""

    @classmethod
    def seal(cls, provenance: Provenance, files: Mapping[str, bytes]) -> Self:
        """The manifest of these files; equal content has an equal version."""
        if wrong := [name for name in files if not _FILE_NAME.fullmatch(name) or name == _MANIFEST]:
            raise ValueError(f"a model's file cannot be called {wrong[0]!r}")
        sums = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
        unnamed = cls(**dict(provenance), files=sums, version="")
        return unnamed.model_copy(update={"version": unnamed.rightful_version})

    @property
    def rightful_version(self) -> str:
        """The version that this content has to have."""
        content = self.model_dump(mode="json", exclude={"version"})
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, allow_nan=False)
        return f"{self.as_of:%Y%m%d}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


class Promotion(_Frozen):
    """A model that serves, or did."""

    version: str
    promoted_at: AwareDatetime


class _Pointer(_Frozen):
    history: tuple[Promotion, ...] = ()


def publish(home: Path, provenance: Provenance, files: Mapping[str, bytes]) -> Manifest:
    """Add a model; what serves is not touched. The same content again changes nothing, or mends what was damaged."""
    manifest = Manifest.seal(provenance, files)
    with _locked(home) as folder:
        place = folder / manifest.version
        if place.exists() and not _damage(home, manifest.version):
            return manifest
        aside = folder / f"{_ASIDE}{manifest.version}"
        aside.mkdir()
        for name, content in files.items():
            _write(aside / name, content)
        # last of the files: a folder without it is no model
        _write(aside / _MANIFEST, json.dumps(manifest.model_dump(mode="json"), indent=1).encode())
        _sync(aside)
        if place.exists():
            place.rename(folder / f"{_ASIDE}damaged")
        aside.rename(place)
        _sync(folder)
        _clear(folder)
    return manifest


def promote(home: Path, version: str, *, at: datetime) -> Promotion:
    """Let a model serve; what serves already goes on as it is. GateRefused for one that did not pass its gate."""
    manifest = load_manifest(home, version)
    read_model(home, version)
    if not manifest.gate.passed:
        raise GateRefused(
            f"model {version} did not pass its gate: {'; '.join(manifest.gate.reasons) or 'no reason given'}"
        )
    with _locked(home):
        history = read_history(home)
        if history and history[-1].version == version:
            return history[-1]
        promotion = Promotion(version=version, promoted_at=at)
        _point(home, (*history, promotion))
    return promotion


def rollback(home: Path) -> Promotion:
    """Let the champion before serve again; Refused where there was none."""
    with _locked(home):
        history = read_history(home)
        if not history:
            raise NoModel("no model serves, so there is none to go back from; `matcher nightly` makes one")
        if len(history) == 1:
            raise Refused(f"model {history[0].version} is the first champion: there is none before it")
        before = history[-2]
        read_model(home, before.version)
        _point(home, history[:-1])
    return before


def remove(home: Path, versions: Sequence[str]) -> None:
    """Take models out of the registry; never the one that serves. A killed one leaves a model whole, or none."""
    with _locked(home) as folder:
        history = read_history(home)
        for version in versions:
            if history and version == history[-1].version:
                raise Refused(f"model {version} serves and cannot be removed; promote another first")
            place = folder / version
            if not _VERSION.fullmatch(version) or not place.is_dir():
                raise UnknownId(
                    f"no model {version!r} in {folder}; `matcher models list` names those there are"
                )
            aside = place.rename(folder / f"{_ASIDE}{version}")
            _sync(folder)
            shutil.rmtree(aside)


def champion(home: Path) -> Manifest | None:
    """Who serves; nobody in an empty registry."""
    history = read_history(home)
    if not history:
        return None
    try:
        return load_manifest(home, history[-1].version)
    except UnknownId as error:
        raise RegistryDamaged(f"model {history[-1].version} should serve and is gone; {_WAY_OUT}") from error


def newest_serving(home: Path, as_of: date) -> Manifest | None:
    """Who may serve a list of `as_of`: of the models that passed the gate, and whose data ends by then, the newest.

    Of several with the same end the one promoted last, then the greatest version. A damaged one is not passed over.
    """
    promoted = {promotion.version: place for place, promotion in enumerate(read_history(home))}
    versions = sorted(
        list_versions(home), key=lambda version: (version[:8], promoted.get(version, -1), version)
    )
    for version in reversed(versions):
        if version[:8] <= f"{as_of:%Y%m%d}" and (manifest := load_manifest(home, version)).gate.passed:
            return manifest
    return None


def list_versions(home: Path) -> list[str]:
    """Every version in the registry, oldest data first; damaged ones too."""
    folder = home / "models"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name))


def load_manifest(home: Path, version: str) -> Manifest:
    """The manifest of a version; RegistryDamaged where it is not the one that was published under this name."""
    folder = home / "models" / version
    if not _VERSION.fullmatch(version) or not os.path.lexists(folder):
        raise UnknownId(
            f"no model {version!r} in {home / 'models'}; `matcher models list` names those there are"
        )
    try:
        manifest = Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
        rightful = manifest.rightful_version
    except (OSError, ValueError) as error:  # a ValueError also: a figure that JSON does not have
        raise RegistryDamaged(f"model {version}: {_MANIFEST} cannot be read; {_WAY_OUT}") from error
    if not manifest.version == rightful == version:
        raise RegistryDamaged(f"model {version}: {_MANIFEST} was changed after it was published; {_WAY_OUT}")
    return manifest


def read_model(home: Path, version: str) -> dict[str, bytes]:
    """The bytes of every file of a model, each checked against the manifest first; RegistryDamaged names one that is not as it was."""
    files = {}
    for name, sha256 in load_manifest(home, version).files.items():
        try:
            content = (home / "models" / version / name).read_bytes()
        except OSError as error:
            raise RegistryDamaged(f"model {version}: {name} cannot be read; {_WAY_OUT}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RegistryDamaged(f"model {version}: {name} is not the file that was published; {_WAY_OUT}")
        files[name] = content
    return files


_WAY_OUT: Final = "publish it again by the night it is of, or roll back"


def read_history(home: Path) -> tuple[Promotion, ...]:
    """Who served, oldest first; the last is the champion."""
    pointer = home / "models" / _POINTER
    try:
        return _Pointer.model_validate_json(pointer.read_bytes()).history
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        raise RegistryDamaged(f"{pointer} cannot be read; remove it and promote a model") from error


def _point(home: Path, history: tuple[Promotion, ...]) -> None:
    """Replace the pointer in one step: a reader sees the old one or the new one."""
    folder = home / "models"
    aside = folder / f"{_ASIDE}{_POINTER}"
    _write(aside, _Pointer(history=history).model_dump_json(indent=1).encode())
    aside.replace(folder / _POINTER)
    _sync(folder)


@contextmanager
def _locked(home: Path) -> Iterator[Path]:
    """The models' folder, with nobody else writing to it; what a killed writer left aside is cleared away."""
    folder = home / "models"
    with needs_room(folder, "a model"):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(home)
        with (folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _clear(folder)
            try:
                yield folder
            except OSError:
                _clear(folder)  # what did not fit takes no room until the next night
                raise


def _clear(folder: Path) -> None:
    for left in folder.glob(f"{_ASIDE}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _damage(home: Path, version: str) -> str | None:
    try:
        read_model(home, version)
    except RegistryDamaged as error:
        return str(error)
    return None


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    """Make the folder's own entries durable; a file's fsync does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
