"""What has the business decided? The policy: frozen, read from a TOML file, and known by a version.

Every answer names the version of the policy it was given under. What the file leaves out keeps its default; a file
that cannot be meant is refused with the line and the key. A machine's settings and a modeller's choices live
elsewhere.
"""

import hashlib
import logging
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from features.errors import WrongInput

PlanType = Literal["open", "target_item", "target_shop", "exclusive", "leader", "leader_exclusive"]

PARITY_WARNING: Final = (
    "policy sets price_parity to %s: since 10 April 2026 China's rules on platform pricing bar a platform from pressing "
    "merchants, by demotion or by cutting traffic, to price no higher than elsewhere; leaving pairings out for their "
    "price may be that. advise only shows the verdict."
)
_LOG: Final = logging.getLogger("matcher")

_Share = Annotated[float, Field(ge=0, le=1)]
_AtLeast0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MOST_LISTED: Final = 1_000


_Platform = Annotated[str, StringConstraints(min_length=1, to_lower=True)]
"""However it is written: platforms are compared in lower case."""


class _Frozen(BaseModel):
    # strict: "30" and true are no numbers; a TOML file says which it means.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class ListPolicy(_Frozen):
    """What a list owes to others than its reader. By default nothing: the best come first."""

    brand_cap: Annotated[int, Field(ge=0, le=_MOST_LISTED)] = 0
    """At most so many SKUs of one brand in a goods list; 0: as many as come."""
    newcomer_share: _Share = 0.0
    """At least this share of a list's places goes to newcomers, as long as there are any among the candidates."""
    newcomer_trials: Annotated[int, Field(ge=1)] = 5
    """A SKU listed so often, an anchor with so many sessions, is no newcomer any more: the trial is bounded."""
    small_anchor_share: _Share = 0.0
    """At least this share of a shortlist's places goes to anchors of the waist and the tail."""
    explore_slots: Annotated[int, Field(ge=0, le=_MOST_LISTED)] = 0
    """So many places of each page, at most its lower half, are drawn from what lies next below; 0: lists are certain."""


Mode = Literal["advise", "require_pass", "exclude_fail"]


class ModePolicy(_Frozen):
    """What the verdict of each rule does to a pairing."""

    cps_floor: Mode = "advise"
    """advise: shown beside it; require_pass: FAIL and INDETERMINATE are left out; exclude_fail: only FAIL is."""
    price_parity: Mode = "advise"
    """Anything but advise presses merchants on their prices elsewhere: see the warning in the log."""


class FloorPolicy(_Frozen):
    """How the commission of other platforms is read."""

    platforms: Annotated[tuple[_Platform, ...], Field(strict=False)] = ()
    """Only these count; none named: every platform but ours."""
    statistic: Literal["highest", "median"] = "highest"
    """Of the fresh rates, one a platform; the median of two middles is the lower."""
    max_age_hours: Annotated[int, Field(ge=0, le=8_760)] = 72
    """A quote is fresh for so long."""
    max_age_event_hours: Annotated[int, Field(ge=0, le=8_760)] = 24
    """The same while a big event of the home platform runs."""
    tolerance_ppm: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """So far below the floor still passes."""
    allow_partial: bool = False
    """A pass stands although some platforms were seen too long ago."""
    basis: Literal["rate", "amount", "both"] = "rate"
    """What decides where bases differ: the rate, the commission a unit, or both."""


class ReferencePolicy(_Frozen):
    """Which event elsewhere our prices are held against."""

    platform: _Platform = "tmall"
    """Whose event it is."""
    kind: Annotated[str, Field(min_length=1)] = "double_11"
    """Which of its events."""


class ParityPolicy(_Frozen):
    """How prices are compared."""

    reference: ReferencePolicy = ReferencePolicy()
    """The event elsewhere."""
    reference_year: Literal["latest_completed", "same_year", "lower_of_both"] = "latest_completed"
    """The latest that had ended before ours began; that of our event's own year; or the lower price of both."""
    provisional_kinds: Annotated[tuple[str, ...], Field(strict=False)] = ("116",)
    """Kinds of our events that run beside the reference of their own year: verdicts during them are provisional."""
    tolerance_fen: Annotated[int, Field(ge=0)] = 0
    """So much dearer a base unit still passes."""
    platform_threshold: Literal["p1", "p2"] = "p1"
    """On which price the threshold of a platform's promotion is tested: after the item's, or the shop's."""
    offer_max_age_hours: Annotated[int, Field(ge=0, le=8_760)] = 24
    """An offer of ours is fresh for so long."""
    least_quota_ppm: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """A reference offer for fewer of the event's units is left out."""


class Bounds(_Frozen):
    """From `warns` on something is told, from `refuses` on nothing serves that was made of it."""

    warns: _AtLeast0
    refuses: _AtLeast0

    @model_validator(mode="after")
    def _a_warning_comes_first(self) -> Self:
        if self.warns > self.refuses:
            raise ValueError(f"refuses at {self.refuses:g}, before it warns at {self.warns:g}")
        return self


class DriftPolicy(_Frozen):
    """How far what a night sees may lie from what its model has learnt from.

    A market that changes has to be learnt: these refuse what no market does from one month to the next, a unit that was
    changed or a column that went missing.
    """

    psi: Bounds = Bounds(warns=0.25, refuses=3.0)
    """Population stability index of a main feature, beyond what chance gives."""
    missing: Bounds = Bounds(warns=0.1, refuses=0.5)
    """Change in the share of rows in which a main feature is missing."""
    audience: Bounds = Bounds(warns=0.1, refuses=3.0)
    """Population stability index of the crowds of all anchors, a role and a dimension at a time."""
    unseen: Bounds = Bounds(warns=0.01, refuses=0.5)
    """Share of the last week's exposure in categories that nobody had put up before the fit window ended."""
    label_factor: Bounds = Bounds(warns=1.5, refuses=3.0)
    """So many times as often, or as rarely, did candidates sell."""


