"""How did the nights go? What each left in the registry: its figures beside the best source's and the champion's.

A night is a manifest. What serves is measured again each night where the gate measures it (`champion` among the
systems); where it does not, the champion's own night tells how it did then, on another window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from features.errors import RegistryDamaged, UnknownId
from matcher.registry import Manifest, Promotion, list_versions, load_manifest, read_history

KINDS: Final[Mapping[str, str]] = {
    "goods_all": "goods, all pairs",
    "goods_new": "goods, new pairs",
    "shortlist_all": "shortlist, all pairs",
    "shortlist_new": "shortlist, new pairs",
}
DECIDING: Final[Mapping[str, str]] = {
    "goods": "goods, all and new pairs together",
    "shortlist": "shortlist, all and new pairs together",
}
"""By which the gate refuses a direction."""
OURS: Final = "ours"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
"""Ours once more, with what the champion knew: what is held against it on the same window."""
LEVELS: Final = ("refused", "warned", "unknown", "held")


@dataclass(frozen=True, slots=True)
class System:
    """One way to rank, on one window."""

    name: str
    ndcg10: float | None
    interval: tuple[float, float] | None
    ahead: tuple[float, float, float] | None
    """How far ours is ahead of it, with the interval; the challenger's own lead on the champion; nothing for ours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A direction on the judge window of a night."""

    n_queries: int
    systems: Sequence[System]
    """Ours first, then the best first."""
    challenger: System | None = None
    """Where the gate held one against the champion."""

    @property
    def ours(self) -> System | None:
        """The challenger of that night."""
        return next((one for one in self.systems if one.name == OURS), None)

    @property
    def best(self) -> System | None:
        """The best of the sources and baselines."""
        return next(
            (one for one in self.systems if one.name.partition(":")[0] not in (OURS, CHALLENGER, CHAMPION)),
            None,
        )

    @property
    def champion(self) -> System | None:
        """What served that night, measured on the same window."""
        return next((one for one in self.systems if one.name == CHAMPION), None)


@dataclass(frozen=True, slots=True)
class Night:
    """What a night left behind."""

    version: str
    manifest: Manifest | None
    """Nothing: what is left is damaged."""
    champion: Manifest | None
    """What served when the night began."""

    @property
    def on(self) -> date:
        """Where its data ends: the day of the night."""
        return day_of(self.version)

    def judged(self, label: str) -> Judged | None:
        """Its figures under one of the manifest's names."""
        return None if self.manifest is None else judged_of(self.manifest, label)

    def champion_ndcg10(self, label: str) -> float | None:
        """The champion's figure: of this very night, or of its own."""
        judged = self.judged(label)
        if judged is not None and judged.champion is not None:
            return judged.champion.ndcg10
        then = None if self.champion is None else judged_of(self.champion, label)
        return None if then is None or then.ours is None else then.ours.ndcg10


def day_of(version: str) -> date:
    """The day that a version is named by."""
    return date(int(version[:4]), int(version[4:6]), int(version[6:8]))


def read_nights(home: Path, most: int) -> list[Night]:
    """The last nights, the latest first; damaged ones too."""
    history, _ = history_of(home)
    versions = sorted(list_versions(home), reverse=True)[:most]
    before = {version: served_before(history, version) for version in versions}
    wanted = {*versions, *(promotion.version for promotion in before.values() if promotion is not None)}
    manifests = {version: _manifest(home, version) for version in wanted}
    return [
        Night(version, manifests[version], None if promotion is None else manifests[promotion.version])
        for version, promotion in before.items()
    ]


def history_of(home: Path) -> tuple[tuple[Promotion, ...], str | None]:
    """Who served, oldest first, and what is wrong with the pointer where it cannot be read."""
    try:
        return read_history(home), None
    except RegistryDamaged as error:
        return (), str(error)


def served_before(history: Sequence[Promotion], version: str) -> Promotion | None:
    """Who served when the night of that version began."""
    earlier = list(history)
    for place, promotion in enumerate(history):
        if promotion.version == version:
            earlier = list(history[:place])
            break
    return next((one for one in reversed(earlier) if one.version[:8] <= version[:8]), None)


