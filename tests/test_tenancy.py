"""Does everybody see their own, and nobody else's? Every operation there is, as its declared policy has it.

The matrix is made from the application's routes: a new operation is in it as soon as it stands there, and one that
declares no policy fails. Each is asked for what is the caller's own, for what is somebody else's and for what is not
there, in every role, with no key, and with keys that have expired or were revoked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal, get_args

import anyio
import httpx
import pytest
from fastapi import APIRouter, FastAPI

from api.access import Access, Operation, Own, Role, Target, operations
from api.app import make_app
from api.deps import GuardedRoute
from api.owning import BRAND_TABLES
from api.pages.guarding import SESSION_COOKIE
from api.problems import Problem
from api.security import create_key
from features.settings import Settings
from features.store.db import open_engine, read_rows, reading, writing
from features.store.keys import revoke_key
from features.store.migrations import upgrade
from features.store.tables import TABLES
from live import Live, served_copy
from matcher.registry import list_versions
from night_lists import leave_lists
from quiet import quiet
from trained import Trained

ROLES: tuple[Role, ...] = get_args(Role)
NOBODY = "NOBODY-1"
NO_KEYS = ("no key", "a wrong key", "an expired key", "a revoked key")


@dataclass(frozen=True)
class Asked:
    """A request that is right in itself, for one of the targets."""

    path: str
    body: Any = None
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ids:
    """Whose things a request names."""

    brand: str
    sku: str
    anchor: str
    offer: str
    plan: str


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A site with keys that no longer open anything, too."""
    with served_copy(trained, tmp_path_factory.mktemp("tenancy")) as made, quiet():
        leave_lists(made.settings.home, trained)
        store = open_engine(made.settings.database_url)
        now = made.app.state.serving.clock()
        with writing(store) as session:
            before = {"role": "operator", "subject": None, "note": None, "now": now - timedelta(days=2)}
            expired = create_key(session, expires_at=now - timedelta(days=1), **before)[1]
            row, revoked = create_key(session, expires_at=None, **before)
            revoke_key(session, row.key_id, at=now)
        store.dispose()
        gone = {"a wrong key": f"fx_{'A' * 43}", "an expired key": expired, "a revoked key": revoked}
        yield replace(made, keys=made.keys | gone)


@pytest.fixture(scope="module")
def clients(site: Live) -> Iterator[dict[str, httpx.Client]]:
    """One for each key, and one without."""
    made = {name: site.client(name) for name in site.keys} | {"no key": site.client(None)}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture(scope="module")
def sessions(site: Live) -> dict[str, str]:
    """The cookie of each role that may sign in."""
    found = {}
    for role in ("brand", "anchor", "operator"):
        with site.client(None) as client:
            answer = client.post("/sign-in", data={"key": site.keys[role], "next": "/"})
            assert answer.status_code == 303
            found[role] = answer.cookies[SESSION_COOKIE]
    return found


def all_operations() -> list[Operation]:
    """Of an application without a store: the routes are the same."""
    return list(operations(bare_app().routes))


def bare_app() -> FastAPI:
    home = Path(mkdtemp())
    store = open_engine(f"sqlite:///{home / 'empty.db'}")
    upgrade(store)
    store.dispose()
    app = make_app(Settings(database_url=f"sqlite:///{home / 'empty.db'}", home=home))
    app.state.serving.close()
    return app


OPERATIONS = all_operations()
PROGRAMS = [one for one in OPERATIONS if one.path.startswith("/v1/")]
PAGES = [
    one for one in OPERATIONS if not one.path.startswith("/v1/") and one.access and not one.access.is_public
]


def name_of(one: Any) -> str:
    return f"{one.method} {one.path}" if isinstance(one, Operation) else str(one)


def undeclared(found: list[Operation]) -> list[str]:
    return [name_of(one) for one in found if one.access is None]


def test_every_operation_declares_who_may_call_it() -> None:
    assert len(PROGRAMS) >= 41
    assert len(PAGES) >= 20
    assert not undeclared(OPERATIONS)