class FeedPolicy(_Frozen):
    """What has to have come in before a night is believed."""

    least_week_share: _AtLeast0 = 0.5
    """Listings of the last seven days to those of the usual week of the eight before."""
    least_repeat_share: _AtLeast0 = 0.6
    """Of these the share whose pair was put up before, to the usual share: results under wrong goods show here."""
    most_silent_days: Annotated[int, Field(ge=0, le=365)] = 2
    """Whole days without a listing that may end the history; more where the eight weeks before had more on end."""
    anchor_stats_max_age_days: Annotated[int, Field(ge=1, le=3_650)] = 28
    """The newest are no older, once there were any."""
    audiences_max_age_days: Annotated[int, Field(ge=1, le=3_650)] = 90
    """The newest are no older, once there were any."""
    least_settled_share: _Share = 0.5
    """Of the listings of the fit window, where the market settles at all."""


class GatePolicy(_Frozen):
    """How far tonight's model may fall short and still serve: NDCG@10 on the judge window, paired by query."""

    champion_tolerance: _Share = 0.01
    """So far behind the champion, in the mean, still passes; what is further behind is refused if chance is no excuse."""
    segment_tolerance: _Share = 0.02
    """A segment is refused that is further behind beyond doubt: with the whole of its 95 % interval."""
    least_level_share: _Share = 0.5
    """Of the NDCG of its own night the champion keeps so much, or the facts are in doubt."""
    least_queries: Annotated[int, Field(ge=1)] = 50
    """With fewer nothing is concluded about a champion, a segment or drift."""
    least_listings: Annotated[int, Field(ge=1)] = 300
    """With fewer nothing is concluded about the outcome model."""
    least_range_share: _Share = 0.65
    """Outcomes inside the range that means to hold 80 % of them: at least."""
    most_range_share: _Share = 0.95
    """The same: at most."""
    least_sold_ratio: _AtLeast0 = 0.6
    """Units sold to units promised: at least."""
    most_sold_ratio: _AtLeast0 = 1.6
    """The same: at most."""
    drift: DriftPolicy = DriftPolicy()
    """What may have changed."""
    feeds: FeedPolicy = FeedPolicy()
    """What has to be there."""


class Policy(_Frozen):
    """All that the operator may decide; hashable, shared by threads."""

    home_platform: _Platform = "kuaishou"
    """The platform whose offers and events are ours."""
    plan_precedence: Annotated[tuple[PlanType, ...], Field(strict=False)] = (
        "exclusive",
        "leader_exclusive",
        "target_item",
        "target_shop",
        "leader",
        "open",
    )
    """Of the plans that admit an anchor, the kind that stands first here applies."""
    rate_lock_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    """For so long after a rate fell, an anchor that was already promoting the SKU keeps the old one."""
    trusted_sources: Annotated[tuple[str, ...], Field(strict=False)] = ("operator", "job")
    """Who may supply figures of other platforms that decide; the others' are kept and shown."""
    modes: ModePolicy = ModePolicy()
    floor: FloorPolicy = FloorPolicy()
    parity: ParityPolicy = ParityPolicy()
    lists: ListPolicy = ListPolicy()
    gate: GatePolicy = GatePolicy()

    @model_validator(mode="after")
    def _every_kind_has_its_place(self) -> Self:
        if sorted(self.plan_precedence) != sorted(get_args(PlanType)):
            raise ValueError(f"plan_precedence has to name each of {', '.join(get_args(PlanType))} once")
        return self

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits of what is decided; spelling, order and comments of the file play no part."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def read_policy(file: Path | None) -> Policy:
    """The policy in a TOML file, or the default one; WrongInput names the line and the key that are wrong."""
    if file is None:
        return Policy()
    try:
        text = file.read_bytes().decode()
        policy = Policy.model_validate(tomllib.loads(text))
    except OSError as error:
        raise WrongInput(f"policy {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"policy {file} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise WrongInput(f"policy {file} is not TOML: {error}") from error
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            path = tuple(str(step) for step in fault["loc"])
            line, key = _place(text, path)
            faults.append(f"line {line}, {key}: {_sentence(fault['type'], fault['msg'], path)}")
        raise WrongInput(f"policy {file}: {'; '.join(faults)}") from error
    if policy.modes.price_parity != "advise":
        _LOG.warning(PARITY_WARNING, policy.modes.price_parity)
    return policy


def _sentence(kind: str, message: str, path: tuple[str, ...]) -> str:
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ")
    table: type[BaseModel] = Policy
    for step in path[:-1]:
        inner = table.model_fields[step].annotation
        assert isinstance(inner, type)
        table = inner
    return f"no such key; known are {', '.join(table.model_fields)}"


_HEADER: Final = re.compile(r"\s*\[\s*([A-Za-z0-9_.\s\"'-]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_.\s\"'-]+?)\s*=")


def _place(text: str, path: tuple[str, ...]) -> tuple[int, str]:
    """The first line that names most of `path`, and the name; what the whole file lacks stands at line 1."""
    if not path:
        path = ("plan_precedence",)  # the one thing that only the whole policy can be asked for
    table: tuple[str, ...] = ()
    best, found = 0, 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _steps(header[1])
            named = table
        elif key := _KEY.match(line):
            named = (*table, *_steps(key[1]))
        else:
            continue
        if len(named) > best and named == path[: len(named)]:
            best, found = len(named), number
    return found, ".".join(path)


def _steps(dotted: str) -> tuple[str, ...]:
    return tuple(step.strip().strip("\"'") for step in dotted.split("."))
