"""Which models may go? Nights leave one each, for years; what may yet be asked for stays.

Kept are the newest models that passed, so many as the operator keeps; those that served last, to roll back to; what the
gate refused, as long as a kept model is as old, so that the record of those nights can still be read; and damaged
ones, which a person has to look at. A model's card goes with it.
"""

from pathlib import Path
from typing import Final

from features.errors import RegistryDamaged, UnknownId
from matcher.registry import list_versions, load_manifest, read_history, remove

ROLL_BACK: Final = 5
"""So many of those that served last are kept, whatever their age."""


def superseded(home: Path, *, kept: int) -> list[str]:
    """The versions that may go, oldest first, where `kept` that passed are to stay."""
    served = [promotion.version for promotion in read_history(home)[-ROLL_BACK:]]
    passed: list[str] = []
    others: list[str] = []
    for version in reversed(list_versions(home)):
        try:
            (passed if load_manifest(home, version).gate.passed else others).append(version)
        except RegistryDamaged:
            continue
    stays = passed[:kept]
    oldest = min(version[:8] for version in stays) if len(passed) > kept else ""
    gone = [*passed[kept:], *(version for version in others if version[:8] < oldest)]
    return sorted(version for version in gone if version not in served)


def prune(home: Path, *, kept: int) -> list[str]:
    """Remove what is superseded, cards too; the versions that went."""
    gone = superseded(home, kept=kept)
    for version in gone:
        try:
            remove(home, [version])
        except UnknownId:  # another pruned at the same time
            continue
        (home / "cards" / f"{version}.html").unlink(missing_ok=True)
    return gone
