"""Is what the logs say of another ranking true, where the truth is known, and do they keep silent where they cannot know?"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from logged_market import Logs, logs
from training.off_policy import Draws, Estimate, compare, discounted, doubly_robust, effective_size, snips

N_WORLDS = 40
Estimator = Callable[[Draws], Estimate]


def by_signal(world: Logs) -> np.ndarray:
    return world.signal


def against_it(world: Logs) -> np.ndarray:
    return -world.signal


def known(world: Logs) -> np.ndarray:
    """What is expected of each candidate by who knows all but the reader's mood."""
    return np.asarray(1.0 / (1.0 + np.exp(2.0 - world.signal)))


def nonsense(world: Logs) -> np.ndarray:
    return np.full_like(world.signal, 0.9)


@pytest.mark.parametrize("ranking", [by_signal, against_it])
@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_estimates_are_the_truth_but_for_chance_and_their_intervals_hold_it(
    estimator: Estimator, ranking: Callable[[Logs], np.ndarray]
) -> None:
    off, held = [], 0
    for seed in range(N_WORLDS):
        world = logs(600, seed)
        estimate = estimator(world.under(ranking(world), expected=known(world)))
        truth = world.true_value(ranking(world))
        off.append(estimate.value - truth)
        held += estimate.low <= truth <= estimate.high
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(N_WORLDS)
    assert held >= 0.85 * N_WORLDS


def test_the_truth_is_that_a_good_order_brings_more_and_the_logs_say_so() -> None:
    world = logs(1_500, 1)
    ours, theirs = world.under(by_signal(world)), world.under(against_it(world))
    assert world.true_value(by_signal(world)) > 1.3 * world.true_value(against_it(world))
    finding = compare(ours, theirs, fewest_effective=200)
    ahead, low, _ = finding.figures["ours_ahead_by"]
    assert finding.concluded
    assert ahead > low > 0
    assert "beyond doubt" in finding.sentence
    turned = compare(theirs, ours, fewest_effective=200)
    assert turned.figures["ours_ahead_by"][0] == pytest.approx(-ahead)


def test_of_one_order_and_itself_nobody_is_ahead() -> None:
    world = logs(500, 1)
    draws = world.under(by_signal(world))
    finding = compare(draws, draws, fewest_effective=100)
    assert finding.figures["ours_ahead_by"] == [0.0, 0.0, 0.0]
    assert "which may be chance" in finding.sentence


def mean_off(estimator: Estimator, world_of: Callable[[int], tuple[Draws, float]]) -> tuple[float, float]:
    """How far the estimates are from the truth on average, and how far chance alone takes that average."""
    off = [estimator(draws).value - truth for draws, truth in map(world_of, range(N_WORLDS))]
    return float(np.mean(off)), float(np.std(off) / np.sqrt(N_WORLDS))


@pytest.mark.parametrize("estimator", [snips, doubly_robust])
def test_chances_that_are_logged_wrongly_break_the_estimates(estimator: Estimator) -> None:
    def world_of(seed: int) -> tuple[Draws, float]:
        world = logs(600, seed, favours=1.0)
        return world.under(by_signal(world)), world.true_value(by_signal(world))

    off, scatter = mean_off(estimator, world_of)
    assert off > 10 * scatter


@pytest.mark.parametrize(("favours", "expected"), [(0.0, nonsense), (1.0, known)])
def test_doubly_robust_needs_the_chances_or_the_model_to_be_right_not_both(
    favours: float, expected: Callable[[Logs], np.ndarray]
) -> None:
    def world_of(seed: int) -> tuple[Draws, float]:
        world = logs(600, seed, favours=favours)
        model = world.chance if expected is known else expected(world)
        return world.under(by_signal(world), expected=model), world.true_value(by_signal(world))

    off, scatter = mean_off(doubly_robust, world_of)
    assert abs(off) < 3 * scatter


def test_a_good_model_makes_the_doubly_robust_estimate_steadier() -> None:
    world = logs(600, 5)
    bare = doubly_robust(world.under(by_signal(world)))
    helped = doubly_robust(world.under(by_signal(world), expected=known(world)))
    assert helped.high - helped.low < bare.high - bare.low


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_chances_that_do_not_add_up_are_seen_and_nothing_is_concluded(factor: float) -> None:
    world = logs(600, 1)
    draws = world.under(by_signal(world), propensity=world.propensity * factor)
    finding = compare(draws, draws, fewest_effective=100)
    assert not finding.concluded
    assert f"the weights average {finding.figures['mean_weight_ours']:.3f}" in finding.sentence
    assert "snips" not in finding.figures


def test_draws_that_favoured_what_the_new_order_favours_are_seen_too() -> None:
    world = logs(600, 1, favours=0.5)
    draws = world.under(by_signal(world))
    assert not compare(draws, draws, fewest_effective=100).concluded
    fair = logs(600, 1)
    assert compare(fair.under(by_signal(fair)), fair.under(by_signal(fair)), fewest_effective=100).concluded


def test_below_the_floor_nothing_is_concluded_and_at_it_something_is() -> None:
    world = logs(150, 2)
    draws = world.under(by_signal(world))
    effective = effective_size(draws.weight)
    assert 0.5 * len(draws.weight) < effective < len(draws.weight)
    refused = compare(draws, draws, fewest_effective=int(effective) + 1)
    assert not refused.concluded
    assert refused.sentence == (
        f"nothing is concluded: 300 draws in 150 lists weigh as much as {effective:.0f}; "
        f"at least {int(effective) + 1} are needed"
    )
    assert "ours_ahead_by" not in refused.figures
    assert compare(draws, draws, fewest_effective=int(effective)).concluded


def test_a_few_draws_that_carry_all_the_weight_are_few() -> None:
    world = logs(400, 3)
    draws = world.under(by_signal(world))
    heavy = replace(draws, chance=np.where(np.arange(len(draws.chance)) < 3, 1.0, 1e-6))
    assert effective_size(heavy.weight) == pytest.approx(3, rel=0.01)
    assert not compare(heavy, draws, fewest_effective=50).concluded


def test_without_a_draw_nothing_is_concluded() -> None:
    nobody = np.zeros(0)
    none = Draws(nobody, nobody, nobody, nobody, nobody, np.zeros(0, np.int64))
    assert not compare(none, none, fewest_effective=1).concluded


def test_places_of_one_list_are_resampled_together() -> None:
    world = logs(300, 4)
    draws = world.under(by_signal(world))
    copies = replace(draws, list_=np.arange(len(draws.list_)))
    twice = Draws(
        **{name: np.concatenate([getattr(draws, name)] * 2) for name in Draws.__slots__ if name != "list_"},
        list_=np.concatenate([draws.list_] * 2),
    )
    width = snips(draws).high - snips(draws).low
    assert snips(twice).high - snips(twice).low == pytest.approx(width, rel=0.15)
    assert snips(copies).value == pytest.approx(snips(draws).value)


def test_chances_of_a_ranking_fall_with_the_rank_and_add_up() -> None:
    chances = discounted(np.array([3, 1, 2]))
    assert chances.sum() == pytest.approx(1)
    assert chances.argsort().tolist() == [0, 2, 1]
    assert discounted(np.array([1])).tolist() == [1.0]
