"""What do the two rules say of everything on the shelf? Verdicts in memory, made again when their time is over.

A server hands the dossiers in with the world, so that no database stands behind a list; a command that shows one page
hands in a way to fetch a page's. A verdict is made when it is first asked for and holds until its own `next_change_at`
or until a row of its dossier is known; threads may share a book, for two that make the same make equals.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from features.kernels import Bools
from features.store.dossier import Calendar, Dossier, in_window, next_known_at
from matcher.cps import check_cps
from matcher.parity import check_parity
from matcher.policy import Mode, Policy
from matcher.verdict import RULES, Rule, Status, Verdict

BARRED: Final[Mapping[Mode, tuple[Status, ...]]] = {
    "advise": (),
    "exclude_fail": (Status.FAIL,),
    "require_pass": (Status.FAIL, Status.INDETERMINATE),
}
"""The statuses that leave a pairing out."""


Fetch = Callable[[Sequence[str]], Mapping[str, Dossier]]
"""The dossiers of these SKUs, from wherever they are."""


class Both(NamedTuple):
    """The verdicts of both rules on one SKU."""

    cps_floor: Verdict
    price_parity: Verdict

    def of(self, rule: Rule) -> Verdict:
        """One of them."""
        return self.cps_floor if rule == "cps_floor" else self.price_parity


def check(dossier: Dossier, calendar: Calendar, at: datetime, policy: Policy) -> Both:
    """Both rules at `at`."""
    return Both(check_cps(dossier, calendar, at, policy), check_parity(dossier, calendar, at, policy))


class VerdictBook:
    """Dossiers by SKU, and what has been found of them so far."""

    def __init__(
        self, dossiers: Mapping[str, Dossier], calendar: Calendar, policy: Policy, fetch: Fetch | None = None
    ) -> None:
        self.dossiers = dossiers
        self.calendar = calendar
        self.policy = policy
        self._fetch = fetch
        self._fetched: dict[str, Dossier] = {}
        self._made: dict[str, _Held] = {}
        self._masks: dict[Rule, _Mask] = {}

    def of(self, sku_id: str, at: datetime) -> Both:
        """The verdicts that hold at `at`; of a SKU without a dossier, those of one that nobody promised anything of."""
        return self._held(sku_id, at).both

    def of_page(self, sku_ids: Sequence[str], at: datetime) -> list[Both]:
        """The same of several; dossiers that have to be fetched are fetched together."""
        if self._fetch is not None:
            wanted = [id_ for id_ in dict.fromkeys(sku_ids) if id_ not in self.dossiers]
            self._fetched |= self._fetch([id_ for id_ in wanted if id_ not in self._fetched])
        return [self.of(sku_id, at) for sku_id in sku_ids]

    def is_refused(self, rule: Rule, sku_id: str, at: datetime) -> bool:
        """Does the policy's mode of the rule leave the SKU out?"""
        return self._held(sku_id, at).both.of(rule).status in BARRED[self.mode(rule)]

    def refused(self, rule: Rule, shelf: pl.Series, at: datetime) -> Bools:
        """(n,) SKUs of a shelf that the policy's mode of the rule leaves out; held, as the verdicts are."""
        mask = self._masks.get(rule)
        if mask is None or mask.shelf is not shelf or not mask.holds(at):
            barred = BARRED[self.mode(rule)]
            held = [self._held(sku_id, at) for sku_id in shelf] if barred else []
            hit = np.zeros(len(shelf), np.bool_)
            hit[: len(held)] = [one.both.of(rule).status in barred for one in held]
            until = min((one.until for one in held if one.until is not None), default=None)
            mask = self._masks[rule] = _Mask(shelf, hit, at, until)
        return mask.hit

    def mode(self, rule: Rule) -> Mode:
        """What the policy has a verdict do."""
        return self.policy.modes.cps_floor if rule == "cps_floor" else self.policy.modes.price_parity

    @property
    def bars(self) -> tuple[Rule, ...]:
        """The rules that leave pairings out."""
        return tuple(rule for rule in RULES if BARRED[self.mode(rule)])

    def _held(self, sku_id: str, at: datetime) -> "_Held":
        held = self._made.get(sku_id)
        if held is None or not held.holds(at):
            dossier = self.dossiers.get(sku_id) or self._fetched.get(sku_id) or Dossier(sku_id, ())
            both = check(dossier, self.calendar, at, self.policy)
            ends = [verdict.next_change_at for verdict in both] + [next_known_at(dossier, at)]
            until = min((end for end in ends if end is not None), default=None)
            held = self._made[sku_id] = _Held(both, at, until)
        return held


class _Held(NamedTuple):
    """What was found, and when it holds: `[since, until)`."""

    both: Both
    since: datetime
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        """At that instant too."""
        return in_window(at, self.since, self.until)


class _Mask(NamedTuple):
    """What a rule leaves out of a whole shelf, and when that holds."""

    shelf: pl.Series
    hit: Bools
    since: datetime
    until: datetime | None

    def holds(self, at: datetime) -> bool:
        """At that instant too."""
        return in_window(at, self.since, self.until)
