"""What is known of each anchor by itself: reach, rhythm, trust, what it usually sells? One float32 row an anchor."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.catalogue import ANCHOR, stack
from features.facts import NO_DAY, Facts, Sessions
from features.history import Histories
from features.kernels import F32, F64, I32, I64, Bools, count_since, extremes, jit, ratio_sums, shrink, sum_by
from features.ledger import YEAR_DAYS, Ledger
from features.shelf import Shelf, day_of, days_between
from features.units import DAY_US

TIERS = ("tail", "waist", "head")


@dataclass(frozen=True, slots=True)
class Roster:
    """Anchors known at an instant, by id; arrays have shape (n_anchors,)."""

    ids: pl.Series
    names: pl.Series
    tier: I32
    """Place in `TIERS`, -1 unknown."""
    joined_day: I32
    has_joined: Bools
    """False for those who join after the instant; True where the day is unknown."""
    rows: pl.DataFrame
    """The latest version of each anchor, all columns."""

    def __len__(self) -> int:
        return len(self.ids)


def read_roster(facts: Facts) -> Roster:
    """The latest known version of each anchor."""
    rows = facts.anchors.unique("anchor", keep="last", maintain_order=True).sort("anchor")
    joined = rows["joined_day"].to_numpy()
    places = pl.Series([0, 1, 2], dtype=pl.Int32)
    return Roster(
        ids=facts.anchor_ids,
        names=rows["name"],
        tier=rows["tier"]
        .replace_strict(pl.Series(TIERS), places, default=-1, return_dtype=pl.Int32)
        .to_numpy(),
        joined_day=joined,
        has_joined=joined <= day_of(facts.as_of_us),
        rows=rows,
    )


@dataclass(frozen=True, slots=True)
class Habits:
    """What an anchor usually sells, for the features of a pair; arrays of shape (n_anchors,)."""

    log_price: F64
    log_price_spread: F64
    log_units: F64
    trust: F64
    """0..1 from repeat buyers, follow traffic and few refunds; the mean of those known, NaN if none is."""
    impressions: F64
    """Impressions a listing usually gets in its room (1 where nobody counts them)."""


def anchor_block(
    facts: Facts, roster: Roster, shelf: Shelf, ledger: Ledger, histories: Histories
) -> tuple[F32, Habits]:
    """Shape (n_anchors, n_anchor_features), columns as the catalogue's anchor family lists them; and the habits."""
    year = facts.sessions.take(facts.sessions.started_us >= ledger.since(YEAR_DAYS))
    columns = _rhythm(roster, year, ledger, histories) | _standing(facts, roster)
    columns |= _rooms(year, ledger) | _results(ledger)
    habits = _habits(shelf, ledger, columns)
    columns |= {
        "anchor_trust": habits.trust,
        "anchor_usual_price": np.exp(habits.log_price) / 100.0,
        "anchor_price_spread": habits.log_price_spread,
        "anchor_impressions_per_listing": habits.impressions,
        "anchor_category_entropy": _entropy(histories.category.starts, histories.category.n),
    }
    return stack(ANCHOR, columns), habits


def _rhythm(roster: Roster, year: Sessions, ledger: Ledger, histories: Histories) -> dict[str, F64]:
    n, now = len(roster), ledger.as_of_us
    days = _days_on_air(year.anchor, year.started_us, n)
    span = extremes(year.anchor, year.started_us, n)
    on_air = days > 0
    since_last = np.where(on_air, (now - span[1]) / DAY_US, np.nan)
    gap = np.where(days > 1, (span[1] - span[0]) / DAY_US / np.maximum(days - 1, 1), np.nan)
    pairs = histories.sku
    columns = {
        "anchor_last_session": since_last,
        "anchor_usual_gap": gap,
        "anchor_due": since_last / np.maximum(gap, 0.5),
        "anchor_tenure": np.where(
            roster.joined_day == NO_DAY,
            np.where(on_air, (now - span[0]) / DAY_US, np.nan),
            days_between(day_of(now), roster.joined_day),
        ),
        "anchor_days_on_air": days,
        "anchor_skus_365d": np.diff(pairs.starts).astype(np.float64),
        "anchor_listings_per_session": _per(
            np.bincount(ledger.anchor, minlength=n), np.bincount(year.anchor, minlength=n)
        ),
    }
    for window in (7, 28, 90):
        columns[f"anchor_sessions_{window}d"] = count_since(
            year.anchor, year.started_us, ledger.since(window), n
        )
    for window in (28, 90):
        columns[f"anchor_adoptions_{window}d"] = count_since(
            pairs.anchor, pairs.first_us, ledger.since(window), n
        )
    columns["anchor_new_per_day"] = _per(columns["anchor_skus_365d"], days)
    recent_days = _days_on_air(*_recent(year, ledger.since(90)), n)
    columns["anchor_recent_new_per_day"] = _per(columns["anchor_adoptions_90d"], recent_days)
    columns["anchor_recent_gap"] = _per(np.full(n, 90.0), recent_days)
    return columns


