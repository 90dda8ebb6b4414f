"""How is a copy made while everything goes on? Feedback first, then models, then the store; the manifest last.

In this order nothing that was answered before can be missed: an event leaves the journal only when the store has it,
so what is no longer in the journal is in the store that is copied afterwards. In both it does no harm.
"""

import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from api.copying.manifest import ARCHIVES, MANIFEST, CopiedFile, CopiedStore, Manifest
from api.stores import is_simulated, require_store
from features.errors import Fault, RegistryDamaged, UnknownId, WrongInput
from features.settings import Settings
from features.store.address import parse_url
from features.store.copies.files import aside, sync, sync_tree, write
from features.store.copies.postgres import dump
from features.store.copies.sqlite import copy_database, examine
from matcher.registry import champion, list_versions, load_manifest, read_history, read_model

Say = Callable[[str, float], None]
"""Told the step that begins, and the share of all that is over."""
POINTER: Final = "champion.json"
"""As the registry calls who serves."""
SEGMENTS: Final = ("*.jsonl", "damaged/*.jsonl")
"""What a journal's folder holds that counts."""


def create_copy(settings: Settings, out: Path, *, now: datetime, say: Say) -> Manifest:
    """A copy at `out`, which is not there yet, or an empty folder; it appears whole, and on disk, or not at all."""
    _check_free(out)
    require_store(settings)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongInput(
            f"--out {out}: its folder cannot be made: {error.strerror}; name another with --out"
        ) from error
    try:
        with aside(out.parent, out.name) as made:
            folder = made / "copy"
            folder.mkdir(mode=0o700)  # names of people, digests of keys
            manifest = _fill(settings, folder, now=now, say=say)
            say("finish", 0.95)
            is_file = out.name.endswith(ARCHIVES)
            _place(_pack(folder, manifest, made / out.name) if is_file else folder, out)
    except OSError as error:
        raise Fault(
            f"the copy was not made, and nothing is left at {out}: {error}; make room, or name another place with --out"
        ) from error
    return manifest


def _check_free(out: Path) -> None:
    is_empty = out.is_dir() and not out.is_symlink() and not any(out.iterdir())
    if (out.exists() or out.is_symlink()) and (not is_empty or out.name.endswith(ARCHIVES)):
        raise WrongInput(f"--out {out} is there already, and nothing is overwritten; name a new one")


def _fill(settings: Settings, folder: Path, *, now: datetime, say: Say) -> Manifest:
    say("journal", 0.0)
    n_events = _copy_journal(settings.home / "journal", folder / "journal")
    say("models", 0.02)
    versions, left_out = _copy_models(settings.home, folder)
    store = _copy_store(settings, folder, say)
    say("checksums", 0.85)
    serving = champion(folder)
    manifest = Manifest(
        created_at=now,
        build=version("fenxiao"),
        store=store,
        models=tuple(versions),
        champion=None if serving is None else serving.version,
        left_out=tuple(left_out),
        n_events=n_events,
        is_simulated=is_simulated(settings),
        files={
            str(file.relative_to(folder)): CopiedFile.of(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        },
    ).sealed()
    write(folder / MANIFEST, manifest.as_bytes)
    sync_tree(folder)
    return manifest


def _copy_journal(journal: Path, target: Path) -> int:
    """Whole lines of every segment; one that vanishes meanwhile is in the store by now."""
    n_events = 0
    for pattern in SEGMENTS:
        for segment in sorted(journal.glob(pattern)):
            with suppress(FileNotFoundError):
                content = segment.read_bytes()
                content = content[: content.rfind(b"\n") + 1]  # what stands behind was never answered
                place = target / segment.relative_to(journal)
                place.parent.mkdir(parents=True, exist_ok=True)
                write(place, content)
                n_events += content.count(b"\n")
    return n_events


def _copy_models(home: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Every model, checked as it is read; those that were damaged already are left out, but for the champion."""
    history = read_history(home)
    if history:
        (folder / "models").mkdir()
        write(folder / "models" / POINTER, (home / "models" / POINTER).read_bytes())
        history = read_history(folder)
    versions, left_out = [], []
    for one in list_versions(home):
        try:
            files = read_model(home, one) | {MANIFEST: (home / "models" / one / MANIFEST).read_bytes()}
        except UnknownId:  # cleared away by the registry meanwhile
            continue
        except RegistryDamaged:
            if history and history[-1].version == one:
                raise
            left_out.append(one)
            continue
        place = folder / "models" / one
        place.mkdir(parents=True)
        for name, content in files.items():
            write(place / name, content)
        load_manifest(folder, one)
        versions.append(one)
    return versions, left_out


def _copy_store(settings: Settings, folder: Path, say: Say) -> CopiedStore:
    """The store itself, examined as it will be when it is verified."""
    url = parse_url(settings.database_url)
    if url.get_backend_name() != "sqlite":
        say("dump", 0.1)
        found = dump(settings.database_url, folder / "store.dump")
        shape = found.contents.require_known("the database")
        return CopiedStore(
            kind="postgresql",
            file="store.dump",
            schema_version=shape,
            namespace=found.namespace,
            rows=dict(found.contents.rows),
        )
    assert url.database is not None
    source, file = Path(url.database).absolute(), folder / "store.db"
    copy_database(source, file, lambda share: say("store", 0.1 + 0.45 * share))
    say("check", 0.55)
    contents, problems = examine(file)
    if problems:
        raise Fault(f"the store {source} is damaged itself: {'; '.join(problems)}")
    shape = contents.require_known(source)
    return CopiedStore(
        kind="sqlite", file="store.db", schema_version=shape, namespace=None, rows=dict(contents.rows)
    )


def _pack(folder: Path, manifest: Manifest, target: Path) -> Path:
    """The folder as one file, the manifest last: what is cut off has none."""
    compression = "gz" if target.name.endswith(".gz") else ""
    with target.open("xb") as opened:
        with tarfile.open(fileobj=opened, mode=f"w:{compression}", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            for name in (*manifest.files, MANIFEST):
                archive.add(folder / name, name, recursive=False)
        opened.flush()
        os.fsync(opened.fileno())
    target.chmod(0o600)
    return target


def _place(made: Path, out: Path) -> None:
    """Under its name, to stay; or, where the disk does not take that any more, not at all.

    A file's name is taken first: a rename alone would replace what somebody has put there meanwhile.
    """
    if made.is_file():
        os.close(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    else:
        made.rename(out)
    try:
        if made.is_file():
            made.replace(out)
        sync(out.parent)
    except OSError:
        out.unlink() if out.is_file() else shutil.rmtree(out)
        raise
