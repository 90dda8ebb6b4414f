"""Are nights compared with what they should be, is a board made once, and is a secret shown to its maker alone?"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.pages.operator_desk import SHOWN_WITHIN, ShownOnce
from api.pages.operator_findings import Board, VerdictBoard
from api.pages.operator_judged import (
    KINDS,
    Night,
    findings_of,
    history_of,
    judged_of,
    leads_of,
    lines_of,
    one_a_day,
    promised_of,
    read_nights,
    served_before,
)
from features.store.dossier import Calendar, Dossier
from matcher.policy import Policy
from matcher.registry import Gate, Manifest, Promotion, Provenance, promote, publish
from matcher.verdict_book import VerdictBook

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
GOODS = KINDS["goods_all"]


def figures(ndcg10: float, ahead: float | None = None) -> dict[str, Any]:
    plain: dict[str, Any] = {"ndcg10": ndcg10, "interval": [ndcg10 - 0.1, ndcg10 + 0.1]}
    return plain if ahead is None else plain | {"ours_ahead_by": [ahead, ahead - 0.1, ahead + 0.1]}


def night(
    home: Path, day: int, systems: Mapping[str, Any], *, passed: bool = True, note: str = ""
) -> Manifest:
    return publish(
        home,
        Provenance(
            data_from=date(2026, 1, 1),
            as_of=date(2026, 11, day),
            fingerprint="f",
            policy_version="p",
            recipe={"note": note},
            metrics={
                "judged": {GOODS: {"queries": 7, "systems": dict(systems)}},
                "report": {"outcome": {"coverage": 0.79}},
            },
            gate=Gate(passed=passed),
        ),
        {"a.txt": b"a"},
    )


def served(home: Path, manifest: Manifest) -> None:
    promote(home, manifest.version, at=NOW)


def test_ours_comes_first_and_the_best_is_the_best_of_the_others(tmp_path: Path) -> None:
    manifest = night(
        tmp_path, 1, {"content": figures(0.3, 0.2), "ours": figures(0.5), "history": figures(0.4, 0.1)}
    )
    judged = judged_of(manifest, GOODS)
    assert judged is not None
    assert [one.name for one in judged.systems] == ["ours", "history", "content"]
    assert (judged.n_queries, judged.best and judged.best.name, judged.champion) == (7, "history", None)
    assert judged_of(manifest, "nothing of the kind") is None


@pytest.mark.parametrize(
    "broken", [{}, {"systems": []}, {"systems": {"ours": {"ndcg10": None, "interval": [1]}}}, 3, None]
)
def test_figures_that_are_not_there_are_nothing(tmp_path: Path, broken: Any) -> None:
    manifest = night(tmp_path, 1, {}).model_copy(update={"metrics": {"judged": {GOODS: broken}}})
    judged = judged_of(manifest, GOODS)
    assert judged is None or judged.ours is None or judged.ours.ndcg10 is None


def test_the_champion_of_the_time_is_the_one_that_served_when_the_night_began(tmp_path: Path) -> None:
    first, second, third = (night(tmp_path, day, {"ours": figures(0.1 * day)}) for day in (1, 2, 3))
    served(tmp_path, first)
    served(tmp_path, third)
    history, _ = history_of(tmp_path)
    assert served_before(history, first.version) is None
    assert served_before(history, second.version) == history[0]
    assert served_before(history, third.version) == history[0]
    nights = {one.version: one for one in read_nights(tmp_path, 10)}
    assert nights[first.version].champion_ndcg10(GOODS) is None
    assert nights[third.version].champion_ndcg10(GOODS) == pytest.approx(0.1)


def test_where_the_gate_measured_the_champion_that_figure_counts(tmp_path: Path) -> None:
    served(tmp_path, night(tmp_path, 1, {"ours": figures(0.1)}))
    night(tmp_path, 2, {"ours": figures(0.5), "champion": figures(0.45, 0.05), "history": figures(0.4, 0.1)})
    newest = read_nights(tmp_path, 10)[0]
    assert newest.champion_ndcg10(GOODS) == 0.45
    judged = newest.judged(GOODS)
    assert judged is not None
    assert judged.best is not None
    assert judged.best.name == "history"


def test_the_challenger_is_held_against_the_champion_and_is_no_source(tmp_path: Path) -> None:
    systems = {
        "ours": figures(0.5),
        "champion": figures(0.45, 0.05),
        "ours:gmv": figures(0.6, -0.1),
        "history": figures(0.4, 0.1),
    }
    manifest = night(tmp_path, 2, systems)
    held = {"ndcg10": 0.47, "interval": [0.4, 0.5], "ahead_of_champion_by": [0.02, -0.01, 0.05]}
    metrics: Any = {"judged": {GOODS: {"queries": 7, "systems": systems, "challenger": held}}}
    judged = judged_of(manifest.model_copy(update={"metrics": metrics}), GOODS)
    assert judged is not None
    assert judged.challenger is not None
    assert (judged.challenger.ndcg10, judged.challenger.ahead) == (0.47, (0.02, -0.01, 0.05))
    assert judged.best is not None
    assert judged.best.name == "history"


def test_what_the_gate_looked_at_besides_is_told_refusals_first(tmp_path: Path) -> None:
    manifest = night(tmp_path, 1, {})
    told = [
        {"about": about, "level": level, "says": "s"}
        for about, level in (("a", "held"), ("b", "refused"), ("c", "odd"))
    ]
    found = findings_of(manifest.model_copy(update={"metrics": {"gate": [*told, "no finding"]}}))
    assert [(one.about, one.level) for one in found] == [("b", "refused"), ("a", "held")]
    assert findings_of(manifest) == []


def test_the_lines_hold_a_point_for_each_day_and_a_gap_where_nothing_is_known(tmp_path: Path) -> None:
    served(tmp_path, night(tmp_path, 1, {"ours": figures(0.5), "history": figures(0.4, 0.1)}))
    night(tmp_path, 3, {})
    lines = lines_of(read_nights(tmp_path, 10), "goods_all")
    first, third = date(2026, 11, 1), date(2026, 11, 3)
    assert lines == {
        "ours": [(first, 0.5), (third, None)],
        "champion": [(first, None), (third, 0.5)],
        "best": [(first, 0.4), (third, None)],
    }
    assert promised_of(read_nights(tmp_path, 10))["coverage"] == [(first, 0.79), (third, 0.79)]
    assert leads_of(read_nights(tmp_path, 10))["goods"] == [(first, None), (third, None)]


def test_of_a_day_with_several_nights_one_is_drawn_and_damaged_ones_are_not(tmp_path: Path) -> None:
    night(tmp_path, 1, {"ours": figures(0.1)})
    night(tmp_path, 1, {"ours": figures(0.2)}, note="again")
    damaged = night(tmp_path, 2, {"ours": figures(0.3)})
    (tmp_path / "models" / damaged.version / "manifest.json").write_text("{}")
    nights = read_nights(tmp_path, 10)
    assert len(nights) == 3
    assert nights[0] == Night(damaged.version, None, None)
    assert [one.on for one in one_a_day(nights)] == [date(2026, 11, 1)]


def test_only_so_many_nights_are_read_and_a_damaged_pointer_is_told(tmp_path: Path) -> None:
    for day in range(1, 6):
        night(tmp_path, day, {})
    assert [one.on.day for one in read_nights(tmp_path, 2)] == [5, 4]
    (tmp_path / "models" / "champion.json").write_text("no json")
    history, damage = history_of(tmp_path)
    assert history == ()
    assert damage is not None
    assert "champion.json" in damage
    assert len(read_nights(tmp_path, 2)) == 2


def test_a_promotion_of_later_data_is_no_champion_of_an_earlier_night() -> None:
    history = tuple(Promotion(version=f"202611{day:02d}-{'0' * 12}", promoted_at=NOW) for day in (5, 9))
    assert served_before(history, "20261107-000000000000") == history[0]
    assert served_before(history, "20261101-000000000000") is None


# ------------------------------------------------------------------ a secret that is shown once


def test_what_is_shown_once_is_shown_to_its_maker_within_minutes_a_single_time() -> None:
    box = ShownOnce()
    word = box.put("fx_secret", for_key="k_1", now=NOW)
    assert box.take(word, for_key="k_2", now=NOW) is None
    assert box.take("another", for_key="k_1", now=NOW) is None
    assert box.take(None, for_key="k_1", now=NOW) is None
    assert box.take(word, for_key="k_1", now=NOW) == "fx_secret"
    assert box.take(word, for_key="k_1", now=NOW) is None


def test_what_nobody_looked_at_is_gone_after_some_minutes_and_few_wait_at_once() -> None:
    box = ShownOnce()
    word = box.put("late", for_key="k_1", now=NOW)
    assert box.take(word, for_key="k_1", now=NOW + SHOWN_WITHIN) is None
    words = [box.put(str(n), for_key="k_1", now=NOW) for n in range(300)]
    assert len(box._waiting) <= 101
    assert box.take(words[-1], for_key="k_1", now=NOW) == "299"


# ------------------------------------------------------------------ the board of verdicts


def book(n_skus: int) -> VerdictBook:
    dossiers = {f"s{n}": Dossier(f"s{n}", ()) for n in range(n_skus)}
    return VerdictBook(dossiers, Calendar([]), Policy())


def test_a_board_is_good_for_a_minute_and_for_its_own_snapshot() -> None:
    board, verdicts = VerdictBoard(), book(3)
    first = board.look(verdicts, NOW)
    assert isinstance(first, Board)
    assert (first.n_skus, list(first.findings), sum(first.counts.values())) == (3, [], 6)
    assert board.look(verdicts, NOW + timedelta(seconds=59)) is first
    assert board.look(verdicts, NOW + timedelta(seconds=60)) is not first
    assert board.look(book(3), NOW + timedelta(seconds=60)) is not first
