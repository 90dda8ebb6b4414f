"""Where does the next page begin? A signed cursor that only its own caller can use, and only for the same list.

It says a position, not a secret: whoever takes it apart reads ids they were shown. What is signed is that we made it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from itsdangerous import BadData

from api.problems import Problem
from api.signing import serializer

LONGEST: Final = 1_024
"""Characters; a longer one was not made here, and is refused unread."""

_PURPOSE: Final = "cursor"


def make_cursor(
    secret: bytes, *, account: str, what: Mapping[str, object], position: Mapping[str, object]
) -> str:
    """A cursor at `position` of the list that `what` (path and filters) names, for that caller; all values are JSON."""
    cursor = serializer(secret, _PURPOSE).dumps([_binding(account, what), dict(position)])
    if len(cursor) > LONGEST:
        raise ValueError(f"a cursor of {len(cursor)} characters would be refused; keep its position short")
    return cursor


def read_cursor(secret: bytes, cursor: str, *, account: str, what: Mapping[str, object]) -> Mapping[str, Any]:
    """The position; a damaged cursor, another caller's, or another list's is the same problem `bad_cursor`."""
    if len(cursor) > LONGEST or not cursor.isascii():
        raise Problem("bad_cursor")
    try:
        binding, position = serializer(secret, _PURPOSE).loads(cursor)
    except BadData as error:
        raise Problem("bad_cursor") from error
    if binding != _binding(account, what):
        raise Problem("bad_cursor")
    found: Mapping[str, Any] = position
    return found


def _binding(account: str, what: Mapping[str, object]) -> str:
    """A digest of whose list it is and which; the order in which filters were named does not count."""
    document = json.dumps([account, dict(what)], sort_keys=True, allow_nan=False)
    return hashlib.sha256(document.encode()).hexdigest()[:32]
