"""What does a world, and what is learnt from it, look like as bytes? A digest for each block, source, label and array."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from features.catalogue import FEATURES, SOURCES, first_column, names_of
from features.facts import Facts, load_facts
from features.kernels import F32
from features.snapshot import Snapshot, take_snapshot
from features.store.db import open_engine, writing
from features.units import DAY_US, from_microseconds, microseconds
from full_market import CHANGES, forget_all_since, full_market
from market import NOW, Market, facts_in
from matcher.candidates.union import Side
from matcher.policy import Policy
from matcher.world import World, build_world
from training import labels
from training.dataset import draw_listings, draw_queries
from training.recipe import FAST


class Digests(dict[str, str]):
    """A digest by name; a failing test prints the names that differ, not all of them."""

    def __repr__(self) -> str:
        return f"<{len(self)} digests>"


SIDES: tuple[Side, ...] = ("goods", "shortlist")
POLICY = Policy(rate_lock_days=30)
RECIPE = replace(FAST, owners_a_side=40, negatives_a_query=5, listing_rows_an_origin=60)
LATER_DAYS = 40


@dataclass(frozen=True)
class Late:
    """What would be seen a day too late; the day itself where nothing later is known."""

    facts: Facts
    snapshot: Snapshot


Leak = Callable[[pytest.MonkeyPatch, Late], None]


def seen(facts: Facts, instant: datetime, leak: Leak | None = None) -> Digests:
    """Every block, every source's answers on both sides, and every array of the snapshot at an instant."""
    with leaking(facts, instant, leak):
        world = build_world(take_snapshot(facts, microseconds(instant)), POLICY)
        return Digests(blocks_of(world) | answers_of(world) | tree_of(world.snapshot, "snapshot"))


def learnt(facts: Facts, instant: datetime, origin: datetime, leak: Leak | None = None) -> Digests:
    """Outcomes, labels and training rows of an origin, as a night at `instant` makes them."""
    with leaking(facts, instant, leak):
        known = facts if facts.as_of_us == microseconds(instant) else facts.before(microseconds(instant))
        world = build_world(take_snapshot(known, microseconds(origin)), POLICY)
        outcomes = labels.read_outcomes(known, world.snapshot, 28)
        found = tree_of(outcomes, "outcomes")
        for side in SIDES:
            graded = labels.grade(outcomes, side, world.n_owners(side), world.n_owners(other(side)))
            found[f"labels of {side}"] = repr(tree_of(graded))
            for new_only in (False, True):
                name = f"{'new ' * new_only}queries of {side}"
                found |= tree_of(
                    draw_queries(world, graded, side, RECIPE, new_only=new_only, age_days=3.0, threads=1),
                    name,
                )
        rows = draw_listings(world, outcomes, RECIPE, age_days=3.0, threads=1)
        return Digests(found | tree_of(rows, "listing rows"))


def blocks_of(world: World) -> dict[str, str]:
    """Each family of columns over all pairs; what sources say is in `answers_of`."""
    every_sku = np.arange(world.n_owners("shortlist"), dtype=np.int32)
    matrices = [
        world.matrix("goods", anchor, world.described("goods", anchor, every_sku))
        for anchor in range(world.n_owners("goods"))
    ]
    matrix = np.concatenate(matrices) if matrices else np.zeros((0, len(FEATURES)), np.float32)
    return {
        f"block {family}": _columns(matrix, family) for family in dict.fromkeys(f.family for f in FEATURES)
    }


def answers_of(world: World) -> dict[str, str]:
    """What each source brings and says, and which candidates come of it, for every owner in either mode."""
    found: dict[str, list[bytes]] = {}
    for side in SIDES:
        for owner in range(world.n_owners(side)):
            for new_only in (False, True):
                candidates = world.candidates(side, owner, world.allowed(side, owner, new_only=new_only))
                found.setdefault(f"candidates of {side}", []).append(candidates.rows.tobytes())
            everybody = np.arange(world.n_owners(other(side)), dtype=np.int32)
            described = world.described(side, owner, everybody)
            for column, source in enumerate(SOURCES):
                said = (described.scores[:, column].tobytes(), described.ranks[:, column].tobytes())
                found.setdefault(f"{source} of {side}", []).extend(said)
    return {name: digest(*parts) for name, parts in found.items()}


