"""Does every operation answer as its OpenAPI says? Thousands of requests, drawn from the document, for each role.

schemathesis runs with all of its checks, over the application itself, in this process. What the document cannot say
(that a row may refer to what nobody knows, that a page's cursor is ours) is told to it case by case, and nothing else.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi

from api.access import operations
from api.schemas.rows import key_columns
from api.security import Attempts
from features.store.columns import ID_PATTERN
from features.store.db import open_engine, read_rows, reading
from features.store.tables import TABLES
from live import Live, served_copy
from matcher.registry import list_versions
from night_lists import leave_lists
from quiet import quiet
from trained import Trained

FEWEST_CASES = {"operator": 2_300, "brand": 2_300, "anchor": 300, "job": 200}
"""Together more than 5 000; an anchor has few operations."""
_ID = re.compile(ID_PATTERN)
_REFERS_TO = {
    "brand_id": "brands", "own_brand_ids": "brands", "programme_id": "programmes", "anchor_id": "anchors",
    "anchor_ids": "anchors", "denied_anchor_ids": "anchors", "sku_id": "skus", "sku_ids": "skus",
    "equivalent_sku_id": "skus", "offer_id": "offers", "live_session_id": "live_sessions", "version": "versions", "owner_id": "owners",
}  # fmt: skip
_BEYOND_THE_DOCUMENT = frozenset(
    {
        "UNKNOWN_ID",  # the row refers to what nobody knows
        "KEY_MISMATCH", "KEY_AMBIGUOUS",  # the address and the body name different keys
        "KEY_CONFLICT",  # beside faults of other rows; alone it is 409
        "BAD_WINDOW", "BAD_RANGE", "INCOMPLETE", "SHARES_SUM",  # two columns, or two rows, contradict each other
        "BAD_RATE", "BAD_UNIT",  # how many digits a rate may have depends on its unit, which comes with it
    }
)  # fmt: skip
"""Why a row may be refused although each of its values may stand in its column."""

schemathesis.openapi.format(  # the years that hypothesis likes best, 1 and 9999, have no hour before or after them
    "date-time",
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001 - hypothesis wants them naive
)


@pytest.mark.parametrize("role", ["operator", "brand", "anchor", "job"])
def test_every_answer_is_one_that_the_document_promises(role: str, trained: Trained, tmp_path: Path) -> None:
    with served_copy(trained, tmp_path) as site, quiet():
        leave_lists(site.settings.home, trained)
        run = examine(site, role, phases=_PHASES.get(role, _ALL_PHASES))
        assert not run.failures, f"{len(run.failures)} failures\n" + "\n\n".join(run.failures[:20])
        assert not run.errors, run.errors
        assert not {status for status in run.statuses if status >= 500}
        assert run.n_cases >= FEWEST_CASES[role], run.statuses
        if role not in _PHASES:
            assert run.reached >= run.asked - _OUT_OF_REACH, "never answered with what it is for"
        site.app.state.serving.refresh()  # whatever was written, the market can be read


_ALL_PHASES = frozenset({"examples", "coverage", "fuzzing", "stateful"})
_PHASES = {"job": frozenset({"examples", "fuzzing", "stateful"})}  # the same operations as an operator's
_OUT_OF_REACH = frozenset({"POST /v1/models/{version}:rollback"})  # there is one model: none served before it


def test_a_wrong_answer_is_found(live: Live) -> None:
    """The examination is seen to fail: an answer that lacks a field, and one with a status that nobody promised."""

    def damaged(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path == "/v1/models":
            return status, body.replace(b'"champion"', b'"champignon"')
        return (418, body) if path.endswith("/rate") else (status, body)

    with quiet():
        run = examine(live, "operator", pattern="models$|rate$", n_examples=3, spoil=damaged)
    assert any("models" in failure and "champion" in failure for failure in run.failures)
    assert any("rate" in failure and "418" in failure for failure in run.failures)


@dataclass
class Run:
    """What an examination found."""

    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    """Operations that were answered with what they are for."""

    @property
    def n_cases(self) -> int:
        return sum(self.statuses.values())


def examine(
    site: Live,
    role: str,
    *,
    pattern: str = "",
    n_examples: int = 6,
    spoil: Any = None,
    phases: frozenset[str] | None = None,
) -> Run:
    """Every operation that a role may call: what others may is refused alike, and asked of in `test_tenancy`.

    Tables that a brand writes too are left to the brand, and to the job: nothing in them depends on the role.
    """
    site.app.state.serving.attempts = Attempts(10**9)  # schemathesis tries wrong keys without end
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json",
        without_lifespan(site.app, spoil),
        config=configured(site, role, n_examples, phases or _ALL_PHASES),
    )
    deepened = Deepened(site)

    @schema.hook
    def map_case(_context: Any, case: Any) -> Any:
        return deepened.case(case)

    @schema.hook
    def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
        return stands(failure, case, response)

    run = Run()
    mine = allowed(site, role) | _PUBLIC
    if role == "operator":
        mine -= allowed(site, "brand") & allowed(site, "job") - {"POST /v1/feedback"}
    mine = {label for label in mine if re.search(pattern, label)}
    for event in from_schema(schema.include(lambda context: context.operation.label in mine)).execute():
        if isinstance(event, events.NonFatalError):
            run.errors.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.ScenarioFinished):
            note(run, event)
    asgi.shutdown_lifespans()
    return run


def note(run: Run, event: events.ScenarioFinished) -> None:
    for case_id, interaction in event.recorder.interactions.items():
        assert interaction.response is not None
        status = interaction.response.status_code
        label = event.recorder.cases[case_id].value.operation.label
        run.statuses[status] += 1
        run.asked.add(label)
        if status < 300:
            run.reached.add(label)
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                response = event.recorder.interactions[case_id].response
                said = "" if response is None else f"{response.status_code} {response.content[:600]!r}"
                failure = check.failure_info
                run.failures.append(
                    f"{event.label}\n{failure.failure.message}\n{failure.code_sample[:2_000]}\n{said}"
                )


_PUBLIC = {"GET /healthz", "GET /readyz", "GET /metrics"}


def configured(site: Live, role: str, n_examples: int, phases: frozenset[str]) -> SchemathesisConfig:
    """All checks. Models are tried in another process, seconds each: a few times are enough."""
    return SchemathesisConfig.from_dict(
        {
            "seed": 7,
            "workers": 1,
            "headers": {"Authorization": f"Bearer {site.keys[role]}"},
            "generation": {"max-examples": n_examples, "deterministic": True, "no-shrink": True},
            "phases": {phase: {"enabled": phase in phases} for phase in _ALL_PHASES},
            "checks": {
                "enabled": True,
                # More rows than are taken can be more bytes than are taken, too.
                "negative_data_rejection": {
                    "expected-statuses": [
                        "400",
                        "401",
                        "403",
                        "404",
                        "405",
                        "409",
                        "413",
                        "415",
                        "422",
                        "429",
                    ]
                },
            },
        }
    )


class Deepened:
    """Requests with ids that are known, so that most of them get past the first look-up; some are left as drawn."""

    def __init__(self, site: Live) -> None:
        self._draw = Random(7)
        self._fresh = count(1)
        self._own, self._foreign = known_ids(site)
        self._n_models_tried = 0

    def case(self, case: Any) -> Any:
        """Known ids wherever an id may stand; what is drawn to be wrong stays wrong."""
        case.path_parameters = self._known(case.path_parameters)
        case.query = self._known(case.query)
        case.body = self._known(case.body)
        if _is_drawn_right(case) and case.method == "PUT" and isinstance(case.body, dict):
            parts = [case.body.get(name) for name in key_columns(TABLES[case.path.split("/")[2]])]
            if all(isinstance(part, str) for part in parts):
                case.path_parameters = {"key": ":".join(parts)}
        return case

    def _known(self, value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: self._known(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self._known(one, name) for one in value] if len(value) <= 100 else value
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)  # to JSON Schema 7.0 is a whole number too; we ask for it without a point
        if not isinstance(value, str) or not _ID.fullmatch(value):
            return value
        if name in _OWN_KEYS and self._draw.random() < 0.8:
            return f"T{next(self._fresh)}"
        return self._pick(_REFERS_TO.get(name), value)

    def _pick(self, table: str | None, value: str) -> str:
        if table == "versions":  # a model that is promoted is tried in another process, for seconds
            self._n_models_tried += 1
            return self._own[table][0] if self._n_models_tried <= 2 else "20200101-0123456789ab"
        where = self._draw.choices(["own", "foreign", "drawn"], [75, 15, 10])[0]
        known = (self._own if where == "own" else self._foreign).get(table or "", [])
        if where == "drawn" or not known:
            return value
        return self._draw.choice(known)


_OWN_KEYS = frozenset({"plan_id", "quote_id", "promotion_id", "event_id"})


def _is_drawn_right(case: Any) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive


def known_ids(site: Live) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """A few ids of each table: those of the brand and the anchor that have keys, and others'."""
    store = open_engine(site.settings.database_url)
    with reading(store) as session:

        def few(sql: str, **values: str) -> list[str]:
            return [row[0] for row in read_rows(session, sql, values)]

        skus = "SELECT DISTINCT sku_id FROM skus WHERE brand_id = :b ORDER BY sku_id LIMIT 3"
        offers = "SELECT offer_id FROM offers o WHERE EXISTS (SELECT 1 FROM skus s WHERE s.sku_id = o.sku_id AND s.brand_id = :b) ORDER BY 1 LIMIT 3"
        common = {
            "programmes": few("SELECT programme_id FROM programmes ORDER BY 1"),
            "live_sessions": few("SELECT live_session_id FROM live_sessions ORDER BY 1 LIMIT 3"),
            "versions": list_versions(site.settings.home),
            "owners": [site.anchor_id, site.sku_id],
        }
        own = common | {
            "brands": [site.brand_id],
            "anchors": [site.anchor_id],
            "skus": few(skus, b=site.brand_id),
            "offers": few(offers, b=site.brand_id),
        }
        foreign = common | {
            "brands": [site.other_brand_id],
            "anchors": [site.other_anchor_id],
            "skus": few(skus, b=site.other_brand_id),
            "offers": few(offers, b=site.other_brand_id),
        }
    store.dispose()
    return own, foreign


