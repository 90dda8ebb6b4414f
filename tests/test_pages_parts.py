"""Do the parts of a page say what they draw: verdicts, sums, reasons, bars and plots?"""

import re
from datetime import date, timedelta
from types import SimpleNamespace

import pytest

from api.pages.drawing import BOTTOM, LEFT, RIGHT, TOP, draw_lines, round_marks
from drawn import drawn, text_of


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("PASS", "Pass"),
        ("FAIL", "Fail"),
        ("INDETERMINATE", "Undecided"),
        ("NOT_APPLICABLE", "Not applicable"),
    ],
)
def test_a_verdict_is_a_word_and_a_sign_beside_its_colour(status: str, word: str) -> None:
    verdict = SimpleNamespace(rule="cps_floor", status=status, provisional=False)
    markup = drawn("{{ parts.verdict_badge(v) }}", v=verdict)
    assert text_of(markup) == f"CPS floor {word}"
    assert "<svg" in markup
    assert f"badge verdict {status.lower()}" in markup


def test_a_price_is_summed_layer_by_layer() -> None:
    layers = [
        {"label": "Item price", "amount_fen": 12_800, "note": None},
        {"label": "Coupon", "amount_fen": -1_000, "note": "offer o-1"},
    ]
    text = text_of(drawn("{{ parts.price_sum('Price', layers, 'Effective price') }}", layers=layers))
    assert "Item price ¥128.00 ¥128.00 Coupon offer o-1 -¥10.00 ¥118.00 Effective price ¥118.00" in text


def test_reasons_stand_under_the_three_questions_in_the_readers_language() -> None:
    reasons = [
        {"group": "cheap", "zh": "低价", "en": "a low price"},
        {"group": "host", "zh": "老粉", "en": "old followers"},
        {"group": "cheap", "zh": "满减", "en": "a reduction"},
    ]
    text = text_of(drawn("{{ parts.reasons_list(reasons) }}", reasons=reasons))
    assert text == "Why Like the host old followers Is it cheap a low price a reduction"
    assert "老粉" in drawn("{{ parts.reasons_list(reasons) }}", "zh", reasons=reasons)


def test_bars_are_a_table_whose_figures_can_be_read() -> None:
    markup = drawn("{{ parts.share_bars('Age', [0.25, none], [0.5, 0.05], ['18', '24'], 'Theirs', 'Ours') }}")
    assert text_of(markup) == "Age Group Theirs Ours 18 25 % 50 % 24 — 5 %"
    assert re.findall(r'bar-fill" width="([\d.]+)"', markup) == ["50.0", "100.0", "0.0", "10.0"]


def test_a_plot_is_told_in_words_and_as_a_table() -> None:
    points = [(date(2026, 11, 1) + timedelta(days=i), value) for i, value in enumerate([0.2, None, 0.4])]
    markup = drawn(
        "{{ parts.line_plot('Head', series, 'share') }}", series=[{"label": "head", "points": points}]
    )
    assert "head: latest 40 %, lowest 20 %, highest 40 %" in markup
    assert "2026-11-03 40 % 2026-11-02 — 2026-11-01 20 %" in text_of(markup)
    assert "Nothing to draw yet" in drawn("{{ parts.line_plot('Head', []) }}")


def test_a_night_without_a_figure_breaks_the_line_and_days_keep_their_distance() -> None:
    days = [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 11)]
    plot = draw_lines([{"label": "a", "points": list(zip(days, [1.0, None, 3.0, 2.0], strict=True))}], str)
    (line,) = plot.lines
    assert line.path.count("M") == 2
    assert [point.x for point in line.points] == [
        LEFT,
        pytest.approx(LEFT + 0.2 * (RIGHT - LEFT), abs=0.1),
        RIGHT,
    ]
    assert (line.points[0].y, line.points[1].y) == (BOTTOM, TOP)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.583, 0.651), (-3, 12), (1e-7, 3e-7), (0, 0), (5e9, 7e9), (-2, -2)]
)
def test_marks_are_few_and_enclose_the_figures(low: float, high: float) -> None:
    marks = round_marks(low, high)
    assert 3 <= len(marks) <= 7
    assert marks[0] <= low <= high <= marks[-1]
    assert marks == sorted(set(marks))
