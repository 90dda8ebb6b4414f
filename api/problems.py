"""What went wrong, for a program and for a person? RFC 9457 documents with a stable code, in zh or en.

What was handed in is never echoed: an answer names the place and what is allowed there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final, Literal, NamedTuple

from fastapi.responses import JSONResponse

from api.schemas.types import SHAPES, Asked
from features.errors import (
    FenxiaoError,
    GateRefused,
    IdempotencyClash,
    LeaseHeld,
    NoModel,
    NoRoom,
    Refused,
    RegistryDamaged,
    RowsRefused,
    StoreBusy,
    TableForbidden,
    UnknownId,
    WrongInput,
)

Language = Literal["zh", "en"]
MEDIA_TYPE: Final = "application/problem+json"


class Kind(NamedTuple):
    """A kind of problem: its status, and its title in both languages."""

    status: int
    zh: str
    en: str


KINDS: Final[Mapping[str, Kind]] = {
    "bad_request": Kind(400, "请求无法解析", "The request cannot be read"),
    "bad_cursor": Kind(400, "游标无效，或不属于这个查询", "The cursor is damaged, or of another query"),
    "bad_idempotency_key": Kind(
        400,
        "Idempotency-Key 须为 1 至 128 个可见 ASCII 字符",
        "An Idempotency-Key has 1 to 128 visible ASCII characters",
    ),
    "unauthenticated": Kind(401, "需要有效的密钥", "A valid key is needed"),
    "forbidden": Kind(403, "此角色不能使用这个接口", "This is not for your role"),
    "bad_csrf": Kind(403, "表单已过期，请返回重试", "The form has expired; go back and try again"),
    "not_found": Kind(404, "不存在，或您无权查看", "There is no such thing, or it is not yours to see"),
    "method_not_allowed": Kind(405, "不支持这个方法", "This method is not supported here"),
    "not_acceptable": Kind(406, "无法以所要求的格式回答", "The answer is JSON only"),
    "timeout": Kind(408, "请求发送过慢", "The request took too long to arrive"),
    "conflict": Kind(409, "与已有内容冲突", "This contradicts what is stored"),
    "idempotency_key_reused": Kind(
        409, "这个 Idempotency-Key 已用于另一请求", "This Idempotency-Key was used for another request"
    ),
    "refused": Kind(409, "规则不允许", "A rule or a gate refuses this"),
    "cursor_expired": Kind(
        410, "数据已更新，请从第一页重新开始", "The market has moved on; begin again at the first page"
    ),
    "too_large": Kind(413, "请求体过大", "The body is too large"),
    "unsupported_media_type": Kind(415, "须为 application/json", "The body has to be application/json"),
    "invalid": Kind(422, "有字段不符合要求", "Some values cannot be meant"),
    "rejected_rows": Kind(422, "有行不符合要求，未写入任何数据", "Some rows are bad; nothing was written"),
    "too_many_requests": Kind(429, "请求过于频繁", "Too many requests"),
    "internal": Kind(500, "服务内部错误", "Something is wrong on our side"),
    "not_ready": Kind(503, "正在加载数据，请稍后再试", "The market is still being loaded"),
    "busy": Kind(503, "存储正忙，请稍后再试", "The store is busy; try again shortly"),
}
"""Every code that an answer may carry."""


class Problem(Exception):
    """An answer that is not what was asked for; raised anywhere below a route."""

    def __init__(
        self,
        code: str,
        *,
        zh: str | None = None,
        en: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail: Mapping[Language, str | None] = {"zh": zh, "en": en}
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of HTTP."""
        return KINDS[self.code].status

    def document(self, language: Language, request_id: str) -> dict[str, Any]:
        """As RFC 9457 has it, with our code, and the places that are wrong."""
        kind = KINDS[self.code]
        detail = self.detail[language]
        return {
            "type": f"urn:fenxiao:problem:{self.code}",
            "title": kind.zh if language == "zh" else kind.en,
            "status": kind.status,
            "code": self.code,
            "request_id": request_id,
            **({"detail": detail} if detail else {}),
            **({"errors": [_in(language, one) for one in self.errors]} if self.errors else {}),
        }

    def response(self, language: Language, request_id: str) -> JSONResponse:
        """The answer."""
        headers = {"Content-Language": language, "Cache-Control": "no-store"} | self.headers
        return JSONResponse(self.document(language, request_id), self.status, headers, MEDIA_TYPE)


def _in(language: Language, error: Mapping[str, Any]) -> dict[str, Any]:
    """One of the errors, with its sentence in one language."""
    said = {name: value for name, value in error.items() if name != "sentence_zh"}
    return said | ({"sentence": error["sentence_zh"]} if language == "zh" and "sentence_zh" in error else {})


def problem_of(error: FenxiaoError) -> Problem:
    """One of the project's own errors, as far as a stranger may know of it."""
    if isinstance(error, RowsRefused):
        code = "conflict" if error.conflict else "rejected_rows"
        return Problem(code, errors=[asdict(one) for one in error.faults[:_MOST_FAULTS]])
    code, zh = next(known for kind, known in _BY_ERROR.items() if isinstance(error, kind))
    en = None if zh is None else str(error)
    return Problem(code, en=en, zh=zh, headers={"Retry-After": "5"} if code == "busy" else {})


