"""Can who watches tell how the last night went, without a new series every night?"""

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from training.night_figures import FILE, write_figures

ENDED = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)


def figures_of(home: Path) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families((home / FILE).read_text(encoding="utf-8"))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_steps_of_one_kind_are_told_together_and_the_rest_by_name(tmp_path: Path) -> None:
    steps = [
        {"step": "lists as of 2026-10-01", "seconds": 2.5},
        {"step": "lists as of 2026-10-15", "seconds": 1.5},
        {"step": "lists", "seconds": 4.0, "goods_rows": 50},
    ]
    write_figures(tmp_path, "refused", steps, ENDED)
    assert figures_of(tmp_path) == {
        ("fenxiao_night_ended_seconds",): ENDED.timestamp(),
        ("fenxiao_night_state", "published"): 0.0,
        ("fenxiao_night_state", "refused"): 1.0,
        ("fenxiao_night_state", "failed"): 0.0,
        ("fenxiao_night_step_seconds", "training lists"): 4.0,
        ("fenxiao_night_step_seconds", "lists"): 4.0,
        ("fenxiao_night_step_rows", "goods_rows", "lists"): 50.0,
    }


def test_the_file_is_replaced_and_a_step_that_never_ended_took_nothing(tmp_path: Path) -> None:
    write_figures(tmp_path, "published", [{"step": "card", "seconds": 1.0}], ENDED)
    write_figures(tmp_path, "failed", [{"step": "facts", "seconds": None}], ENDED)
    figures = figures_of(tmp_path)
    assert figures["fenxiao_night_step_seconds", "facts"] == 0.0
    assert ("fenxiao_night_step_seconds", "card") not in figures
