"""Is a declared policy what a route, the API page and the tests all go by, and is a route without one found?"""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.routing import Mount

from api.access import (
    BOUND,
    PUBLIC,
    Access,
    Caller,
    Operation,
    access_of,
    declare,
    declare_public,
    operations,
)


def answer() -> None:
    """What is behind a route does not matter here."""


def caller(role: Any, subject: str | None, key_id: str = "k_1") -> Caller:
    return Caller(role, subject, key_id, None)


def test_a_caller_is_named_as_the_source_of_its_rows() -> None:
    assert caller("brand", "B1").name == "brand:B1"
    assert caller("anchor", "A1").name == "anchor:A1"
    assert (caller("operator", None).name, caller("job", None).name) == ("operator", "job")


def test_keys_of_one_brand_share_an_account_and_operators_have_one_each() -> None:
    assert caller("brand", "X", "k_1").account == caller("brand", "X", "k_2").account
    assert caller("brand", "X").account != caller("anchor", "X").account
    assert caller("operator", None, "k_1").account != caller("operator", None, "k_2").account


def test_what_is_declared_is_read_back_from_the_openapi_of_the_route() -> None:
    declared = declare("anchor", "operator", own="anchor") | {"description": "goods"}
    assert declared["x-access"] == {"roles": ["anchor", "operator"], "own": "anchor"}
    assert access_of(declared) == Access(frozenset({"anchor", "operator"}), "anchor")
    assert access_of(declare_public()) == PUBLIC


def test_a_declaration_for_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="declare_public"):
        declare()


@pytest.mark.parametrize(
    "openapi_extra",
    [
        None,
        {},
        {"x-access": "brand"},
        {"x-access": {}},
        {"x-access": {"roles": ["root"], "own": "none"}},
        {"x-access": {"roles": "brand", "own": "none"}},
        {"x-access": {"roles": ["brand"], "own": "mine"}},
        {"x-access": {"roles": ["brand"]}},
    ],
    ids=str,
)
def test_what_cannot_be_meant_declares_nothing(openapi_extra: dict[str, Any] | None) -> None:
    assert access_of(openapi_extra) is None


def test_without_a_key_401_and_for_another_role_403_before_anything_is_looked_at() -> None:
    access = Access(frozenset({"brand", "operator"}), "sku")
    assert {access.refusal(None, target) for target in ("own", "foreign", "missing")} == {401}
    assert {access.refusal("anchor", target) for target in ("own", "foreign", "missing")} == {403}


@pytest.mark.parametrize(
    ("own", "role", "target", "status"),
    [
        ("sku", "brand", "own", None),
        ("sku", "brand", "foreign", 404),
        ("sku", "brand", "missing", 404),
        ("sku", "operator", "foreign", None),
        ("sku", "operator", "missing", 404),
        ("sku", "anchor", "foreign", None),  # an anchor may ask about any SKU
        ("anchor", "anchor", "foreign", 404),
        ("brand", "brand", "foreign", 404),
        ("pairing", "brand", "foreign", 404),
        ("pairing", "anchor", "foreign", 404),
        ("row", "brand", "foreign", 404),
        ("row", "brand", "missing", None),  # a write makes it
        ("row", "job", "foreign", None),
        ("none", "brand", "foreign", None),
        ("none", "brand", "missing", None),
    ],
)
def test_own_foreign_and_missing_are_answered_as_declared(
    own: Any, role: Any, target: Any, status: int | None
) -> None:
    access = Access(frozenset({"brand", "anchor", "operator", "job"}), own)
    assert access.refusal(role, target) == status


def test_operators_and_jobs_are_held_to_nothing() -> None:
    assert not any({"operator", "job"} & bound for bound in BOUND.values())


def test_what_is_public_refuses_nobody() -> None:
    assert {PUBLIC.refusal(role) for role in (None, "brand", "job")} == {None}


def test_every_operation_is_found_with_its_policy_and_one_without_stands_out() -> None:
    inner, outer, app = (
        APIRouter(),
        APIRouter(prefix="/v1"),
        FastAPI(redoc_url=None, swagger_ui_oauth2_redirect_url=None),
    )
    inner.add_api_route("/goods", answer, methods=["GET"], openapi_extra=declare("anchor", own="anchor"))
    inner.add_api_route("/goods", answer, methods=["PUT", "DELETE"])
    inner.add_api_route("/sign-in", answer, include_in_schema=False, openapi_extra=declare_public())
    outer.include_router(inner)
    app.include_router(outer)
    app.add_api_route("/healthz", answer)
    app.router.routes.append(Mount("/static", Response()))
    app.router.routes.append(Mount("/other", Response()))
    assert set(operations(app.routes)) == {
        Operation("GET", "/docs", PUBLIC),
        Operation("GET", "/openapi.json", PUBLIC),
        Operation("GET", "/healthz", PUBLIC),
        Operation("GET", "/static", PUBLIC),
        Operation("GET", "/v1/sign-in", PUBLIC),
        Operation("GET", "/v1/goods", Access(frozenset({"anchor"}), "anchor")),
        Operation("PUT", "/v1/goods", None),
        Operation("DELETE", "/v1/goods", None),
        Operation("GET", "/other", None),
    }
