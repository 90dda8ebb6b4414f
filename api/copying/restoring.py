"""How does a copy take the place of what is there? Verified first, made ready beside it, and swapped in one step.

The order is: models added, store swapped, journal, pointer, and what the copy does not have out of the way. Killed
between two steps, each part is whole, old or new; restored once more, all of it is new.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DatabaseError

from api.copying.creating import POINTER, SEGMENTS, Say
from api.copying.manifest import Manifest
from api.copying.verifying import verify_copy
from api.stores import MARKER, mark_simulated, store_name
from features.errors import Fault, FenxiaoError, WrongInput
from features.settings import Settings
from features.store.address import parse_url
from features.store.copies import postgres, sqlite
from features.store.copies.contents import Contents
from features.store.copies.files import aside, copy, replace, sync
from features.store.db import open_engine, read_rows, reading
from features.store.migrations import upgrade
from features.store.written import take
from matcher.registry import Provenance, list_versions, load_manifest, publish, read_model


@dataclass(frozen=True, slots=True)
class Undone:
    """What was decided since the copy was made, and has to be done again."""

    forgotten: tuple[str, ...] = ()
    """Anchors who had asked to be forgotten: the copy knows them."""
    revoked: tuple[str, ...] = ()
    """Keys that had been revoked: they open again."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    kept: tuple[Path, ...]
    """Where that lies whose place was taken."""
    undone: Undone


def restore_copy(folder: Path, settings: Settings, *, force: bool, now: datetime, say: Say) -> Restored:
    """Put the copy in `folder` where the settings say; over what is there only with `force`.

    WrongInput where something is there, or the copy is of the other kind of database; Fault where the copy is
    damaged, or somebody is at work on what it would replace.
    """
    verified = verify_copy(folder, say=lambda step, share: say(step, 0.5 * share))
    verified.require_intact(folder)
    manifest = verified.manifest
    manifest.store.contents.require_known("the copy")
    is_store_there = _check_place(manifest, settings, force=force)
    stamp = _free_stamp(settings, now)
    before = _decided(settings.database_url) if is_store_there else Undone()
    try:
        with _journal_held(settings.home, manifest):
            if _is_sqlite(settings):
                sqlite.require_free(_file_of(settings))
            say("models", 0.5)
            for version in manifest.models:
                _publish(folder, settings.home, version)
            if manifest.is_simulated:
                mark_simulated(settings)
            say("store", 0.6)
            kept = _put_store(folder, manifest, settings, stamp if is_store_there else None)
            say("journal", 0.95)
            kept += _put_home(folder, manifest, settings.home, stamp)
            if not manifest.is_simulated:
                _unmark(settings)
    except OSError as error:
        raise Fault(f"not restored: {error}; mend that, then restore again with --force") from error
    after = _decided(settings.database_url) if is_store_there else Undone()
    undone = Undone(
        tuple(sorted({*before.forgotten} - {*after.forgotten})),
        tuple(sorted({*before.revoked} - {*after.revoked})),
    )
    return Restored(manifest, tuple(kept), undone)


def _free_stamp(settings: Settings, now: datetime) -> str:
    """What is kept gets this into its name: of several restores within a second each has its own."""
    wanted = f"replaced-{now:%Y%m%dT%H%M%SZ}"
    for n in count(1):
        stamp = wanted if n == 1 else f"{wanted}-{n}"
        places = [settings.home / stamp, *([_kept(settings, stamp)] if _is_sqlite(settings) else [])]
        if not any(place.exists() for place in places):
            return stamp
    raise AssertionError


def _check_place(manifest: Manifest, settings: Settings, *, force: bool) -> bool:
    """Whether a store is there that would be missed; WrongInput where it, or anything else, is not to be replaced."""
    kind = manifest.store.kind
    is_sqlite = _is_sqlite(settings)
    if is_sqlite != (kind == "sqlite"):
        wanted = "sqlite:///FILE" if kind == "sqlite" else "postgresql+psycopg://USER@HOST/DATABASE"
        raise WrongInput(
            f"the copy is of a {kind} store; name --database {wanted} (from one kind to the other: `matcher export`, `matcher ingest`)"
        )
    found = []
    try:
        stored = _stored(settings)
    except Fault:  # damaged: that is what copies are for, but it is not for us to say
        if not is_sqlite:
            raise
        found.append(f"{store_name(settings)}, which cannot be read")
    else:
        if stored.n_rows:
            found.append(f"{store_name(settings)} with {stored.n_rows:,} rows")
    is_store_there = bool(found)
    if versions := list_versions(settings.home):
        found.append(f"{settings.home / 'models'} with {len(versions)} models")
    if _lines_waiting(settings.home):
        found.append(f"{settings.home / 'journal'} with feedback that no store has yet")
    if found and not force:
        raise WrongInput(
            f"there is something already: {'; '.join(found)}; name another place with --database and --home, "
            "or replace it with --force"
        )
    return is_store_there


def _stored(settings: Settings) -> Contents:
    if _is_sqlite(settings):
        return sqlite.stored_in(_file_of(settings))
    there = postgres.stored_in(settings.database_url)
    if there.contents.schema_version is None and there.strangers:
        raise WrongInput(
            f"the database holds tables that are not ours ({', '.join(there.strangers[:5])}); name another"
        )
    return there.contents


