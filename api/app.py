"""What answers HTTP? The application: routes, pages, what holds for all of them, and every error as a problem document."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import anyio.to_thread
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from sqlalchemy.exc import DatabaseError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from api import docs
from api.access import operations
from api.clocks import now_utc
from api.deps import PROBLEM_SCHEMA
from api.middleware import Doorkeeper, add_headers
from api.pages.site import add_pages, page_problem
from api.problems import Problem, invalid, of_status, problem_of, read_language
from api.routes import checks, feedback, health, lists, models, nightly_lists, pairings, rates, tables
from api.schemas.rows import row_components
from api.schemas.types import examples_by_shape
from api.serving import Serving
from features.errors import Fault, FenxiaoError
from features.settings import Settings

_THREADS: Final = 8
"""Requests at work at once: lists share one interpreter, so that more threads only take turns."""
_LOG: Final = structlog.get_logger("matcher.http")


def make_app(settings: Settings, *, clock: Callable[[], datetime] = now_utc) -> FastAPI:
    """The application over a store and a registry; `lifespan` begins to load, and lets go of everything."""
    serving = Serving(settings, clock=clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        serving.start()
        yield
        await anyio.to_thread.run_sync(serving.close)

    app = FastAPI(
        title="Fenxiao",
        summary="Anchor-product matching for a live-commerce platform's distribution library.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.serving = serving
    for room in (lists, nightly_lists, pairings, checks, rates, feedback, models, tables, health):
        app.include_router(room.router)
    docs.add_docs(app)
    add_pages(app)
    for kind, handle in _HANDLERS.items():
        app.add_exception_handler(kind, handle)
    app.add_middleware(Doorkeeper, metrics=serving.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI's documentation has it
    return app


def _answer(request: Request, problem: Problem) -> Response:
    """As a document for programs, as a page for people."""
    serving: Serving = request.app.state.serving
    serving.metrics.problems.labels(problem.code).inc()
    if request.url.path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        language = read_language(request.headers.get("accept-language"))
        return problem.response(language, request.state.request_id)
    return page_problem(request, problem)


def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


def _on_our_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FenxiaoError)
    if isinstance(error, Fault):
        _LOG.error("fault", request_id=request.state.request_id, error=str(error))
    return _answer(request, problem_of(error))


def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _answer(request, Problem("bad_request"))
    return _answer(request, invalid(faults, _query_names(request)))


def _query_names(request: Request) -> list[str]:
    """What the query of this route may name, where a model says so: nothing else refuses a name."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return []
    shapes = [field.field_info.annotation for field in route.dependant.query_params]
    return [name for shape in shapes for name in getattr(shape, "model_fields", {})]


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = of_status(error.status_code)
    problem.headers |= dict(error.headers or {})
    if problem.code == "method_not_allowed":
        problem.headers["Allow"] = ", ".join(_methods_at(request))
        if request.method == "OPTIONS":
            return Response(None, 204, problem.headers)
    return _answer(request, problem)


def _methods_at(request: Request) -> list[str]:
    """What may be asked of this address: of all its routes, where the router names the first one's."""
    path = request.scope["path"]
    methods = {one.method for one in operations(request.app.routes) if compile_path(one.path)[0].match(path)}
    return sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


def _on_hang_up(request: Request, _error: Exception) -> Response:
    return _answer(request, Problem("bad_request"))  # nobody reads it: whoever sent half a body has gone


def _on_database(request: Request, error: Exception) -> Response:
    _LOG.error("database", request_id=request.state.request_id, error=type(error).__name__)
    return _answer(request, Problem("busy", headers={"Retry-After": "5"}))


def _on_anything(request: Request, error: Exception) -> Response:
    _LOG.error("internal", request_id=request.state.request_id, exc_info=error)
    response = _answer(request, Problem("internal", headers={"Connection": "close"}))  # as the server will do
    add_headers(response.headers, request.scope)  # it goes out past the middleware
    return response


_HANDLERS: Final[dict[Any, Callable[[Request, Exception], Response]]] = {
    Problem: _on_problem,
    FenxiaoError: _on_our_error,
    RequestValidationError: _on_invalid,
    HTTPException: _on_http,
    ClientDisconnect: _on_hang_up,
    OperationalError: _on_database,
    DatabaseError: _on_anything,
    Exception: _on_anything,
}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's, with our problem document in place of its own 422."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            openapi_version="3.1.0",
        )
        schemas = made["components"]["schemas"]
        for stranger in ("HTTPValidationError", "ValidationError"):
            schemas.pop(stranger, None)
        schemas |= {"ProblemDocument": PROBLEM_SCHEMA, **row_components()}
        for name, shown in examples_by_shape().items():  # FastAPI leaves every null out of them
            if name in schemas:
                schemas[name]["examples"] = shown
        app.openapi_schema = made
    return app.openapi_schema