def tree_of(value: Any, path: str = "") -> dict[str, str]:
    """Every array, column and number below a frozen dataclass, by its path."""
    if is_dataclass(value):
        below = [tree_of(getattr(value, field.name), f"{path}.{field.name}") for field in fields(value)]
        return {name.lstrip("."): content for part in below for name, content in part.items()}
    if isinstance(value, np.ndarray):
        return {path: digest(f"{value.dtype}{value.shape}".encode(), value.tobytes())}
    if isinstance(value, pl.Series):
        return {path: digest(repr((value.dtype, value.to_list())).encode())}
    if isinstance(value, pl.DataFrame):
        return {path: digest(repr((value.schema, value.rows())).encode())}
    return {path: digest(repr(value).encode())}


def assert_same(one: Mapping[str, str], another: Mapping[str, str]) -> None:
    """Equal to the last bit; otherwise says where not."""
    assert different(one, another) == set()


def different(one: Mapping[str, str], another: Mapping[str, str]) -> set[str]:
    """Names under which the two differ."""
    return {name for name in one.keys() | another.keys() if one.get(name) != another.get(name)}


def broken_in_seeing(store: Engine, leak: Leak | None) -> set[str]:
    """Where the law fails for features and candidates."""
    return _broken(store, lambda facts: seen(facts, NOW, leak))


def broken_in_learning(store: Engine, origin: datetime, leak: Leak | None) -> set[str]:
    """Where the law fails for labels and training rows."""
    return _broken(store, lambda facts: learnt(facts, NOW, origin, leak))


@contextmanager
def stored(template: Path, folder: Path, market: Market | None = None) -> Iterator[Engine]:
    """A market, by default the full one, in a database of its own, for whoever leaves it as it was."""
    engine = open_engine(f"sqlite:///{shutil.copy(template, folder / 'store.db')}")
    with writing(engine) as session:
        (market or full_market()).write(session)
    yield engine
    engine.dispose()


@contextmanager
def changed(store: Engine, cut: datetime, changes: list[tuple[str, int]]) -> Iterator[Session]:
    """A store in which other things came to be known at or after the cut; it is as before afterwards."""
    with Session(store) as session:
        for place, (name, seed) in enumerate(changes):
            CHANGES[name](session, np.random.default_rng([seed, place]), cut)
        yield session
        session.rollback()


@contextmanager
def leaking(facts: Facts, instant: datetime, leak: Leak | None) -> Iterator[None]:
    """With a leak that sees a day further, as far as the facts go."""
    with pytest.MonkeyPatch.context() as patch:
        if leak is not None:
            late_us = min(microseconds(instant) + DAY_US, facts.as_of_us)
            late = facts if late_us == facts.as_of_us else facts.before(late_us)
            leak(patch, Late(late, take_snapshot(late)))
        yield


def other(side: Side) -> Side:
    """Whom the owners of a side are shown."""
    return "shortlist" if side == "goods" else "goods"


def _broken(store: Engine, look: Callable[[Facts], Digests]) -> set[str]:
    """Cut from later facts, and loaded without a future, against loaded as it was: where do they differ?"""
    expected = look(facts_in(store, NOW))
    cut = look(facts_in(store, from_microseconds(microseconds(NOW) + LATER_DAYS * DAY_US)))
    with Session(store) as session:
        forget_all_since(session, NOW)
        bare = look(load_facts(session, as_of=NOW))
        session.rollback()
    return different(expected, cut) | different(expected, bare)


def digest(*parts: bytes) -> str:
    """Short, so that a failing test can be read."""
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def _columns(matrix: F32, family: Any) -> str:
    first = first_column(family)
    return digest(matrix[:, first : first + len(names_of(family))].tobytes())
