"""What does every check ask first, and what does every answer name? Whom a rule binds, and the frame of a verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.store.dossier import Dossier, Enrolment, SkuVersion, in_window, stands
from matcher.policy import Policy
from matcher.verdict import Evidence, Note, Reason, Rule, Status, Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One question of a rule; `changes` gathers the instants at which the answer may be another by itself."""

    rule: Rule
    dossier: Dossier
    at: datetime
    policy: Policy
    changes: set[datetime]

    def answer(
        self,
        status: Status,
        reason: Reason,
        *,
        margin: int | None = None,
        provisional: bool = False,
        evidence: Iterable[Evidence] = (),
        notes: Iterable[Note] = (),
        account: Any = None,
    ) -> Verdict:
        """The verdict; it holds until the first of the changes that lie ahead."""
        return Verdict(
            sku_id=self.dossier.sku_id,
            rule=self.rule,
            status=status,
            reason=reason,
            margin=margin,
            checked_at=self.at,
            policy_version=self.policy.version,
            evidence=tuple(sorted(set(evidence))),
            provisional=provisional,
            next_change_at=min((t for t in self.changes if t > self.at), default=None),
            notes=tuple(dict.fromkeys(notes)),
            account=account,
        )


def is_enrolled(
    enrolments: Iterable[Enrolment], version: SkuVersion | None, rule: Rule, at: datetime
) -> bool:
    """Is the SKU's brand, at that moment, in a programme that carries the rule?"""
    return version is not None and any(
        one.brand_id == version.brand_id
        and rule in one.rules
        and stands(one.retracted_at, at)
        and one.committed_at <= at
        and in_window(at, one.valid_from, one.valid_to)
        for one in enrolments
    )


def scope_changes(
    enrolments: Iterable[Enrolment], version: SkuVersion | None, rule: Rule, at: datetime
) -> set[datetime]:
    """Instants at which the brand's enrolment begins or ends."""
    return {
        t
        for one in enrolments
        if version is not None and one.brand_id == version.brand_id and rule in one.rules
        for t in (one.valid_from, one.valid_to, one.committed_at)
        if t is not None and t > at
    }