def _standing(facts: Facts, roster: Roster) -> dict[str, F64]:
    n = len(roster)
    today = day_of(facts.as_of_us - 1)
    latest = facts.stats.unique("anchor", keep="last", maintain_order=True)
    month_ago = facts.stats.filter(pl.col("observed_day") <= today - 30).unique(
        "anchor", keep="last", maintain_order=True
    )
    fans = _placed(latest, "fans", n)
    return {
        "anchor_fans": fans,
        "anchor_fans_growth": fans / np.maximum(_placed(month_ago, "fans", n), 1.0) - 1.0,
        "anchor_violation_points": _placed(latest, "violation_points", n),
        "anchor_reply_hours": _placed(latest, "reply_hours", n),
        "anchor_sample_fulfilment": _placed(latest, "sample_fulfil_rate_ppm", n) / 1e6,
        "anchor_tier": np.where(roster.tier < 0, np.nan, roster.tier),
    }


def _rooms(year: Sessions, ledger: Ledger) -> dict[str, F64]:
    """The factors of GMV = sum over traffics of exposure x click-through x watch time x GMV per watched second."""
    n, room = ledger.n_anchors, year.anchor
    total = (
        np.nan_to_num(year.exposure_follow)
        + np.nan_to_num(year.exposure_public)
        + np.nan_to_num(year.exposure_paid)
    )
    total[np.isnan(year.exposure_follow) & np.isnan(year.exposure_public) & np.isnan(year.exposure_paid)] = (
        np.nan
    )
    ones = np.ones(len(room))
    exposure = _ratio(room, total, ones, n)
    entries = _ratio(room, year.entries, total, n)
    watch = _ratio(room, year.watch_seconds, year.entries, n)
    gmv = np.nan_to_num(_ratio(ledger.anchor, ledger.rows.gmv_fen, np.ones(len(ledger.anchor)), n))
    per_session = gmv * _per(np.bincount(ledger.anchor, minlength=n), np.bincount(room, minlength=n)) / 100.0
    watched = exposure * entries * watch
    return {
        "anchor_exposure_per_session": exposure,
        "anchor_entry_share": entries,
        "anchor_watch_seconds": watch,
        "anchor_private_share": _ratio(room, year.exposure_follow, total, n),
        "anchor_peak_viewers": _ratio(room, year.peak_viewers, ones, n),
        "anchor_gmv_per_session": per_session,
        "anchor_gmv_per_watched_second": per_session / np.maximum(watched, 1.0),
    }


def _results(ledger: Ledger) -> dict[str, F64]:
    rows, anchor, n = ledger.rows, ledger.anchor, ledger.n_anchors
    ones = np.ones(len(anchor))
    return {
        "anchor_conversion_ratio": ledger.anchor_ratio,
        "anchor_gpm": _ratio(anchor, rows.gmv_fen, ledger.exposure, n) * 10.0,
        "anchor_click_share": _ratio(anchor, rows.clicks, rows.impressions, n),
        "anchor_order_value": _ratio(anchor, rows.gmv_fen, rows.orders, n) / 100.0,
        "anchor_units_per_listing": _ratio(anchor, rows.units, ones, n),
        "anchor_gmv_per_listing": _ratio(anchor, rows.gmv_fen, ones, n) / 100.0,
        "anchor_refund_share": _drawn(anchor, rows.refund_fen, rows.gmv_fen, n),
        "anchor_repeat_share": _drawn(anchor, rows.repeat_buyers, rows.buyers, n),
    }