_BY_ERROR: Final[Mapping[type[FenxiaoError], tuple[str, str | None]]] = {
    IdempotencyClash: ("idempotency_key_reused", None),
    TableForbidden: (
        "forbidden",
        "此角色不能写入这张表；可写的表见 /docs",
    ),
    UnknownId: ("not_found", None),
    WrongInput: ("invalid", None),  # it quotes what was handed in
    GateRefused: ("refused", "该模型未通过上线门槛，现用模型继续服务"),
    LeaseHeld: ("refused", "另一轮夜间训练正在进行"),
    NoModel: ("refused", "没有可用的模型"),
    Refused: ("refused", "规则或当前状态不允许此操作"),
    RegistryDamaged: ("conflict", None),
    StoreBusy: ("busy", None),
    NoRoom: ("busy", None),
    FenxiaoError: ("internal", None),
}
"""The first that fits: a code, and what is told in zh where the error's own sentence, which is en, may be told."""


def of_status(status: int) -> Problem:
    """What a library answered, under our codes."""
    by_status = {
        400: "bad_request",
        401: "unauthenticated",
        403: "forbidden",
        404: "not_found",
        405: "method_not_allowed",
        406: "not_acceptable",
        408: "timeout",
        413: "too_large",
        415: "unsupported_media_type",
        422: "invalid",
        429: "too_many_requests",
        503: "not_ready",
    }
    return Problem(
        by_status.get(status, "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "bad_request")
    )


def invalid(faults: Iterable[Mapping[str, Any]], known_names: Sequence[str] = ()) -> Problem:
    """Pydantic's findings without what was found: the place, a code and a sentence.

    `known_names` are those that the query may have: who has mistyped one is told all of them.
    """
    known = ", ".join(known_names)
    return Problem(
        "invalid",
        errors=[
            {
                "place": _place(fault["loc"], str(fault["type"])),
                "code": str(fault["type"]),
                **_sentences(
                    str(fault["type"]),
                    str(fault["msg"]),
                    {"known": known if fault["loc"][:1] == ("query",) else "", **(fault.get("ctx") or {})},
                ),
            }
            for fault in list(faults)[:_MOST_FAULTS]
        ],
    )


_MOST_FAULTS: Final = 100


def _place(steps: Sequence[object], kind: str) -> list[str]:
    """As far as we named the steps ourselves: a name that nobody knows came in, and is not repeated."""
    ours = list(steps[:-1] if kind == "extra_forbidden" else steps)
    first = next((k for k, step in enumerate(ours) if isinstance(step, int)), len(ours))
    known = {name for shape in Asked.__subclasses__() for name in shape.model_fields}
    kept = takewhile(lambda step: isinstance(step, int) or step in known, ours[first:])
    return [str(step) for step in (*ours[:first], *kept)]


def _sentences(kind: str, message: str, limits: Mapping[str, Any]) -> dict[str, str]:
    """Pydantic names limits and choices, never the input; but for kinds whose words are somebody else's."""
    if kind == "string_pattern_mismatch" and (shape := SHAPES.get(str(limits.get("pattern")))):
        return {"sentence": f"it should be {shape.en}", "sentence_zh": f"应为{shape.zh}"}
    if kind == "extra_forbidden" and limits.get("known"):
        return {
            "sentence": f"a name in it is not known here; known are {limits['known']}",
            "sentence_zh": f"含有未知的名称；可用的有 {limits['known']}",
        }
    zh = next((words for start, words in _ZH.items() if kind.startswith(start)), "不符合要求")
    return {"sentence": _EN.get(kind, message), "sentence_zh": zh.format_map(defaultdict(str, limits))}


_EN: Final[Mapping[str, str]] = {
    "json_invalid": "it is no JSON document",
    "value_error": "it cannot be meant",
    "assertion_error": "it cannot be meant",
    "extra_forbidden": "a name in it is not known here",
}
_ZH: Final[Mapping[str, str]] = {
    "json_invalid": "不是 JSON 文档",
    "extra_forbidden": "含有未知的名称",
    "missing": "缺少必填项",
    "literal_error": "应为 {expected} 之一",
    "string_pattern_mismatch": "应形如 {pattern}",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "至多 {max_length} 个字符",
    "too_short": "至少 {min_length} 项",
    "too_long": "至多 {max_length} 项",
    "greater_than_equal": "不得小于 {ge}",
    "less_than_equal": "不得大于 {le}",
    "string": "应为文本",
    "int": "应为整数",
    "float": "应为数字",
    "bool": "应为 true 或 false",
    "list": "应为数组",
    "dict": "应为对象",
    "model": "应为对象",
    "timezone": "时间须带时区",
    "datetime": "应为带时区的 ISO 8601 时间",
}
"""By how pydantic's name of the fault begins; the first that fits."""


def read_language(accepted: str | None) -> Language:
    """The better liked of zh and en by an Accept-Language header; en where it names neither.

    >>> read_language("zh-CN,zh;q=0.9,en;q=0.8"), read_language("fr, en;q=0.5"), read_language(None)
    ('zh', 'en', 'en')
    """
    best: tuple[float, Language] = (0.0, "en")
    for part in (accepted or "")[:1_000].split(","):
        tag, _, weight = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        try:
            liked = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        for known in ("zh", "en"):
            if primary == known and liked > best[0]:
                best = (liked, "zh" if known == "zh" else "en")
    return best[1]
