"""Is a text a forest as LightGBM writes one? Asked before it reads it: of another text it may die at once, or later.

A strict grammar: sections in order, as many trees, leaves and branches as it says, whole numbers where it counts, and
branches that make a tree. What `forest.py` scores is read there, and leniently: it cannot be made to die.
"""

import re
from collections.abc import Mapping
from typing import Final

from features.errors import RegistryDamaged


def check_texts(version: str, files: Mapping[str, bytes]) -> None:
    """RegistryDamaged where a forest's text is not as LightGBM writes one: of such a text it may die at once, or later."""
    for name, content in files.items():
        if name.endswith(".txt"):
            try:
                _read_text(content.decode())
            except ValueError as fault:
                raise RegistryDamaged(
                    f"model {version}: {name} is no forest as LightGBM writes it: {fault}"
                ) from fault


_NUMBERS: Final = re.compile(r"(-?(\d+(\.\d+)?(e[+-]\d+)?|inf|nan)( |$))*", re.ASCII)
_INTEGERS: Final = re.compile(r"(-?\d{1,9}( |$))*", re.ASCII)
_FRAME: Final = re.compile(
    r"tree\n(?P<header>(?:\w+=[^\n]*\n)+)\n(?P<trees>.*)end of trees\n"
    r"\nfeature_importances:\n(?:[^\n=]+=\d+\n)*\nparameters:\n(?:\[\w+: [^\n]*\]\n)*\nend of parameters\n"
    r"(?:\npandas_categorical:null\n)?",
    re.DOTALL | re.ASCII,
)
_INTEGER_LISTS: Final = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_OF_SPLITS: Final = (*_INTEGER_LISTS, "split_gain", "threshold", "internal_value", "internal_weight")
_OF_LEAVES: Final = ("leaf_value", "leaf_weight", "leaf_count")


def _read_text(text: str) -> None:
    """ValueError, in a few words, where a text is no forest of numeric splits."""
    frame = _FRAME.fullmatch(text)
    if frame is None:
        raise ValueError("its sections are not in order")
    header = dict(line.split("=", 1) for line in frame["header"].splitlines())
    names, infos, sizes = (
        header.get(key, "").split() for key in ("feature_names", "feature_infos", "tree_sizes")
    )
    if len(names) != len(infos) or header.get("max_feature_idx") != str(len(names) - 1):
        raise ValueError("its columns are not as many as it says")
    place = 0
    for number, size in enumerate(sizes):
        if not frame["trees"].startswith(f"Tree={number}\n", place) or not _INTEGERS.fullmatch(size):
            raise ValueError(f"tree {number} does not begin where it should")
        end = place + int(size)
        _read_tree(f"tree {number}", frame["trees"][place:end], len(names))
        place = end
    if place != len(frame["trees"]):
        raise ValueError("there is more in it than its trees")


def _read_tree(tree: str, block: str, n_features: int) -> None:
    lines = [line.split("=", 1) for line in block.splitlines() if line]
    fields = {line[0]: line[-1] for line in lines}
    if len(fields) != len(lines) or any(not _NUMBERS.fullmatch(value) for value in fields.values()):
        raise ValueError(f"{tree} has a line that is no list of numbers, or has it twice")
    lists = {name: fields.get(name, "").split() for name in (*_OF_SPLITS, *_OF_LEAVES)}
    n_leaves = len(lists["leaf_value"])
    if fields.get("num_leaves") != str(n_leaves) or n_leaves == 0:
        raise ValueError(f"{tree} has not as many leaves as it says")
    if n_leaves == 1:
        return
    if any(len(values) != n_leaves - (name in _OF_SPLITS) for name, values in lists.items()):
        raise ValueError(f"{tree} has lists that are not as long as its leaves are many")
    if any(not _INTEGERS.fullmatch(fields[name]) for name in (*_INTEGER_LISTS, "leaf_count")):
        raise ValueError(f"{tree} counts in what is no whole number")
    whole = {name: [int(number) for number in lists[name]] for name in _INTEGER_LISTS}
    if any(not 0 <= feature < n_features for feature in whole["split_feature"]):
        raise ValueError(f"{tree} splits by a column that is not there")
    if any(kind & 1 for kind in whole["decision_type"]):
        raise ValueError(f"{tree} splits by categories")
    children = [*enumerate(whole["left_child"]), *enumerate(whole["right_child"])]
    everything = [*range(-n_leaves, 0), *range(1, n_leaves - 1)]
    if sorted(child for _, child in children) != everything or any(0 <= to <= at for at, to in children):
        raise ValueError(f"{tree} has branches that make no tree")
