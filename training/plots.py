"""Pictures of figures, where people would rather look than read."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from features.units import SHANGHAI

mpl.use("Agg")


def plot_evaluation(summaries: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    """NDCG@10 of every system with its interval, a panel a side; and over the origins where there are several."""
    figure = Figure(figsize=(11, 4.2 * len(summaries)), layout="constrained")
    panels = figure.subplots(len(summaries), 2, squeeze=False)
    for (left, right), (side, summary) in zip(panels, summaries.items(), strict=True):
        systems = sorted(summary["systems"].items(), key=lambda named: named[1]["ndcg10"] or 0.0)
        names = [name for name, _ in systems]
        means = [row["ndcg10"] or 0.0 for _, row in systems]
        errors = [_arms(row) for _, row in systems]
        colours = ["#c0392b" if name.startswith("ours") else "#7f8c8d" for name in names]
        left.barh(names, means, color=colours, xerr=list(zip(*errors, strict=True)))
        left.set_title(f"{side}: {summary['queries']} queries, 95 % intervals")
        left.set_xlabel("NDCG@10")
        for name in names:
            points = [
                (at(o), o["ndcg10"][name]) for o in summary["origins"] if o["ndcg10"].get(name) is not None
            ]
            is_ours = name.startswith("ours")
            right.plot(
                [when for when, _ in points], [value for _, value in points],
                color="#c0392b" if is_ours else "#bdc3c7", linewidth=2.4 if is_ours else 1.0, marker="o", label=name,
            )  # fmt: skip
        right.set_title(f"{side}: by origin (ours in red)")
        right.set_ylabel("NDCG@10")
        right.tick_params(axis="x", rotation=30)
    figure.savefig(file, dpi=110)


def at(origin: Mapping[str, Any]) -> datetime:
    """An origin's instant."""
    return datetime.fromtimestamp(origin["origin_us"] / 1e6, SHANGHAI)


def _arms(row: Mapping[str, Any]) -> tuple[float, float]:
    mean, (low, high) = row["ndcg10"], row["ndcg10_interval"]
    if mean is None or low is None or high is None:
        return 0.0, 0.0
    return max(mean - low, 0.0), max(high - mean, 0.0)
