"""Which file fills which table? A file is named after its table; its ending says how it is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from features.errors import WrongInput
from features.store.columns import ImportTable
from features.store.tables import TABLES

ENDINGS: Final = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class ImportFile:
    """One file to import."""

    path: Path
    table: ImportTable
    ending: str

    @property
    def size_bytes(self) -> int:
        """As it lies on disk."""
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an import in the order in which they are imported, and what lay beside them."""

    files: tuple[ImportFile, ...]
    left_alone: tuple[Path, ...]


def find_files(paths: Sequence[Path]) -> Found:
    """The import files at `paths`: of a folder those directly in it.

    In a folder, what is plainly no import file (another ending *and* no table's name, or hidden) is left alone and
    told; `sku.csv` and `skus.xlsx` are taken for slips. A file that is reached twice is read once.
    """
    found: dict[Path, ImportFile] = {}
    left_alone: list[Path] = []
    slips: list[str] = []
    for path in paths:
        if not path.exists():
            raise WrongInput(f"{path} does not exist; name a folder or files")
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            table, ending = take_apart(file.name)
            if file.is_file() and table in TABLES and ending:
                found.setdefault(file.resolve(), ImportFile(file, TABLES[table], ending))
            elif path.is_dir() and _is_no_import(file, table, ending):
                if not file.name.startswith("."):
                    left_alone.append(file)
            else:
                slips.append(_slip(file, table))
    if slips:
        raise WrongInput("\n".join(slips))
    if not found:
        raise WrongInput(f"no import file in {_listed(paths)}; a file is named after its table: {_known()}")
    order = list(TABLES)
    files = sorted(
        found.values(), key=lambda file: order.index(file.table.name)
    )  # stable: as named within a table
    return Found(tuple(files), tuple(left_alone))


def take_apart(name: str) -> tuple[str, str | None]:
    """`skus.csv.gz` -> `skus`, `.csv.gz`; an ending that is not ours -> `None`."""
    stem, dot, rest = name.partition(".")
    ending = dot + rest
    return stem, ending if ending in ENDINGS else None


def _is_no_import(file: Path, table: str, ending: str | None) -> bool:
    if file.name.startswith(".") or file.is_dir():
        return True
    return table not in TABLES and not ending


def _slip(file: Path, table: str) -> str:
    if not file.is_file():
        return f"{file} is no file; name a folder or files"
    if table in TABLES:
        return f"{file} is written in no way known here; write {table} as one of {_listed(ENDINGS)}"
    return f"{file} is named after no table ({table}); the tables are {_known()}"


def _known() -> str:
    return ", ".join(TABLES)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
