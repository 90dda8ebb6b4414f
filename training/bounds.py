"""May what a night has seen be believed? Feeds that came in, outcomes that were settled, promises that were kept.

Each check gives a finding: held, warned, refused, or unknown where there is too little to tell by. Unknown refuses
nothing, but is told.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from features.facts import NEVER_US, Facts, Listings
from features.kernels import I64
from features.shelf import day_of
from features.units import DAY_US, SHANGHAI_OFFSET_US
from matcher.policy import Bounds, GatePolicy
from training.dataset import ListingRows

Level = Literal["held", "warned", "refused", "unknown"]
N_WEEKS: Final = 8
"""Before the last one: what is usual."""
_FEWEST_WEEKS: Final = 4
_FEWEST_A_WEEK: Final = 50
"""Listings; in smaller weeks chance alone would halve the number."""
_LEAST_USUAL_REPEATS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to."""

    about: str
    level: Level
    says: str
    """A sentence with the figure and the bound."""
    figures: Mapping[str, Any] = field(default_factory=dict)


def level_of(figure: float, bounds: Bounds) -> Level:
    """Against the two levels of a bound; each begins at its own figure.

    >>> [level_of(figure, Bounds(warns=0.1, refuses=0.5)) for figure in (0.09, 0.1, 0.5)]
    ['held', 'warned', 'refused']
    """
    if figure >= bounds.refuses:
        return "refused"
    return "warned" if figure >= bounds.warns else "held"


def refused_if(broken: bool) -> Level:
    """For a bound of one level."""
    return "refused" if broken else "held"


def check_feeds(facts: Facts, gate: GatePolicy) -> list[Finding]:
    """Listings of the last days against the weeks before; observations of anchors against their greatest age."""
    today, feeds = day_of(facts.as_of_us), gate.feeds
    weeks = _weeks(facts.listings.at_us, facts.as_of_us)
    return [
        _check_week(weeks, feeds.least_week_share),
        _check_repeats(facts.listings, weeks, len(facts.sku_ids), facts.as_of_us, feeds.least_repeat_share),
        _check_silence(facts.listings.at_us, today, feeds.most_silent_days),
        _check_age("anchor_stats", facts.stats, today, feeds.anchor_stats_max_age_days),
        _check_age("audiences", facts.audiences, today, feeds.audiences_max_age_days),
    ]


def check_settled(facts: Facts, fit: Sequence[ListingRows], judged: ListingRows, gate: GatePolicy) -> Finding:
    """Have the outcomes that are learnt from been settled?"""
    about = "settled"
    if not (facts.listings.settled_us < NEVER_US).any():
        return Finding(about, "held", "this market never settles: what was sold counts as it stands")
    rows = np.concatenate([part.settled for part in fit]) if fit else np.zeros(0, np.bool_)
    if not len(rows):
        return Finding(about, "unknown", "no listing of the fit window says whether outcomes were settled")
    share, least = float(rows.mean()), gate.feeds.least_settled_share
    return Finding(
        about,
        refused_if(share < least),
        f"{share:.0%} of the fit window's listings are settled; at least {least:.0%} have to be",
        {"fit": share, "judge": float(judged.settled.mean()) if len(judged.settled) else None},
    )


