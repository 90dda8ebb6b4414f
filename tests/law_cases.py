"""Over which cases is a law of the rules tried? Every instant of some hundred small random worlds, under two policies."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import NamedTuple, TypeVar

from features.store.dossier import BigEvent, Calendar, Dossier, Equivalent, Offer, Quote
from matcher.cps import check_cps
from matcher.parity import check_parity
from matcher.policy import Policy
from matcher.verdict import Verdict
from rule_worlds import calendar_of, dossier_of, policy_of
from second_rules import SecondPolicy
from second_worlds import random_policy, random_world

WORLDS = 600
Seen = TypeVar("Seen", Offer, Quote)


class Case(NamedTuple):
    """A question to both rules."""

    rng: Random
    dossier: Dossier
    calendar: Calendar
    at: datetime
    policy: Policy

    def floor(self, dossier: Dossier | None = None, at: datetime | None = None) -> Verdict:
        return check_cps(dossier or self.dossier, self.calendar, at or self.at, self.policy)

    @property
    def big_promotions(self) -> list[BigEvent]:
        """Of the home platform."""
        home = self.policy.home_platform
        return [e for e in self.calendar.events if e.platform == home and e.counts_as_big_promo]

    def parity(self, dossier: Dossier | None = None, at: datetime | None = None) -> Verdict:
        return check_parity(dossier or self.dossier, self.calendar, at or self.at, self.policy)


def cases(*, n_worlds: int = WORLDS) -> Iterator[Case]:
    """Every instant of every world; half the worlds under the default policy."""
    for seed in range(n_worlds):
        rng = Random(seed)
        world, sku_id, instants = random_world(rng)
        policy = policy_of(random_policy(rng) if seed % 2 else SecondPolicy())
        dossier, calendar = dossier_of(world, sku_id), calendar_of(world)
        for at in instants:
            yield Case(rng, dossier, calendar, at, policy)


def answer(verdict: Verdict) -> tuple[str, str, int | None, bool]:
    """All of it that is said."""
    return verdict.status, verdict.reason, verdict.margin, verdict.provisional


def known_by(dossier: Dossier, at: datetime) -> Dossier:
    """Without the rows that were not known at `at`."""

    def offers(rows: tuple[Offer, ...]) -> tuple[Offer, ...]:
        return tuple(_unretracted(row, at) for row in rows if row.observed_at <= at)

    equivalents = {
        id_: Equivalent(tuple(v for v in one.versions if v.known_at <= at), offers(one.offers))
        for id_, one in (dossier.equivalents or {}).items()
    }
    return replace(
        dossier,
        versions=tuple(version for version in dossier.versions if version.known_at <= at),
        # A plan that does not say when it was known stands on the calendar with its start.
        plans=tuple(p for p in dossier.plans if p.known_at <= at or p.known_at == p.valid_from),
        quotes=tuple(_unretracted(row, at) for row in dossier.quotes if row.observed_at <= at),
        offers=offers(dossier.offers),
        equivalents=equivalents or None,
    )


def _unretracted(row: Seen, at: datetime) -> Seen:
    return row._replace(retracted_at=None) if row.retracted_at and row.retracted_at > at else row
