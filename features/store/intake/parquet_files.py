"""Which rows does a Parquet file hold? Batch by batch, in the types it was written with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from features.errors import WrongInput
from features.store.columns import ImportTable, Kind
from features.store.intake.chunks import CHUNK_ROWS, Chunk, check_header
from features.store.intake.files import ImportFile


def read_parquet(file: ImportFile) -> Iterator[Chunk]:
    """The rows of a Parquet file; a row's line is its number, counted from 1."""
    with _opened(file) as source:
        n_rows, n_read = source.metadata.num_rows, 0
        for batch in source.iter_batches(batch_size=CHUNK_ROWS, use_threads=False):
            batch.validate(full=True)  # text that is not UTF-8 would bring the whole process down later
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            lines = pl.int_range(n_read + 1, n_read + len(frame) + 1, eager=True)
            n_read += len(frame)
            columns = {column.name: _as_declared(file.table, column) for column in frame}
            yield Chunk(columns, lines, [], n_read / max(n_rows, 1))


def check_parquet(file: ImportFile) -> None:
    """Refuse a file whose columns are not its table's."""
    with _opened(file):
        pass


def _as_declared(table: ImportTable, column: pl.Series) -> pl.Series:
    """Counts that were written as floats, for some of their rows were empty: as text, to be read as whole numbers.

    What is not whole, or too large for a float to be exact, stays what it is, and is refused where cells are read; so
    is money: a float of it may well be yuan.
    """
    kind = table.columns[column.name].kind if column.name in table.columns else None
    if kind is not Kind.WHOLE or not column.dtype.is_float():
        return column
    is_whole = (column == column.floor()) & (column.abs() < (2**53 if column.dtype == pl.Float64 else 2**24))
    whole = column.set(~is_whole.fill_null(value=True), None).cast(pl.Int64).cast(pl.String)
    return whole.zip_with(is_whole.fill_null(value=True), column.cast(pl.String))


@contextmanager
def _opened(file: ImportFile) -> Iterator[Any]:
    try:
        if file.size_bytes == 0:
            raise WrongInput(f"{file.path} is empty; leave it out, or write the file again")
        with parquet.ParquetFile(file.path) as source:
            check_header(file.table, source.schema_arrow.names, file.path)
            yield source
    except (pa.ArrowException, ValueError) as error:
        raise WrongInput(f"{file.path} is no Parquet file, or a damaged one: {error}") from error
    except OSError as error:
        raise WrongInput(f"{file.path} cannot be read: {error.strerror or error}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise WrongInput(f"{file.path} is damaged, or holds a type that no column takes: {error}") from error