@pytest.mark.parametrize(
    "extra",
    [None, {}, {"x-access": True}, {"x-access": {"roles": ["brand", "boss"], "own": "sku"}}, {"x-acess": {}}],
    ids=str,
)
def test_an_operation_that_declares_nothing_is_found_and_serves_nobody(extra: Any, site: Live) -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(route_class=GuardedRoute)
    app.state.serving = site.app.state.serving

    @router.get("/planted", openapi_extra=extra)
    def planted() -> str:
        raise AssertionError("nobody gets here")

    app.include_router(router)
    assert undeclared(list(operations(app.routes))) == ["GET /planted"]

    async def ask_for_it() -> httpx.Response:
        headers = {"Authorization": f"Bearer {site.keys['operator']}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://planted") as client:
            return await client.get("/planted", headers=headers)

    with pytest.raises(Problem, match="forbidden"):
        anyio.run(ask_for_it)


def test_who_is_public_is_known_by_name() -> None:
    public = {name_of(one) for one in OPERATIONS if one.access is not None and one.access.is_public}
    assert public == {
        "GET /", "GET /docs", "GET /docs/assets", "GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz",
        "GET /sign-in", "GET /static", "POST /language", "POST /sign-in",
    }  # fmt: skip


@pytest.mark.parametrize("operation", PROGRAMS, ids=name_of)
@pytest.mark.parametrize("without", NO_KEYS)
def test_without_a_good_key_nothing_is_answered(
    site: Live, clients: dict[str, httpx.Client], operation: Operation, without: str
) -> None:
    site.app.state.serving.attempts._limiter.storage.reset()
    for target in get_args(Target):
        answer = ask(clients[without], operation, request_for(site, operation, "operator", target))
        assert (answer.status_code, code_of(answer)) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", PROGRAMS, ids=name_of)
@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_the_policy_says(site: Live, operation: Operation, role: Role) -> None:
    access = operation.access
    assert access is not None
    with site.client(role) as client:
        for target in get_args(Target):
            answer = ask(client, operation, request_for(site, operation, role, target))
            refusal = refusal_of(access, operation, role, target)
            if refusal is None:
                assert answer.status_code < 400 or (operation.path, answer.status_code) in _RULES_REFUSE, (
                    answer.text
                )
            else:
                assert answer.status_code == refusal, f"{target}: {answer.text}"
                assert code_of(answer) == {403: "forbidden", 404: "not_found"}[refusal]


_RULES_REFUSE = {("/v1/models/{version}:rollback", 409)}  # there is one model: none served before it


def refusal_of(access: Access, operation: Operation, role: Role, target: Target) -> int | None:
    """What the policy says; and what is not there is not there, where a body names what has to be."""
    named = any(name in operation.path for name in ("{version}", "{owner_id}"))
    missing = 404 if target == "missing" and named and role in access.roles else None
    return access.refusal(role, target) or missing


@pytest.mark.parametrize("operation", PROGRAMS, ids=name_of)
@pytest.mark.parametrize("role", ["brand", "anchor"])
def test_what_is_foreign_and_what_is_missing_are_answered_alike(
    site: Live, clients: dict[str, httpx.Client], operation: Operation, role: Role
) -> None:
    assert operation.access is not None
    if operation.access.refusal(role, "foreign") != 404:
        return
    foreign = ask(clients[role], operation, request_for(site, operation, role, "foreign"))
    nobodys = ask(clients[role], operation, request_for(site, operation, role, "missing", is_nobodys=True))
    assert foreign.status_code == nobodys.status_code == 404
    assert masked(foreign) == masked(nobodys)
    assert set(foreign.headers) == set(nobodys.headers)


def test_a_brand_cannot_take_over_what_somebody_else_has_stored(site: Live) -> None:
    mine, theirs = ids_of(site, "own", "brand", "row"), ids_of(site, "foreign", "brand", "row")
    stolen: list[tuple[str, dict[str, Any]]] = [
        (f"/v1/skus/{theirs.sku}", row_of("skus", mine)),
        (f"/v1/skus/{mine.sku}", row_of("skus", mine) | {"equivalent_sku_id": theirs.sku}),
        (f"/v1/skus/{mine.sku}", row_of("skus", mine) | {"brand_id": theirs.brand}),
        (f"/v1/plans/{theirs.plan}", row_of("plans", mine)),
        (f"/v1/offers/{theirs.offer}", row_of("offers", mine)),
        ("/v1/offer_promotions/TTHEFT", row_of("offer_promotions", theirs)),
    ]
    with site.client("brand") as client:
        for path, row in stolen:
            answer = client.put(
                path, json={name: one for name, one in row.items() if name not in key_of(path)}
            )
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), path
        for table in BRAND_TABLES:  # one row of somebody else's among many of one's own
            rows = [row_of(table, mine), row_of(table, theirs)]
            answer = client.post(f"/v1/{table}:batch", json=rows)
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), table


