"""The pretend market: the same from the same seed, importable as it stands, and with a truth that can be found."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.demo_market import (
    Market,
    MarketSpec,
    Strengths,
    Truth,
    capture,
    capture_by_anchor,
    make_market,
    own_best_sellers,
    popularity,
    read_truth,
    write_market,
    write_truth,
)
from features.demo_market.columns import rate_text
from features.demo_market.crowd import draw_anchors, draw_segments
from features.demo_market.goods import draw_brands, draw_skus
from features.demo_market.seasons import EVENT_LIFT, home_event, log_lift, paid_price_fen
from features.store.columns import Kind
from features.store.db import open_engine, writing
from features.store.ingest import ingest
from features.store.migrations import upgrade
from features.store.tables import TABLES
from features.units import RATE_UNITS, midnight, parse_rate


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(MarketSpec.tiny(), seed=7)


@pytest.fixture(scope="module")
def demo() -> Market:
    return make_market(MarketSpec.demo(), seed=7)


@pytest.fixture(scope="module")
def shuffled() -> Market:
    return make_market(MarketSpec.demo(shuffle_affinity=True), seed=7)


def test_one_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    digests = [
        [hashlib.sha256(p.read_bytes()).hexdigest() for p in write_market(make_market(MarketSpec.tiny(), seed), tmp_path / name)]
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    ]  # fmt: skip
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_the_truth_comes_back_from_disk_as_it_was_with_the_same_bytes(market: Market, tmp_path: Path) -> None:
    write_truth(market.truth, tmp_path / "truth.npz")
    write_truth(make_market(MarketSpec.tiny(), seed=7).truth, tmp_path / "again.npz")
    again = read_truth(tmp_path / "truth.npz")
    assert again.anchor_ids == market.truth.anchor_ids
    assert again.sku_ids == market.truth.sku_ids
    assert np.array_equal(again.worth_fen, market.truth.worth_fen)
    assert np.array_equal(again.eligible, market.truth.eligible)
    assert (tmp_path / "truth.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_the_strict_ingest_takes_every_row_and_the_same_rows_again_change_nothing(
    market: Market, tmp_path: Path
) -> None:
    folder = tmp_path / "tables"
    write_market(market, folder)
    engine = open_engine(f"sqlite:///{tmp_path / 'market.db'}")
    upgrade(engine)
    now = midnight(market.as_of)
    for n_new in (
        {name: len(frame) for name, frame in market.tables().items()},
        dict.fromkeys(market.tables(), 0),
    ):
        with writing(engine) as session:
            imported = ingest(session, [folder], now=now, rejects=tmp_path / "rejects")
        assert not imported.is_refused
        assert {name: table.n_new for name, table in imported.tables.items()} == n_new
    engine.dispose()


def test_every_import_table_is_there_and_none_is_empty(market: Market) -> None:
    assert set(market.tables()) == set(TABLES)
    assert [name for name, frame in market.tables().items() if frame.is_empty()] == []


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_has_only_columns_of_the_contract_and_all_that_are_required(
    market: Market, name: str
) -> None:
    frame, table = market.tables()[name], TABLES[name]
    assert set(frame.columns) <= set(table.file_columns)
    assert set(table.required) <= set(frame.columns)
    assert [column for column in table.required if frame[column].null_count()] == []


@pytest.mark.parametrize("name", list(TABLES))
def test_a_table_names_each_key_once(market: Market, name: str) -> None:
    frame, table = market.tables()[name], TABLES[name]
    key = [table.columns[column].name or column for column in table.key if column in table.columns]
    assert frame.select(pl.struct(key).n_unique()).item() == len(frame)


@pytest.mark.parametrize("name", list(TABLES))
def test_every_value_is_one_that_its_column_takes(market: Market, name: str) -> None:
    frame = market.tables()[name]
    for stored, column in TABLES[name].columns.items():
        told = frame.get_column(column.name or stored, default=None)
        if told is None:
            continue
        told = told.drop_nulls()
        if column.choices:
            parts = told.str.split(";").explode() if column.kind is Kind.CHOICES else told
            assert set(parts) <= set(column.choices)
        elif column.kind is Kind.RATE:
            units = frame[column.unit_column or ""].filter(frame[column.name or stored].is_not_null())
            assert all(parse_rate(r, u) <= (column.at_most or 0) for r, u in zip(told, units, strict=True))
        elif column.kind in {Kind.WHOLE, Kind.FEN}:
            assert told.dtype.is_integer()
            assert column.at_least is None or told.is_empty() or told.min() >= column.at_least  # type: ignore[operator]
        elif column.kind is Kind.INSTANT:
            assert told.dtype == pl.Datetime("us", "UTC")
        elif column.kind is Kind.DATE:
            assert told.dtype == pl.Date


@pytest.mark.parametrize("name", list(TABLES))
def test_every_foreign_key_resolves(market: Market, name: str) -> None:
    frames = market.tables()
    for stored, column in TABLES[name].columns.items():
        if column.refers_to and stored in frames[name].columns:
            told = frames[name][stored].drop_nulls()
            ids = told.str.split(";").explode() if column.kind is Kind.IDS else told
            target = TABLES[column.refers_to].key[0]
            assert set(ids) <= set(frames[column.refers_to][target])


def test_shares_of_one_audience_dimension_sum_to_one(market: Market) -> None:
    sums = market.audiences.group_by("anchor_id", "observed_on", "role", "dimension").agg(
        pl.col("share").sum()
    )
    assert (sums["share"] - 1).abs().max() <= 1e-3  # type: ignore[operator]
    assert set(market.audiences["role"]) == {"viewer", "buyer", "repeat_buyer"}
    assert market.audiences["dimension"].n_unique() == 5


def test_nothing_is_known_after_the_history_ends(market: Market) -> None:
    end = midnight(market.as_of)
    for frame, column in (
        (market.skus, "observed_at"),
        (market.plans, "observed_at"),
        (market.cps_quotes, "observed_at"),
        (market.offers, "observed_at"),
        (market.live_sessions, "ended_at"),
        (market.listings, "settled_at"),
        (market.feedback, "at"),
    ):
        assert frame[column].max() < end  # type: ignore[operator]


def test_a_listing_has_a_refund_exactly_when_it_has_settled(market: Market) -> None:
    pending = market.listings["settled_at"].is_null()
    assert 0 < pending.sum() < len(pending)
    assert (market.listings["refund_fen"].is_null() == pending).all()


def test_a_retirement_and_a_rating_are_told_only_when_they_come(demo: Market) -> None:
    first = demo.skus.group_by("sku_id", maintain_order=True).first()
    assert first["retired_on"].null_count() == len(first)
    assert first.filter(pl.col("observed_at").is_not_null())["rating_x100"].null_count() > 100
    gone = demo.skus.filter(pl.col("retired_on").is_not_null())
    assert len(gone) > 20
    assert (gone["observed_at"].dt.convert_time_zone("Asia/Shanghai").dt.date() == gone["retired_on"]).all()


def test_nobody_sells_before_joining_nor_a_sku_before_its_launch_or_after_its_retirement(
    demo: Market,
) -> None:
    rows = (
        demo.listings.join(demo.live_sessions.select("live_session_id", "anchor_id", "started_at"), on="live_session_id")
        .join(demo.anchors.group_by("anchor_id").agg(pl.col("joined_on").min()), on="anchor_id")
        .join(demo.skus.group_by("sku_id").agg(pl.col("launched_on").min(), pl.col("retired_on").max()), on="sku_id")
        .with_columns(pl.col("started_at").dt.convert_time_zone("Asia/Shanghai").dt.date().alias("on"))
    )  # fmt: skip
    assert len(rows) == len(demo.listings)
    assert (rows["on"] >= rows["joined_on"]).all()
    assert (rows["on"] >= rows["launched_on"]).all()
    assert (rows["on"] < rows["retired_on"]).drop_nulls().all()


def test_the_counts_of_a_listing_fit_each_other(market: Market) -> None:
    rows = market.listings
    assert (rows["orders"] <= rows["clicks"]).all()
    assert (rows["clicks"] <= rows["impressions"]).all()
    assert (rows["buyers"] <= rows["orders"]).all()
    assert (rows["repeat_buyers"] <= rows["buyers"]).all()
    assert (rows["refund_fen"] <= rows["gmv_fen"]).drop_nulls().all()
    assert set(rows["role"]) == {"welfare", "hit", "profit", "regular"}


def test_the_number_of_listings_is_the_one_asked_for_within_two_per_cent(demo: Market) -> None:
    assert len(demo.listings) == pytest.approx(MarketSpec.demo().n_listings, rel=0.02)


def test_tiers_have_a_heavy_tail(demo: Market) -> None:
    entries = demo.live_sessions.group_by("anchor_id").agg(pl.col("entries").mean())["entries"].sort()
    assert (
        entries.tail(15).sum() > 0.4 * entries.sum()
    )  # a tenth of the anchors, over two fifths of the audience


def _trust_slope(market: Market) -> float:
    """How much more a non-standard SKU's log conversion rises with repeat buyers than a standard one's."""
    latest = market.skus.group_by("sku_id").agg(pl.col("standardness").last())
    rows = market.listings.join(market.live_sessions.select("live_session_id", "anchor_id"), on="live_session_id").join(
        latest, on="sku_id"
    )  # fmt: skip
    trust = rows.group_by("anchor_id").agg(
        (pl.col("repeat_buyers").sum() / pl.col("buyers").sum()).alias("trust")
    )
    gaps = (
        rows.with_columns(((pl.col("orders") + 0.5) / pl.col("impressions")).log().alias("log_conversion"))
        .group_by("anchor_id", "standardness")
        .agg(pl.col("log_conversion").mean())
        .pivot("standardness", index="anchor_id", values="log_conversion")
        .join(trust, on="anchor_id")
        .drop_nulls()
    )
    return float(np.polyfit(gaps["trust"], gaps["nonstandard"] - gaps["standard"], 1)[0])


def test_trust_sells_nonstandard_goods_as_planted_and_not_where_it_was_not() -> None:
    spec = MarketSpec.demo()
    without = replace(spec, strengths=replace(Strengths(), trust_nonstandard=0.0))
    planted = np.mean([_trust_slope(make_market(spec, seed)) for seed in range(2)])
    absent = np.mean([_trust_slope(make_market(without, seed)) for seed in range(2)])
    assert planted > 1.0
    assert abs(absent) < 0.6


def _history_and_truth(market: Market) -> tuple[np.ndarray, np.ndarray]:
    """Log GMV a shown impression of each pair in history, and the truth's, both against the anchor's mean."""
    truth = market.truth
    rows = (
        market.listings.join(
            market.live_sessions.select("live_session_id", "anchor_id"), on="live_session_id"
        )
        .group_by("anchor_id", "sku_id", maintain_order=True)
        .agg(pl.col("gmv_fen", "impressions").sum())
        .filter(pl.col("gmv_fen") > 0)
    )
    anchor = np.array([truth.anchor_ids.index(a) for a in rows["anchor_id"]])
    sku = np.array([truth.sku_ids.index(s) for s in rows["sku_id"]])
    kept = truth.eligible[anchor, sku]
    anchor, sku = anchor[kept], sku[kept]
    seen = np.log((rows["gmv_fen"] / rows["impressions"]).to_numpy()[kept])
    true = np.log(truth.expected_gmv(anchor, sku))
    size = np.maximum(np.bincount(anchor), 1)
    return seen - (np.bincount(anchor, seen) / size)[anchor], true - (np.bincount(anchor, true) / size)[
        anchor
    ]


def test_history_tells_of_the_truth_and_nothing_of_a_shuffled_one(demo: Market, shuffled: Market) -> None:
    assert shuffled.listings.equals(demo.listings)
    assert np.corrcoef(*_history_and_truth(demo))[0, 1] > 0.6
    assert abs(np.corrcoef(*_history_and_truth(shuffled))[0, 1]) < 0.03


def test_shuffling_deals_the_same_worths_over_the_same_eligible_skus(market: Market) -> None:
    dealt = make_market(MarketSpec.tiny(shuffle_affinity=True), seed=7).truth
    assert dealt.shuffled
    assert np.array_equal(dealt.eligible, market.truth.eligible)
    assert np.array_equal(np.sort(dealt.worth_fen, axis=1), np.sort(market.truth.worth_fen, axis=1))
    assert not np.array_equal(dealt.worth_fen, market.truth.worth_fen)


def test_own_best_sellers_beat_popularity_and_not_once_the_affinity_is_shuffled(
    demo: Market, shuffled: Market
) -> None:
    own, popular = own_best_sellers(demo), popularity(demo)
    assert capture(demo.truth, popular) < 0.25
    assert 0.35 < capture(demo.truth, own) < 0.50
    assert capture(shuffled.truth, own) == pytest.approx(capture(shuffled.truth, popular), abs=0.03)


def test_reference_lists_name_twenty_different_skus_for_every_anchor(market: Market) -> None:
    for lists in (own_best_sellers(market), popularity(market)):
        counts = lists.group_by("anchor_id").agg(pl.col("sku_id").n_unique(), pl.col("rank").max())
        assert len(counts) == len(market.truth.anchor_ids)
        assert set(counts["sku_id"]) == {20}
        assert set(counts["rank"]) == {20}


def _small_truth() -> Truth:
    """Two anchors, three SKUs; the last one is barred for the second anchor."""
    return Truth(
        anchor_ids=("A1", "A2"),
        sku_ids=("S1", "S2", "S3"),
        worth_fen=np.array([[6, 3, 1], [2, 2, 0]], dtype=np.float32),
        eligible=np.array([[True, True, True], [True, True, False]]),
        shuffled=False,
    )


def _lists(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["anchor_id", "rank", "sku_id"], orient="row")


def test_the_perfect_list_captures_everything_and_no_list_nothing() -> None:
    best = _lists(("A1", 1, "S1"), ("A1", 2, "S2"), ("A2", 1, "S1"), ("A2", 2, "S2"))
    assert capture(_small_truth(), best, size=2) == pytest.approx(1.0)
    assert capture(_small_truth(), best.clear(), size=2) == 0.0


def test_an_anchor_without_a_list_counts_as_zero() -> None:
    shares = capture_by_anchor(_small_truth(), _lists(("A1", 1, "S1"), ("A1", 2, "S2")), size=2)
    assert shares.rows() == [("A1", 1.0), ("A2", 0.0)]


def test_only_the_first_places_count_and_a_repeated_or_barred_sku_wastes_its_place() -> None:
    late = _lists(("A1", 5, "S1"), ("A1", 4, "S2"), ("A1", 3, "S3"))
    assert capture_by_anchor(_small_truth(), late, size=2)["capture_share"][0] == pytest.approx(4 / 9)
    twice = _lists(("A1", 1, "S1"), ("A1", 2, "S1"), ("A1", 3, "S2"))
    assert capture_by_anchor(_small_truth(), twice, size=2)["capture_share"][0] == pytest.approx(6 / 9)
    barred = _lists(("A2", 1, "S3"), ("A2", 2, "S1"))
    assert capture_by_anchor(_small_truth(), barred, size=2)["capture_share"][1] == pytest.approx(0.5)


def test_an_event_lifts_the_goods_in_its_focus_and_lowers_every_price() -> None:
    spec = MarketSpec.demo()
    rng = np.random.default_rng(0)
    skus = draw_skus(spec, draw_brands(spec, rng), rng)
    eve, running = spec.n_days - 3, spec.n_days - 2  # 19 and 20 October
    event = home_event(spec, running)
    assert home_event(spec, eve) is None
    assert event is not None
    assert (event.kind, event.goods_focus) == ("116", "source")
    rise = log_lift(spec, skus, running) - log_lift(spec, skus, eve)
    assert rise[skus.is_source].mean() - rise[~skus.is_source].mean() == pytest.approx(
        EVENT_LIFT / 2, abs=0.02
    )
    assert (paid_price_fen(spec, skus, running) < paid_price_fen(spec, skus, eve)).mean() > 0.95


def test_a_calendar_year_has_exactly_three_big_promotions_at_home(market: Market) -> None:
    big = market.events.filter((pl.col("platform") == "kuaishou") & pl.col("counts_as_big_promo"))
    per_year = big.group_by(pl.col("starts_at").dt.convert_time_zone("Asia/Shanghai").dt.year()).len()
    assert set(per_year["len"]) == {3}


def test_every_row_of_the_anchors_mixtures_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    anchors = draw_anchors(MarketSpec.tiny(), draw_segments(rng), rng)
    assert anchors.mixture.sum(axis=1) == pytest.approx(np.ones(30))
    assert anchors.city_share.sum(axis=1) == pytest.approx(np.ones(30))


@pytest.mark.parametrize("unit", list(RATE_UNITS))
@pytest.mark.parametrize("ppm", [0, 1, 10, 8_450, 125_000, 900_000])
def test_a_rate_is_written_so_that_it_reads_back_exactly(ppm: int, unit: str) -> None:
    assert parse_rate(rate_text(ppm, unit), unit) == ppm