def stands(failure: Any, case: Any, response: Any) -> bool:
    """Which findings stand: all but those whose premise does not hold here."""
    kind = type(failure).__name__
    if kind == "RejectedPositiveData":
        return not is_beyond_the_document(response.json()) and not breaks_the_document(case)
    if kind == "AcceptedNegativeData":
        return not is_right_as_sent(case)
    return True


def is_beyond_the_document(problem: Mapping[str, Any]) -> bool:
    """A refusal of what is well formed, for a reason that a schema cannot say."""
    if problem["code"] == "rejected_rows":
        return {error["code"] for error in problem["errors"]} <= _BEYOND_THE_DOCUMENT
    if problem["code"] == "invalid":  # two filters contradict each other, a category is none of the shelf's
        codes = {error["code"] for error in problem.get("errors", [])}
        return codes == {"in_the_future"} or any(
            words in problem.get("detail", "")
            for words in ("min_price is above", "on the shelf", "their ids differ")
        )
    return problem["code"] == "bad_cursor"  # it is opaque


def breaks_the_document(case: Any) -> bool:
    """A body that was meant to be right and is not: the most that a column takes, 2^63 - 1, is more as a float."""
    if any(isinstance(value, int) and value > 2**63 - 1 for value in _leaves(case.body)):
        return True
    schema = body_schema(case)
    return bool(schema) and not jsonschema_rs.Draft202012Validator(schema).is_valid(case.body)


