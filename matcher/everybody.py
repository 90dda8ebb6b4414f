"""How do the lists of everybody get into a file? CSV or Parquet, a batch at a time, whole or not at all."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow.parquet

from features.errors import WrongInput
from matcher.engine import Engine
from matcher.pairing import Chosen
from matcher.request import ListRequest

_LISTS_A_WRITE = 512
_Lists = Iterator[tuple[int, Chosen]]
Watch = Callable[[_Lists, int], Iterable[tuple[int, Chosen]]]
"""Passes lists on and tells somebody how many of how many there were."""


def _unwatched(lists: _Lists, _n_lists: int) -> _Lists:
    return lists


def write_lists(
    engine: Engine, request: ListRequest, out: Path, *, threads: int, watch: Watch = _unwatched
) -> tuple[int, int]:
    """Write `owner, rank, other, score` for everybody; (lists, rows). The file appears when it is complete."""
    owners = engine.owners(request)
    n_rows = 0
    with sink(out) as file:
        for frame in _frames(engine, request, owners, threads, watch):
            file.write(frame)
            n_rows += len(frame)
    return len(owners), n_rows


@contextmanager
def sink(out: Path) -> Iterator["Sink"]:
    """A CSV or Parquet file, by its name, to be written a frame at a time; it appears when it is complete."""
    aside = out.with_name(f".{out.name}.part")
    try:
        with Sink(aside, is_csv=out.suffix == ".csv") as file:
            yield file
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)


def _frames(
    engine: Engine, request: ListRequest, owners: list[int], threads: int, watch: Watch
) -> Iterator[pl.DataFrame]:
    held: list[tuple[int, Chosen]] = []
    lists = engine.choose_all(request, owners, threads=threads)
    for one in watch(lists, len(owners)):
        held.append(one)
        if len(held) == _LISTS_A_WRITE:
            yield _frame(engine, request, held)
            held = []
    yield _frame(engine, request, held)


def _frame(engine: Engine, request: ListRequest, lists: list[tuple[int, Chosen]]) -> pl.DataFrame:
    snapshot = engine.world.snapshot
    anchors, skus = snapshot.roster.ids, snapshot.shelf.ids
    owner_ids, other_ids = (anchors, skus) if request.side == "goods" else (skus, anchors)
    names = ("anchor_id", "sku_id") if request.side == "goods" else ("sku_id", "anchor_id")
    rows = [int(row) for _, chosen in lists for row in chosen.rows]
    return pl.DataFrame(
        {
            names[0]: owner_ids.gather([owner for owner, chosen in lists for _ in chosen.rows]),
            "rank": pl.Series(
                [k + 1 for _, chosen in lists for k in range(len(chosen.rows))], dtype=pl.Int64
            ),
            names[1]: other_ids.gather(rows),
            "score": pl.Series(
                [float(score) for _, chosen in lists for score in chosen.scores], dtype=pl.Float64
            ),
        }
    )


class Sink:
    """A file that is written a frame at a time."""

    def __init__(self, path: Path, *, is_csv: bool) -> None:
        self.path, self.is_csv = path, is_csv
        self.writer: pyarrow.parquet.ParquetWriter | None = None
        self.is_empty = True

    def __enter__(self) -> Self:
        try:
            self.file = self.path.open("wb")
        except OSError as error:
            raise WrongInput(f"{self.path.parent} cannot be written to: {error.strerror}") from error
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows; every frame has the same columns."""
        if self.is_csv:
            frame.write_csv(self.file, include_header=self.is_empty)
        else:
            rows = frame.to_arrow()
            if self.writer is None:
                self.writer = pyarrow.parquet.ParquetWriter(self.file, rows.schema)
            self.writer.write_table(rows)
        self.is_empty = False

    def __exit__(self, *_: object) -> None:
        with self.file:  # closed even where the disk takes no more
            if self.writer is not None:
                self.writer.close()
            self.file.flush()
            os.fsync(self.file.fileno())
