"""Is a copy as it was made? Every byte, the store inside it, and every model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from api.copying.creating import SEGMENTS, Say
from api.copying.manifest import Manifest, read_manifest
from features.errors import Fault, FenxiaoError
from features.store.copies.files import digest
from features.store.copies.postgres import Stored, listed, restore, scratch_database
from features.store.copies.sqlite import examine
from matcher.registry import champion, read_model


@dataclass(frozen=True, slots=True)
class Verified:
    """What a look at a copy found."""

    manifest: Manifest
    problems: tuple[str, ...]
    """What is damaged, by name; nothing where all is as it was made."""
    are_rows_counted: bool
    """Whether the manifest's rows were counted again; a dump has to be restored for that."""

    def require_intact(self, path: Path) -> None:
        """Raise where something is damaged."""
        if self.problems:
            raise Fault(f"copy {path} is damaged: {'; '.join(self.problems)}; use another copy")


def verify_copy(folder: Path, *, say: Say, scratch_url: str | None = None) -> Verified:
    """Look at everything, also after something damaged was found.

    With `scratch_url`, a database on a server that may be used, a dump is restored into a new one beside it.
    """
    manifest = read_manifest(folder)
    problems = list(_damaged_files(folder, manifest, lambda share: say("checksums", 0.5 * share)))
    say("models", 0.5)
    said = " ".join(problems)  # of what is damaged by its bytes no more is asked
    if "models/" not in said:
        problems += _damaged_models(folder, manifest)
    if "journal/" not in said:
        problems += _damaged_journal(folder, manifest)
    say("store", 0.6)
    is_sqlite = manifest.store.kind == "sqlite"
    if manifest.store.file not in said:
        problems += _damaged_store(folder / manifest.store.file, manifest, scratch_url)
    return Verified(manifest, tuple(problems), are_rows_counted=is_sqlite or scratch_url is not None)


def _damaged_files(folder: Path, manifest: Manifest, say: Callable[[float], None]) -> Iterator[str]:
    n_read = 0
    for name, expected in manifest.files.items():
        try:
            if (folder / name).stat().st_size != expected.size_bytes:
                yield f"{name} does not have the {expected.size_bytes} bytes that were written"
            elif digest(folder / name) != expected.sha256:
                yield f"{name} is not as it was written"
        except OSError as error:
            yield f"{name} cannot be read ({error.strerror})"
        n_read += expected.size_bytes
        say(n_read / max(manifest.size_bytes, 1))


def _damaged_models(folder: Path, manifest: Manifest) -> Iterator[str]:
    for version in manifest.models:
        try:
            read_model(folder, version)
        except FenxiaoError as error:
            yield str(error)
    try:
        serving = champion(folder)
    except FenxiaoError as error:
        yield str(error)
    else:
        if (None if serving is None else serving.version) != manifest.champion:
            yield f"the champion is not {manifest.champion}"


def _damaged_journal(folder: Path, manifest: Manifest) -> Iterator[str]:
    segments = [segment for pattern in SEGMENTS for segment in (folder / "journal").glob(pattern)]
    if sum(segment.read_bytes().count(b"\n") for segment in segments) != manifest.n_events:
        yield f"the journal does not hold {manifest.n_events} events"


def _damaged_store(file: Path, manifest: Manifest, scratch_url: str | None) -> Iterator[str]:
    expected = manifest.store.contents
    if manifest.store.kind == "sqlite":
        contents, problems = examine(file)
        yield from (f"{file.name}: {problem}" for problem in problems)
        if not problems and contents != expected:
            yield f"{file.name} has not the rows, or not the shape, that the manifest tells"
    elif (why := listed(file)) is not None:
        yield f"{file.name}: pg_restore cannot read it: {why}"
    elif scratch_url is not None:
        try:
            with scratch_database(scratch_url) as url:
                restore(url, file, Stored(manifest.store.namespace or "public", expected, ()))
        except Fault as error:
            yield f"{file.name}: restored into a scratch database: {error}"
