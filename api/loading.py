"""How does the world get into memory? Facts, model and dossiers brought together into what a server answers from.

Nothing here trains, and nothing here is asked on the way of a request.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, get_args

import polars as pl
from sqlalchemy import Engine as Store

from features.catalogue import SOURCES
from features.errors import RegistryDamaged, UnknownId, WrongInput
from features.facts import Facts, load_facts
from features.settings import Settings
from features.snapshot import take_snapshot
from features.store.db import read_rows, reading
from features.store.dossiers import load_calendar, load_dossiers
from features.units import shanghai_day
from matcher.candidates.union import Side
from matcher.engine import Engine, build_engine
from matcher.model import Model
from matcher.policy import Policy
from matcher.registry import champion, list_versions, load_manifest, read_model
from matcher.verdict_book import VerdictBook
from matcher.world import World, build_world

SIDES: Final[tuple[Side, ...]] = get_args(Side)
_LONGEST_TRIAL_SECONDS: Final = 120


@dataclass(frozen=True)
class Served:
    """One consistent world, with what its readers know SKUs and anchors by; read-only, shared by threads."""

    engine: Engine
    loaded_at: datetime
    brand_names: Mapping[str, str]
    past: pl.DataFrame
    """What each anchor sold of each brand in the year: anchor, brand (codes), listings, units, gmv_fen, last_us."""
    stats: pl.DataFrame
    """The last figures of each anchor that has any, by code: fans, reply_hours, sample_fulfil_rate."""

    @property
    def snapshot_at(self) -> datetime:
        """Only what was known before this instant is in it."""
        return self.engine.world.snapshot.as_of

    @cached_property
    def sku_rows(self) -> Mapping[str, int]:
        """Where each SKU stands on the shelf."""
        return {sku_id: row for row, sku_id in enumerate(self.engine.world.snapshot.shelf.ids)}

    @cached_property
    def anchor_rows(self) -> Mapping[str, int]:
        """Where each anchor stands in the roster."""
        return {anchor_id: row for row, anchor_id in enumerate(self.engine.world.snapshot.roster.ids)}

    @cached_property
    def of_sku(self) -> Mapping[str, list[Any]]:
        """By column, what an anchor reads of a SKU beside the pairing, in the shelf's order."""
        rows = self.engine.world.snapshot.shelf.rows
        return rows.select("stock", "sample", "rating_x100", "supply_type").to_dict(as_series=False)

    def make_ready(self) -> None:
        """Make now what requests look things up in, so that none of them has to."""
        _ = self.sku_rows, self.anchor_rows, self.of_sku, self.stats_of

    def brand_of(self, sku_id: str) -> str | None:
        """Whose SKU it is; nothing for one that the snapshot does not know."""
        row = self.sku_rows.get(sku_id)
        return None if row is None else str(self.engine.world.snapshot.shelf.rows["brand_id"][row])

    def past_of(self, brand: int) -> pl.DataFrame:
        """The rows of `past` of one brand (its code)."""
        brands = self.past["brand"]
        begin, end = brands.search_sorted(brand, "left"), brands.search_sorted(brand, "right")
        return self.past.slice(begin, end - begin)

    @cached_property
    def stats_of(self) -> Mapping[int, Mapping[str, float | None]]:
        """The last figures by the anchor's row."""
        return {row["anchor"]: row for row in self.stats.iter_rows(named=True)}


def load_served(
    store: Store,
    settings: Settings,
    policy: Policy,
    *,
    at: datetime,
    known: Mapping[str, Model] | None = None,
) -> Served:
    """What was known at `at`, ranked by the champion, or by the source that the last night found where there is none."""
    with reading(store) as session:
        facts = load_facts(session, as_of=at)
        if not len(facts.sku_ids) or not len(facts.anchor_ids):
            raise WrongInput("the store knows no SKU or no anchor yet; `matcher ingest` fills it")
        calendar = load_calendar(session)
        dossiers = {dossier.sku_id: dossier for dossier in load_dossiers(session)}
        names = read_rows(
            session,
            "SELECT brand_id, name FROM brands WHERE known_at < :at ORDER BY known_at",
            {"at": facts.as_of_us},
        )
    world = build_world(take_snapshot(facts), policy, threads=settings.threads)
    model = load_champion(settings.home, known)
    sources = last_best_source(settings.home, at) or dict.fromkeys(SIDES, "popularity")
    return Served(
        engine=build_engine(world, model, sources, VerdictBook(dossiers, calendar, policy)),
        loaded_at=at,
        brand_names={str(brand_id): str(name) for brand_id, name in names},
        past=past_sales(world),
        stats=last_stats(facts),
    )


def past_sales(world: World) -> pl.DataFrame:
    """What each anchor sold of each brand in the year, by (brand, anchor)."""
    ledger, shelf = world.snapshot.ledger, world.snapshot.shelf
    return (
        pl.DataFrame(
            {
                "anchor": ledger.anchor,
                "brand": shelf.brand[ledger.sku],
                "units": ledger.rows.units,
                "gmv_fen": ledger.rows.gmv_fen,
                "at_us": ledger.at_us,
            }
        )
        .group_by("brand", "anchor")
        .agg(
            listings=pl.len(),
            units=pl.col("units").fill_nan(0).sum(),
            gmv_fen=pl.col("gmv_fen").fill_nan(0).sum(),
            last_us=pl.col("at_us").max(),
        )
        .sort("brand", "anchor")
    )


def last_stats(facts: Facts) -> pl.DataFrame:
    """The last figures of each anchor that has any."""
    return facts.stats.group_by("anchor", maintain_order=True).last()


def load_champion(home: Path, known: Mapping[str, Model] | None = None) -> Model | None:
    """The champion's forests, tried in another process first; nothing where nobody serves.

    Of those that are `known`, in memory, only the files are looked at: they must still be as they were published.
    """
    manifest = champion(home)
    if manifest is None:
        return None
    files = read_model(home, manifest.version)  # what is not as it was published needs no trial
    if known is not None and manifest.version in known:
        return known[manifest.version]
    try_model(home, manifest.version)
    return Model.from_files(manifest.version, files)


def try_model(home: Path, version: str) -> None:
    """Have another process load a model and score its golden batch; RegistryDamaged where that does not end well."""
    try:
        done = subprocess.run(  # noqa: S603 - our own module, and a version that the registry names
            [sys.executable, "-m", "api.trying", str(home), version],
            capture_output=True,
            text=True,
            errors="replace",  # what a dying library says need not be text
            timeout=_LONGEST_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryDamaged(
            f"model {version} is not served: its trial did not end within {_LONGEST_TRIAL_SECONDS} s; roll back"
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RegistryDamaged(
            f"model {version} is not served: {said[-1] if said else f'its trial ended with {done.returncode}'}"
        )


def last_best_source(home: Path, at: datetime) -> Mapping[Side, str] | None:
    """The best single source of each direction, by the last night before an instant; nothing before any night.

    A night whose model is damaged or gone is passed over: the one before it knew nearly as well.
    """
    for version in reversed(list_versions(home)):
        if version[:8] <= f"{shanghai_day(at):%Y%m%d}":
            try:
                found = load_manifest(home, version).metrics.get("best_source")
            except (RegistryDamaged, UnknownId):
                continue
            if isinstance(found, dict) and all(found.get(side) in SOURCES for side in SIDES):
                return {side: str(found[side]) for side in SIDES}
    return None
