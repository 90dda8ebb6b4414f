"""What do the two rules say of everything on the shelf? Verdicts in memory, made again when their time is over.

No database stands behind a list: the dossiers are handed in with the world. A verdict is made when it is first asked
for and holds until its own `next_change_at`; threads may share a book, for two that make the same make equals.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from features.kernels import Bools
from features.store.dossier import Calendar, Dossier, next_known_at
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

    def __init__(self, dossiers: Mapping[str, Dossier], calendar: Calendar, policy: Policy) -> None:
        self.dossiers = dossiers
        self.calendar = calendar
        self.policy = policy
        self._made: dict[str, _Held] = {}

    def of(self, sku_id: str, at: datetime) -> Both:
        """The verdicts that hold at `at`; of a SKU without a dossier, those of one that nobody promised anything of."""
        held = self._made.get(sku_id)
        if held is None or not held.since <= at or (held.until is not None and at >= held.until):
            dossier = self.dossiers.get(sku_id) or Dossier(sku_id, ())
            both = check(dossier, self.calendar, at, self.policy)
            ends = [verdict.next_change_at for verdict in both] + [next_known_at(dossier, at)]
            until = min((end for end in ends if end is not None), default=None)
            held = self._made[sku_id] = _Held(both, at, until)
        return held.both

    def refused(self, rule: Rule, sku_ids: Sequence[str], at: datetime) -> Bools:
        """(n,) SKUs that the policy's mode of the rule leaves out."""
        barred = BARRED[self.mode(rule)]
        if not barred:
            return np.zeros(len(sku_ids), np.bool_)
        return np.array([self.of(sku_id, at).of(rule).status in barred for sku_id in sku_ids], np.bool_)

    def mode(self, rule: Rule) -> Mode:
        """What the policy has a verdict do."""
        return self.policy.modes.cps_floor if rule == "cps_floor" else self.policy.modes.price_parity

    @property
    def bars(self) -> tuple[Rule, ...]:
        """The rules that leave pairings out."""
        return tuple(rule for rule in RULES if BARRED[self.mode(rule)])


class _Held(NamedTuple):
    """What was found, and when it holds: `[since, until)`."""

    both: Both
    since: datetime
    until: datetime | None
