"""What is in a store, table by table, and has a build like this one made it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory

from features.errors import StoreMismatch
from features.store import migrations
from features.store.migrations import VERSION_TABLE


@dataclass(frozen=True, slots=True)
class Contents:
    """A store's shape, and how many rows each of its tables has."""

    schema_version: str | None
    """As the migrations name it; nothing where no build of ours has been here."""
    rows: Mapping[str, int]

    @property
    def n_rows(self) -> int:
        """What somebody put there: the row that names the shape is not counted."""
        return sum(n for table, n in self.rows.items() if table != VERSION_TABLE)

    def require_known(self, where: object) -> str:
        """The shape; StoreMismatch for tables that are not ours, or of a newer build."""
        if self.schema_version is None:
            raise StoreMismatch(f"{where} holds no store of ours; name another with --database")
        if self.schema_version not in known_versions():
            raise StoreMismatch(
                f"{where} has shape {self.schema_version}, newer than this build; use the build that made it, or a newer one"
            )
        return self.schema_version


@cache
def known_versions() -> frozenset[str]:
    """Every shape that this build can bring up to date."""
    steps = ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()
    return frozenset(step.revision for step in steps)
