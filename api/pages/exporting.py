"""How is a table handed out as a file? CSV that a spreadsheet opens as it is, and never runs.

A cell that a spreadsheet would take for a formula is preceded by an apostrophe; every cell is quoted; the file is
UTF-8 with its mark, for without one Excel takes Chinese for something else.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from starlette.responses import Response

_FORMULA: Final = tuple("=+-@\t\r\n\0＝＋－＠")
"""What a formula may begin with, in full width too; white space before it hides nothing."""

Cell = str | int | float | None


def csv_file(name: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A download; `name` is of letters, digits and `-_.` alone."""
    if not name.isascii() or set(name) & set('"\\/;\r\n'):
        raise ValueError(f"file name {name!r} cannot stand in a header")
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe_cell(heading) for heading in headings])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(out.getvalue().encode("utf-8-sig"), 200, headers, "text/csv; charset=utf-8")


def safe_cell(cell: Cell) -> str:
    """What stands in the file: a number as it is, a text that a spreadsheet will not run; nothing for None.

    >>> safe_cell("=1+1"), safe_cell(" @SUM(A1)"), safe_cell(-5), safe_cell("口红"), safe_cell(None)
    ("'=1+1", "' @SUM(A1)", '-5', '口红', '')
    """
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return str(cell)
    text = cell.replace("\0", "")
    begins = text.lstrip(" \u00a0\u3000\ufeff\u200b")
    return f"'{text}" if begins.startswith(_FORMULA) else text