def judged_of(manifest: Manifest, label: str) -> Judged | None:
    """The figures under one of the manifest's names; nothing where that was not judged."""
    found = _within(manifest.metrics, "judged", label)
    systems = _within(found, "systems")
    if not isinstance(systems, Mapping):
        return None
    read = [_system(str(name), figures) for name, figures in systems.items()]
    read.sort(key=lambda one: (one.name != OURS, -(one.ndcg10 or 0.0), one.name))
    n_queries = _within(found, "queries")
    held = _within(found, CHALLENGER)
    challenger = None
    if isinstance(held, Mapping):
        challenger = _system(CHALLENGER, {**held, "ours_ahead_by": held.get("ahead_of_champion_by")})
    return Judged(n_queries if isinstance(n_queries, int) else 0, read, challenger)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the gate looked at besides."""

    about: str
    level: str
    says: str


def findings_of(manifest: Manifest) -> Sequence[Finding]:
    """All that the gate looked at besides, what refused first; nothing from a gate that wrote none down."""
    told = manifest.metrics.get("gate")
    read = [
        Finding(str(one.get("about", "")), str(one["level"]), str(one.get("says", "")))
        for one in (told if isinstance(told, list) else [])
        if isinstance(one, Mapping) and one.get("level") in LEVELS
    ]
    return sorted(read, key=lambda one: LEVELS.index(one.level))


def lines_of(nights: Iterable[Night], kind: str) -> dict[str, list[tuple[date, float | None]]]:
    """Ours, the champion's and the best source's NDCG@10, night by night, of one of KINDS; one night a day."""
    lines: dict[str, list[tuple[date, float | None]]] = {OURS: [], CHAMPION: [], "best": []}
    for night in one_a_day(nights):
        judged = night.judged(KINDS[kind])
        ours, best = (None, None) if judged is None else (judged.ours, judged.best)
        lines[OURS].append((night.on, None if ours is None else ours.ndcg10))
        lines[CHAMPION].append((night.on, night.champion_ndcg10(KINDS[kind])))
        lines["best"].append((night.on, None if best is None else best.ndcg10))
    return lines


def leads_of(nights: Iterable[Night]) -> dict[str, list[tuple[date, float | None]]]:
    """How far ours was ahead of the best source, in each direction: what the gate goes by."""
    lines: dict[str, list[tuple[date, float | None]]] = {side: [] for side in DECIDING}
    for night in one_a_day(nights):
        for side, label in DECIDING.items():
            judged = night.judged(label)
            best = None if judged is None else judged.best
            lines[side].append((night.on, None if best is None or best.ahead is None else best.ahead[0]))
    return lines


def promised_of(nights: Iterable[Night]) -> dict[str, list[tuple[date, float | None]]]:
    """How often units, and GMV, fell into the range that was promised; 80 % is meant."""
    nights = list(one_a_day(nights))
    return {
        name: [(night.on, figure_of(night.manifest, "report", "outcome", name)) for night in nights]
        for name in ("coverage", "gmv_coverage")
    }


def one_a_day(nights: Iterable[Night]) -> list[Night]:
    """Of the nights of a day the last, oldest day first."""
    by_day: dict[date, Night] = {}
    for night in sorted(nights, key=lambda one: one.version):
        if night.manifest is not None:
            by_day[night.on] = night
    return list(by_day.values())


def figure_of(manifest: Manifest | None, *path: str) -> float | None:
    """A number of a manifest's metrics; nothing where it is not there."""
    return None if manifest is None else _number(_within(manifest.metrics, *path))


def _manifest(home: Path, version: str) -> Manifest | None:
    try:
        return load_manifest(home, version)
    except (RegistryDamaged, UnknownId):
        return None


def _system(name: str, figures: Any) -> System:
    low, high = _numbers(_within(figures, "interval"), 2) or (None, None)
    ahead = _numbers(_within(figures, "ours_ahead_by"), 3)
    return System(
        name=name,
        ndcg10=_number(_within(figures, "ndcg10")),
        interval=None if low is None or high is None else (low, high),
        ahead=None if ahead is None else (ahead[0], ahead[1], ahead[2]),
    )


def _within(held: Any, *path: str) -> Any:
    for name in path:
        held = held.get(name) if isinstance(held, Mapping) else None
    return held


def _numbers(held: Any, n: int) -> list[float] | None:
    numbers = [_number(one) for one in held] if isinstance(held, list) and len(held) == n else [None]
    return None if None in numbers else [number for number in numbers if number is not None]


def _number(held: Any) -> float | None:
    return float(held) if isinstance(held, int | float) and not isinstance(held, bool) else None
