"""What do the tests of many nights share? A pretend market that changes twice, its store day by day, and nights that go wrong.

Two things are planted. A category opens: its goods and all their trade were elsewhere until a day, and stand in the store
from that day on. An audience changes: half of every crowd gives way to one and the same group of buyers, what is wanted
and bought changes with it, and the crowds are looked at again on that day. Two nights are bad: on one the results of the
last weeks stand under goods that were dealt anew, on another the last days' results have not come in yet.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import polars as pl

import features.demo_market.market as making
import training.origins
from features.demo_market import Market, MarketSpec, make_market
from features.demo_market.crowd import Anchors, Floats, Segments, draw_anchors
from features.demo_market.truth import Truth
from features.store.db import open_engine, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade
from features.units import midnight
from matcher.policy import Policy
from trained import SIDES, SMALL
from training.bounds import Finding
from training.dataset import Queries, draw_queries
from training.gate import DECIDES
from training.recipe import ForestSetting
from training.shift import Shift, Worked, work_night

SPEC: Final = MarketSpec(
    n_anchors=60, n_skus=240, n_listings=24_000, n_brands=40, n_days=168, n_feedback_weeks=8
)
SEED: Final = 7
WEEK: Final = 7
RECIPE: Final = replace(
    SMALL,
    n_fit_origins=3,
    label_days=WEEK,
    origin_step_days=WEEK,
    owners_a_side=60,
    negatives_a_query=50,
    listing_rows_an_origin=1_500,
    judged_owners=150,
    settings=(ForestSetting("small", "lambdarank", 0.1, 15, 60),),
    value_rounds=20,
    outcome_rounds=30,
    gate_tolerance=0.05,
)
"""A week's labels, so that what a week has brought is learnt from; enough rounds to be ahead of every source."""
QUICK: Final = replace(
    RECIPE,
    n_origins=3,
    n_fit_origins=2,
    owners_a_side=40,
    negatives_a_query=40,
    listing_rows_an_origin=800,
    judged_owners=60,
    settings=(ForestSetting("quick", "lambdarank", 0.15, 15, 30),),
    value_rounds=10,
    outcome_rounds=15,
)
"""The same for a few nights."""
OPENED: Final = "jewellery"
TURNED_SHARE: Final = 0.5
TURNED_TO: Final = 3
"""The group of buyers that so much of every crowd gives way to: it buys as much as the others, but other goods."""
Frames = Mapping[str, pl.DataFrame]


def day(n: int) -> date:
    """The Shanghai day so many days after the market's first."""
    return SPEC.start_on + timedelta(days=n)


@dataclass(frozen=True)
class Changing:
    """The tables of a market in which a category opens and, some time after it, every crowd changes."""

    frames: Frames
    opens_on: date
    turns_on: date | None
    truth_before: Truth
    truth: Truth
    """What every pairing is worth to the crowds as they were, and as they are in the end."""


def changing_market(opens_on: date, turns_on: date | None) -> Changing:
    """The market of `SEED`, with both changes planted; `turns_on`: none where the crowds stay as they are."""
    before = make_market(SPEC, SEED)
    after = before
    if turns_on is not None:
        with patch.object(making, "draw_anchors", _turned_anchors):
            after = make_market(SPEC, SEED)
    frames = _spliced(before, after, turns_on) if turns_on is not None else before.tables()
    return Changing(_opening(frames, opens_on), opens_on, turns_on, before.truth, after.truth)


def _turned_anchors(spec: MarketSpec, segments: Segments, rng: np.random.Generator) -> Anchors:
    """The same anchors, before other crowds; what they themselves like to carry stays."""
    anchors = draw_anchors(spec, segments, rng)

    def turned(own: Floats, theirs: Floats) -> Floats:
        return (1 - TURNED_SHARE) * own + TURNED_SHARE * theirs

    wants, taste = segments.wants[TURNED_TO], segments.taste[TURNED_TO]
    return replace(
        anchors,
        mixture=turned(anchors.mixture, np.eye(len(segments.wants))[TURNED_TO]),
        wants=turned(anchors.wants, (wants - wants.mean()) / wants.std()),
        taste=turned(anchors.taste, taste / np.sqrt((taste**2).mean())),
        price_level=turned(anchors.price_level, segments.price_level[TURNED_TO]),
        price_sense=turned(anchors.price_sense, segments.price_sense[TURNED_TO]),
        city_share=turned(anchors.city_share, segments.city_share[TURNED_TO]),
    )