def _decided(url: str) -> Undone:
    """Who was forgotten and which keys were revoked, as far as the store can still tell."""
    engine = open_engine(url)
    try:
        return Undone(
            _ids(engine, "forgotten_anchors", "SELECT DISTINCT anchor_id FROM forgotten_anchors"),
            _ids(engine, "api_keys", "SELECT key_id FROM api_keys WHERE revoked_at IS NOT NULL"),
        )
    except (DatabaseError, FenxiaoError):
        return Undone()
    finally:
        engine.dispose()


def _ids(engine: Engine, table: str, sql: str) -> tuple[str, ...]:
    with reading(engine) as session:
        if table not in inspect(session.connection()).get_table_names():
            return ()  # an older shape
        return tuple(str(row[0]) for row in read_rows(session, sql))


@contextmanager
def _journal_held(home: Path, manifest: Manifest) -> Iterator[None]:
    """Nobody else writes to the journal; Fault where a server has it."""
    folder = home / "journal"
    if not folder.exists() and not manifest.n_events:
        yield
        return
    lock, _, _ = take(folder)
    try:
        yield
    finally:
        os.close(lock)


def _publish(folder: Path, home: Path, version: str) -> None:
    """Through the registry, as a night would: the same content has the same name, a damaged one is mended."""
    provenance = Provenance.model_validate(
        load_manifest(folder, version).model_dump(exclude={"version", "files"})
    )
    published = publish(home, provenance, read_model(folder, version))
    assert published.version == version


def _put_store(folder: Path, manifest: Manifest, settings: Settings, keep_as: str | None) -> list[Path]:
    """The store in its place; where the old one lies, of which PostgreSQL keeps nothing."""
    copied = folder / manifest.store.file
    if not _is_sqlite(settings):
        expected = postgres.Stored(manifest.store.namespace or "public", manifest.store.contents, ())
        postgres.restore(settings.database_url, copied, expected)
        _upgrade(settings.database_url)
        return []
    file = _file_of(settings)
    keep = None if keep_as is None else _kept(settings, keep_as)
    file.parent.mkdir(parents=True, exist_ok=True)
    with aside(file.parent, file.name) as made:
        staged = made / "store.db"
        if copy(copied, staged) != manifest.files[manifest.store.file].sha256:
            raise Fault(f"{copied} has changed since it was verified; use another copy")
        _upgrade(f"sqlite:///{staged}")
        sync(staged)
        sqlite.put_in_place(staged, file, keep=keep)
    return [keep] if keep is not None else []


def _upgrade(url: str) -> None:
    """The shape that this build needs, before anybody works with it."""
    engine = open_engine(url)
    try:
        upgrade(engine)
    finally:
        engine.dispose()


def _put_home(folder: Path, manifest: Manifest, home: Path, stamp: str) -> list[Path]:
    """Journal and pointer as the copy has them; what the copy does not have goes out of the way."""
    moved = home / stamp
    for segment in _segments(home):
        _move(segment, moved / segment.relative_to(home))
    for segment in _segments(folder):
        target = home / segment.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(segment, target)
        sync(target.parent)
    pointer, copied = home / "models" / POINTER, folder / "models" / POINTER
    if copied.exists():
        replace(pointer, copied.read_bytes())
    elif pointer.exists():
        _move(pointer, moved / "models" / POINTER)
    if (
        home / "lists"
    ).exists():  # made by models and facts that are no longer there; the next night makes them again
        _move(home / "lists", moved / "lists")
    for version in set(list_versions(home)) - set(manifest.models):
        _move(home / "models" / version, moved / "models" / version)
    return [moved] if moved.exists() else []


def _segments(home: Path) -> list[Path]:
    return [segment for pattern in SEGMENTS for segment in sorted((home / "journal").glob(pattern))]


def _lines_waiting(home: Path) -> bool:
    return any(segment.stat().st_size for segment in (home / "journal").glob(SEGMENTS[0]))


def _move(place: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(place, to)
    sync(place.parent)


def _unmark(settings: Settings) -> None:
    """The store is not simulated any more, whatever stood under its name before."""
    folders = [settings.home, *([_file_of(settings).parent] if _is_sqlite(settings) else [])]
    for marker in (folder / MARKER for folder in folders):
        if marker.is_file():
            names = marker.read_text(encoding="utf-8").splitlines()
            if store_name(settings) in names:
                kept = "".join(f"{name}\n" for name in names if name != store_name(settings))
                replace(marker, kept.encode())


def _kept(settings: Settings, stamp: str) -> Path:
    return sqlite.beside(_file_of(settings), f".{stamp}")


def _is_sqlite(settings: Settings) -> bool:
    return parse_url(settings.database_url).get_backend_name() == "sqlite"


def _file_of(settings: Settings) -> Path:
    name = parse_url(settings.database_url).database
    if not name or name == ":memory:":
        raise WrongInput("database URL names no file; write sqlite:///FILE")
    return Path(name).absolute()
