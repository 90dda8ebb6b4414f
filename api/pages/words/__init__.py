"""What do the pages say? Every text once, under a key, in zh and in en; a file for each area.

A text may hold `{names}` that the template fills in. Where a number decides an English noun, the text has two forms,
`{n} anchor|{n} anchors`: the first is said of exactly one `n`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from api.pages.words import anchor, brand, operator, shared
from api.problems import Language

AREAS: Final = {
    "shared": shared.WORDS,
    "anchor": anchor.WORDS,
    "brand": brand.WORDS,
    "operator": operator.WORDS,
}


def say(key: str, language: Language, **values: Any) -> str:
    """The text under `key`; a key or a value that is missing is a surprise, never a gap on a page.

    >>> say("role.anchor", "en"), say("n_rows", "en", n=1), say("n_rows", "en", n=2)
    ('Anchor', '1 row', '2 rows')
    """
    zh, en = WORDS[key]
    if language == "zh":
        return zh.format_map(values)
    one, _, many = en.partition("|")
    return (many if many and values["n"] != 1 else one).format_map(values)


def _together(areas: Mapping[str, Mapping[str, tuple[str, str]]]) -> Mapping[str, tuple[str, str]]:
    """All areas as one; a key that two areas write is refused."""
    words: dict[str, tuple[str, str]] = {}
    for area, texts in areas.items():
        twice = words.keys() & texts.keys()
        if twice:
            raise ValueError(
                f"words of {area} are written twice: {', '.join(sorted(twice))}; keep one of each"
            )
        words |= texts
    return MappingProxyType(words)


WORDS: Final = _together(AREAS)
"""Of each key, in zh and en."""
