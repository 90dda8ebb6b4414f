"""Do two readers of the rules find the same? Ours, and one with fractions, written from the rules alone.

Where the text leaves a choice, the second says `decided` beside it. A thousand worlds here; many more in the soak.
"""

from collections import Counter
from random import Random

import pytest

import second_parity
import second_rules
from matcher.cps import check_cps
from matcher.parity import check_parity, check_parity_final
from matcher.rates import resolve_rate
from matcher.verdict import Verdict
from rule_worlds import calendar_of, dossier_of, policy_of, standing_of, terms_of
from second_worlds import random_policy, random_world

Found = Counter[tuple[str, str, str]]

CPS_REASONS = {
    "OK", "RATE_BELOW_FLOOR", "OPEN_LOWER_TARGET_OK", "RATE_OK_AMOUNT_LOW", "AMOUNT_OK_RATE_LOW", "NO_PLAN",
    "NO_REFERENCE", "ALL_STALE", "PARTIAL_COVERAGE", "NO_BASE", "NOT_ENROLLED",
}  # fmt: skip
PARITY_REASONS = {
    "OK", "PRICE_ABOVE_REFERENCE", "GIFT_GAP", "PACK_DIFFERS", "NO_OFFER", "ALL_STALE", "WELFARE", "CURRENCY",
    "BAD_PRICE", "UNIT_MISMATCH", "REFERENCE_NOT_YET_OBSERVED", "NO_REFERENCE", "LOW_EVIDENCE", "NOT_ENROLLED",
    "NO_EVENT", "CALENDAR", "NOT_COMPARABLE",
}  # fmt: skip


def ask(seed: int, found: Found) -> int:
    """Every question to both about one world; how many cases that were."""
    rng = Random(seed)
    world, sku_id, instants = random_world(rng)
    second = random_policy(rng) if seed % 2 else second_rules.SecondPolicy()
    policy, dossier, calendar = policy_of(second), dossier_of(world, sku_id), calendar_of(world)
    n_cases = 0
    for at in instants:
        agree(
            check_cps(dossier, calendar, at, policy), second_rules.check_cps(world, second, sku_id, at), found
        )
        agree(
            check_parity(dossier, calendar, at, policy),
            second_parity.check_parity(world, second, sku_id, at),
            found,
        )
        n_cases += 2
        for event in calendar.events:
            if event.platform == policy.home_platform and event.counts_as_big_promo and event.ends_at <= at:
                final = second_parity.check_parity_final(world, second, sku_id, event.event_id, at)
                agree(check_parity_final(dossier, calendar, event, at, policy), final, found)
                n_cases += 1
        for anchor_id in ("a1", "a2"):
            sku = second_rules.row_at(world, "skus", "sku_id", sku_id, at)
            anchor = second_rules.row_at(world, "anchors", "anchor_id", anchor_id, at)
            assert sku is not None
            assert anchor is not None
            standing = standing_of(world, anchor, sku_id, at)
            rate = resolve_rate(terms_of(world, sku_id, sku), standing, at, policy=policy)
            assert rate.rate_ppm == second_rules.resolve_rate(world, second, sku_id, anchor_id, at)[1]
            n_cases += 1
    return n_cases


def agree(ours: Verdict, theirs: second_rules.Answer, found: Found) -> None:
    """The same answer, resting on rows that the second reader used too."""
    said = (str(ours.status), str(ours.reason), ours.margin, ours.provisional)
    assert said == (theirs.status, theirs.reason, theirs.margin, theirs.provisional)
    assert {row.id for row in ours.evidence} <= theirs.evidence
    found[ours.rule, said[0], said[1]] += 1


def test_two_readers_agree_on_a_thousand_worlds_in_which_every_answer_occurs() -> None:
    found: Found = Counter()
    assert sum(ask(seed, found) for seed in range(1_000)) > 50_000
    assert {reason for rule, _, reason in found if rule == "cps_floor"} == CPS_REASONS
    assert {reason for rule, _, reason in found if rule == "price_parity"} == PARITY_REASONS


@pytest.mark.slow
def test_two_readers_agree_on_200_000_cases() -> None:
    found: Found = Counter()
    n_cases = sum(ask(seed, found) for seed in range(1_000, 5_000))
    assert n_cases > 200_000
