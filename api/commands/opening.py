"""Which engine answers here and now? Store, snapshot, and the newest model that may serve, brought together.

Where no model may serve, the best single source does: the one that the last night found, or, before any night,
the one that would have done best on the newest window that is over.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import get_args

from sqlmodel import Session

from api.clocks import now_of
from api.loading import last_best_source
from api.stores import open_known_store, store_name
from features.errors import WrongInput
from features.facts import Facts, load_facts
from features.settings import Settings
from features.snapshot import take_snapshot
from features.store.db import reading
from features.store.dossier import Dossier
from features.store.dossiers import load_calendar, load_dossiers
from features.units import from_microseconds, midnight, shanghai_time
from matcher.candidates.union import Side
from matcher.engine import Engine, build_engine
from matcher.model import Model
from matcher.policy import Policy, read_policy
from matcher.registry import Manifest, champion, list_versions, load_manifest, newest_serving, read_model
from matcher.verdict_book import VerdictBook
from matcher.world import build_world
from training.labels import grade, read_outcomes
from training.recipe import Recipe
from training.replay import Replay, best_source, replay
from training.split import split_time

SIDES: tuple[Side, ...] = get_args(Side)


def open_list_engine(settings: Settings, as_of: date | None) -> Engine:
    """The engine for lists of `as_of` (its Shanghai midnight), or of this moment, when the champion serves."""
    at = now_of(settings) if as_of is None else midnight(as_of)
    facts = read_facts(settings, at)
    if not len(facts.sku_ids) or not len(facts.anchor_ids):
        raise WrongInput(
            f"the store {store_name(settings)} knows no SKU or no anchor before {shanghai_time(at)}; "
            "`matcher ingest` fills it"
        )
    manifest = champion(settings.home) if as_of is None else newest_serving(settings.home, as_of)
    policy = read_policy(settings.policy)
    return replace(engine_of(facts, settings, policy, manifest), verdicts=read_verdicts(settings, policy))


def read_verdicts(settings: Settings, policy: Policy) -> VerdictBook:
    """What the two rules say of the store's SKUs: a page's are read when it is shown, all where a rule leaves some out."""

    def fetch(sku_ids: Sequence[str] | None) -> dict[str, Dossier]:
        with _read(settings) as session:
            return {dossier.sku_id: dossier for dossier in load_dossiers(session, sku_ids)}

    with _read(settings) as session:
        calendar = load_calendar(session)
    book = VerdictBook({}, calendar, policy, fetch)
    return VerdictBook(fetch(None), calendar, policy) if book.bars else book


def why_no_model(home: Path, as_of: date | None) -> str:
    """What keeps a source in the place of a model, in words: nothing there, nothing in time, or nothing that passed."""
    versions = list_versions(home)
    if not versions:
        return f"none is in {home}"
    if as_of is not None and not (versions := [v for v in versions if v[:8] <= f"{as_of:%Y%m%d}"]):
        return f"no model's data in {home} end by {as_of}"
    if as_of is None and any(load_manifest(home, version).gate.passed for version in versions):
        return f"none in {home} was promoted"
    return f"the gate refused {versions[-1]}"


def read_facts(settings: Settings, at: datetime) -> Facts:
    """What the settings' store knew at an instant."""
    with _read(settings) as session:
        return load_facts(session, as_of=at)


@contextmanager
def _read(settings: Settings) -> Iterator[Session]:
    """A look at the settings' store."""
    store = open_known_store(settings)
    try:
        with reading(store) as session:
            yield session
    finally:
        store.dispose()


def engine_of(facts: Facts, settings: Settings, policy: Policy, manifest: Manifest | None) -> Engine:
    """A world of these facts with that model, or with the best single source where there is none."""
    world = build_world(take_snapshot(facts), policy, threads=settings.threads)
    if manifest is None:
        return build_engine(world, None, fallback_sources(facts, settings, policy))
    model = Model.from_files(manifest.version, read_model(settings.home, manifest.version))
    return build_engine(world, model, dict.fromkeys(SIDES, "popularity"))


def fallback_sources(facts: Facts, settings: Settings, policy: Policy) -> Mapping[Side, str]:
    """The best single source of each direction, by what was known."""
    found = last_best_source(settings.home, from_microseconds(facts.as_of_us))
    if found is not None:
        return found
    recipe = Recipe()
    origin = split_time(facts, recipe).judge
    if origin is None:
        return dict.fromkeys(SIDES, "popularity")
    world = build_world(take_snapshot(facts, origin), policy, threads=settings.threads)
    engine = build_engine(world, None, dict.fromkeys(SIDES, "popularity"))
    outcomes = read_outcomes(facts, world.snapshot, recipe.label_days)
    replays: dict[tuple[Side, bool], Replay] = {}
    for side in SIDES:
        graded = grade(
            outcomes, side, world.n_owners(side), world.n_owners("shortlist" if side == "goods" else "goods")
        )
        for new_only in (False, True):
            replays[side, new_only] = replay(
                engine, graded, side, new_only=new_only, most_owners=300, threads=settings.threads
            )
    return best_source(replays, world)
