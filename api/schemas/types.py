"""What may an id, a text, an amount, a rate or an instant be over HTTP? Bounded, typed, and the same on every route."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from features.store.columns import ID_PATTERN

BIGGEST: Final = 2**63 - 1
_OBJECTIVES = Literal["balanced", "fit", "gmv", "commission"]


def _is_text(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("text holds no NUL and no lone surrogate")
    return value


def _is_no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")  # noqa: TRY004 - pydantic takes ValueErrors
    return value


def _is_written_out(value: object) -> object:
    """A number, in digits too, would be taken for seconds, or for milliseconds, since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DAY_AND_TIME.match(value)):
        return value
    raise PydanticCustomError("datetime_iso_8601", "an instant is written in ISO 8601, with an offset")


def _is_of_our_time(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError("an instant lies between 1971 and 2199")
    return value


_DAY_AND_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}", re.ASCII)
_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 2199

YUAN_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,2})?$"
PERCENT_PATTERN: Final = r"^([0-9]{1,2}(\.[0-9]{1,4})?|100(\.0{1,4})?)$"


class Words(NamedTuple):
    """How something is said in both languages."""

    zh: str
    en: str


SHAPES: Final[Mapping[str, Words]] = {
    ID_PATTERN: Words("1 至 64 个字母、数字或 . _ : -", "1 to 64 letters, digits and . _ : -"),
    YUAN_PATTERN: Words(
        "以元计的金额，至多两位小数，如 19.90", "an amount in yuan with at most 2 decimals, such as 19.90"
    ),
    PERCENT_PATTERN: Words(
        "不超过 100 的百分数，至多四位小数，不带 %，如 12.5",
        "a percentage of at most 100 with at most 4 decimals and without its sign, such as 12.5",
    ),
}
"""What a pattern means to people."""

Id = Annotated[
    str,
    StringConstraints(pattern=ID_PATTERN, max_length=64),
    Field(description="1 to 64 letters, digits and . _ : -", examples=["S00462"]),
]
Text = Annotated[str, StringConstraints(max_length=400, min_length=1), AfterValidator(_is_text)]
Note = Annotated[str, StringConstraints(max_length=4_000), AfterValidator(_is_text)]
Fen = Annotated[
    int,
    BeforeValidator(_is_no_flag),
    Field(ge=0, le=BIGGEST, description="Money in whole fen; 100 fen are 1 yuan."),
]
Ppm = Annotated[
    int,
    BeforeValidator(_is_no_flag),
    Field(ge=0, le=1_000_000, description="A rate in parts per million; 10 000 ppm are 1 %."),
]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_is_written_out),
    AfterValidator(_is_of_our_time),
    Field(
        description="ISO 8601 with an offset, of the years 1971 to 2199.",
        examples=["2026-11-11T20:00:00+08:00"],
    ),
]
Objective = Annotated[
    _OBJECTIVES,
    Field(
        description="What best first means: likely taken up (fit), bringing (gmv), bringing the anchor (commission), both (balanced)."
    ),
]
Tier = Literal["head", "waist", "tail"]
SupplyType = Literal["source", "brand"]


class Shape(BaseModel):
    """What we send."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)


class Asked(BaseModel):
    """What we are sent: an unknown name is an error, and nothing is taken for something else."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, strict=True, frozen=True)


def shown_as(example: Mapping[str, Any]) -> ConfigDict:
    """For a shape's `model_config`: what OpenAPI shows of it."""
    return ConfigDict(json_schema_extra={"examples": [dict(example)]})


def examples_by_shape() -> dict[str, list[Any]]:
    """What is shown of each shape that shows something, by its name."""
    found: dict[str, list[Any]] = {}
    shapes: list[type[BaseModel]] = [Shape, Asked]
    while shapes:
        shape = shapes.pop()
        shapes += shape.__subclasses__()
        extra = shape.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and isinstance(shown := extra.get("examples"), list):
            found[shape.__name__] = shown
    return found


class ProblemDocument(BaseModel):
    """RFC 9457: what went wrong."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    code: str
    """Stable: programs decide by it."""
    request_id: str
    detail: str | None = None
    errors: list[dict[str, object]] | None = None
    """The places that are wrong; what was found there is never echoed."""
