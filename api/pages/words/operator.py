"""What do an operator's pages say? Key -> zh, en; keys begin with `operator.`."""

from typing import Final

from api.pages.words import operator_checks, operator_imports, operator_nights

WORDS: Final[dict[str, tuple[str, str]]] = {
    f"operator.{key}": texts
    for area in (operator_nights, operator_checks, operator_imports)
    for key, texts in area.TEXTS.items()
}