def check_outcome(
    report: Mapping[str, Any], gate: GatePolicy, champion: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What the outcome model promised on the judge window against what came, as `measure_outcome` tells it.

    `champion`: the same of the champion's. Where it is as far off in units or further, refusing would leave the worse
    promises standing: a change of the market then warns, up to the bounds squared.
    """
    n = report.get("n", 0)
    if n < gate.least_listings:
        told = f"the judge window has {n} listings, too few to hold promises against; {gate.least_listings} would do"
        return [Finding("calibration", "unknown", told, {"n": n})]
    if not report["calibrated_on"]:
        told = "no window before the judge's had enough listings to calibrate the outcome model on"
        return [Finding("calibration", "unknown", told, {"n": n})]
    share, low, high = report["coverage"], gate.least_range_share, gate.most_range_share
    in_range = Finding(
        "calibration of ranges",
        refused_if(not low <= share <= high),
        f"{share:.1%} of the judge window's outcomes lie in the range promised to hold 80 %; "
        f"{low:.0%} to {high:.0%} pass",
        {"n": n, "inside": share, "below": report["below"], "above": report["above"]},
    )
    expected, sold = report["units_expected"], report["units_sold"]
    ratio = sold / expected if expected > 0 else float("inf")
    least, most = gate.least_sold_ratio, gate.most_sold_ratio
    level = refused_if(not least <= ratio <= most)
    beside = ""
    if champion is not None and champion.get("units_expected", 0) > 0:
        theirs = champion["units_sold"] / champion["units_expected"]
        beside = f"; of the champion's promises {theirs:.2f} times as many"
        if level == "refused" and _off(ratio) <= _off(theirs) and least**2 <= ratio <= most**2:
            level = "warned"
    in_all = Finding(
        "calibration of units",
        level,
        f"{sold:.2f} units a listing were sold where {expected:.2f} were promised, {ratio:.2f} times as many; "
        f"{least:.2f} to {most:.2f} pass{beside}",
        {"n": n, "promised": expected, "sold": sold, "ratio": ratio},
    )
    return [in_range, in_all]


def _off(ratio: float) -> float:
    """How far from 1, either way."""
    return abs(math.log(ratio)) if 0 < ratio < math.inf else math.inf


def _weeks(at_us: I64, as_of_us: int) -> I64:
    """Listings of each of the last weeks that history reaches back for, the last one first."""
    if not len(at_us):
        return np.zeros(0, np.int64)
    n = min(N_WEEKS + 1, (as_of_us - int(at_us.min())) // (7 * DAY_US))
    back = (as_of_us - 1 - at_us) // (7 * DAY_US)
    return np.bincount(back[(back >= 0) & (back < n)], minlength=n)


def _check_week(weeks: I64, least: float) -> Finding:
    about = "feed of listings"
    usual = _usual(weeks)
    if usual is None:
        return Finding(about, "unknown", _too_young(about), {"weeks": weeks.tolist()})
    share = float(weeks[0]) / usual
    return Finding(
        about,
        refused_if(share < least),
        f"{weeks[0]} listings in the last 7 days are {share:.0%} of the usual week's {usual:.0f}; "
        f"at least {least:.0%} have to be there",
        {"weeks": weeks.tolist(), "share": share},
    )


def _check_repeats(listings: Listings, weeks: I64, n_skus: int, as_of_us: int, least: float) -> Finding:
    """Anchors go on with what they carry: where suddenly nearly all is new, results stand under wrong goods."""
    about = "listings of pairs known before"
    if _usual(weeks) is None:
        return Finding(about, "unknown", _too_young(about), {})
    if not weeks[0]:
        return Finding(about, "unknown", "there is no listing in the last 7 days", {})
    _, pair = np.unique(listings.anchor.astype(np.int64) * n_skus + listings.sku, return_inverse=True)
    first_us = np.full(int(pair.max()) + 1, NEVER_US)
    np.minimum.at(first_us, pair, listings.at_us)
    week = (as_of_us - 1 - listings.at_us) // (7 * DAY_US)
    known = first_us[pair] < as_of_us - (week + 1) * 7 * DAY_US  # before the listing's own week began
    last, *before = [float(known[week == back].mean()) for back in np.flatnonzero(weeks)]
    usual = float(np.median(before))
    if usual < _LEAST_USUAL_REPEATS:
        return Finding(about, "unknown", "pairs are hardly ever put up again here", {"usual": usual})
    return Finding(
        about,
        refused_if(last < least * usual),
        f"{last:.0%} of the last 7 days' listings are of pairs put up before, usually {usual:.0%} are; "
        f"at least {least:.0%} of that has to be",
        {"last": last, "usual": usual},
    )


def _check_silence(at_us: I64, today: int, most: int) -> Finding:
    about = "days without a listing"
    days = np.unique((at_us + SHANGHAI_OFFSET_US) // DAY_US)
    days = days[days < today]
    if not len(days):
        return Finding(about, "unknown", "no listing is known", {})
    silent = today - 1 - int(days[-1])
    recent = days[days >= days[-1] - 7 * N_WEEKS]
    usual = int(np.diff(recent).max(initial=1)) - 1
    allowed = max(most, usual)
    return Finding(
        about,
        refused_if(silent > allowed),
        f"history ends with {silent} days without a listing; {allowed} pass, "
        f"and {usual} on end were the most of the eight weeks before",
        {"silent": silent, "usual": usual},
    )


def _check_age(name: str, rows: pl.DataFrame, today: int, most: int) -> Finding:
    about = f"age of {name}"
    if rows.is_empty():
        return Finding(about, "held", f"there never were any {name}", {})
    newest: Any = rows["observed_day"].max()
    age = today - int(newest)
    told = f"the newest {name} are {age} days old; {most} pass"
    return Finding(about, refused_if(age > most), told, {"days": age})


def _usual(weeks: I64) -> float | None:
    """Listings of the middle week before the last; nothing where there are too few weeks or listings."""
    if len(weeks) <= _FEWEST_WEEKS:
        return None
    usual = float(np.median(weeks[1:]))
    return usual if usual >= _FEWEST_A_WEEK else None


def _too_young(about: str) -> str:
    return (
        f"{about}: history has fewer than {_FEWEST_WEEKS} weeks before the last, or weeks of fewer than "
        f"{_FEWEST_A_WEEK} listings: nothing is usual yet"
    )


def refusals(findings: Iterable[Finding]) -> list[str]:
    """The sentences of those that refuse."""
    return [finding.says for finding in findings if finding.level == "refused"]
