"""How far is it? A bar on a terminal's stderr; nothing elsewhere, and never on stdout."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, track

T = TypeVar("T")


@contextmanager
def step_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar to be told which step begins, and the share that is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("facts", total=1.0)

        def say(step: str, share: float) -> None:
            bar.update(task, description=step, completed=share)

        yield say
        say("done", 1.0)


def tracked(things: Iterable[T], what: str, *, total: int) -> Iterable[T]:
    """The same things, counted on the bar as they are taken."""
    return track(things, what, total=total, console=Console(stderr=True), disable=not sys.stderr.isatty())
