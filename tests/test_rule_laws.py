"""What holds of the two rules in every world? Laws of knowledge and time, and of the floor.

Each test counts the cases in which its law said anything, so that none passes for want of them.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from features.store.dossier import Calendar, Quote, version_at
from features.units import Ppm
from law_cases import Case, answer, cases, known_by
from matcher.cps import check_cps
from matcher.ours import latest_of_each_audience
from matcher.policy import FloorPolicy, Policy
from matcher.price import Price
from matcher.verdict import RULES
from matcher.verdict_book import VerdictBook, check
from matcher.whatif import nearest_rate
from promises import HOUR, NOON, TICK, dossier_of, quote

# -- knowledge and time


def test_what_is_learned_later_changes_no_verdict() -> None:
    n_cut = 0
    for case in cases():
        cut = known_by(case.dossier, case.at)
        n_cut += cut != case.dossier
        for ask in (case.floor, case.parity):
            full, known = ask(), ask(cut)
            assert answer(full) == answer(known)
            assert (full.evidence, full.notes) == (known.evidence, known.notes)
            assert full.next_change_at == known.next_change_at
    assert n_cut > 500


def test_until_it_says_that_it_may_change_a_verdict_stays() -> None:
    reached: Counter[str] = Counter()
    for case in cases():
        known = known_by(case.dossier, case.at)
        for ask in (case.floor, case.parity):
            verdict = ask(known)
            end = verdict.next_change_at or case.at + timedelta(days=1_000)
            span = (end - case.at) // TICK
            moments = [end - TICK, *(case.at + case.rng.randrange(span) * TICK for _ in range(3))]
            assert {answer(ask(known, at)) for at in moments} == {answer(verdict)}
            reached[verdict.rule] += answer(ask(known, end)) != answer(verdict)
    assert min(reached[rule] for rule in RULES) > 100  # it does change there, often enough


def test_a_book_asked_at_two_instants_in_any_order_says_what_a_fresh_look_says() -> None:
    n_asked = 0
    for case in cases():
        known = known_by(case.dossier, case.at)
        book = VerdictBook({known.sku_id: known}, case.calendar, case.policy)
        later = case.at + case.rng.choice((TICK, HOUR, 12 * HOUR, 30 * HOUR, 80 * HOUR))
        for at in (case.at, later, case.at):
            both, fresh = book.of(known.sku_id, at), check(known, case.calendar, at, case.policy)
            assert [answer(one) for one in both] == [answer(one) for one in fresh]
            n_asked += 1
    assert n_asked > 10_000


def test_a_book_sees_a_row_observed_between_two_instants() -> None:
    seen_later = dossier_of(quote(10, age=HOUR), quote(30, age=-HOUR))
    book = VerdictBook({"s": seen_later}, Calendar(), Policy())
    assert book.of("s", NOON).cps_floor.status == "PASS"
    assert check_cps(seen_later, Calendar(), NOON + HOUR, Policy()).status == "FAIL"
    assert book.of("s", NOON + HOUR).cps_floor.status == "FAIL"


def test_the_order_of_rows_says_nothing() -> None:
    for case in cases():
        mixed = replace(
            case.dossier,
            quotes=tuple(case.rng.sample(case.dossier.quotes, len(case.dossier.quotes))),
            offers=tuple(case.rng.sample(case.dossier.offers, len(case.dossier.offers))),
            enrolments=case.dossier.enrolments[::-1],
        )
        for ask in (case.floor, case.parity):
            one, other = ask(), ask(mixed)
            assert (answer(one), one.evidence, one.next_change_at) == (
                answer(other),
                other.evidence,
                other.next_change_at,
            )


# -- the floor


def test_a_higher_open_rate_never_turns_a_pass_into_a_fail() -> None:
    found: Counter[str] = Counter()
    for case in cases():
        before = case.floor()
        account = before.account
        if account is None or account.plan is None:
            continue
        raised = account.plan.rate_ppm + case.rng.choice((1, 50_000, 100_001))
        plans = tuple(
            replace(plan, rate_ppm=Ppm(raised)) if plan == account.plan else plan
            for plan in case.dossier.plans
        )
        after = case.floor(replace(case.dossier, plans=plans))
        found[f"{before.status} {after.status}"] += 1
    assert found["PASS PASS"] > 500
    assert found["FAIL PASS"] > 100
    assert found["PASS FAIL"] == found["PASS INDETERMINATE"] == 0


def test_a_platform_more_never_turns_a_fail_of_the_highest_rate_into_a_pass() -> None:
    found: Counter[str] = Counter()
    for case in cases():
        policy = Policy(home_platform=case.policy.home_platform, floor=FloorPolicy(allow_partial=True))
        rate = case.rng.choice((0, 100_000, 200_001, 900_000))
        more = (*case.dossier.quotes, Quote("one more", "another", "open", rate, case.at))
        before = check_cps(case.dossier, case.calendar, case.at, policy)
        after = check_cps(replace(case.dossier, quotes=more), case.calendar, case.at, policy)
        found[f"{before.status} {after.status}"] += 1
    assert found["FAIL FAIL"] > 500
    assert found["PASS FAIL"] > 100
    assert found["FAIL PASS"] == found["FAIL INDETERMINATE"] == 0


def test_a_margin_below_zero_and_a_fail_are_the_same_without_tolerance() -> None:
    found: Counter[str] = Counter()
    for case in cases():
        for verdict in (case.floor(), case.parity()):
            is_tolerant = case.policy.floor.tolerance_ppm or case.policy.parity.tolerance_fen
            if verdict.margin is not None and not is_tolerant:
                assert (verdict.margin < 0) == (verdict.status == "FAIL")
                found[verdict.rule] += 1
            assert (verdict.margin is None) == (verdict.status in {"INDETERMINATE", "NOT_APPLICABLE"})
    assert min(found[rule] for rule in RULES) > 300


def test_a_commission_lies_between_nothing_and_what_is_paid_and_never_above_rate_times_base() -> None:
    n_found = 0
    for case in cases():
        nearest = nearest_rate(case.floor(), case.policy, case.dossier)
        if nearest is None or nearest.our_commission_fen is None or nearest.ours_ppm is None:
            continue
        paid = [p.paid_fen for p in _ours_for_everybody(case)]
        for fen, ppm in (
            (nearest.our_commission_fen, nearest.ours_ppm),
            (nearest.needed_commission_fen, nearest.rate_ppm),
        ):
            assert fen is not None
            assert 0 <= fen <= max(paid)
            assert fen * 1_000_000 <= max(paid) * ppm
        n_found += 1
    assert n_found > 500


def _ours_for_everybody(case: Case) -> list[Price]:
    version = version_at(case.dossier.versions, case.at)
    return latest_of_each_audience(case.dossier.offers, version, case.at, case.policy)
