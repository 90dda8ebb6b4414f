"""How are figures written down? As JSON has them, the same text from the same figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Mappings, lists and numbers without numpy; six digits, and nothing where there is no number.

    >>> plain({"ndcg10": np.float64(1 / 3), "interval": (float("nan"), 1.0), "queries": np.int64(7)})
    {'ndcg10': 0.333333, 'interval': [None, 1.0], 'queries': 7}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(held) for held in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
