"""What becomes of requests that nobody should send? A refusal that repeats nothing of them, and not a row in the store.

Every write there is gets every body of the corpus; addresses, headers and methods are tried as badly.
"""

import gzip
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.middleware import BATCH_BODY, SMALL_BODY
from api.problems import KINDS, MEDIA_TYPE
from api.schemas.rows import example_row
from features.store.columns import ImportTable
from features.store.db import open_engine, read_rows, reading
from features.store.tables import TABLES
from live import Live, served_copy
from quiet import quiet
from trained import Trained

MARK = "eCHo-7731"
"""Stands in every hostile body, and in no answer."""
WRITTEN = list(TABLES.values())
DEEP = 100_000


@dataclass(frozen=True)
class Hostile:
    """A body, and how it says what it is."""

    name: str
    body: bytes
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def text_of(document: Any) -> bytes:
    return json.dumps(document).encode()


NOT_JSON = [
    Hostile("nothing at all", b""),
    Hostile("words", f"{MARK} is no JSON".encode()),
    Hostile("a comment", f'{{"a": 1 /* {MARK} */}}'.encode()),
    Hostile("a line comment", f'// {MARK}\n{{"a": 1}}'.encode()),
    Hostile("single quotes", f"{{'{MARK}': 1}}".encode()),
    Hostile("a comma too many", f'{{"{MARK}": 1,}}'.encode()),
    Hostile("half of it", f'{{"{MARK}": "'.encode()),
    Hostile("two documents", f'{{"{MARK}": 1}} {{"b": 2}}'.encode()),
    Hostile("NaN", f'{{"{MARK}": NaN}}'.encode()),
    Hostile("Infinity", f'{{"{MARK}": -Infinity}}'.encode()),
    Hostile("a name twice", f'{{"{MARK}": 1, "{MARK}": 2}}'.encode()),
    Hostile("bytes that are no UTF-8", b'{"' + MARK.encode() + b'": "\xff\xfe\xfd"}'),
    Hostile("overlong UTF-8", b'{"' + MARK.encode() + b'": "\xc0\xaf\xed\xa0\x80"}'),
    Hostile("UTF-16", json.dumps({MARK: 1}).encode("utf-16")),
    Hostile("UTF-32", json.dumps({MARK: 1}).encode("utf-32-be")),
    Hostile("a raw NUL", b'{"' + MARK.encode() + b'": "\x00"}'),
    Hostile("a byte order mark", b"\xef\xbb\xbf" + text_of({MARK: 1})),
    Hostile("brackets without end", b"[" * DEEP),
    Hostile("braces without end", b'{"a":' * DEEP),
    Hostile("deep brackets", b"[" * DEEP + b"]" * DEEP),
    Hostile("deep braces", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    Hostile("deep brackets in a value", b'{"' + MARK.encode() + b'":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    Hostile("XML", f'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>{MARK}&b;</a>'.encode()),
    Hostile("a zip bomb's beginning", gzip.compress(MARK.encode() * 100_000)),
    Hostile("gzip, and says so", gzip.compress(text_of({MARK: 1})), headers={"Content-Encoding": "gzip"}),
]
NOT_OURS = [
    Hostile("null", b"null"),
    Hostile("true", b"true"),
    Hostile("a number", b"77317731"),
    Hostile("a huge number", b"9" * 5_000),
    Hostile("a long fraction", b"0." + b"7" * 100_000),
    Hostile("a huge exponent", b"1e999999999"),
    Hostile("a text", text_of(MARK)),
    Hostile("a list of lists", text_of([[MARK], [[MARK]]])),
    Hostile("a list of texts", text_of([MARK, MARK])),
    Hostile("a name that nobody knows", text_of({MARK: 1})),
    Hostile("a name that is a script", text_of({f"<script>{MARK}</script>": 1})),
    Hostile("a name that is SQL", text_of({f"sku_id; DROP TABLE skus; -- {MARK}": 1})),
    Hostile("a name with a NUL", text_of({f"sku_id\0{MARK}": 1})),
    Hostile("half a pair in a name", b'{"\\ud800' + MARK.encode() + b'": 1}'),
    Hostile("a very long name", text_of({MARK + "a" * 100_000: 1})),
    Hostile("thousands of names", text_of({f"{MARK}{k}": k for k in range(5_000)})),
    Hostile("Python's own names", text_of({"__class__": {"__init__": MARK}, "__proto__": {"a": MARK}})),
]
MISTYPED = [
    Hostile(kind, text_of({"name": MARK}), kind)
    for kind in (
        "text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data",
        "application/octet-stream", "image/png", "application/json-patch+json", "*/*", "json", "a" * 3_000,
    )
]  # fmt: skip
VALUES: dict[str, Any] = {
    "an object": {"a": {"b": MARK}},
    "a list of lists": [[[MARK]]],
    "a list of objects": [{"a": MARK}],
    "below zero": -77_317_731,
    "more than a column holds": 2**63,
    "more than is printed": 10**4_000,
    "a fraction": 0.1,
    "true": True,
    "a NUL": f"{MARK}\0",
    "half a pair": f"\ud800{MARK}",
    "too long": MARK + "长" * 5_000,
    "only spaces": " \u3000\t",
    "a script": f"<script>alert('{MARK}')</script>",
    "SQL": f"' OR 1=1; DROP TABLE skus; -- {MARK}",
    "a formula": f'=HYPERLINK("http://{MARK}")',
    "a path": f"../../../../etc/passwd{MARK}",
    "a template": f"{{{{ 7 * 7 }}}}${{jndi:ldap://{MARK}}}",
    "directions of writing": f"\u202e{MARK}\u2066",
    "a format": f"%s%n{{0.__class__}}{MARK}",
}
"""What is put into every column of a row at once: some of them takes none of these."""


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site of one's own, whose tables hold after each test what they held before it."""
    with served_copy(trained, tmp_path_factory.mktemp("hostile")) as made, quiet():
        yield made


@pytest.fixture(autouse=True)
def _nothing_is_written(site: Live) -> Iterator[None]:
    before, n_faults = counts(site), faults(site)
    yield
    site.app.state.serving._move()
    assert counts(site) == before
    assert faults(site) == n_faults


def faults(site: Live) -> float:
    """How often something was wrong on our side."""
    return site.app.state.serving.metrics.problems.labels("internal")._value.get()


def counts(site: Live) -> dict[str, int]:
    """Rows of every table, but the shown lists that no test here asks for."""
    store = open_engine(site.settings.database_url)
    with reading(store) as session:
        names = [row[0] for row in read_rows(session, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: read_rows(session, f"SELECT COUNT(*) FROM {name}")[0][0] for name in names}
    store.dispose()
    return found


def refused(answer: httpx.Response, what: str) -> str:
    """The code of a refusal that is as it should be."""
    assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == MEDIA_TYPE, what
    assert answer.headers["x-request-id"], what
    problem = answer.json()
    assert KINDS[problem["code"]].status == answer.status_code == problem["status"], what
    assert MARK not in answer.text, f"{what} is repeated: {answer.text[:300]}"
    return str(problem["code"])


def writes(site: Live) -> list[tuple[str, str]]:
    """Every address that takes a body."""
    rows = [("PUT", f"/v1/{table.name}/{key_of(table)}") for table in WRITTEN]
    batches = [("POST", f"/v1/{table.name}:batch") for table in WRITTEN]
    others = ["/v1/feedback", "/v1/checks", f"/v1/brands/{site.brand_id}/shortlists"]
    return [*rows, *batches, *(("POST", path) for path in others)]


def key_of(table: ImportTable) -> str:
    row = example_row(table)
    return ":".join(
        quote(str(row[column.name or name])) for name, column in table.columns.items() if column.key
    )


def test_the_corpus_is_large_enough(site: Live) -> None:
    n_bodies = (len(NOT_JSON) + len(NOT_OURS) + len(MISTYPED)) * len(writes(site))
    assert n_bodies + 2 * len(VALUES) * len(WRITTEN) >= 2_000


@pytest.mark.parametrize(
    ("role", "hostile"),
    [*(("operator", one) for one in (*NOT_JSON, *NOT_OURS)), *(("brand", one) for one in NOT_OURS[::4])],
    ids=lambda one: getattr(one, "name", one),
)
def test_a_body_that_means_nothing_is_refused_by_every_write(site: Live, role: str, hostile: Hostile) -> None:
    with site.client(role) as client:
        for method, path in writes(site):
            headers = {"Content-Type": hostile.kind} | hostile.headers
            answer = client.request(method, path, content=hostile.body, headers=headers)
            refused(answer, f"{hostile.name} to {method} {path}")


@pytest.mark.parametrize("hostile", MISTYPED, ids=lambda one: one.name[:30])
def test_a_body_of_another_kind_is_refused_by_every_write(site: Live, hostile: Hostile) -> None:
    with site.client("operator") as client:
        for method, path in writes(site):
            answer = client.request(
                method, path, content=hostile.body, headers={"Content-Type": hostile.kind}
            )
            assert refused(answer, f"{hostile.name} to {method} {path}") == "unsupported_media_type"


@pytest.mark.parametrize("table", WRITTEN, ids=lambda table: table.name)
def test_a_hostile_value_is_refused_by_every_table(site: Live, table: ImportTable) -> None:
    with site.client("operator") as client:
        for name, value in VALUES.items():
            row = dict.fromkeys(table.file_columns, value)
            kind = {"Content-Type": "application/json"}
            one = client.put(f"/v1/{table.name}/{key_of(table)}", content=text_of(row), headers=kind)
            many = client.post(f"/v1/{table.name}:batch", content=text_of([row, row]), headers=kind)
            lines = client.post(
                f"/v1/{table.name}:batch", content=text_of(row) + b"\n" + text_of(row), headers=kind
            )
            for answer in (one, many, lines):
                assert refused(answer, f"{name} in {table.name}") == "rejected_rows", answer.text


@pytest.mark.parametrize("name", VALUES)
def test_a_hostile_value_is_refused_where_lists_and_checks_are_asked_for(site: Live, name: str) -> None:
    value = VALUES[name]
    event = dict.fromkeys(("event_id", "request_id", "at", "anchor_id", "sku_id", "kind", "position"), value)
    offer = dict.fromkeys(TABLES["offers"].file_columns, value) | {"promotions": value}
    bodies = {
        "/v1/feedback": [{"events": [event]}, {"events": value}, {"events": [value]}],
        "/v1/checks": [
            {"sku_id": value},
            {"sku_id": site.sku_id, "plans": value},
            {"sku_id": site.sku_id, "plans": [dict.fromkeys(TABLES["plans"].file_columns, value)]},
            {"sku_id": site.sku_id, "offers": [offer]},
            {
                "sku_id": site.sku_id,
                "offers": [{"item_price_fen": 1, "promotions": [{"layer": value, "kind": value}]}],
            },
        ],
        f"/v1/brands/{site.brand_id}/shortlists": [
            {"sku_ids": value},
            {"sku_ids": [value]},
            {"sku_ids": [site.sku_id], "size": value, "tier": value, "objective": value, "explain": value},
        ],
    }
    with site.client("brand") as client:
        for path, asked in bodies.items():
            for body in asked:
                kind = {"Content-Type": "application/json"}
                refused(
                    client.post(path, content=text_of(body), headers=kind), f"{name} to {path}: {list(body)}"
                )


@pytest.mark.parametrize("is_told", [True, False], ids=["its length told", "in chunks"])
def test_a_body_that_is_too_long_is_refused(site: Live, is_told: bool) -> None:
    def body(n_bytes: int) -> Any:
        whole = b"[" + b" " * (n_bytes - 1)
        return whole if is_told else iter([whole[k : k + 65_536] for k in range(0, n_bytes, 65_536)])

    kind = {"Content-Type": "application/json"}
    with site.client("operator") as client:
        for method, path in writes(site):
            most = BATCH_BODY if path.endswith(":batch") else SMALL_BODY
            if most == BATCH_BODY and path not in {"/v1/skus:batch", "/v1/audiences:batch"}:
                continue  # 16 MiB each
            over = client.request(method, path, content=body(most + 1), headers=kind)
            assert refused(over, path) == "too_large"
            just = client.request(method, path, content=body(most), headers=kind)
            assert refused(just, path) != "too_large"


@pytest.mark.parametrize(
    "lengths", [["-5"], ["abc"], ["5", "7"], ["9" * 30], ["0x10"], ["+5"], [" "]], ids=str
)
def test_a_length_that_cannot_be_meant_is_refused(site: Live, lengths: list[str]) -> None:
    told = [f"Content-Length: {length}" for length in lengths]
    status = spoken_to(site, ["POST /v1/skus:batch HTTP/1.1", "Host: a", *told], b"[]")
    assert status is None or 400 <= status < 500


def test_a_body_that_ends_early_or_goes_on_is_nobodys_trouble(site: Live) -> None:
    key = f"Authorization: Bearer {site.keys['operator']}"
    kind = "Content-Type: application/json"
    short = ["POST /v1/skus:batch HTTP/1.1", "Host: a", key, kind, "Content-Length: 5000"]
    assert spoken_to(site, short, b"[") is None  # who hangs up is not answered
    long = ["POST /v1/skus:batch HTTP/1.1", "Host: a", key, kind, "Content-Length: 1", "Connection: close"]
    assert spoken_to(site, long, b"[" + b"{}]" * 50) in {None, 400, 422}
    chunked = ["POST /v1/skus:batch HTTP/1.1", "Host: a", key, kind, "Transfer-Encoding: chunked"]
    status = spoken_to(site, chunked, b"zz\r\n[]\r\n0\r\n\r\n")
    assert status is None or 400 <= status < 500


def spoken_to(site: Live, head: list[str], body: bytes) -> int | None:
    """The status with which plain bytes are answered; nothing where they are not."""
    address = httpx.URL(site.url)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as wire:
        wire.sendall("\r\n".join([*head, "", ""]).encode() + body)
        wire.shutdown(socket.SHUT_WR)
        said = wire.makefile("rb").readline().split()
    return int(said[1]) if said else None


HOSTILE_PATHS = [
    f"..%2F..%2F..%2Fetc%2Fpasswd{MARK}", f"%2e%2e%2f{MARK}", f"{MARK}%00", f"%00{MARK}.csv", f"{MARK}%2F%2F{MARK}",
    f"{MARK}%0d%0aSet-Cookie:%20a=b", f"{MARK}%ff%fe", f"{MARK}%ed%a0%80", f"{MARK}%252e%252e%252f", f"'%20OR%201=1--{MARK}",
    f"%3Cscript%3E{MARK}%3C%2Fscript%3E", f"{MARK};a=b", f"{MARK}%3Fa=b%23c", f"{MARK}" + "a" * 5_000, f"{MARK}:" * 150,
    f"{MARK}%20", f"%F0%9F%92%A9{MARK}", f"~root{MARK}", f"{MARK}*", f"{MARK}%5C..%5C..",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=lambda path: path[:40])
def test_a_hostile_address_is_refused(site: Live, path: str) -> None:
    with site.client("operator") as client:
        for table in WRITTEN:
            body = example_row(table, without_key=True)
            refused(client.put(f"{site.url}/v1/{table.name}/{path}", json=body), f"PUT {table.name}")
        for address in (
            f"/v1/anchors/{path}/goods", f"/v1/skus/{path}/shortlist", f"/v1/skus/{path}/checks", f"/v1/skus/{path}/rate",
            f"/v1/pairings/{path}/{path}", f"/v1/pairings/{site.anchor_id}/{path}", f"/v1/{path}", f"/{path}", f"/docs/assets/{path}",
        ):  # fmt: skip
            refused(client.get(f"{site.url}{address}"), f"GET {address}")
        refused(client.post(f"{site.url}/v1/models/{path}:promote"), "promote")
        refused(client.post(f"{site.url}/v1/{path}:batch", json=[]), "batch")


def test_a_hostile_query_is_refused(site: Live) -> None:
    queries: list[Any] = [
        {"objective": MARK}, {"limit": MARK}, {"limit": "-1"}, {"limit": "9" * 5_000}, {"limit": "1e3"}, {"limit": "٣"},
        {"cursor": MARK}, {"cursor": MARK * 1_000}, {"cursor": f"\U0001f600{MARK}"}, {"min_price": f"1{MARK}"},
        {"min_price": "NaN"}, {"max_price": "-0"}, {"min_rate": "1e9"}, {"category": f"{MARK}\0"}, {"category": MARK},
        {"category": f"../{MARK}"}, {"category": "a" * 401}, {"tier": MARK}, {"explain": MARK}, {MARK: "1"},
        {f"<script>{MARK}": "1"}, {"limit": ["1", MARK]}, {"min_price": "3", "max_price": "2"}, {"a" * 60_000 + MARK: "1"},
        {f"{MARK}{k}": "1" for k in range(1_000)},
    ]  # fmt: skip
    with site.client("operator") as client:
        for query in queries:
            for path in (f"/v1/anchors/{site.anchor_id}/goods", f"/v1/skus/{site.sku_id}/shortlist"):
                refused(client.get(path, params=query), f"{str(query)[:80]} to {path}")
        for at in (
            MARK,
            "2026-01-01",
            "2026-01-01T00:00:00",
            "9999-12-31T23:59:59Z",
            "0001-01-01T00:00:00+14:00",
            "1e9",
            "\0",
        ):
            for path in (f"/v1/skus/{site.sku_id}/checks", f"/v1/skus/{site.sku_id}/rate"):
                refused(client.get(path, params={"at": at}), f"at={at} to {path}")
    long = spoken_to(site, [f"GET /v1/models?limit=1&a={'b' * 500_000} HTTP/1.1", "Host: a"], b"")
    assert long is None or 400 <= long < 500


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "PROPFIND", "QUERY", "LOCK", "PURGE"])
def test_a_method_that_nobody_has_is_refused(site: Live, method: str) -> None:
    with site.client("operator") as client:
        for _, path in [
            *writes(site),
            ("GET", f"/v1/skus/{site.sku_id}/rate"),
            ("GET", "/healthz"),
            ("GET", "/docs"),
        ]:
            answer = client.request(method, path, content=MARK.encode() if method != "TRACE" else None)
            assert refused(answer, f"{method} {path}") == "method_not_allowed"
            assert answer.headers["allow"]


@pytest.mark.parametrize("word", ["foo", "GET\0", "G" * 200, "PUT\tX"])
def test_what_is_no_method_is_refused(site: Live, word: str) -> None:
    status = spoken_to(site, [f"{word} /v1/models HTTP/1.1", "Host: a"], b"")
    assert status is None or 400 <= status < 500


HEADERS = [
    {"Authorization": f"Bearer {MARK}"}, {"Authorization": f"Bearer {MARK * 1_000}"}, {"Authorization": "Bearer"},
    {"Authorization": f"Basic {MARK}"}, {"Authorization": "Bearer \xe9\xff"}, {"Authorization": ""},
    {"Authorization": f"bearer fx_{'A' * 43}"}, {"Authorization": f"Bearer fx_{'A' * 43} {MARK}"},
]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS, ids=lambda one: str(one)[:60])
def test_a_key_that_is_none_opens_nothing(site: Live, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    with site.client(None) as client:
        for method, path in [*writes(site)[:3], ("GET", "/v1/models"), ("POST", "/v1/feedback")]:
            answer = client.request(method, path, content=b"[[[", headers=raw)
            assert refused(answer, f"{method} {path}") in {"unauthenticated", "too_many_requests"}


@pytest.mark.parametrize("key", ["", "a b", "a" * 129, "\xe9", f"{MARK}\tb"], ids=repr)
def test_an_idempotency_key_that_is_none_is_refused(site: Live, key: str) -> None:
    body = {"brand_id": "NEW1", "name": "n"}
    with site.client("operator") as client:
        answer = client.put("/v1/brands/NEW1", json=body, headers={"Idempotency-Key": key.encode("latin-1")})
        assert refused(answer, repr(key)) == "bad_idempotency_key"


@pytest.mark.parametrize(
    "accepted",
    ["zh;q=nan", "zh;q=inf,en", "zh" * 50_000, ",,;;==", "zh;q=-1", "\xff", "en;q=" + "9" * 5_000],
    ids=lambda one: one[:20],
)
def test_a_language_that_is_none_is_answered_in_one_that_is(site: Live, accepted: str) -> None:
    with site.client("operator") as client:
        answer = client.get("/v1/skus/none/rate", headers={"Accept-Language": accepted.encode("latin-1")})
    refused(answer, accepted[:20])
    assert answer.headers["content-language"] in {"zh", "en"}


def test_the_site_still_works_after_all_this(site: Live) -> None:
    with site.client("operator") as client:
        assert client.get("/readyz").json()["trouble"] is None
        assert client.get("/v1/models").status_code == 200
