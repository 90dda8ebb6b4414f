"""What is in a copy, and are its bytes the ones that were written? The manifest: sealed, and written last.

The seal finds damage, not forgery: whoever can write to a copy can seal it again.
"""

import gzip
import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from features.errors import Fault, WrongInput
from features.store.copies.contents import Contents
from features.store.copies.files import digest

MANIFEST: Final = "manifest.json"
ARCHIVES: Final = (".tar", ".tar.gz")
"""Endings of a copy that is one file."""
_FORMAT: Final = "fenxiao copy 1"
_PIECE_BYTES: Final = 2**20

# No step begins with a dot: nothing leads out of the copy's folder.
_Place = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]*/){0,3}[A-Za-z0-9_][A-Za-z0-9._-]*$")]
_TableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CopiedFile(_Frozen):
    """A file as it was written."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, file: Path) -> Self:
        """As it lies there."""
        return cls(sha256=digest(file), size_bytes=file.stat().st_size)


class CopiedStore(_Frozen):
    """The store's own copy."""

    kind: Literal["sqlite", "postgresql"]
    file: _Place
    schema_version: str
    namespace: str | None
    """PostgreSQL: the schema in which the tables stand."""
    rows: dict[_TableName, int]

    @property
    def contents(self) -> Contents:
        """As a store tells it."""
        return Contents(self.schema_version, self.rows)


class Manifest(_Frozen):
    """All that a copy holds."""

    format: Literal["fenxiao copy 1"] = _FORMAT
    created_at: AwareDatetime
    build: str
    """The version of the program that made it."""
    store: CopiedStore
    models: tuple[str, ...]
    champion: str | None
    left_out: tuple[str, ...]
    """Models that were damaged already when the copy was made."""
    n_events: int
    """Lines of the journal."""
    is_simulated: bool
    """Whether the store holds the market of `matcher demo`."""
    files: dict[_Place, CopiedFile]
    seal: str = ""

    @property
    def rightful_seal(self) -> str:
        """The seal that this content has to have."""
        content = self.model_dump(mode="json", exclude={"seal"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def sealed(self) -> Self:
        """The same with its seal."""
        return self.model_copy(update={"seal": self.rightful_seal})

    @property
    def as_bytes(self) -> bytes:
        """The one way in which it is written."""
        content = self.model_dump(mode="json")
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a copy; WrongInput for what is no (complete) copy, Fault where it is not as it was written."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise WrongInput(
            f"{folder} is no copy, or was never finished: it has no {MANIFEST}; name what `matcher backup create` told"
        ) from error
    except OSError as error:
        raise Fault(f"{folder / MANIFEST} cannot be read: {error.strerror}") from error
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        if _is_another(content):
            raise WrongInput(f"{folder / MANIFEST} is no manifest of a copy") from error
        raise Fault(f"{folder / MANIFEST} is damaged, or of a newer build; use another copy") from error
    if manifest.seal != manifest.rightful_seal or content != manifest.as_bytes:
        raise Fault(f"{folder / MANIFEST} was changed after it was written; use another copy")
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a copy; of one that is a single file, unpacked for as long as it is looked at."""
    if path.is_dir():
        yield path
        return
    if not path.exists():
        raise WrongInput(f"{path} does not exist; name what `matcher backup create` told")
    with tempfile.TemporaryDirectory(prefix="fenxiao-copy-") as folder:
        _unpack(path, Path(folder))
        yield Path(folder)


def _unpack(path: Path, folder: Path) -> None:
    try:
        archive = tarfile.open(path, "r:*")  # noqa: SIM115 - closed below, told apart from what it holds
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise WrongInput(f"{path} is no copy: neither a folder nor a tar file") from error
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror or error}") from error
    with archive:
        try:
            for member in archive:
                _unpack_one(archive, member, folder)
            while archive.fileobj.read(_PIECE_BYTES):
                pass  # a compressed one has its own checksum at the very end
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Fault(f"{path} is cut off or damaged: {error}; use another copy") from error
        except OSError as error:
            raise Fault(
                f"{path} cannot be unpacked into {folder.parent}: {error.strerror or error}; make room there, or set TMPDIR"
            ) from error


def _unpack_one(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """A plain file, at a place inside; anything else is not of our making, and left where it is."""
    steps = member.name.split("/")
    source = archive.extractfile(member) if member.isreg() else None
    if source is None or len(steps) > 4 or any(not step or step.startswith(".") for step in steps):
        return
    target = folder.joinpath(*steps)
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("xb") as writing:
        left = member.size
        while left and (piece := source.read(min(left, _PIECE_BYTES))):
            writing.write(piece)
            left -= len(piece)


def _is_another(content: bytes) -> bool:
    """Whether it is somebody else's document, a model's for example, and not ours with a byte changed."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    return not isinstance(found, dict) or not {"format", "seal", "created_at", "store"} & set(found)
