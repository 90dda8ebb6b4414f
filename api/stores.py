"""Which store is meant, is there one, and does it hold a pretend market?

Where `matcher demo` has put its simulated market, it leaves a file `simulated` in the home and beside a SQLite store,
each line the name of a store: what is imported into that store afterwards mixes with people who do not exist.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.errors import WrongInput
from features.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

MARKER: Final = "simulated"


def open_store(settings: Settings, *, wait_seconds: float = 30) -> "Engine":
    """The store that the settings name, brought to this build's shape; a writer waits so long for another."""
    from features.store.db import open_engine
    from features.store.migrations import upgrade

    engine = open_engine(settings.database_url, wait_seconds=wait_seconds)
    upgrade(engine)
    return engine


def open_known_store(settings: Settings, *, wait_seconds: float = 30) -> "Engine":
    """The store that the settings name, for a reader: a SQLite file that is not there is not made."""
    require_store(settings)
    return open_store(settings, wait_seconds=wait_seconds)


def require_store(settings: Settings) -> None:
    """Refuse a SQLite store that is not there."""
    if not is_there(settings):
        raise WrongInput(f"no store at {_sqlite_file(settings)}; `matcher ingest` makes one")


def is_there(settings: Settings) -> bool:
    """Whether there is a store; of a server's, opening it says."""
    file = _sqlite_file(settings)
    return file is None or file.exists()


def store_name(settings: Settings) -> str:
    """The store in a message: its file, or its URL without the password."""
    from features.store.address import parse_url

    file = _sqlite_file(settings)
    return str(file) if file is not None else parse_url(settings.database_url).render_as_string()


def mark_simulated(settings: Settings) -> None:
    """Remember that the store holds a simulated market."""
    for marker in _markers(settings):
        if store_name(settings) not in _marked(marker):
            marker.parent.mkdir(parents=True, exist_ok=True)
            with marker.open("a", encoding="utf-8") as opened:
                opened.write(f"{store_name(settings)}\n")


def is_simulated(settings: Settings) -> bool:
    """Whether the store is there and `matcher demo` has filled it."""
    return is_there(settings) and any(
        store_name(settings) in _marked(marker) for marker in _markers(settings)
    )


def forget_if_gone(settings: Settings) -> None:
    """A SQLite store that was removed holds nothing any more: the next one under its name is another."""
    file = _sqlite_file(settings)
    if file is None or file.exists():
        return
    for marker in _markers(settings):
        if marker.exists():
            kept = [name for name in _marked(marker) if name != store_name(settings)]
            marker.write_text("".join(f"{name}\n" for name in kept), encoding="utf-8")


def _markers(settings: Settings) -> list[Path]:
    file = _sqlite_file(settings)
    folders = [settings.home, *([file.parent] if file is not None else [])]
    return [folder / MARKER for folder in dict.fromkeys(folder.absolute() for folder in folders)]


def _marked(marker: Path) -> list[str]:
    return marker.read_text(encoding="utf-8").splitlines() if marker.is_file() else []


def _sqlite_file(settings: Settings) -> Path | None:
    """The store's file; nothing for a server, or for a name that opening will refuse."""
    from features.store.address import parse_url

    url = parse_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).absolute()