def key_of(path: str) -> tuple[str, ...]:
    return TABLES[path.split("/")[2]].key


@pytest.mark.parametrize("operation", PROGRAMS, ids=name_of)
@pytest.mark.parametrize("role", ["brand", "anchor"])
def test_no_answer_names_what_is_somebody_elses(
    site: Live, clients: dict[str, httpx.Client], operation: Operation, role: Role
) -> None:
    assert operation.access is not None
    if role not in operation.access.roles:
        return
    answer = ask(clients[role], operation, request_for(site, operation, role, "own"))
    told = set(re.findall(r"[A-Za-z0-9._:-]+", answer.text)) & private_to_others(site, role)
    assert not told, answer.text


def private_to_others(site: Live, role: Role) -> set[str]:
    """Ids that a caller of this role has no business to know: other brands' rows, other anchors, plans for others."""
    store = open_engine(site.settings.database_url)
    with reading(store) as session:

        def ids(sql: str, **values: str) -> set[str]:
            return {row[0] for row in read_rows(session, sql, values)}

        foreign = "SELECT sku_id FROM skus WHERE brand_id <> :b"
        if role == "brand":
            found = ids(foreign, b=site.brand_id) | ids(
                "SELECT brand_id FROM brands WHERE brand_id <> :b", b=site.brand_id
            )
            for table, key in (("plans", "plan_id"), ("offers", "offer_id"), ("cps_quotes", "quote_id")):
                found |= ids(f"SELECT {key} FROM {table} WHERE sku_id IN ({foreign})", b=site.brand_id)
        else:
            found = ids("SELECT anchor_id FROM anchors WHERE anchor_id <> :a", a=site.anchor_id)
            found |= ids(
                "SELECT plan_id FROM plans WHERE anchor_ids IS NOT NULL AND ';' || anchor_ids || ';' NOT LIKE :a",
                a=f"%;{site.anchor_id};%",
            )
            for table, key in (("offers", "offer_id"), ("cps_quotes", "quote_id")):
                found |= ids(f"SELECT {key} FROM {table}")
    store.dispose()
    return found


Shown = Literal["in", "sign in", "forbidden", "not found"]


@pytest.mark.parametrize("operation", PAGES, ids=name_of)
@pytest.mark.parametrize("role", [None, "brand", "anchor", "operator"])
def test_each_page_is_for_whom_it_says(
    site: Live,
    clients: dict[str, httpx.Client],
    sessions: dict[str, str],
    operation: Operation,
    role: Role | None,
) -> None:
    assert operation.access is not None
    for target in get_args(Target):
        asked = request_for(site, operation, role or "operator", target)
        headers = {"Accept": "application/json"} | (
            {"Cookie": f"{SESSION_COOKIE}={sessions[role]}"} if role else {}
        )
        answer = clients["no key"].request(operation.method, asked.path, headers=headers)
        refusal = operation.access.refusal(role, target)
        expected: Shown = {None: "in", 401: "sign in", 403: "forbidden", 404: "not found"}[refusal]  # type: ignore[assignment]
        got = shown(answer)
        if expected == "in" and got == "not found" and operation.access.own == "none":
            continue  # there is no such night, job or key: whoever may look is told so
        if expected == "in" and target != "own" and not is_bound(operation, role):
            assert got in {"in", "not found"}
            continue
        assert got == expected, f"{target}: {answer.status_code} {answer.text[:300]}"


def is_bound(operation: Operation, role: Role | None) -> bool:
    return (
        operation.access is not None and role is not None and operation.access.refusal(role, "foreign") == 404
    )


