"""Which promises fail or cannot be judged, whose are they, and what would mend each? Over every SKU ever stored."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.deps import Calling, Now, ServingNow
from api.loading import Served
from api.pages.brand_promises import cures_of, margin_of
from api.pages.guarding import PageLanguage, page
from api.pages.operator_desk import DeskNow
from api.pages.operator_findings import FOUND, Board, Finding, Going
from api.pages.operator_said import notice_of, offset_of
from api.pages.rendering import render
from api.pages.words import WORDS, say
from api.problems import Language
from features.store.dossier import Dossier
from features.store.records import RETRACTABLE
from matcher.policy import Policy
from matcher.verdict import RULES, SENTENCES, Reason, Status, Verdict

router = APIRouter()

A_PAGE: Final = 50


@router.get("/checks", **page("operator"))
def show_checks(
    request: Request, serving: ServingNow, desk: DeskNow, caller: Calling, language: PageLanguage, now: Now
) -> Response:
    """Counts by rule, status and reason, and the list of what fails or cannot be judged; narrowed in the address."""
    served = serving.current
    book = None if served is None else served.engine.verdicts
    found = None if book is None else desk.board.look(book, now)
    asked = _asked(request)
    board = found if isinstance(found, Board) else None
    context = {} if board is None or served is None else _listed(request, served, board, asked, language)
    response = render(
        request,
        "operator_checks.html",
        language=language,
        caller=caller,
        notice=notice_of(request, language),
        asked=asked,
        board=board,
        going=found if isinstance(found, Going) else None,
        rules=RULES,
        statuses=[str(status) for status in FOUND],
        reasons=_reasons(board, language),
        n_filters=sum(bool(value) for value in asked.values()),
        is_behind=serving.is_behind,
        **context,
    )
    if board is None:
        response.headers["Refresh"] = "3"
    return response


def _asked(request: Request) -> dict[str, str]:
    """How the list is narrowed; what cannot be meant narrows nothing."""
    query = request.query_params
    known: dict[str, set[str]] = {
        "rule": {*RULES},
        "status": {str(status) for status in FOUND},
        "reason": {str(reason) for reason in Reason},
    }
    asked = {
        name: query.get(name, "") if query.get(name, "") in words else "" for name, words in known.items()
    }
    return asked | {"brand_id": query.get("brand_id", "").strip()[:64]}


def _listed(
    request: Request, served: Served, board: Board, asked: dict[str, str], language: Language
) -> dict[str, Any]:
    """The page of the list, and what it is counted by."""
    found = board.of(**asked)
    begin = offset_of(request)
    shown = found[begin : begin + A_PAGE]
    return {
        "counts": _counts(board, language),
        "n_found": len(found),
        "lines": [_line(served, one, language) for one in shown],
        "begin": begin,
        "next_begin": begin + A_PAGE if begin + A_PAGE < len(found) else None,
    }


def _counts(board: Board, language: Language) -> list[dict[str, Any]]:
    """Of each rule how many SKUs in each status, and of what is no pass why."""
    table = []
    for rule in RULES:
        statuses = {
            status: sum(n for key, n in board.counts.items() if key[:2] == (rule, status))
            for status in Status
        }
        reasons = sorted(
            (
                (status, reason, n)
                for (of, status, reason), n in board.counts.items()
                if of == rule and status in FOUND
            ),
            key=lambda one: (one[0] is not Status.FAIL, -one[2], one[1]),
        )
        table.append(
            {
                "rule": rule,
                "statuses": {str(status): n for status, n in statuses.items()},
                "reasons": [
                    (str(status), reason, _sentence(reason, language), n) for status, reason, n in reasons
                ],
            }
        )
    return table


def _reasons(board: Board | None, language: Language) -> list[tuple[str, str]]:
    """Those that were found, for the filter."""
    if board is None:
        return []
    found = sorted({reason for _, status, reason in board.counts if status in FOUND})
    return [(reason, _sentence(reason, language)) for reason in found]


def _sentence(reason: str, language: Language) -> str:
    return SENTENCES[Reason(reason)][0 if language == "zh" else 1]


def _line(served: Served, found: Finding, language: Language) -> dict[str, Any]:
    """A finding as the list shows it."""
    verdict = found.verdict
    book = served.engine.verdicts
    assert book is not None
    row = served.sku_rows.get(verdict.sku_id)
    return {
        "verdict": verdict,
        "sku_id": verdict.sku_id,
        "title": None if row is None else str(served.engine.world.snapshot.shelf.rows["title"][row]),
        "brand_id": found.brand_id,
        "brand_name": served.brand_names.get(found.brand_id or "", found.brand_id),
        "margin": margin_of(verdict, book.policy, language),
        "cures": _cures(verdict, book.dossiers[verdict.sku_id], book.policy, language),
        "evidence": [
            {
                "id": one.id,
                "table": one.table,
                "observed_at": one.observed_at,
                "retractable": one.table in RETRACTABLE,
            }
            for one in verdict.evidence
        ],
    }


def _cures(verdict: Verdict, dossier: Dossier, policy: Policy, language: Language) -> list[str]:
    """What would make it pass: where something is missing, in words for whoever brings the data."""
    key = f"operator.mend.{verdict.reason}"
    if verdict.status is Status.INDETERMINATE and key in WORDS:
        return [say(key, language)]
    return [cure.text for cure in cures_of(verdict, dossier, policy, language)]
