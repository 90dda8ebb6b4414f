"""How did the last night go, for who watches? A text file of figures that Prometheus' node exporter picks up."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

FILE: Final = "nightly.prom"
_DRAWN: Final = re.compile(r"lists as of \d{4}-\d{2}-\d{2}")
"""Told together as `training lists`: a date in a label would begin a new series every night."""
STATES: Final = ("published", "refused", "failed")


def write_figures(home: Path, state: str, steps: Sequence[Mapping[str, Any]], ended_at: datetime) -> None:
    """Replace the file, in one step: when the last night ended, how, and what each of its steps took and dealt with."""
    registry = CollectorRegistry()
    Gauge("fenxiao_night_ended_seconds", "When the last night ended.", registry=registry).set(
        ended_at.timestamp()
    )
    how = Gauge("fenxiao_night_state", "1 for how the last night ended.", ("state",), registry=registry)
    for one in STATES:
        how.labels(one).set(one == state)
    took = Gauge("fenxiao_night_step_seconds", "What a step took.", ("step",), registry=registry)
    dealt = Gauge(
        "fenxiao_night_step_rows", "Rows that a step dealt with.", ("step", "rows"), registry=registry
    )
    for step in steps:
        label = _DRAWN.sub("training lists", step["step"])
        took.labels(label).inc(step["seconds"] or 0.0)
        for name, n in step.items():
            if name not in ("step", "seconds"):
                dealt.labels(label, name).inc(n)
    home.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(home / FILE), registry)
