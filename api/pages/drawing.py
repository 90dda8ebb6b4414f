"""Where does each point of a plot lie? Figures over nights as lines in a frame, its axes marked at round numbers.

Coordinates are those of the SVG's view box. A night without a figure breaks the line: nothing is drawn between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10
from typing import Any, Final

WIDTH: Final = 400
HEIGHT: Final = 208
LEFT: Final = 54
RIGHT: Final = 386
TOP: Final = 12
BOTTOM: Final = 178
_MOST_MARKS_BELOW: Final = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, and what is written there."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """One figure."""

    x: float
    y: float
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series, its path in SVG's words, and what a reader who cannot see it is told."""

    label: str
    path: str
    points: tuple[Point, ...]
    last: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class LinePlot:
    """A frame with its lines; `rows` are the same figures as a table, the latest night first."""

    lines: tuple[Line, ...]
    marks_left: tuple[Mark, ...]
    marks_below: tuple[Mark, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def draw_lines(
    series: Sequence[Mapping[str, Any]], write: Callable[[float | None], str], *, from_zero: bool = False
) -> LinePlot:
    """The plot of `series`, each a mapping with a `label` and `points`: pairs of a day (or a text) and a figure.

    Days stand at their distance in time, texts at equal ones. A figure of None is a gap. `write` says a figure.
    """
    across = sorted({at for one in series for at, _ in one["points"]})
    figures = [value for one in series for _, value in one["points"] if value is not None]
    if not figures:
        return LinePlot((), (), (), ())
    marks = round_marks(min([*figures, 0.0]) if from_zero else min(figures), max(figures))
    x_of = _places(across)

    def y_of(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - marks[0]) / (marks[-1] - marks[0]), 1)

    lines = tuple(_line(one, x_of, y_of, write) for one in series)
    by_series = [dict(one["points"]) for one in series]
    return LinePlot(
        lines=lines,
        marks_left=tuple(Mark(y_of(value), write(value)) for value in marks),
        marks_below=tuple(Mark(x_of[at], _short(at)) for at in _spread(across)),
        rows=tuple((str(at), tuple(write(one.get(at)) for one in by_series)) for at in reversed(across)),
    )


def round_marks(low: float, high: float) -> list[float]:
    """Three to six round numbers, 1, 2 or 5 times a power of ten apart, that enclose `low` and `high`.

    >>> round_marks(0.0, 100.0), round_marks(3.0, 3.0)
    ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [2.0, 3.0, 4.0])
    """
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-3):
        apart = 10 ** floor(log10(abs(high))) if high else 1.0
        return [round(high - apart, 12), round(high, 12), round(high + apart, 12)]
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.8)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _line(
    one: Mapping[str, Any],
    x_of: Mapping[Any, float],
    y_of: Callable[[float], float],
    write: Callable[[float | None], str],
) -> Line:
    path, points, pen_is_down = [], [], False
    for at, value in sorted(one["points"], key=lambda point: point[0]):
        if value is None:
            pen_is_down = False
            continue
        x, y = x_of[at], y_of(value)
        path.append(f"{'L' if pen_is_down else 'M'}{x:g} {y:g}")
        points.append(Point(x, y, str(at), write(value)))
        pen_is_down = True
    known = [value for _, value in one["points"] if value is not None]
    last = points[-1].text if points else write(None)
    low, high = (write(min(known)), write(max(known))) if known else (last, last)
    return Line(str(one["label"]), "".join(path), tuple(points), last, low, high)


def _places(across: Sequence[Any]) -> dict[Any, float]:
    """The x of each; one alone stands in the middle."""
    if all(isinstance(at, date) for at in across):
        steps = [float((at - across[0]).days) for at in across]
    else:
        steps = [float(step) for step in range(len(across))]
    whole = steps[-1]
    return {
        at: round(LEFT + (RIGHT - LEFT) * (step / whole if whole else 0.5), 1)
        for at, step in zip(across, steps, strict=True)
    }


def _spread(across: Sequence[Any]) -> list[Any]:
    """The first, the last, and a few between: as many as can be written side by side."""
    parts = min(len(across), _MOST_MARKS_BELOW) - 1
    if parts < 1:
        return list(across)
    return [across[round(part * (len(across) - 1) / parts)] for part in range(parts + 1)]


def _short(at: Any) -> str:
    return f"{at:%m-%d}" if isinstance(at, date) else str(at)
