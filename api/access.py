"""Who asks, and what was promised to whom? A caller, and the policy that each operation declares of itself.

A route declares in its OpenAPI: `openapi_extra=declare("anchor", "operator", own="anchor")`. From that one place come
the 403 and what the API page says, and in the tests the matrix of every operation x role x own, foreign or missing;
an operation that declares nothing is refused to everybody, and fails the tests.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

Role = Literal["brand", "anchor", "operator", "job"]
Own = Literal["none", "anchor", "sku", "brand", "pairing", "row"]
Target = Literal["own", "foreign", "missing"]

BOUND: Final[Mapping[Own, frozenset[Role]]] = {
    "none": frozenset(),
    "anchor": frozenset({"anchor"}),
    "sku": frozenset({"brand"}),
    "brand": frozenset({"brand"}),
    "pairing": frozenset({"brand", "anchor"}),
    "row": frozenset({"brand", "anchor"}),
}
"""Whom each kind of ownership holds to their own: a pairing is either side's; a row is whose its table says.

Another role that an operation admits asks about anybody's: operators and jobs always, an anchor about any SKU.
"""

PUBLIC_PATHS: Final = frozenset(
    {"/healthz", "/readyz", "/metrics", "/docs", "/docs/assets", "/openapi.json", "/static"}
)
"""Served to whoever asks, and declared here because some of them are no routes of ours."""

_EXTENSION: Final = "x-access"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a key was handed to."""

    role: Role
    subject: str | None
    """Which brand or anchor; operators and jobs have none."""
    key_id: str
    expires_at: datetime | None

    @property
    def name(self) -> str:
        """As `source` names who supplied a row: `brand:B1`, `operator`."""
        return self.role if self.subject is None else f"{self.role}:{self.subject}"

    @property
    def account(self) -> str:
        """What limits and idempotency count by: all keys of one brand together, each of an operator's alone."""
        return f"{self.role}:{self.subject or self.key_id}"


@dataclass(frozen=True, slots=True)
class Access:
    """Which roles may call an operation, and whose things it shows them."""

    roles: frozenset[Role]
    """None: it is public."""
    own: Own = "none"

    @property
    def is_public(self) -> bool:
        """Whether no key is asked for."""
        return not self.roles

    def refusal(self, role: Role | None, target: Target = "own") -> Literal[401, 403, 404] | None:
        """The status with which a role (nothing: no valid key) is refused that target, or nothing.

        A missing row is nothing to refuse: a write makes it.

        >>> shortlist = Access(frozenset({"brand", "operator"}), "sku")
        >>> shortlist.refusal("anchor"), shortlist.refusal("brand", "foreign"), shortlist.refusal("brand")
        (403, 404, None)
        """
        if self.is_public:
            return None
        if role is None:
            return 401
        if role not in self.roles:
            return 403
        is_refused = target == "foreign" and role in BOUND[self.own]
        is_absent = target == "missing" and self.own not in {"none", "row"}
        return 404 if is_refused or is_absent else None


PUBLIC: Final = Access(frozenset())


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path, with the policy it declares; nothing where it declares none."""

    method: str
    path: str
    access: Access | None


def declare(*roles: Role, own: Own = "none") -> dict[str, Any]:
    """For a route's `openapi_extra`: who may call it. To be joined by `|` with whatever else stands there."""
    if not roles:
        raise ValueError("an operation names at least one role; what is for everybody says declare_public()")
    return _extension(Access(frozenset(roles), own))


def declare_public() -> dict[str, Any]:
    """As `declare`, for what is served without a key: the page on which people sign in."""
    return _extension(PUBLIC)


def access_of(openapi_extra: Mapping[str, Any] | None) -> Access | None:
    """What a route's `openapi_extra` declares; nothing where it declares nothing, or what cannot be meant."""
    declared = (openapi_extra or {}).get(_EXTENSION)
    if not isinstance(declared, Mapping):
        return None
    roles, own = declared.get("roles"), declared.get("own")
    if not isinstance(roles, list) or not set(roles) <= set(get_args(Role)) or own not in get_args(Own):
        return None
    return Access(frozenset(cast("list[Role]", roles)), cast("Own", own))


def operations(routes: Sequence[BaseRoute]) -> Iterator[Operation]:
    """Every operation of an application (`app.routes`), those of included routers too; HEAD goes with its GET.

    Mounts have no methods: they come as GET of their path.
    """
    for route in iter_route_contexts(routes):
        path = route.path or ""
        declared = access_of(getattr(route.original_route, "openapi_extra", None))
        access = PUBLIC if declared is None and path in PUBLIC_PATHS else declared
        methods = set(route.methods or {"GET"})
        for method in sorted(methods - {"HEAD"} if "GET" in methods else methods):
            yield Operation(method, path, access)


def _extension(access: Access) -> dict[str, Any]:
    return {_EXTENSION: {"roles": sorted(access.roles), "own": access.own}}
