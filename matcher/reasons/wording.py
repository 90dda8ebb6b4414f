"""How is a reason worded? Topics of features that say one thing together, and the sentences they may say.

A goods list is read by an anchor, a shortlist by a brand: `{who}`, `{whose}`, `{brand}` and the verb's ending turn
one sentence to either reader. A phrase is said only where its feature's value makes it true and fair: figures that
belong to somebody else are told in words, and a sum over fewer than `SEVERAL` anchors is somebody's own figure.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import expm1, inf, isfinite
from types import MappingProxyType
from typing import Final, Literal

from matcher.candidates.union import Side

About = Literal["anchor", "sku", "pair"]
Language = Literal["zh", "en"]
Shown = Callable[[float, Language], str]
SEVERAL: Final = 3
_SPACE_INSIDE: Final = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
"""Chinese has spaces beside figures only."""

WORDS: Final[Mapping[tuple[Side, Language], Mapping[str, str]]] = MappingProxyType(
    {
        ("goods", "zh"): {"who": "你", "brand": "该品牌", "rate": "佣金率"},
        ("shortlist", "zh"): {"who": "该主播", "brand": "你的品牌", "rate": "你给出的佣金率"},
        ("goods", "en"): {
            "who": "you", "Who": "You", "whose": "your", "Whose": "Your", "them": "you",
            "have": "have", "are": "are", "go": "go", "carry": "carry", "s": "", "brand": "this brand", "Rate": "The commission rate",
        },
        ("shortlist", "en"): {
            "who": "this anchor", "Who": "This anchor", "whose": "this anchor's", "Whose": "This anchor's",
            "them": "them", "have": "has", "are": "is", "go": "goes", "carry": "carries", "s": "s", "brand": "your brand", "Rate": "The commission rate that you offer",
        },
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One pairing's features by name, for one reader."""

    values: Mapping[str, float]
    voice: Side


def count(value: float, language: Language) -> str:
    """A whole number."""
    del language
    return f"{value:,.0f}"


def few(value: float, language: Language) -> str:
    """A number of which the decimal matters while it is small."""
    del language
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def two(value: float, language: Language) -> str:
    """A number from 0 to 1."""
    del language
    return f"{value:.2f}"


def share(value: float, language: Language) -> str:
    """A share, in percent."""
    return f"{100 * value:.0f}{'' if language == 'zh' else ' '}%"


def percent(value: float, language: Language) -> str:
    """What is counted in percent already, with no more decimals than it has."""
    return f"{f'{value:.2f}'.rstrip('0').rstrip('.')}{'' if language == 'zh' else ' '}%"


def off(value: float, language: Language) -> str:
    """By how much a log ratio lies above or below 1, in percent."""
    return share(abs(expm1(value)), language)


def yuan(value: float, language: Language) -> str:
    """Money; whole yuan from a hundred on."""
    del language
    return f"¥{value:,.2f}" if value < 100 else f"¥{value:,.0f}"


def days(value: float, language: Language) -> str:
    """A number of days with its noun."""
    if language == "zh":
        return "不到 1 天" if value < 1 else f"{value:,.0f} 天"
    return "less than a day" if value < 1 else "1 day" if value < 1.5 else f"{value:,.0f} days"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence in both languages, made from one feature; `{v}` is its value as `shown` writes it."""

    feature: str
    zh: str
    en: str
    low: float = -inf
    high: float = inf
    """Said where low <= value <= high; never where the value is not known."""
    shown: Shown = count
    voice: Side | None = None
    """Said to one reader only."""
    given: tuple[str, float] | None = None
    """Said only where that other feature is at least so much."""
    against: str | None = None
    """The value is the feature's ratio to this one."""
    beside: str | None = None
    """`{w}`: the count that this feature tells; not said where that is below 1."""

    def say(self, reading: Reading) -> tuple[str, str] | None:
        """The sentence in zh and in en, or nothing where it would not be true or not be fair."""
        if self.voice not in (None, reading.voice):
            return None
        value = reading.values[self.feature]
        if self.against is not None:
            other = reading.values[self.against]
            value = value / other if other > 0 else inf
        if not isfinite(value) or not self.low <= value <= self.high:
            return None
        if self.given is not None and not reading.values[self.given[0]] >= self.given[1]:
            return None
        other = reading.values[self.beside] if self.beside is not None else 1.0
        if not other >= 1:
            return None
        zh = self._worded(self.zh, (value, other), reading.voice, "zh")
        return _SPACE_INSIDE.sub("", zh), self._worded(self.en, (value, other), reading.voice, "en")

    def _worded(self, text: str, values: tuple[float, float], voice: Side, language: Language) -> str:
        value, other = values
        return text.format(v=self.shown(value, language), w=count(other, language), **WORDS[voice, language])


@dataclass(frozen=True, slots=True)
class Topic:
    """Features that speak for the same thing: their contributions are added up, and one sentence is told."""

    name: str
    about: About
    """Told to those in whose lists it differs: `TELLING`."""
    features: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    """Those of the feature that contributes most come first; within a feature, in this order."""
    voice: Side | None = None
    """Where the sources mean something else to the other reader, that one has a topic of its own."""
