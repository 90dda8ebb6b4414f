"""How did the night go, on one page? A file of HTML that needs nothing else: figures, plots, what the gate said, example lists.

Both languages stand in it, and two buttons of the page itself choose between them, without a script. The same night
gives the same bytes: no clock and no random name is in it, the plots' neither.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from features.errors import FenxiaoError
from features.units import Fen, Ppm, percent, yuan
from matcher.engine import Engine
from matcher.model import Model
from matcher.pairing import PairingList
from matcher.ranker import Ranker
from matcher.registry import Manifest, list_versions, load_manifest
from matcher.request import ListRequest
from training.replay import CHAMPION, OURS

mpl.use("Agg")

N_FEATURES: Final = 20
N_EXAMPLES: Final = 3
N_LINES: Final = 8
N_NIGHTS: Final = 60
_OURS, _THEIRS, _GRID = "#b3362b", "#8a94a0", "#d9dee4"
_STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    OURS: {"color": _OURS, "linewidth": 2.4},
    CHAMPION: {"color": "#1b1f24", "linewidth": 1.6, "linestyle": "--"},
}
_SOURCES: Final = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]  # a listed map has them


@dataclass(frozen=True, slots=True)
class _Plot:
    """A picture inside the page, and what it shows in both languages."""

    data: str
    zh: str
    en: str


def make_card(home: Path, manifest: Manifest, engine: Engine) -> str:
    """The page of one night: its manifest, the nights before it, and lists of the engine that it left serving."""
    metrics = manifest.metrics
    judged = _mapping(metrics.get("judged"))
    report = _mapping(metrics.get("report"))
    kinds = {name: figures for name, figures in judged.items() if "systems" in _mapping(figures)}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": _figure}
    template = environment.from_string((files("training") / "card.html").read_text(encoding="utf-8"))
    return template.render(
        manifest=manifest,
        kinds=kinds,
        other={name: figures for name, figures in judged.items() if name not in kinds},
        outcome=_mapping(report.get("outcome")),
        drift=_mapping(report.get("drift")),
        settings={name: report[name] for name in sorted(report) if name.startswith("settings_")},
        plots=_plots(home, manifest, kinds, report, engine.model),
        examples=_examples(engine),
        serving=engine.version,
    )


def _plots(
    home: Path, manifest: Manifest, kinds: Mapping[str, Any], report: Mapping[str, Any], model: Model | None
) -> list[_Plot]:
    plots = []
    if kinds:
        plots.append(
            _Plot(
                _bars(kinds),
                "评判窗口上的 NDCG@10 与 95 % 区间",
                "NDCG@10 on the judge window, 95 % intervals",
            )
        )
    past = _nights(home, manifest)
    if len(past) > 1:
        plots.append(
            _Plot(
                _over_time(past),
                "各夜的 NDCG@10：我方与各召回源。champion 为当时在线模型，其训练数据比 ours（评判用孪生模型）更新；"
                "闸门另用知识相同的一个与它比较",
                "NDCG@10 night by night: ours and every source. The champion, which served, had learnt from newer data than "
                "ours, the twin; the gate holds one against it that knew as much",
            )
        )
    tenths = _mapping(report.get("outcome")).get("tenths")
    if tenths:
        plots.append(
            _Plot(
                _calibration(tenths),
                "校准：预期件数与实际件数（十等分）",
                "Calibration: units expected and sold, by tenths of the promise",
            )
        )
    if model is not None:
        forests = {
            "goods: uptake": model.goods_uptake,
            "shortlist: uptake": model.shortlist_uptake,
            "outcome": model.outcome.forest,
        }
        plots.append(
            _Plot(_importance(forests), "特征重要性（增益占比）", "Feature importance, share of the gain")
        )
    return plots


def _nights(home: Path, manifest: Manifest) -> list[Manifest]:
    """The nights up to this one that can be read, oldest first."""
    found = []
    for version in list_versions(home):
        if version[:8] <= f"{manifest.as_of:%Y%m%d}":
            try:
                found.append(load_manifest(home, version))
            except FenxiaoError:
                continue
    return found[-N_NIGHTS:]


def _bars(kinds: Mapping[str, Any]) -> str:
    figure = Figure(figsize=(11, 2.6 * ((len(kinds) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(kinds) + 1) // 2, 2, squeeze=False).ravel()
    for panel, (name, figures) in zip(panels, kinds.items(), strict=False):
        systems = sorted(figures["systems"].items(), key=lambda named: named[1]["ndcg10"] or 0.0)
        means = [row["ndcg10"] or 0.0 for _, row in systems]
        arms = [_arms(row) for _, row in systems]
        colours = [_OURS if system == OURS else _THEIRS for system, _ in systems]
        panel.barh(
            [system for system, _ in systems],
            means,
            color=colours,
            xerr=list(zip(*arms, strict=True)),
            ecolor="#4a5560",
        )
        panel.set_title(f"{name} ({figures['queries']})", fontsize=9)
        panel.tick_params(labelsize=8)
    for panel in panels[len(kinds) :]:
        panel.axis("off")
    return _picture(figure)


def _over_time(nights: Sequence[Manifest]) -> str:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    drawn: dict[str, Any] = {}
    for panel, side in zip(panels, ("goods", "shortlist"), strict=True):
        lines: dict[str, list[tuple[Any, float]]] = {}
        for night in nights:
            decides = _mapping(
                _mapping(night.metrics.get("judged")).get(f"{side}, all and new pairs together")
            )
            for system, row in _mapping(decides.get("systems")).items():
                if row["ndcg10"] is not None:
                    lines.setdefault(system, []).append((night.as_of, row["ndcg10"]))
        for system, points in lines.items():
            colour = drawn[system].get_color() if system in drawn else _SOURCES[len(drawn) % len(_SOURCES)]
            style = _STYLES.get(system, {"color": colour, "linewidth": 1.0, "alpha": 0.8})
            days, values = zip(*points, strict=True)
            (line,) = panel.plot(days, values, marker="o", markersize=3, **style)
            drawn.setdefault(system, line)
        panel.set_title(f"{side}, NDCG@10", fontsize=9)
        panel.tick_params(labelsize=8, axis="both")
        panel.tick_params(axis="x", rotation=30)
        panel.grid(color=_GRID)
    if drawn:  # below the panels: on them it would hide the very lines
        figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", fontsize=7, ncols=7)
    return _picture(figure)


def _calibration(tenths: Sequence[Mapping[str, Any]]) -> str:
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    promised = [tenth["units_expected"] for tenth in tenths]
    came = [tenth["units_sold"] for tenth in tenths]
    top = max(*promised, *came, 1e-6)
    left.plot([0, top], [0, top], color=_GRID)
    left.plot(promised, came, marker="o", color=_OURS)
    left.set_xlabel("units expected", fontsize=8)
    left.set_ylabel("units sold", fontsize=8)
    left.set_xscale("symlog")
    left.set_yscale("symlog")
    places = range(1, len(tenths) + 1)
    right.bar(places, [tenth["coverage"] for tenth in tenths], color=_THEIRS)
    right.axhline(0.8, color=_OURS)
    right.set_xlabel("tenth of the promise", fontsize=8)
    right.set_ylabel("share inside the 80 % range", fontsize=8)
    return _picture(figure)


def _importance(forests: Mapping[str, Ranker]) -> str:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for panel, (name, ranker) in zip(figure.subplots(1, len(forests)), forests.items(), strict=True):
        gains = ranker.booster.feature_importance("gain")
        order = sorted(range(len(gains)), key=lambda k: (-gains[k], ranker.feature_names[k]))[:N_FEATURES][
            ::-1
        ]
        total = max(float(gains.sum()), 1e-12)
        panel.barh(
            [ranker.feature_names[k] for k in order], [float(gains[k]) / total for k in order], color=_THEIRS
        )
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=6)
    return _picture(figure)


def _picture(figure: Figure) -> str:
    """As PNG in a data address; without the library's name and version, which would change the bytes."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=100, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def _examples(engine: Engine) -> list[dict[str, Any]]:
    """First lines of the lists of a few owners, evenly spread over all that get one."""
    examples = []
    for side in ("goods", "shortlist"):
        asked = ListRequest(
            "goods" if side == "goods" else "shortlist", 0, N_LINES, explain=engine.model is not None
        )
        owners = engine.owners(asked)
        step = max(1, len(owners) // N_EXAMPLES)
        for owner in owners[::step][:N_EXAMPLES]:
            answer = engine.answer(ListRequest(asked.side, owner, N_LINES, explain=asked.explain))
            examples.append({"side": side, "owner": answer.owner_id, "lines": _lines(answer, side)})
    return examples


def _lines(answer: PairingList, side: str) -> list[dict[str, str]]:
    lines = []
    for pairing in answer.pairings:
        expected = pairing.expected
        lines.append(
            {
                "rank": str(pairing.rank),
                "who": f"{pairing.sku_id} {pairing.title}"
                if side == "goods"
                else f"{pairing.anchor_id} {pairing.anchor_name}",
                "rate": "–" if pairing.rate_ppm is None else percent(Ppm(pairing.rate_ppm)),
                "gmv": "–" if expected is None else yuan(Fen(expected.gmv_fen)),
                "zh": "；".join(reason.zh for reason in pairing.reasons),
                "en": "; ".join(reason.en for reason in pairing.reasons),
            }
        )
    return lines


def _arms(row: Mapping[str, Any]) -> tuple[float, float]:
    mean, (low, high) = row["ndcg10"], row["interval"]
    if mean is None or low is None or high is None:
        return 0.0, 0.0
    return max(mean - low, 0.0), max(high - mean, 0.0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _figure(value: Any) -> str:
    """A figure of a report, short; a list or mapping as words."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_figure(held)}" for name, held in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_figure, value))
    return str(value)
