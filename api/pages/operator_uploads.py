"""What did an operator hand in, and what may be handed back? Files under names of ours, bounded; cells that no sheet runs.

The name that came with a file is looked at and never used: it has to be a table's with an ending of ours, and from
these two the file's name here is made.
"""

import csv
import gzip
import io
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet
from starlette.datastructures import UploadFile

from api.pages.exporting import safe_cell
from features.errors import WrongInput
from features.store.intake.files import ENDINGS, take_apart
from features.store.tables import TABLES

MOST_UNPACKED_BYTES: Final = 2 * 2**30
"""A file that grows beyond this when it is unpacked is refused before a row of it is read."""
MOST_ROWS: Final = 50_000_000
_PIECE: Final = 2**20


def keep_uploads(uploads: Sequence[UploadFile], folder: Path) -> list[Path]:
    """The files in `folder`, each as its table and ending are called; WrongInput names the first that cannot be one."""
    kept: list[Path] = []
    for upload in uploads:
        file = folder / own_name(upload.filename or "")
        if file in kept:
            raise WrongInput(f"{file.name} was handed in twice; import one after the other")
        with file.open("xb") as opened:
            shutil.copyfileobj(upload.file, opened, _PIECE)
        kept.append(file)
    return kept


def own_name(name: str) -> str:
    """What a file is called here; WrongInput where its name is not a table's with an ending of ours.

    >>> own_name("skus.csv.gz")
    'skus.csv.gz'
    """
    table, ending = take_apart(name)
    if table not in TABLES or ending is None:
        raise WrongInput(
            f"a file is named after its table, with one of the endings {', '.join(ENDINGS)}; "
            f"the tables are {', '.join(TABLES)}"
        )
    return f"{table}{ending}"


def require_bounded(file: Path, most_bytes: int = MOST_UNPACKED_BYTES) -> None:
    """Refuse what unpacks to more than is read here; what is damaged is left for the import to tell."""
    try:
        if file.suffix == ".gz":
            _require_bounded_gzip(file, most_bytes)
        elif file.suffix == ".parquet":
            _require_bounded_parquet(file, most_bytes)
    except (EOFError, OSError, zlib.error, pa.ArrowException, ValueError):
        return


def _require_bounded_gzip(file: Path, most_bytes: int) -> None:
    n_bytes = 0
    with gzip.open(file, "rb") as opened:
        while piece := opened.read(_PIECE):
            n_bytes += len(piece)
            if n_bytes > most_bytes:
                raise _too_large(file, most_bytes)


def _require_bounded_parquet(file: Path, most_bytes: int) -> None:
    seal = parquet.read_metadata(file)
    n_bytes = sum(seal.row_group(number).total_byte_size for number in range(seal.num_row_groups))
    if n_bytes > most_bytes or seal.num_rows > MOST_ROWS:
        raise _too_large(file, most_bytes)


def _too_large(file: Path, most_bytes: int) -> WrongInput:
    return WrongInput(
        f"{file.name} unpacks to more than {most_bytes / 2**30:.3g} GiB; split it, or use `matcher ingest`"
    )


def read_report(report: Path, folder: Path, most_rows: int | None = None) -> Iterator[list[str]]:
    """The rows of a reject report, its head first; where our own folder is named in it, the file alone stays."""
    with report.open(encoding="utf-8", newline="") as opened:
        for row in islice(csv.reader(opened), most_rows):
            yield [without_folder(cell, folder) for cell in row]


def safe_csv(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """The same as a file, piece by piece, that a spreadsheet opens and runs nothing of."""
    yield b"\xef\xbb\xbf"
    for row in rows:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(map(safe_cell, row))
        yield out.getvalue().encode()


def without_folder(text: str, folder: Path) -> str:
    """A sentence that does not tell where files lie here."""
    return text.replace(f"{folder}/", "").replace(str(folder), "")
