"""Cell values of a workbook (ECMA-376 part 1, 18.3.1.4, 18.8.30 and 18.17.4) as the texts that a CSV would hold."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from enum import Enum, auto

_DAY = 86_400_000  # in milliseconds, the precision that Excel keeps
_LAST_DAY = 2_958_465  # 9999-12-31

_EPOCH_1904 = date(1904, 1, 1)
# Excel counts a 29th of February 1900 as day 60, which never was.
_EPOCH_BEFORE_LEAP = date(1899, 12, 31)
_EPOCH_AFTER_LEAP = date(1899, 12, 30)
_NO_DAY = 60

# From here on an integer is written with an exponent: it has fewer exact digits than places.
_EXPONENT = 1e21

_SURROGATES = range(0xD800, 0xE000)

# Each sign is taken once: what has no end reaches to that of the code.
_TOKEN = re.compile(r'"[^"]*(?:"|\Z)|\[([^\]]*)(?:\]|\Z)|[\\_*].?|general|am/pm|a/p|(.)', re.IGNORECASE | re.DOTALL)
_ELAPSED = ({"h"}, {"m"}, {"s"})
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class CellType(Enum):
    """How a number format displays a serial number."""

    DATE = auto()
    TIME = auto()
    TIMESTAMP = auto()
    DURATION = auto()


# Formats that files refer to by number alone; 27 to 58 are those of East Asian versions.
_KNOWN = (
    dict.fromkeys([*range(14, 18), *range(27, 32), 36, *range(50, 55), 57, 58], CellType.DATE)
    | dict.fromkeys([*range(18, 22), *range(32, 36), 45, 47, 55, 56], CellType.TIME)
    | {22: CellType.TIMESTAMP, 46: CellType.DURATION}
)  # fmt: skip


def cell_type_of(number: int, code: str | None) -> CellType | None:
    """Return how a format, by its number and its code in the file, displays numbers; None: as plain numbers."""
    if code is None:
        return _KNOWN.get(number)
    tokens: set[str] = set()
    for token in _TOKEN.finditer(code):
        bracket, sign = token.groups()
        if bracket and set(bracket.lower()) in _ELAPSED:
            return CellType.DURATION
        if sign == ";":
            break
        if sign:
            tokens.add(sign.lower())
    has_time = bool(tokens & set("hs"))
    has_date = bool(tokens & set("yd")) or ("m" in tokens and not has_time)
    if has_date and has_time:
        return CellType.TIMESTAMP
    return CellType.DATE if has_date else CellType.TIME if has_time else None


def number_text(text: str) -> str:
    """Return the shortest text of the same number: files hold 17 digits, and 0.1 as 0.10000000000000001."""
    if text.isdigit():
        return text
    value = _number(text)
    if value is None:
        return text
    return str(int(value)) if value.is_integer() and abs(value) < _EXPONENT else repr(value)


def moment_text(text: str, kind: CellType, *, since_1904: bool) -> str:
    """Return a serial number as ISO 8601 (durations as hours:minutes:seconds), or as a number if it is not a moment."""
    value = _number(text)
    if value is None or not math.isfinite(value * _DAY):
        return text if value is None else number_text(text)
    milliseconds = round(value * _DAY)
    if kind is CellType.DURATION:
        return _duration(milliseconds)
    days, rest = divmod(milliseconds, _DAY)
    clock = _clock(rest)
    if days == 0 and not since_1904:
        # A number below 1 has no day: it is a time.
        return clock if rest or kind is CellType.TIME else number_text(text)
    day = _day(days, since_1904=since_1904)
    if day is None:
        return number_text(text)
    if kind is CellType.TIME and days == 0:
        return clock
    return day.isoformat() if kind is CellType.DATE and not rest else f"{day.isoformat()}T{clock}"


def plain_text(text: str) -> str:
    """Return a string of the file without its escapes: ``_x000D_`` is a carriage return (ST_Xstring, 22.9.2.19)."""
    return _ESCAPE.sub(_unescape, text) if "_x" in text else text


def _number(text: str) -> float | None:
    """Return the number; None if a spreadsheet cannot hold it. (Python also reads 1_000 and other digits.)"""
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _unescape(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return escape[0] if code in _SURROGATES else chr(code)


def _day(days: int, *, since_1904: bool) -> date | None:
    if since_1904:
        return _EPOCH_1904 + timedelta(days) if 0 <= days <= _LAST_DAY - 1462 else None
    if days == _NO_DAY or not 0 < days <= _LAST_DAY:
        return None
    return (_EPOCH_BEFORE_LEAP if days < _NO_DAY else _EPOCH_AFTER_LEAP) + timedelta(days)


def _clock(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    fraction = f".{rest % 1000:03}" if rest % 1000 else ""
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{fraction}"


def _duration(milliseconds: int) -> str:
    hours, rest = divmod(abs(milliseconds), 3_600_000)
    return f"{'-' if milliseconds < 0 else ''}{hours}{_clock(rest)[2:]}"
