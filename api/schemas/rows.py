"""What may a row of an import table look like as JSON? Schemas from the very declarations that imports are checked by."""

from typing import Any, Final, Literal

from api.schemas import examples
from api.schemas.types import Shape, shown_as
from features.store.columns import ID_PATTERN, MOST_CHARACTERS, ImportColumn, ImportTable, Kind
from features.store.tables import TABLES
from features.units import RATE_UNITS

_ID: Final[dict[str, Any]] = {"type": "string", "pattern": ID_PATTERN}
_BIGGEST: Final = 2**63 - 1
_WORD: Final = r"[^\x00]*[^\x00\s][^\x00]*"
_STEP: Final = r"[^/\x00]*[^/\x00\s][^/\x00]*"
_STEP_OF_MANY: Final = _STEP.replace("[^", "[^;")
_DAY: Final = "2026-11-11"
_INSTANT: Final = "2026-11-11T20:00:00+08:00"
_BY_KIND: Final[dict[Kind, dict[str, Any]]] = {
    Kind.ID: _ID,
    Kind.IDS: {"type": "array", "items": _ID},
    Kind.TEXT: {"type": "string", "pattern": r"^[^\x00]*$"},
    Kind.NOTE: {"type": ["string", "boolean", "integer"], "pattern": r"^[^\x00]*$"},
    Kind.PATH: {"type": "string", "pattern": f"^{_STEP}(/{_STEP})*$", "examples": ["beauty/skincare/mask"]},
    Kind.PATHS: {
        "type": "array",
        "items": {"type": "string", "pattern": f"^{_STEP_OF_MANY}(/{_STEP_OF_MANY})*$"},
    },
    Kind.WHOLE: {"type": "integer", "minimum": -_BIGGEST, "maximum": _BIGGEST},
    Kind.FEN: {"type": "integer", "minimum": 0, "maximum": _BIGGEST, "description": "In whole fen."},
    Kind.RATE: {
        "type": ["string", "number"],
        "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$",
        "minimum": 0,
        "maximum": 1_000_000,
        "description": "Exact digits, in the unit that its column names.",
        "examples": ["12.5"],
    },
    Kind.NUMBER: {"type": "number", "minimum": 0},
    Kind.SHARE: {"type": "number", "minimum": 0, "maximum": 1},
    Kind.FLAG: {"type": "boolean"},
    Kind.INSTANT: {"type": "string", "format": "date-time", "examples": [_INSTANT]},
    Kind.UNTIL: {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": [_DAY],
    },
    Kind.DATE: {"type": "string", "format": "date", "examples": [_DAY]},
}
_KEY_PARTS: Final[dict[Kind, str]] = {
    Kind.ID: ID_PATTERN.strip("^$"),
    Kind.TEXT: _WORD,
    Kind.DATE: r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    Kind.INSTANT: r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{5,15}([Zz]|[+-][0-9]{2}:[0-9]{2})",
}


class Stored(Shape):
    """What became of the rows."""

    model_config = shown_as(examples.STORED)

    table: str
    new: int
    unchanged: int
    """The same rows were there already."""
    request_id: str


def row_components() -> dict[str, Any]:
    """Every shape of a row, by its name among the components of OpenAPI."""
    found = {}
    for table in TABLES.values():
        found[row_name(table)] = _row_schema(table, frozenset())
        found[row_name(table, "Keyed")] = _row_schema(table, frozenset(key_columns(table)))
    for name in ("plans", "offers", "offer_promotions"):
        found[row_name(TABLES[name], "Planned")] = _planned_schema(TABLES[name])
    return found


def row_name(table: ImportTable, how: Literal["", "Keyed", "Planned"] = "") -> str:
    """Of a row as it stands in a batch; of one whose key may be left to its address; of one that is only planned.

    >>> row_name(TABLES["cps_quotes"]), row_name(TABLES["plans"], "Planned")
    ('CpsQuotesRow', 'PlannedPlansRow')
    """
    return f"{how}{table.name.title().replace('_', '')}Row"


def row_schema(table: ImportTable, how: Literal["", "Keyed", "Planned"] = "") -> dict[str, Any]:
    """Where the shape stands."""
    return {"$ref": f"#/components/schemas/{row_name(table, how)}"}