def shown(answer: httpx.Response) -> Shown:
    """What became of somebody who came to a page. A form without its token got past the guard all the same."""
    if answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"):
        return "sign in"
    if answer.status_code in {403, 404}:
        code = code_of(answer)
        return "forbidden" if code == "forbidden" else "not found" if code == "not_found" else "in"
    assert answer.status_code < 500, answer.text[:500]
    return "in"


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("anchor", "/goods?anchor_id={other_anchor_id}"),
        ("anchor", "/picks?anchor_id={other_anchor_id}"),
        ("anchor", "/goods/{sku_id}?anchor_id={other_anchor_id}"),
        ("brand", "/skus?brand_id={other_brand_id}"),
        ("brand", "/invitations?brand_id={other_brand_id}"),
        ("brand", "/skus/shared?brand_id={other_brand_id}"),
        ("brand", "/skus/{sku_id}/why?anchor_id={anchor_id}&brand_id={other_brand_id}"),
    ],
)
def test_a_page_cannot_be_talked_into_showing_somebody_else(
    site: Live, sessions: dict[str, str], role: str, path: str
) -> None:
    address = path.format(**vars(site))
    with site.client(None, cookies={SESSION_COOKIE: sessions[role]}) as client:
        answer = client.get(address, headers={"Accept": "text/html"})
        plain = client.get(address.partition("?")[0], headers={"Accept": "text/html"})
    other = site.other_anchor_id if role == "anchor" else site.other_brand_id
    told = answer.text.replace(address, "").replace(address.replace("&", "&amp;"), "")
    assert answer.status_code in {404, 403} or other not in re.sub(r"next=[^\"]*|value=\"[^\"]*\"", "", told)
    assert plain.status_code < 500


def ask(client: httpx.Client, operation: Operation, asked: Asked) -> httpx.Response:
    body = {} if asked.body is None else {"json": asked.body}
    return client.request(operation.method, asked.path, params=asked.params, **body)


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def masked(answer: httpx.Response) -> str:
    return re.sub(r"r_[0-9a-f]{24}", "r_", answer.text)


def request_for(
    site: Live, operation: Operation, role: Role, target: Target, *, is_nobodys: bool = False
) -> Asked:
    """What is asked for; of rows, a missing one is a new one of the caller's, unless it is to stand on nobody's."""
    own: Own = "none" if operation.access is None else operation.access.own
    ids = ids_of(
        site, "own" if target == "missing" and own == "row" and not is_nobodys else target, role, own
    )
    version = list_versions(site.settings.home)[0] if target != "missing" else "20200101-0123456789ab"
    listed = {"own": site.anchor_id, "foreign": site.other_anchor_id, "missing": NOBODY}[target]
    names = {
        "anchor_id": ids.anchor, "sku_id": ids.sku, "brand_id": ids.brand, "version": version,
        "side": "goods", "owner_id": listed, "key_id": NOBODY, "job_id": NOBODY, "table": "skus", "key": "",
    }  # fmt: skip
    table = re.fullmatch(r"/v1/([a-z_]+)(:batch|/\{key(?::path)?\})", operation.path)
    if table is not None and table[1] in TABLES:
        return row_request(table[1], ids, is_batch=table[2] == ":batch")
    path = operation.path.format(**names)
    body: Any = None
    if operation.path == "/v1/feedback":
        body = {"events": [event_of(ids, role, target)]}
    elif operation.path == "/v1/checks":
        body = {"sku_id": ids.sku, "plans": [{"plan_type": "open", "rate": "20", "rate_unit": "percent"}]}
    elif operation.path.endswith("/shortlists"):
        body = {"sku_ids": [ids.sku], "size": 3}
    return Asked(path, body, {"limit": "3"} if operation.path.endswith(("/goods", "/shortlist")) else {})


