"""The import tables over HTTP: one row by its key, or a batch; checked as files are, all of it or nothing.

Each table has operations of its own, made from its declaration, so that OpenAPI tells every column.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from sqlmodel import Session

from api.access import Caller, Role, declare
from api.bodies import Row, key_row, read_batch, read_row
from api.deps import Calling, GuardedRoute, InTurn, Now, ServingNow, guarded
from api.owning import BRAND_TABLES
from api.problems import Problem
from api.repeats import remember, remembered
from api.schemas.rows import Stored, example_row, key_columns, key_schema, row_schema
from api.serving import Serving
from api.strict import media_type
from api.writes import write_rows
from features.errors import RowFault
from features.store.columns import ImportTable, Kind
from features.store.db import writing
from features.store.tables import TABLES

router = APIRouter(prefix="/v1", tags=["tables"], route_class=GuardedRoute)

_CODES: Final = (
    "bad_request", "bad_idempotency_key", "not_found", "conflict", "idempotency_key_reused", "rejected_rows", "invalid",
    "too_large", "unsupported_media_type",
)  # fmt: skip
_MEDIA_TYPES: Final = frozenset({"application/json", "application/x-ndjson", "application/jsonl"})


async def read_body(request: Request) -> bytes:
    """The body as it came: checked for its kind before a byte of it is read, and for its length while it is."""
    if media_type(request) not in _MEDIA_TYPES:
        raise Problem("unsupported_media_type")
    return await request.body()


Body = Annotated[bytes, Depends(read_body)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 128 visible ASCII characters; the same again is answered the same.",
        json_schema_extra={"minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    ),
]


def _add_operations(table: ImportTable) -> None:
    """PUT and batch of one table."""
    roles = cast(
        "tuple[Role, ...]",
        ("brand", "job", "operator") if table.name in BRAND_TABLES else ("job", "operator"),
    )
    access = declare(*roles, own="row")

    def put_row(
        key: Annotated[str, Path(min_length=1, max_length=300, json_schema_extra=key_schema(table))],
        request: Request,
        body: Body,
        serving: ServingNow,
        caller: Calling,
        now: Now,
        _turn: InTurn,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        return _write(serving, caller, table, request, body, now, idempotency_key, key)

    def post_batch(
        request: Request,
        body: Body,
        serving: ServingNow,
        caller: Calling,
        now: Now,
        _turn: InTurn,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        return _write(serving, caller, table, request, body, now, idempotency_key, None)

    example = example_row(table)
    one = _documented(
        guarded(access, *_CODES),
        {"application/json": (row_schema(table, "Keyed"), example_row(table, without_key=True))},
    )
    many = _documented(
        guarded(access, *_CODES),
        {"application/json": ({"type": "array", "items": row_schema(table), "maxItems": 10_000}, [example])},
    )
    keys = key_columns(table)
    has_text = any(column.key and column.kind is Kind.TEXT for column in table.columns.values())
    router.add_api_route(
        f"/{table.name}/{{key{':path' if has_text else ''}}}",  # words may hold a slash
        put_row,
        methods=["PUT"],
        response_model=Stored,
        name=f"put_{table.name}",
        operation_id=f"put_{table.name}",
        summary=f"One row of {table.name}, whole, by its key ({':'.join(keys)})",
        **one,
    )
    router.add_api_route(
        f"/{table.name}:batch",
        post_batch,
        methods=["POST"],
        response_model=Stored,
        name=f"batch_{table.name}",
        operation_id=f"batch_{table.name}",
        summary=f"Rows of {table.name}, at most 10 000: a JSON array, or JSON lines",
        **many,
    )


def _documented(declared: dict[str, Any], bodies: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    content = {media: {"schema": schema, "example": example} for media, (schema, example) in bodies.items()}
    declared["openapi_extra"] = {
        **declared["openapi_extra"],
        "requestBody": {"required": True, "content": content},
    }
    return declared


def _write(
    serving: Serving,
    caller: Caller,
    table: ImportTable,
    request: Request,
    body: bytes,
    now: Any,
    idempotency_key: str | None,
    key: str | None,
) -> Response:
    rows = read_batch(BytesIO(body)) if key is None else [key_row(table.name, key, read_row(body))]
    said = f"{request.method} {request.url.path}\n".encode() + body
    digest = hashlib.sha256(said).hexdigest()
    with _untold(serving, table, rows), writing(serving.store) as session:
        if idempotency_key is not None:
            before = remembered(session, caller, idempotency_key, digest, now)
            if before is not None:
                return Response(
                    before.body, before.status, {"Idempotent-Replayed": "true"}, "application/json"
                )
        document = _stored(session, table, rows, caller, now, request.state.request_id)
        if idempotency_key is not None:
            remember(session, caller, idempotency_key, digest, 200, document, now)
    return Response(document, 200, media_type="application/json")


@contextmanager
def _untold(serving: Serving, table: ImportTable, rows: Sequence[Row | RowFault]) -> Iterator[None]:
    """Within it nobody tells the feedback that is written, and what was told of it before is in the store."""
    if table.name != "feedback":
        yield
        return
    ids = {str(row.get("event_id")) for row in rows if isinstance(row, Mapping)}
    with serving.journal.telling.alone(ids):
        serving.journal.drain(serving.store)
        yield


def _stored(
    session: Session,
    table: ImportTable,
    rows: Sequence[Row | RowFault],
    caller: Caller,
    now: Any,
    request_id: str,
) -> str:
    written = write_rows(session, table.name, rows, caller=caller, now=now)
    stored = Stored(
        table=written.table, new=written.n_new, unchanged=written.n_unchanged, request_id=request_id
    )
    return stored.model_dump_json()


for _table in TABLES.values():
    _add_operations(_table)
