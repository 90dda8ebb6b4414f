"""Which commission rate applies, to whom, from when, and what is said of the plans that do not?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.store.plans import AnchorStanding, PlanRow, SkuTerms
from features.units import DAWN, Fen, Ppm, commission_fen
from matcher.policy import Policy
from matcher.rates import EXCLUSIONS, Loss, RateAnswer, resolve_rate

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
DEFAULT = Policy()
LOCKED = Policy(rate_lock_days=30)
ASKER = AnchorStanding("A", "waist")


def plan(plan_id: str, percent: int = 10, plan_type: str = "open", **more: Any) -> PlanRow:
    more = {"known_at": DAWN, "valid_from": NOON - 100 * DAY, "status": "on"} | more
    return PlanRow(
        plan_id=plan_id,
        sku_id=more.pop("sku_id", "S"),
        plan_type=plan_type,
        rate_ppm=Ppm(percent * 10_000),
        **more,
    )


def named(*anchor_ids: str) -> frozenset[str]:
    return frozenset(anchor_ids)


def resolved(
    *plans: PlanRow,
    anchor: AnchorStanding | None = ASKER,
    at: datetime = NOON,
    policy: Policy = DEFAULT,
    **terms: Any,
) -> RateAnswer:
    return resolve_rate(SkuTerms("S", plans, **terms), anchor, at, policy=policy)


def applies(*plans: PlanRow, **more: Any) -> str | None:
    answer = resolved(*plans, **more)
    assert (answer.plan is None) == (answer.rate_ppm is None)
    return None if answer.plan is None else answer.plan.plan_id


def losses(*plans: PlanRow, **more: Any) -> dict[str, Loss]:
    return {loser.plan.plan_id: loser.reason for loser in resolved(*plans, **more).losers}


def test_without_any_plan_there_is_no_rate_and_nobody_lost() -> None:
    answer = resolved()
    assert (answer.rate_ppm, answer.plan, answer.losers) == (None, None, ())


def test_the_answer_names_who_asked_when_and_under_which_policy() -> None:
    answer = resolved(plan("p"))
    assert (answer.sku_id, answer.anchor_id, answer.at) == ("S", "A", NOON)
    assert answer.policy_version == DEFAULT.version
    assert resolved(plan("p"), anchor=None).anchor_id is None


def test_a_plan_holds_from_its_first_instant_up_to_but_not_at_its_last() -> None:
    window = plan("p", valid_from=NOON, valid_to=NOON + DAY)
    assert applies(window, at=NOON - INSTANT) is None
    assert applies(window, at=NOON) == "p"
    assert applies(window, at=NOON + DAY - INSTANT) == "p"
    assert applies(window, at=NOON + DAY) is None
    assert losses(window, at=NOON - INSTANT) == {"p": Loss.NOT_STARTED}
    assert losses(window, at=NOON + DAY) == {"p": Loss.ENDED}


@pytest.mark.parametrize(
    ("status", "loss"), [("on", None), (None, None), ("paused", Loss.PAUSED), ("off", Loss.OFF)]
)
def test_only_a_plan_that_is_on_or_says_nothing_counts(status: str | None, loss: Loss | None) -> None:
    assert losses(plan("p", status=status)) == ({} if loss is None else {"p": loss})


def test_a_later_version_holds_from_the_instant_it_is_known() -> None:
    versions = plan("p", 10), plan("p", 20, known_at=NOON)
    assert resolved(*versions, at=NOON - INSTANT).rate_ppm == 100_000
    assert resolved(*versions, at=NOON).rate_ppm == 200_000
    assert resolved(*versions[::-1], at=NOON).rate_ppm == 200_000


def test_a_later_version_that_is_not_valid_yet_ends_the_earlier_one() -> None:
    versions = plan("p", 10), plan("p", 20, known_at=NOON, valid_from=NOON + DAY)
    assert losses(*versions) == {"p": Loss.NOT_STARTED}


def test_a_plan_not_known_yet_is_neither_winner_nor_loser() -> None:
    assert resolved(plan("p", known_at=NOON + INSTANT)).losers == ()


def test_a_plan_that_moved_to_another_sku_is_gone() -> None:
    answer = resolved(plan("p"), plan("p", sku_id="T", known_at=NOON))
    assert (answer.plan, answer.losers) == (None, ())


def test_without_an_anchor_open_plans_alone_count() -> None:
    plans = plan("o"), plan("l", 30, "leader"), plan("t", 40, "target_item", anchor_ids=named("A"))
    assert applies(*plans, anchor=None, min_tier="head") == "o"
    assert losses(*plans, anchor=None) == {"l": Loss.NOT_OPEN, "t": Loss.NOT_OPEN}


@pytest.mark.parametrize("kind", ["target_item", "target_shop", "exclusive", "leader_exclusive"])
def test_a_plan_for_named_anchors_admits_those_and_with_no_name_nobody(kind: str) -> None:
    assert applies(plan("p", 10, kind, anchor_ids=named("A", "B"))) == "p"
    assert losses(plan("p", 10, kind, anchor_ids=named("B"))) == {"p": Loss.NOT_NAMED}
    assert losses(plan("p", 10, kind)) == {"p": Loss.NOT_NAMED}


@pytest.mark.parametrize("kind", ["open", "leader"])
def test_a_plan_for_anybody_admits_all_unless_it_names_some(kind: str) -> None:
    assert applies(plan("p", 10, kind)) == "p"
    assert applies(plan("p", 10, kind, anchor_ids=named("A"))) == "p"
    assert losses(plan("p", 10, kind, anchor_ids=named("B"))) == {"p": Loss.NOT_NAMED}


def test_a_denied_anchor_is_admitted_by_no_plan_even_where_it_is_named() -> None:
    plans = plan("o"), plan("t", 40, "target_item", anchor_ids=named("A"))
    assert losses(*plans, denied_anchor_ids=named("A")) == {"o": Loss.DENIED, "t": Loss.DENIED}
    assert applies(*plans, denied_anchor_ids=named("B")) == "t"


@pytest.mark.parametrize(
    ("min_tier", "tier", "loss"),
    [
        ("waist", "tail", Loss.TIER_TOO_LOW),
        ("waist", "waist", None),
        ("waist", "head", None),
        ("head", "waist", Loss.TIER_TOO_LOW),
        ("head", "head", None),
        ("head", None, Loss.TIER_UNKNOWN),
        ("waist", None, Loss.TIER_UNKNOWN),
        ("tail", None, None),
        (None, None, None),
        (None, "tail", None),
    ],
)
def test_an_anchor_below_the_least_tier_is_not_admitted(
    min_tier: str | None, tier: str | None, loss: Loss | None
) -> None:
    got = losses(plan("p"), anchor=AnchorStanding("A", tier), min_tier=min_tier)
    assert got == ({} if loss is None else {"p": loss})


def test_of_the_plans_that_admit_the_anchor_the_kind_decides_and_not_the_rate() -> None:
    kinds = ["exclusive", "leader_exclusive", "target_item", "target_shop", "leader", "open"]
    plans = [plan(kind, 10 + rank, kind, anchor_ids=named("A")) for rank, kind in enumerate(kinds)]
    while plans:
        strongest = plans[0]
        assert applies(*plans[::-1]) == strongest.plan_id
        assert losses(*plans) == dict.fromkeys((p.plan_id for p in plans[1:]), Loss.LOWER_KIND)
        plans = plans[1:]


def test_the_policy_may_order_the_kinds_otherwise() -> None:
    policy = Policy(plan_precedence=DEFAULT.plan_precedence[::-1])
    assert applies(plan("o"), plan("l", 30, "leader"), policy=policy) == "o"


def test_of_one_kind_the_latest_start_applies_then_the_greatest_id() -> None:
    early, late = plan("z", 50, valid_from=NOON - 2 * DAY), plan("a", 10, valid_from=NOON - 2 * DAY + INSTANT)
    assert applies(early, late) == "a"
    assert losses(early, late) == {"z": Loss.EARLIER_START}
    assert applies(plan("p10"), plan("p9")) == "p9"
    assert losses(plan("p10"), plan("p9"), plan("p")) == {"p10": Loss.SMALLER_ID, "p": Loss.SMALLER_ID}


def test_losers_come_best_first_and_then_those_not_in_question_by_id() -> None:
    plans = (
        plan("b", status="off"),
        plan("c"),
        plan("a", status="paused"),
        plan("d", plan_type="leader"),
        plan("e", valid_from=NOON - DAY),
    )
    assert [loser.plan.plan_id for loser in resolved(*plans).losers] == ["e", "c", "a", "b"]


def test_every_reason_has_its_sentence_in_both_languages() -> None:
    fallen = resolved(
        plan("p", 20),
        plan("p", 10, known_at=NOON),
        anchor=AnchorStanding("A", "tail", (NOON - DAY,)),
        policy=LOCKED,
    )
    stronger = plan("w", 10, "leader")
    said = [
        *fallen.losers,
        *resolved(stronger, plan("a"), plan("b", 5, "leader"), plan("x", 5, "leader")).losers,
    ]
    said += resolved(
        plan("z", 5, "leader", valid_from=NOON - DAY),
        stronger,
        plan("off", status="off"),
        plan("pa", status="paused"),
    ).losers
    said += resolved(
        plan("n", valid_from=NOON + DAY), plan("e", valid_to=NOON), plan("t", plan_type="target_item")
    ).losers
    said += resolved(plan("q"), denied_anchor_ids=named("A")).losers
    said += resolved(plan("q"), min_tier="head").losers
    said += resolved(plan("q"), min_tier="head", anchor=AnchorStanding("A")).losers
    said += resolved(plan("q", plan_type="leader"), anchor=None).losers
    assert {loser.reason for loser in said} == set(Loss)
    assert all(loser.zh and loser.en and "{" not in loser.zh + loser.en for loser in said)
    sentences = {loser.reason: loser.en for loser in said}
    assert sentences[Loss.NOT_STARTED] == "the plan holds from 2026-06-02 20:00"  # Shanghai
    assert sentences[Loss.RATE_FELL].endswith("keeps the old one until 2026-07-01 20:00")
    assert set(EXCLUSIONS) < set(Loss)


def fall(at: datetime = NOON) -> tuple[PlanRow, PlanRow]:
    return plan("p", 20), plan("p", 10, known_at=at)


def promoter(*listed_at: datetime) -> AnchorStanding:
    return AnchorStanding("A", "tail", listed_at)


def test_after_a_fall_who_was_promoting_keeps_the_old_rate_for_the_lock_and_no_longer() -> None:
    anchor = promoter(NOON - DAY)
    kept = resolved(*fall(), anchor=anchor, at=NOON + 30 * DAY - INSTANT, policy=LOCKED)
    assert (kept.rate_ppm, kept.kept_until) == (200_000, NOON + 30 * DAY)
    assert [(loser.plan.rate_ppm, loser.reason) for loser in kept.losers] == [(100_000, Loss.RATE_FELL)]
    over = resolved(*fall(), anchor=anchor, at=NOON + 30 * DAY, policy=LOCKED)
    assert (over.rate_ppm, over.kept_until, over.losers) == (100_000, None, ())
    assert resolved(*fall(), anchor=anchor, at=NOON, policy=LOCKED).rate_ppm == 200_000


def test_without_a_lock_in_the_policy_or_an_anchor_a_fall_holds_at_once() -> None:
    assert resolved(*fall(), anchor=promoter(NOON - DAY)).rate_ppm == 100_000
    assert resolved(*fall(), anchor=None, policy=LOCKED).rate_ppm == 100_000


@pytest.mark.parametrize(
    ("listed_at", "keeps"),
    [
        (NOON - 90 * DAY - INSTANT, False),
        (NOON - 90 * DAY, True),
        (NOON - INSTANT, True),
        (NOON, False),
        (NOON + INSTANT, False),
    ],
)
def test_promoting_is_having_listed_in_the_ninety_days_before_the_fall(
    listed_at: datetime, keeps: bool
) -> None:
    rate_ppm = resolved(*fall(), anchor=promoter(listed_at), at=NOON + DAY, policy=LOCKED).rate_ppm
    assert rate_ppm == (200_000 if keeps else 100_000)


def test_a_listing_after_the_fall_does_not_hide_the_one_before() -> None:
    anchor = promoter(NOON - DAY, NOON + INSTANT)
    assert resolved(*fall(), anchor=anchor, at=NOON + DAY, policy=LOCKED).rate_ppm == 200_000


def test_a_rise_holds_at_once_for_all() -> None:
    rise = plan("p", 10), plan("p", 20, known_at=NOON)
    for anchor in (promoter(), promoter(NOON - DAY)):
        assert resolved(*rise, anchor=anchor, policy=LOCKED).rate_ppm == 200_000


def test_a_rise_to_less_than_the_kept_rate_leaves_that_and_one_above_it_takes_over() -> None:
    small = (*fall(), plan("p", 15, known_at=NOON + DAY))
    large = (*fall(), plan("p", 25, known_at=NOON + DAY))
    anchor, at = promoter(NOON - DAY), NOON + 2 * DAY
    assert resolved(*small, anchor=anchor, at=at, policy=LOCKED).rate_ppm == 200_000
    answer = resolved(*large, anchor=anchor, at=at, policy=LOCKED)
    assert (answer.rate_ppm, answer.kept_until) == (250_000, None)


def test_of_two_falls_the_higher_old_rate_is_kept_and_then_the_other() -> None:
    falls = (*fall(), plan("p", 5, known_at=NOON + 10 * DAY))
    anchor = promoter(NOON - DAY)
    for days, rate_ppm in ((10, 200_000), (29, 200_000), (30, 100_000), (39, 100_000), (40, 50_000)):
        assert resolved(*falls, anchor=anchor, at=NOON + days * DAY, policy=LOCKED).rate_ppm == rate_ppm


def test_a_plan_that_ends_leaves_its_rate_where_a_lower_one_goes_on() -> None:
    ended = plan("t", 40, "target_item", anchor_ids=named("A"), valid_to=NOON)
    answer = resolved(ended, plan("o", 10), anchor=promoter(NOON - DAY), policy=LOCKED)
    assert (answer.plan, answer.kept_until) == (ended, NOON + 30 * DAY)
    assert [(loser.plan.plan_id, loser.reason) for loser in answer.losers] == [("o", Loss.RATE_FELL)]


def test_an_old_rate_spans_a_gap_but_with_no_plan_in_force_there_is_none() -> None:
    before, after = plan("a", 20, valid_to=NOON), plan("b", 10, valid_from=NOON + DAY)
    anchor = promoter(NOON - DAY)
    assert resolved(before, after, anchor=anchor, at=NOON, policy=LOCKED).rate_ppm is None
    assert resolved(before, after, anchor=anchor, at=NOON + DAY, policy=LOCKED).rate_ppm == 200_000


def test_who_is_denied_now_keeps_nothing() -> None:
    answer = resolved(*fall(), anchor=promoter(NOON - DAY), policy=LOCKED, denied_anchor_ids=named("A"))
    assert answer.rate_ppm is None


@given(base_fen=st.integers(0, 2**60), rate_ppm=st.integers(0, 1_000_000))
def test_a_commission_lies_between_nothing_and_its_base_and_is_rounded_down(
    base_fen: int, rate_ppm: int
) -> None:
    commission = commission_fen(Fen(base_fen), Ppm(rate_ppm))
    assert 0 <= commission <= base_fen
    assert commission * 1_000_000 <= base_fen * rate_ppm < (commission + 1) * 1_000_000
