"""Is the error tree that the docstring draws the tree there is?"""

import re

import features.errors
from features.errors import Fault, FenxiaoError, Refused, WrongInput


def walk(kind: type[FenxiaoError], depth: int = 0) -> list[tuple[int, str, int]]:
    below = [line for child in kind.__subclasses__() for line in walk(child, depth + 1)]
    return [(depth, kind.__name__, kind.exit_code), *below]


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = [
        ((len(before) - 4) // 4, name, int(code))
        for before, name, code in re.findall(
            r"^( [ │├└─]*)(\w+) +exit (\d)", features.errors.__doc__ or "", re.MULTILINE
        )
    ]
    assert drawn == walk(FenxiaoError)


def test_each_branch_ends_the_command_with_the_promised_code() -> None:
    assert (WrongInput.exit_code, Refused.exit_code, Fault.exit_code) == (2, 3, 1)


def test_every_error_says_what_it_means() -> None:
    assert all(getattr(features.errors, name).__doc__ for _, name, _ in walk(FenxiaoError))
