"""What is a JSON body? UTF-8, nothing named twice, no NaN; what a request says that it sends."""

from json import JSONDecoder
from typing import Any, Final, NoReturn

from fastapi import Request


class StrictRequest(Request):
    """A request whose JSON is UTF-8, names nothing twice, and holds no NaN; FastAPI's own reading lets these by."""

    async def json(self) -> Any:
        """The body; a ValueError, or a RecursionError of what is nested too deeply, is answered as 400."""
        return _STRICT.decode((await self.body()).decode())


def media_type(request: Request) -> str:
    """Of the body, as its sender names it; JSON where they name none."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _no_number(_word: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no numbers")


_STRICT: Final = JSONDecoder(parse_constant=_no_number, object_pairs_hook=_once)
