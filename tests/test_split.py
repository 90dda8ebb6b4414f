"""Do the three windows stay apart, and does nothing immature get in?"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.facts import Facts
from features.store.db import open_engine
from features.units import DAY_US
from market import Market, ago
from training.recipe import FAST, Recipe
from training.split import FEWEST_FIT_ORIGINS, split_time, suited, too_short

RECIPE = Recipe(
    label_days=28, origin_step_days=14, n_origins=4, n_fit_origins=3, min_history_days=60, gap_days=2
)
SPAN = RECIPE.label_days + RECIPE.gap_days


@pytest.fixture(scope="module")
def one_listing(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    engine = open_engine(
        f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('split') / 's.db')}"
    )
    facts = Market().sku("s1").anchor("a1").live("a1", ago(1), {"s1": 1}).facts(engine)
    engine.dispose()
    return facts


def reaching_back(facts: Facts, days: float) -> Facts:
    """The same facts with their one listing so many days ago."""
    at_us = np.array([facts.as_of_us - round(days * DAY_US)], np.int64)
    return replace(facts, listings=replace(facts.listings, at_us=at_us))


def test_a_long_history_fills_every_window(one_listing: Facts) -> None:
    facts = reaching_back(one_listing, 400)
    split, now = split_time(facts, RECIPE), facts.as_of_us
    days_ago = [[(now - origin) // DAY_US for origin in window] for window in (split.fit, split.everything)]
    assert (split.judge, split.stop) == (now - 28 * DAY_US, now - (28 + SPAN) * DAY_US)
    assert days_ago == [[28 + 2 * SPAN + 14 * k for k in range(3)], [28 + 14 * k for k in range(4)]]


def test_without_a_listing_every_window_is_empty(one_listing: Facts) -> None:
    facts = one_listing.before(0)
    split = split_time(facts, RECIPE)
    assert (split.judge, split.stop, split.fit, split.everything) == (None, None, (), ())


@pytest.mark.parametrize(
    ("days", "filled"),
    [
        (87.9, (False, False, 0, 0)),
        (88, (True, False, 0, 1)),
        (88 + SPAN - 0.1, (True, False, 0, 3)),
        (88 + SPAN, (True, True, 0, 3)),
        (88 + 2 * SPAN - 0.1, (True, True, 0, 4)),
        (88 + 2 * SPAN, (True, True, 1, 4)),
    ],
)
def test_a_window_is_filled_once_history_reaches_far_enough_before_it(
    one_listing: Facts, days: float, filled: tuple[bool, bool, int, int]
) -> None:
    split = split_time(reaching_back(one_listing, days), RECIPE)
    found = (split.judge is not None, split.stop is not None, len(split.fit), len(split.everything))
    assert found == filled


@given(
    days=st.integers(0, 700),
    label_days=st.integers(1, 40),
    step=st.integers(1, 30),
    gap_days=st.integers(0, 30),
    min_history_days=st.integers(0, 90),
)
def test_windows_are_apart_and_mature_whatever_the_recipe(
    one_listing: Facts, days: int, label_days: int, step: int, gap_days: int, min_history_days: int
) -> None:
    recipe = replace(
        RECIPE,
        label_days=label_days,
        origin_step_days=step,
        gap_days=gap_days,
        min_history_days=min_history_days,
    )
    facts = reaching_back(one_listing, days)
    split = split_time(facts, recipe)
    label_us, gap_us = label_days * DAY_US, gap_days * DAY_US
    origins = [*split.fit, *split.everything, *([split.judge] if split.judge is not None else [])]
    assert all(origin + label_us <= facts.as_of_us for origin in origins)
    assert all(facts.as_of_us - origin <= (days - min_history_days) * DAY_US for origin in origins)
    if split.stop is not None:
        assert split.judge is not None
        assert split.stop + label_us + gap_us <= split.judge
    if split.fit:
        assert split.stop is not None
        assert max(split.fit) + label_us + gap_us <= split.stop
    assert list(split.fit) == sorted(split.fit, reverse=True)


def test_a_recipe_that_fits_is_kept_and_another_made_shorter_until_it_does(one_listing: Facts) -> None:
    long, short = reaching_back(one_listing, 400), reaching_back(one_listing, 120)
    assert suited(long, FAST) == FAST
    shorter = suited(short, FAST)
    assert shorter.label_days < FAST.label_days
    assert len(split_time(short, shorter).fit) >= FEWEST_FIT_ORIGINS


def test_where_no_recipe_fits_it_stays_as_it_was(one_listing: Facts) -> None:
    assert suited(reaching_back(one_listing, 30), FAST) == FAST


@pytest.mark.parametrize("recipe", [FAST, Recipe()])
@pytest.mark.parametrize(("days", "is_enough"), [(69.9, False), (70, True)])
def test_ten_weeks_are_the_least_that_three_windows_can_be_made_of(
    one_listing: Facts, recipe: Recipe, days: float, is_enough: bool
) -> None:
    """The README says so."""
    facts = reaching_back(one_listing, days)
    assert (len(split_time(facts, suited(facts, recipe)).fit) >= FEWEST_FIT_ORIGINS) == is_enough


@pytest.mark.parametrize(("days", "is_kept"), [(185.9, False), (186, True)])
def test_the_whole_recipe_takes_186_days(one_listing: Facts, days: float, is_kept: bool) -> None:
    """The README says so."""
    assert (suited(reaching_back(one_listing, days), Recipe()) == Recipe()) == is_kept


@pytest.mark.parametrize("recipe", [FAST, Recipe()])
def test_what_is_too_short_is_told_with_what_would_do(one_listing: Facts, recipe: Recipe) -> None:
    assert too_short(reaching_back(one_listing, 69.9), recipe) == (
        "history is too short: listings reach back 69.9 days, and 70 are the least that a model can be fitted, "
        "stopped and judged on"
    )
