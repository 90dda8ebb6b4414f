"""What did a rule find? A verdict: status, reason, margin, evidence, and when to ask again. Unknown is not pass.

Every reason has its sentence here, in zh and en; a page, a command and a problem document say the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

Rule = Literal["cps_floor", "price_parity"]
RULES: Final[tuple[Rule, ...]] = ("cps_floor", "price_parity")


class Status(StrEnum):
    """What became of the check."""

    PASS = "PASS"  # noqa: S105 - a status
    FAIL = "FAIL"
    INDETERMINATE = "INDETERMINATE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Reason(StrEnum):
    """Why; a note (below the line) carries one too."""

    OK = "OK"
    NOT_ENROLLED = "NOT_ENROLLED"
    NO_EVENT = "NO_EVENT"
    CALENDAR = "CALENDAR"
    NOT_COMPARABLE = "NOT_COMPARABLE"
    # the floor
    RATE_BELOW_FLOOR = "RATE_BELOW_FLOOR"
    OPEN_LOWER_TARGET_OK = "OPEN_LOWER_TARGET_OK"
    RATE_OK_AMOUNT_LOW = "RATE_OK_AMOUNT_LOW"
    AMOUNT_OK_RATE_LOW = "AMOUNT_OK_RATE_LOW"
    NO_PLAN = "NO_PLAN"
    NO_REFERENCE = "NO_REFERENCE"
    ALL_STALE = "ALL_STALE"
    PARTIAL_COVERAGE = "PARTIAL_COVERAGE"
    NO_BASE = "NO_BASE"
    # the price
    PRICE_ABOVE_REFERENCE = "PRICE_ABOVE_REFERENCE"
    GIFT_GAP = "GIFT_GAP"
    PACK_DIFFERS = "PACK_DIFFERS"
    NO_OFFER = "NO_OFFER"
    WELFARE = "WELFARE"
    CURRENCY = "CURRENCY"
    BAD_PRICE = "BAD_PRICE"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    REFERENCE_NOT_YET_OBSERVED = "REFERENCE_NOT_YET_OBSERVED"
    LOW_EVIDENCE = "LOW_EVIDENCE"
    # notes alone
    STALE_QUOTE = "STALE_QUOTE"
    UNTRUSTED_SOURCE = "UNTRUSTED_SOURCE"
    TINY_QUOTA = "TINY_QUOTA"
    NEW_FAN_PRICE = "NEW_FAN_PRICE"
    MAPPED_BY_TITLE = "MAPPED_BY_TITLE"
    GIFT_THERE = "GIFT_THERE"


SENTENCES: Final[Mapping[Reason, tuple[str, str]]] = MappingProxyType(
    {
        Reason.OK: ("符合承诺", "the promise is kept"),
        Reason.NOT_ENROLLED: (
            "品牌此时未加入含此规则的计划",
            "the brand is not enrolled, at that moment, in a programme with this rule",
        ),
        Reason.NO_EVENT: ("此时不在大促期间", "no big promotion of ours runs at that moment"),
        Reason.CALENDAR: (
            "当年日历应恰有三场大促，请核对活动表",
            "the calendar year does not hold exactly three big promotions; correct the events",
        ),
        Reason.NOT_COMPARABLE: (
            "渠道专供单品，未指明对应单品",
            "a channel-exclusive SKU that names no equivalent elsewhere",
        ),
        Reason.RATE_BELOW_FLOOR: (
            "普通计划佣金率低于其他平台",
            "the open commission rate is below what other platforms pay",
        ),
        Reason.OPEN_LOWER_TARGET_OK: (
            "普通计划低于其他平台；有其他计划达到，但不能替代普通计划",
            "the open rate is below the floor; another plan reaches it, but cures nothing",
        ),
        Reason.RATE_OK_AMOUNT_LOW: (
            "佣金率达到，但每件佣金金额偏低",
            "the rate reaches the floor, the commission a unit does not",
        ),
        Reason.AMOUNT_OK_RATE_LOW: (
            "每件佣金金额达到，但佣金率偏低",
            "the commission a unit reaches the floor, the rate does not",
        ),
        Reason.NO_PLAN: ("没有生效的普通计划", "no open plan is in force"),
        Reason.NO_REFERENCE: ("没有可比较的外部数据", "nothing was seen elsewhere to compare with"),
        Reason.ALL_STALE: ("数据均已过期，请重新采集", "all that was seen is too old; observe it anew"),
        Reason.PARTIAL_COVERAGE: (
            "部分平台数据已过期，不足以判定通过",
            "some platforms were seen too long ago for a pass",
        ),
        Reason.NO_BASE: ("缺少计算佣金金额的基数", "the amount decides, and a base for it is missing"),
        Reason.PRICE_ABOVE_REFERENCE: (
            "到手价高于参照价",
            "the effective price is above the reference price",
        ),
        Reason.GIFT_GAP: (
            "单价不高，但参照方另赠其他商品",
            "the unit price holds, but the reference comes with another product as a gift",
        ),
        Reason.PACK_DIFFERS: (
            "单价不高，但规格不同",
            "the unit price holds, but no supported reference has our pack size",
        ),
        Reason.NO_OFFER: ("没有我方有效报价", "no offer of ours is in force"),
        Reason.WELFARE: ("福利品，不参与比价", "a welfare item at no price is not compared"),
        Reason.CURRENCY: ("非人民币价格，无法比较", "the price is not in CNY"),
        Reason.BAD_PRICE: ("价格无效或不完整", "the price is not above zero, or a part of it is missing"),
        Reason.UNIT_MISMATCH: ("计量单位不同，无法比较", "the base units differ"),
        Reason.REFERENCE_NOT_YET_OBSERVED: (
            "参照活动尚未结束，稍后判定",
            "the reference event has not ended yet",
        ),
        Reason.LOW_EVIDENCE: (
            "参照价证据不足",
            "reference prices are not supported by evidence or a second sight",
        ),
        Reason.STALE_QUOTE: ("报价已过期，未计入", "a quote too old to count"),
        Reason.UNTRUSTED_SOURCE: (
            "来源不在可信名单，仅供参考",
            "its source is not trusted: shown, decides nothing",
        ),
        Reason.TINY_QUOTA: ("名额不足活动量的 1 %，未计入", "a quota under one percent of the event's units"),
        Reason.NEW_FAN_PRICE: ("新客价属个人权益，未计入", "a new buyer's price is a personal benefit"),
        Reason.MAPPED_BY_TITLE: ("仅按标题匹配，未计入", "mapped by its title alone"),
        Reason.GIFT_THERE: ("参照方附赠", "comes with a gift there"),
    }
)
"""Of each reason, in zh and en."""


class Evidence(NamedTuple):
    """A row that the answer rests on."""

    id: str
    table: str
    observed_at: datetime


class Note(NamedTuple):
    """A row that was looked at and left out, or a remark; decides nothing."""

    reason: Reason
    about: str
    """An id, or words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer of one rule about one SKU at one instant; the same rows give the same for ever."""

    sku_id: str
    rule: Rule
    status: Status
    reason: Reason
    checked_at: datetime
    policy_version: str
    margin: int | None = None
    """Ours minus the floor in ppm (fen a unit where the amount fails); reference minus ours in fen a base unit."""
    evidence: tuple[Evidence, ...] = ()
    """By id."""
    provisional: bool = False
    next_change_at: datetime | None = None
    """Until then the same rows give the same answer."""
    notes: tuple[Note, ...] = ()
    account: Any = None
    """What was compared, step by step, for a reader: a `FloorAccount` or a `ParityAccount`."""

    @property
    def evidence_ids(self) -> str:
        """As files show it."""
        return ";".join(item.id for item in self.evidence)
