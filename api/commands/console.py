"""Where do answers for people go? To stdout, without any markup, and in a pipe wide enough for every column."""

import sys

import typer
from rich.console import Console

_PIPED_WIDTH = 200


def answer_console(*, to_stderr: bool = False) -> Console:
    """Stdout without any markup: an id such as `a:cat:b` is no picture of a cat. Stderr where stdout holds a document."""
    width = None if (sys.stderr if to_stderr else sys.stdout).isatty() else _PIPED_WIDTH
    return Console(markup=False, emoji=False, highlight=False, width=width, stderr=to_stderr)


def note(sentence: str) -> None:
    """What a person should know beside the answer, on stderr; a mistake is answered alone, so notes come after it."""
    typer.echo(f"matcher: {sentence}", err=True)
