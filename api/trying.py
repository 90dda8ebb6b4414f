"""Can this model be served? Run as a process of its own: it may die of what it loads, and nobody else does.

python -m api.trying HOME VERSION
"""

import sys
from pathlib import Path

from features.errors import FenxiaoError
from matcher.forest_text import check_texts
from matcher.golden import check_golden
from matcher.model import Model
from matcher.registry import read_model


def main(home: str, version: str) -> int:
    """0 where every file is as it was published, loads, and scores the golden batch as it did where it was trained."""
    try:
        files = read_model(Path(home), version)
        check_texts(version, files)
        check_golden(Model.from_files(version, files), files)
    except FenxiaoError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
