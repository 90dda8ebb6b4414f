"""Where do rows wait that can only be judged together? In memory while they are few, else on disk in parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

_HELD_ROWS: Final = 400_000
_PARTS: Final = 64


class Spill:
    """Rows of one table, given back in parts such that all rows with the same value of `key` are in one part.

    Within a part the rows come in the order in which they were added. A part holds about a 64th of what was added,
    once that is more than fits.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key
        self._held: list[pl.DataFrame] = []
        self._n_held = 0
        self._n_writes = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Keep the rows."""
        self._held.append(rows)
        self._n_held += len(rows)
        if self._n_held > _HELD_ROWS:
            self._write()

    def parts(self) -> Iterator[pl.DataFrame]:
        """The rows, part by part; may be asked for more than once."""
        if self._n_writes == 0:
            if self._held:
                yield pl.concat(self._held, how="diagonal")
            return
        self._write()
        for part in range(_PARTS):
            files = sorted(
                self._folder.glob(f"{part}-*.arrow"), key=lambda file: int(file.stem.split("-")[1])
            )
            if files:
                yield pl.concat([pl.read_ipc(file) for file in files], how="diagonal")

    def _write(self) -> None:
        if not self._held:
            return
        rows = pl.concat(self._held, how="diagonal")
        self._held.clear()
        self._n_held = 0
        self._n_writes += 1
        self._folder.mkdir(exist_ok=True)
        keyed = rows.with_columns(_part=pl.col(self._key).hash() % _PARTS)
        for (part,), these in keyed.partition_by("_part", maintain_order=True, as_dict=True).items():
            these.drop("_part").write_ipc(self._folder / f"{part}-{self._n_writes}.arrow")