def _row_schema(table: ImportTable, left_out: frozenset[str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, column in table.columns.items():
        properties[column.name or name] = _property(column)
        if column.unit_column:
            unit = {"type": "string", "enum": list(RATE_UNITS)}
            properties.setdefault(column.unit_column, unit if column.required else _or_null(unit))
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in table.required if name not in left_out],
        "additionalProperties": False,
    }


def _planned_schema(table: ImportTable) -> dict[str, Any]:
    """Of a row that is not stored yet: ids are made up, the SKU and the instant are the question's."""
    schema = _row_schema(table, _ASKED_ABOUT)
    if table.name == "offers":
        promotion = row_schema(TABLES["offer_promotions"], "Planned")
        schema["properties"]["promotions"] = {"type": "array", "items": promotion}
    return schema


_ASKED_ABOUT: Final = frozenset(
    {"plan_id", "offer_id", "promotion_id", "sku_id", "platform", "observed_at", "valid_from"}
)


def key_columns(table: ImportTable) -> list[str]:
    """The columns that stand in a row's address, in their order."""
    return [column.name or name for name, column in table.columns.items() if column.key]


def key_schema(table: ImportTable) -> dict[str, Any]:
    """The end of a row's address: the parts of the key, `:` between."""
    parts = [
        "|".join(column.choices).join("()") if column.kind is Kind.CHOICE else _KEY_PARTS[column.kind]
        for column in table.columns.values()
        if column.key
    ]
    row = example_row(table)
    return {
        "pattern": f"^{':'.join(parts)}$",
        "examples": [":".join(str(row[name]) for name in key_columns(table))],
    }


def example_row(table: ImportTable, *, without_key: bool = False) -> dict[str, Any]:
    """A row that is right by itself; what it refers to has to be known."""
    row: dict[str, Any] = {}
    for name, column in table.columns.items():
        if column.required and not (without_key and column.key):
            first = column.choices[:1]
            made = list(first) if column.kind is Kind.CHOICES else first[0] if first else None
            row[column.name or name] = made or _EXAMPLES.get(name) or _EXAMPLES[column.kind]
            if column.unit_column:
                row[column.unit_column] = "percent"
    return row | _EXAMPLES_BESIDE.get(table.name, {})


_EXAMPLES: Final[dict[str, Any]] = {
    "brand_id": "B0001",
    "programme_id": "fair-rate",
    "event_id": "ks-116-2026",
    "anchor_id": "A0018",
    "sku_id": "S00462",
    "plan_id": "P000123",
    "quote_id": "Q000123",
    "offer_id": "O000123",
    "promotion_id": "M000123",
    "live_session_id": "L000123",
    "title": "氨基酸洁面乳 120 g",
    "bucket": "female",
    "share": 1.0,
    "ends_at": "2026-11-12T20:00:00+08:00",
    Kind.TEXT: "name",
    Kind.PATH: "beauty/skincare/mask",
    Kind.WHOLE: 1,
    Kind.FEN: 9_900,
    Kind.RATE: "20",
    Kind.INSTANT: _INSTANT,
    Kind.DATE: _DAY,
}
_EXAMPLES_BESIDE: Final[dict[str, dict[str, Any]]] = {"offer_promotions": {"off_fen": 500}}


def _property(column: ImportColumn) -> dict[str, Any]:
    if column.kind is Kind.CHOICE:
        plain: dict[str, Any] = {"type": "string", "enum": list(column.choices)}
    elif column.kind is Kind.CHOICES:
        plain = {"type": "array", "items": {"type": "string", "enum": list(column.choices)}, "minItems": 1}
    else:
        plain = dict(_BY_KIND[column.kind])
        if column.at_least is not None and "minimum" in plain:
            plain["minimum"] = column.at_least
        if column.kind in _TEXTS:
            plain["maxLength"] = column.at_most or MOST_CHARACTERS
        if column.kind is Kind.TEXT and column.required:
            plain["pattern"] = f"^{_WORD}$"
    if column.refers_to:
        plain["description"] = f"Known in {column.refers_to}."
    return plain if column.required else _or_null(plain)


_TEXTS: Final = frozenset({Kind.TEXT, Kind.NOTE, Kind.PATH})


def _or_null(plain: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [plain, {"type": "null"}]}
