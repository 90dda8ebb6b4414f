"""Do the cells of one row fit together? What no single column can tell."""

from collections.abc import Callable
from typing import Final

import polars as pl

from features.store.columns import ImportTable
from features.store.intake.rejects import Code, Fault, Findings

Written = Callable[[str, int], str]
"""(own column, place) -> the cell as the file has it."""

# From, to, and whether the two may be equal: a window [from, to) that is empty is a slip.
_WINDOWS: Final = (
    ("valid_from", "valid_to", False),
    ("starts_at", "ends_at", False),
    ("started_at", "ended_at", True),
    ("launched_on", "retired_on", True),
)
_TAKES_FEN: Final = ("direct", "coupon", "threshold_off", "subsidy")
_TAKES_RATE: Final = ("percent_off", "nth_item")


def check_rows(table: ImportTable, rows: pl.DataFrame, written: Written, findings: Findings) -> None:
    """Mark the rows whose cells contradict each other, or leave out what another cell calls for."""
    for start, end, may_touch in _WINDOWS:
        if {start, end} <= set(rows.columns):
            is_bad = rows[end] < rows[start] if may_touch else rows[end] <= rows[start]
            for place in is_bad.arg_true():
                sentence = (
                    f"{end} is {'before' if may_touch else 'not after'} {start} ({written(start, place)})"
                )
                findings.mark(place, Fault(end, written(end, place), Code.BAD_WINDOW, sentence))
    if {"rate_ppm", "rate_high_ppm"} <= set(rows.columns):
        for place in (rows["rate_high_ppm"] < rows["rate_ppm"]).arg_true():
            sentence = f"the range ends below its beginning ({written('rate_ppm', place)})"
            findings.mark(
                place, Fault("rate_high", written("rate_high_ppm", place), Code.BAD_RANGE, sentence)
            )
    if table.name == "offer_promotions":
        _check_promotions(rows, findings)


def _check_promotions(rows: pl.DataFrame, findings: Findings) -> None:
    """A promotion without its figure would take nothing off, and a dearer price would pass for the real one."""
    for column, name, kinds in (
        ("off_fen", "off_fen", _TAKES_FEN),
        ("off_rate_ppm", "off_rate", _TAKES_RATE),
        ("n", "n", ("nth_item",)),
    ):
        is_needed = rows["kind"].is_in(kinds)
        is_bad = is_needed & rows[column].is_null() if column in rows.columns else is_needed
        for place in is_bad.arg_true():
            sentence = f"a promotion of kind {rows['kind'][place]} needs {name}"
            findings.mark(place, Fault(name, "", Code.INCOMPLETE, sentence))