def ids_of(site: Live, target: Target, role: Role, own: Own) -> Ids:
    """The caller's own, somebody else's, or nobody's. What a role is not held to stays the same."""
    is_own = target == "own"
    brand = site.brand_id if is_own or role == "anchor" else site.other_brand_id
    found = Ids(
        brand,
        site.sku_id if is_own or role == "anchor" else site.other_sku_id,
        site.anchor_id if is_own or role == "brand" else site.other_anchor_id,
        held_by(site.settings.database_url, brand, "offer_id", "offers"),
        held_by(site.settings.database_url, brand, "plan_id", "plans"),
    )
    if target != "missing":
        return found
    return Ids(
        NOBODY,
        site.sku_id if role == "anchor" and own in {"pairing", "row"} else NOBODY,
        site.anchor_id if role == "brand" else NOBODY,
        NOBODY,
        NOBODY,
    )


@cache
def held_by(url: str, brand_id: str, key: str, table: str) -> str:
    """The first of the brand's rows."""
    store = open_engine(url)
    with reading(store) as session:
        skus = "SELECT sku_id FROM skus WHERE brand_id = :b"
        found = read_rows(
            session, f"SELECT {key} FROM {table} WHERE sku_id IN ({skus}) ORDER BY 1 LIMIT 1", {"b": brand_id}
        )
    store.dispose()
    return str(found[0][0])


def event_of(ids: Ids, role: Role, target: Target) -> dict[str, Any]:
    return {
        "event_id": f"TM-{role}-{target}",
        "at": "2026-01-01T00:00:00+08:00",
        "anchor_id": ids.anchor,
        "sku_id": ids.sku,
        "kind": "clicked",
    }


def row_request(table: str, ids: Ids, *, is_batch: bool) -> Asked:
    row = row_of(table, ids)
    if is_batch:
        return Asked(f"/v1/{table}:batch", [row])
    key = [name for name in TABLES[table].key if TABLES[table].columns[name].key]
    path = ":".join(str(row[name]) for name in key)
    return Asked(
        f"/v1/{table}/{path.replace('+', '%2B')}", {name: one for name, one in row.items() if name not in key}
    )


def row_of(table: str, ids: Ids) -> dict[str, Any]:
    """A row of the table that is about these."""
    at = "2026-01-01T00:00:00+08:00"
    own = f"TM-{table}-{ids.sku}-{ids.anchor}"
    rows: dict[str, dict[str, Any]] = {
        "brands": {"brand_id": ids.brand, "name": f"brand {ids.brand}"},
        "programmes": {"programme_id": "TM1", "name": "a promise", "rules": ["cps_floor"]},
        "enrolments": {"brand_id": ids.brand, "programme_id": "fair-rate", "valid_from": at},
        "events": {"event_id": "TM1", "platform": "p", "kind": "k", "name": "n", "starts_at": at, "ends_at": "2026-01-03T00:00:00+08:00"},
        "anchors": {"anchor_id": "TM1", "name": "an anchor"},
        "skus": {"sku_id": ids.sku, "brand_id": ids.brand, "title": "t", "category": "beauty/mask", "list_price_fen": 9_900},
        "plans": {"plan_id": own, "sku_id": ids.sku, "plan_type": "open", "rate": "20", "rate_unit": "percent", "valid_from": at},
        "cps_quotes": {"quote_id": own, "sku_id": ids.sku, "platform": "p", "rate": "20", "rate_unit": "percent", "observed_at": at},
        "offers": {"offer_id": own, "sku_id": ids.sku, "platform": "p", "item_price_fen": 9_900, "observed_at": at},
        "offer_promotions": {"promotion_id": own, "offer_id": ids.offer, "layer": "shop", "kind": "coupon", "off_fen": 100},
        "anchor_stats": {"anchor_id": ids.anchor, "observed_on": "1999-01-01", "fans": 5},
        "audiences": {"anchor_id": ids.anchor, "observed_on": "1999-01-01", "role": "viewer", "dimension": "gender", "bucket": "female", "share": 1},
        "live_sessions": {"live_session_id": own, "anchor_id": ids.anchor, "started_at": at},
        "listings": {"live_session_id": "L000001", "sku_id": ids.sku, "units": 1, "gmv_fen": 100},
        "feedback": {"event_id": own, "at": at, "anchor_id": ids.anchor, "sku_id": ids.sku, "kind": "picked"},
    }  # fmt: skip
    assert set(rows) == set(TABLES)
    return rows[table]