def _leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        yield from chain.from_iterable(map(_leaves, inner))


def is_right_as_sent(case: Any) -> bool:
    """A body in which nothing breaks the document, or nothing but text where a row's value is wanted.

    In a row, text stands for the value that it would be in a file's cell, and empty text for none, as imports promise.
    Where nothing at all breaks the document, what was drawn to be wrong has been made right by `Deepened`.
    """
    rows = _ROWS_OF_CHECKS if case.path == "/v1/checks" else _ROWS_OF_TABLES
    if not re.fullmatch(r"/v1/([a-z_]+(:batch|/\{key\})|checks)", case.path) or not isinstance(
        case.body, list | dict
    ):
        return False
    faults = jsonschema_rs.Draft202012Validator(body_schema(case)).iter_errors(case.body)
    return all(
        _is_of_another_type(one) and rows.match("/".join(map(str, one.instance_path))) for one in faults
    )


_ROWS_OF_TABLES = re.compile(r"(\d+/)?[a-z_0-9]+")
_ROWS_OF_CHECKS = re.compile(r"(plans|offers)/\d+/[a-z_]+")
"""Where a value of a row stands in a body."""


def body_schema(case: Any) -> dict[str, Any]:
    """As the document has it; nothing where no body is asked for."""
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return schema | {"components": case.operation.schema.raw_schema["components"]} if schema else {}


def _is_of_another_type(fault: Any) -> bool:
    if fault.instance == "":
        return True
    if fault.kind.name == "anyOf":
        return all(_is_of_another_type(one) for branch in fault.kind.context for one in branch)
    return fault.kind.name == "type" and not isinstance(fault.instance, dict)


def allowed(site: Live, role: str) -> set[str]:
    """The operations that a role may call, as schemathesis names them."""
    return {
        f"{one.method} {one.path.replace(':path}', '}')}"
        for one in operations(site.app.routes)
        if one.path.startswith("/v1/") and one.access is not None and role in one.access.roles
    }


App = Callable[..., Awaitable[None]]


def without_lifespan(app: App, spoil: Any = None) -> App:
    """The application for another event loop than the one that started it, and will end it."""

    async def answer(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif spoil is None:
            await app(scope, receive, send)
        else:
            await app(scope, receive, spoiling(scope["path"], send, spoil))

    return answer


def spoiling(path: str, send: Any, spoil: Any) -> Any:
    """A `send` that changes answers of one message."""
    held: dict[str, Any] = {}

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            held.update(message)
            return
        status, body = spoil(path, held["status"], message.get("body", b""))
        headers = [(name, value) for name, value in held["headers"] if name != b"content-length"]
        await send({**held, "status": status, "headers": headers})
        await send({**message, "body": body})

    return sent