def _habits(shelf: Shelf, ledger: Ledger, columns: dict[str, F64]) -> Habits:
    n, anchor = ledger.n_anchors, ledger.anchor
    log_price = np.log(np.maximum(shelf.price_fen, 1).astype(np.float64))[ledger.sku]
    count = np.maximum(np.bincount(anchor, minlength=n), 1)
    mean = sum_by(anchor, log_price, n) / count
    spread = np.sqrt(np.maximum(sum_by(anchor, (log_price - mean[anchor]) ** 2, n) / count, 0.05))
    log_units = sum_by(anchor, np.log1p(np.nan_to_num(ledger.rows.units)), n) / count
    none = np.bincount(anchor, minlength=n) == 0
    signs = np.stack(
        [
            columns["anchor_repeat_share"],
            columns["anchor_private_share"],
            1.0 - columns["anchor_refund_share"],
        ]
    )
    known = (~np.isnan(signs)).sum(axis=0)
    trust = np.where(known > 0, np.nan_to_num(signs).sum(axis=0) / np.maximum(known, 1), np.nan)
    return Habits(
        log_price=np.where(none, np.nan, mean),
        log_price_spread=np.where(none, np.nan, spread),
        log_units=np.where(none, np.nan, log_units),
        trust=trust,
        impressions=_per(sum_by(anchor, ledger.exposure, n), np.bincount(anchor, minlength=n)),
    )


def _recent(year: Sessions, since_us: int) -> tuple[I32, I64]:
    recent = year.started_us >= since_us
    return year.anchor[recent], year.started_us[recent]


def _per(above: F64 | I64, below: F64 | I64) -> F64:
    """A quotient, NaN where there is nothing to divide by."""
    return np.where(below > 0, above / np.maximum(below, 1e-12), np.nan)


def _ratio(codes: I32, above: F64, below: F64, n: int) -> F64:
    sums = ratio_sums(codes, above, below, n)
    return _per(sums[0], sums[1])


def _drawn(codes: I32, above: F64, below: F64, n: int) -> F64:
    """A share drawn to everybody's as if a tenth of a usual anchor's rows had shown it; NaN where nobody knows."""
    sums = ratio_sums(codes, above, below, n)
    if not sums[1].sum() > 0:
        return np.full(n, np.nan)
    active = max(int((sums[1] > 0).sum()), 1)
    return shrink(sums[0], sums[1], np.full(n, sums[0].sum() / sums[1].sum()), 0.1 * sums[1].sum() / active)


def _placed(frame: pl.DataFrame, column: str, n: int) -> F64:
    out = np.full(n, np.nan)
    out[frame["anchor"].to_numpy()] = frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return out


@jit
def _days_on_air(anchor: I32, started_us: I64, n: int) -> F64:
    """Distinct days with a session; several sessions of a day count once. Rows need not be sorted."""
    order = np.argsort(started_us, kind="mergesort")
    last = np.full(n, -1, np.int64)
    days = np.zeros(n, np.float64)
    for k in order:
        day = (started_us[k] + 28_800_000_000) // 86_400_000_000
        if last[anchor[k]] != day:
            days[anchor[k]] += 1.0
            last[anchor[k]] = day
    return days


@jit
def _entropy(starts: I64, n: F64) -> F64:
    """Entropy in nats of each anchor's listings over categories; NaN without any."""
    out = np.full(len(starts) - 1, np.nan)
    for a in range(len(starts) - 1):
        total = 0.0
        for g in range(starts[a], starts[a + 1]):
            total += n[g]
        if total > 0:
            out[a] = 0.0
            for g in range(starts[a], starts[a + 1]):
                out[a] -= n[g] / total * np.log(n[g] / total)
    return out