def _spliced(before: Market, after: Market, turns_on: date) -> dict[str, pl.DataFrame]:
    """One world until the day, the other from then on: the same broadcasts, but other picks and sales."""
    assert before.live_sessions.equals(after.live_sessions)
    then = midnight(turns_on)
    late = before.live_sessions.filter(pl.col("started_at") >= then)["live_session_id"].implode()
    frames = dict(before.tables())
    for name, is_late in (
        ("listings", pl.col("live_session_id").is_in(late)),
        ("feedback", pl.col("at") >= then),
        ("skus", pl.col("observed_at").fill_null(midnight(SPEC.start_on)) >= then),
        ("audiences", pl.col("observed_on") >= turns_on),
    ):
        old, new = getattr(before, name), getattr(after, name)
        frames[name] = pl.concat([old.filter(~is_late), new.filter(is_late)])
    seen: Any = after.audiences.filter(pl.col("observed_on") < turns_on)["observed_on"].max()
    again = after.audiences.filter(observed_on=seen).with_columns(observed_on=pl.lit(turns_on))
    frames["audiences"] = pl.concat([frames["audiences"], again]).unique(maintain_order=True)
    # the two worlds number their pages alike, and may have shown different ones
    numbered = pl.format("F{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7))
    frames["feedback"] = frames["feedback"].with_columns(event_id=numbered)
    return frames


def _opening(frames: Frames, opens_on: date) -> dict[str, pl.DataFrame]:
    """As if the category had been traded elsewhere until that day; its goods are entered two days before."""
    then, entered = midnight(opens_on), midnight(opens_on - timedelta(days=2))
    skus = frames["skus"]
    of = pl.col("sku_id").is_in(
        skus.filter(pl.col("category").str.starts_with(f"{OPENED}/"))["sku_id"].unique().implode()
    )
    sessions = frames["live_sessions"]
    early = pl.col("live_session_id").is_in(
        sessions.filter(pl.col("started_at") < then)["live_session_id"].implode()
    )
    seen = pl.col("observed_at").fill_null(midnight(SPEC.start_on)) < entered
    first = (
        skus.filter(of & seen)
        .unique("sku_id", keep="last", maintain_order=True)
        .with_columns(observed_at=pl.lit(entered, pl.Datetime("us", "UTC")))
    )
    return {
        **frames,
        "skus": pl.concat([skus.filter(~of), first, skus.filter(of & ~seen)]),
        "listings": frames["listings"].filter(~(of & early)),
        "feedback": frames["feedback"].filter(~(of & (pl.col("at") < then))),
    }


# stores


def stored(frames: Frames, folder: Path) -> str:
    """The URL of a new SQLite store that holds these tables; each row is known from its own time on."""
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'market.db'}"
    store = open_engine(url)
    upgrade(store)
    store.dispose()
    bring(url, frames, folder / "tables")
    return url


def bring(url: str, frames: Frames, folder: Path) -> None:
    """Import these tables, all of them."""
    folder.mkdir(parents=True)
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    store = open_engine(url)
    with writing(store) as session:
        ingest(
            session, [folder], now=midnight(SPEC.end_on), rejects=folder.with_name("rejects")
        ).require_all()
    store.dispose()


def without_days(frames: Frames, before: date, days: int) -> tuple[Frames, Frames]:
    """The market less the broadcasts of the last days before a night and their results; and these, as they come in late."""
    begin, end = midnight(before - timedelta(days=days)), midnight(before)
    missing = pl.col("started_at").is_between(begin, end, closed="left")
    sessions = frames["live_sessions"]
    late = pl.col("live_session_id").is_in(sessions.filter(missing)["live_session_id"].implode())
    held = {name: frames[name].filter(late) for name in ("live_sessions", "listings")}
    return {**frames, **{name: frames[name].filter(~late) for name in held}}, held


def dealt_anew(frames: Frames, before: date, days: int) -> Frames:
    """Labels shuffled: each result of the last days before a night stands under another SKU of those days."""
    begin, end = midnight(before - timedelta(days=days)), midnight(before)
    wrong = frames["live_sessions"].filter(pl.col("started_at").is_between(begin, end, closed="left"))
    is_wrong = pl.col("live_session_id").is_in(wrong["live_session_id"].implode())
    rows = frames["listings"].filter(is_wrong)
    dealt = rows["sku_id"].sample(fraction=1.0, shuffle=True, seed=3)
    shuffled = rows.with_columns(sku_id=dealt).unique(["live_session_id", "sku_id"], maintain_order=True)
    return {**frames, "listings": pl.concat([frames["listings"].filter(~is_wrong), shuffled])}


# nights


def work(url: str, home: Path, as_of: date, **changes: Any) -> Worked:
    """The night of a date, as the command works it."""
    store = open_engine(url)
    clock = midnight(as_of) + timedelta(hours=3)
    shift = Shift(
        store=store,
        home=home,
        policy=Policy(),
        recipe=RECIPE,
        threads=2,
        clock=lambda: clock,
        holder="weeks:1",
    )
    try:
        return work_night(replace(shift, **changes), as_of)
    finally:
        store.dispose()


@contextmanager
def shuffled_labels() -> Iterator[None]:
    """While it lasts the labels of every query are dealt anew among its rows: what is learnt from them is worth nothing."""

    def shuffled(*given: Any, **more: Any) -> Queries:
        drawn = draw_queries(*given, **more)
        rng, label = np.random.default_rng(3), drawn.label.copy()
        ends = np.cumsum(drawn.group)
        for begin, end in zip(ends - drawn.group, ends, strict=True):
            rng.shuffle(label[begin:end])
        return replace(drawn, label=label)

    with patch.object(training.origins, "draw_queries", shuffled):
        yield


def found(worked: Worked, about: str) -> Finding:
    """What a night found about one thing."""
    (one,) = [finding for finding in worked.night.decision.findings if finding.about == about]
    return one


def named(worked: Worked) -> list[str]:
    """What drifts by a night's word, category by category and crowd by crowd."""
    told = []
    categories, crowds = found(worked, "drift of categories"), found(worked, "drift of audiences")
    if categories.level == "warned":
        told += categories.figures["categories"]
    if crowds.level == "warned":
        told += [name for name, moved in crowds.figures["figures"].items() if moved >= 0.1]
    return told


def line(worked: Worked) -> str:
    """A night as a row of the table: NDCG@10 of ours, the best source's, the gate, what drifts."""
    night = worked.night
    cells = [f"{night.provenance.as_of}"]
    for side in SIDES:
        systems = night.decision.figures[f"{side}, {DECIDES}"]["systems"]
        best = night.best_source[side]
        cells.append(f"{side} {systems['ours']['ndcg10']:.3f} ({best} {systems[best]['ndcg10']:.3f})")
    cells.append("passed" if night.decision.passed else f"refused: {'; '.join(night.decision.reasons)[:160]}")
    cells.append(", ".join(named(worked)[:4]))
    return " | ".join(cells)
