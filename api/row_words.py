"""What is wrong with a row that a program handed in, in words? In zh and en, from the column's declaration alone.

The check that found the fault words it for a report that lies beside the file, and quotes what stood there. An answer
over HTTP repeats nothing of what came in: it names the place, and what is wanted there.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from features.errors import RowFault
from features.store.columns import ID_PATTERN, History, ImportColumn, ImportTable, Kind
from features.store.intake.rejects import Code
from features.store.tables import TABLES
from features.units import RATE_UNITS, WHOLE, Ppm, percent


class Words(NamedTuple):
    """One thing said twice."""

    en: str
    zh: str


def row_fault(
    index: int, code: Code, table: ImportTable | None = None, column: str = "", *, place: int = 0
) -> RowFault:
    """The fault of the row at `index` of a batch; `column` as bodies call it, `place` of an unknown one from 1."""
    words = _words(code, "" if table is None else table.name, column, place)
    return RowFault(index, column, str(code), words.en, words.zh)


@lru_cache(maxsize=4_096)  # ten thousand rows often have one fault
def _words(code: Code, table_name: str, column: str, place: int) -> Words:
    table = TABLES.get(table_name)
    declared = None if table is None else _declared(table, column)
    facts = {} if table is None else _facts(table, place)
    if table is None or declared is None:
        words = _OF_THE_ROW[code]
    else:
        words = _OF_THE_COLUMN.get(code, _WANTED)
        facts |= _column_facts(table, declared, column)
    en = {name: fact.en for name, fact in facts.items()}
    zh = {name: fact.zh for name, fact in facts.items()}
    return Words(words.en.format(**en), words.zh.format(**zh))


def _declared(table: ImportTable, column: str) -> ImportColumn | None:
    """The column as it is declared; of a rate's unit the rate's."""
    for own, declared in table.columns.items():
        if column in {declared.name or own, declared.unit_column}:
            return declared
    return None


def _facts(table: ImportTable, place: int) -> dict[str, Words]:
    """What there is to say of a table."""
    columns = ", ".join(f"{name}*" if name in table.required else name for name in table.file_columns)
    key = ":".join(name for name in table.key if table.columns[name].key)
    facts = {"table": table.name, "columns": columns, "key": key, "place": str(place)}
    return {name: Words(fact, fact) for name, fact in facts.items()}


def _column_facts(table: ImportTable, declared: ImportColumn, column: str) -> dict[str, Words]:
    """What there is to say of a column."""
    is_unit = column == declared.unit_column
    advice = (
        Words("give another observed_at", "请换一个 observed_at")
        if isinstance(table.known_by, History)
        else Words("give a new key", "请换一个键")
    )
    refers_to = declared.refers_to or ""
    return {
        "name": Words(column, column),
        "wanted": _UNIT if is_unit else _wanted(declared),
        "refers_to": Words(refers_to, refers_to),
        "advice": advice,
    }


def _wanted(column: ImportColumn) -> Words:
    """What may stand in the column."""
    most = column.at_most
    words = _KINDS[column.kind]
    facts = {
        "choices": ", ".join(column.choices),
        "least": "-(2^63 - 1)" if column.at_least is None else str(column.at_least),
        "most": percent(Ppm(most or WHOLE)) if column.kind is Kind.RATE else str(most),
        "id": ID_PATTERN.strip("^$"),
    }
    return Words(words.en.format(**facts), words.zh.format(**facts))


_UNIT: Final = Words(f"one of {', '.join(RATE_UNITS)}", f"{', '.join(RATE_UNITS)} 之一")
_KINDS: Final[Mapping[Kind, Words]] = {
    Kind.ID: Words("an id: text like {id}, never a number", "编号：形如 {id} 的文本，不得为数字"),
    Kind.IDS: Words(
        "ids, in a list or with ; between: each text like {id}, never a number",
        "编号列表，或以 ; 分隔的编号：每个均为形如 {id} 的文本，不得为数字",
    ),
    Kind.TEXT: Words(
        "text of at most {most} characters, without NUL", "不超过 {most} 个字符、不含 NUL 的文本"
    ),
    Kind.NOTE: Words(
        "text of at most {most} characters, without NUL", "不超过 {most} 个字符、不含 NUL 的文本"
    ),
    Kind.PATH: Words(
        "a path like beauty/skincare/mask of at most {most} characters",
        "形如 beauty/skincare/mask、不超过 {most} 个字符的路径",
    ),
    Kind.PATHS: Words(
        "paths like beauty/skincare/mask, in a list or with ; between",
        "路径列表，或以 ; 分隔的路径，形如 beauty/skincare/mask",
    ),
    Kind.CHOICE: Words("one of {choices}", "{choices} 之一"),
    Kind.CHOICES: Words(
        "any of {choices}, in a list or with ; between", "{choices} 中的若干项，用列表或以 ; 分隔"
    ),
    Kind.WHOLE: Words("a whole number from {least} to 2^63 - 1", "{least} 至 2^63 - 1 的整数"),
    Kind.FEN: Words(
        "money in whole fen, from {least} to 2^63 - 1, without a decimal point",
        "以分为单位的整数金额，{least} 至 2^63 - 1，不带小数点",
    ),
    Kind.RATE: Words(
        "a rate within 0 % and {most} that is a whole number of ppm, with its unit in the column beside it",
        "0 % 至 {most} 之间、折合为整数 ppm 的比率，单位写在旁边的列",
    ),
    Kind.NUMBER: Words("a number, at least {least}", "不小于 {least} 的数"),
    Kind.SHARE: Words("a number from 0 to 1", "0 至 1 的数"),
    Kind.FLAG: Words("true or false", "true 或 false"),
    Kind.INSTANT: Words(
        "an instant: ISO 8601 with an offset, like 2026-11-11T20:00:00+08:00",
        "带时区的 ISO 8601 时间，例如 2026-11-11T20:00:00+08:00",
    ),
    Kind.UNTIL: Words(
        "a day like 2026-11-11, or an instant like 2026-11-11T20:00:00+08:00",
        "日期，例如 2026-11-11；或时间，例如 2026-11-11T20:00:00+08:00",
    ),
    Kind.DATE: Words("a day: YYYY-MM-DD", "日期：YYYY-MM-DD"),
}
_WANTED: Final = Words("{name} has to be {wanted}", "{name} 应为{wanted}")
_OF_THE_COLUMN: Final[Mapping[Code, Words]] = {
    Code.MISSING: Words("{name} is required and empty", "{name} 为必填项，不能为空"),
    Code.NOT_UTF8: Words(
        "half of a surrogate pair stands in {name}; write whole characters",
        "{name} 含有不完整的字符（孤立的代理项）",
    ),
    Code.BAD_WINDOW: Words("between the beginning and {name} lies nothing", "{name} 须晚于开始时间"),
    Code.BAD_RANGE: Words("{name} lies below the beginning of the range", "{name} 低于区间的下限"),
    Code.INCOMPLETE: Words("a promotion of this kind needs {name}", "这类优惠必须填写 {name}"),
    Code.UNKNOWN_ID: Words(
        "no row of {refers_to} with an id that {name} gives is stored or taken in this request",
        "{name} 所引用的编号在 {refers_to} 中不存在，也未在本次请求中写入",
    ),
    Code.KEY_CONFLICT: Words(
        "the key is known with another {name}; {advice}, or leave the row out",
        "该键已有记录，且 {name} 不同；{advice}，或去掉此行",
    ),
    Code.SHARES_SUM: Words(
        "{name} does not sum to 1 within 0.001 over the rows of this dimension that can be taken",
        "该维度可写入各行的 {name} 之和与 1 相差超过 0.001",
    ),
}
_OF_THE_ROW: Final[Mapping[Code, Words]] = {
    Code.BAD_JSON: Words(
        "it is no JSON object in which each name is given once",
        "不是合法的 JSON 对象（每个字段名只能出现一次）",
    ),
    Code.NOT_UTF8: Words("it is not UTF-8", "不是 UTF-8 编码"),
    Code.UNKNOWN_COLUMN: Words(
        "name {place} in it is no column of {table}; the columns (* required) are {columns}",
        "第 {place} 个字段不是 {table} 的列；可用的列（* 为必填）：{columns}",
    ),
    Code.TOO_MANY_ROWS: Words(
        "more rows than one request may bring; send the rest in another",
        "行数超过单次请求的上限；请分多次发送",
    ),
    Code.KEY_MISMATCH: Words(
        "the path has to end in {key}, and to agree with the body where that names them",
        "路径末尾应为 {key}，且须与请求体中给出的值一致",
    ),
    Code.KEY_AMBIGUOUS: Words(
        "the path can be read as {key} in more than one way; name these columns in the body too",
        "路径末尾可按 {key} 拆成多种结果；请在请求体中也写明这些列",
    ),
}
