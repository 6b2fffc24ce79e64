"""What the values of leaves mean: their physical types, read by the logical ones.

https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import inf, isfinite
from uuid import UUID

from penstock.errors import BadDocumentError
from penstock.formats.parquet.schema import LogicalType, SchemaNode
from penstock.model.column import ColumnType
from penstock.model.number import number
from penstock.model.typed_text import JsonText

_DAY = 86_400
# What PostgreSQL's numeric holds; other engines hold 38.
_MOST_PLACES = 16_383
# What the type of a column can state.
_MOST_DIGITS = 38
# Unsigned integers that are stored as signed ones.
_WIDE = {32: ColumnType.INTEGER, 64: ColumnType.NUMERIC}
_LENGTHS = {"UUID": 16, "FLOAT16": 2, "INTERVAL": 12}
# Of 1970-01-01: as `date.toordinal`, and as a Julian day.
_EPOCH, _JULIAN = 719_163, 2_440_588
_DAYS_OF_400_YEARS = 146_097
_PER_SECOND = {"MILLIS": 10**3, "MICROS": 10**6, "NANOS": 10**9}
_DIGITS = {"MILLIS": 3, "MICROS": 6, "NANOS": 9}

# A converted type as the logical type that replaced it.
_INTEGERS = {
    f"{sign}INT_{bits}": LogicalType("INTEGER", bits=bits, is_signed=not sign)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
_CONVERTED = {
    **_INTEGERS,
    "UTF8": LogicalType("STRING"),
    "TIME_MILLIS": LogicalType("TIME", unit="MILLIS", is_utc=True),
    "TIME_MICROS": LogicalType("TIME", unit="MICROS", is_utc=True),
    "TIMESTAMP_MILLIS": LogicalType("TIMESTAMP", unit="MILLIS", is_utc=True),
    "TIMESTAMP_MICROS": LogicalType("TIMESTAMP", unit="MICROS", is_utc=True),
    **{name: LogicalType(name) for name in ("ENUM", "JSON", "BSON", "DATE", "INTERVAL")},
}

Read = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the values of a leaf are read; None: they are what they mean. ``type`` is that of a column of them, of a
    decimal with its ``digits``, ``places`` of them behind the point.

    ``read`` raises ValueError, with a reject's reason, for a value that has no meaning.
    """

    type: ColumnType
    read: Callable[..., object] | None = None
    digits: int = 0
    places: int = 0


def meaning_of(leaf: SchemaNode) -> Meaning:
    """What the values of a leaf mean. Raises BadDocumentError for a type that is not known."""
    logical = leaf.logical or _CONVERTED.get(leaf.converted)
    if leaf.converted == "DECIMAL" and not leaf.logical:
        logical = LogicalType("DECIMAL", scale=leaf.scale, precision=leaf.precision)
    name = logical.name if logical else leaf.converted
    if leaf.physical == "FIXED_LEN_BYTE_ARRAY" and (leaf.length <= 0 or leaf.length != _LENGTHS.get(name, leaf.length)):
        raise BadDocumentError(
            f"column {'.'.join(leaf.path)!r} is of type {name or leaf.physical} with {leaf.length} bytes", offset=0
        )
    if logical and name == "DECIMAL" and leaf.physical in ("INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        if not 0 <= logical.scale <= _MOST_PLACES:
            raise BadDocumentError(f"column {'.'.join(leaf.path)!r} has {logical.scale} decimal places", offset=0)
        read = _decimal(logical.scale, is_bytes=not leaf.physical.startswith("INT"))
        if logical.scale > logical.precision:
            raise BadDocumentError(
                f"column {'.'.join(leaf.path)!r} is damaged: its decimals have {logical.scale} places, but "
                f"{logical.precision} digits",
                offset=0,
            )
        if not max(1, logical.scale) <= logical.precision <= _MOST_DIGITS:
            return Meaning(ColumnType.NUMERIC, read)
        return Meaning(ColumnType.NUMERIC, read, logical.precision, logical.scale)
    found = _PLAIN.get(leaf.physical) if not name else _NAMED.get((name, leaf.physical))
    if found is None and logical:
        found = _of_unit(logical, leaf.physical)
    if found is None:
        raise BadDocumentError(
            f"column {'.'.join(leaf.path)!r} is of type {name or leaf.physical} ({leaf.physical}), which is not read",
            offset=0,
            hint="Declare only other columns in the route, or write the column as another type.",
        )
    return found


def _of_unit(logical: LogicalType, physical: str) -> Meaning | None:
    match logical.name, physical:
        case "INTEGER", "INT32" | "INT64":
            if logical.is_signed or logical.bits not in _WIDE:
                return Meaning(ColumnType.INTEGER)
            return Meaning(_WIDE[logical.bits], _unsigned(logical.bits))
        case "TIME", "INT32" | "INT64" if logical.unit in _DIGITS:
            return Meaning(ColumnType.TEXT, _time(logical.unit))
        case "TIMESTAMP", "INT64" if logical.unit in _DIGITS:
            return Meaning(ColumnType.TIMESTAMP, _timestamp(logical.unit, "Z" if logical.is_utc else ""))
    return None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{value[:60]!r} is not UTF-8") from None


def _json(value: bytes) -> str:
    return JsonText(_text(value))


def _hex(value: bytes) -> str:
    return "\\x" + value.hex()


def _real(value: float) -> object:
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value == inf else "-Infinity"  # noqa: PLR0124  # only NaN


def _half(value: bytes) -> object:
    return _real(float(struct.unpack("<e", value)[0]))


def _uuid(value: bytes) -> str:
    return str(UUID(bytes=value))


def _interval(value: bytes) -> str:
    months, days, millis = struct.unpack("<III", value)
    seconds, millis = divmod(millis, 1000)
    return f"P{months}M{days}DT{seconds}{f'.{millis:03d}' if millis else ''}S"


def _decimal(scale: int, *, is_bytes: bool) -> Read:
    def read(value: object) -> object:
        unscaled = int.from_bytes(value, "big", signed=True) if is_bytes else value  # type: ignore[arg-type]
        return _scaled(unscaled, scale)  # type: ignore[arg-type]

    return read


def _scaled(unscaled: int, scale: int) -> object:
    if not scale:
        return unscaled
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    return number(f"{'-' if unscaled < 0 else ''}{digits[:-scale]}.{digits[-scale:]}")


def _unsigned(bits: int) -> Callable[[int], int]:
    mask = (1 << bits) - 1
    return lambda value: value & mask


@lru_cache(4096)
def _day(days: int) -> str:
    """A day as ISO 8601. Years before 0001 and after 9999 have a sign, which no column of type date takes."""
    ordinal = days + _EPOCH
    if 1 <= ordinal <= date.max.toordinal():
        return date.fromordinal(ordinal).isoformat()
    cycles, rest = divmod(ordinal - 1, _DAYS_OF_400_YEARS)
    near = date.fromordinal(rest + 1)
    return f"{near.year + 400 * cycles:+05d}-{near.month:02d}-{near.day:02d}"


@lru_cache(1440)
def _minute(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _clock(second: int) -> str:
    return f"{_minute(second // 60)}:{second % 60:02d}"


def _fraction(part: int, digits: int) -> str:
    """Nothing, milliseconds, microseconds or nanoseconds."""
    if not part:
        return ""
    if digits == 9 and not part % 1000:  # noqa: PLR2004  # nanoseconds that are microseconds
        return f".{part // 1000:06d}"
    return f".{part:0{digits}d}"


def _time(unit: str) -> Callable[[int], str]:
    per_second, digits = _PER_SECOND[unit], _DIGITS[unit]

    def read(value: int) -> str:
        second, part = divmod(value, per_second)
        if not 0 <= second < _DAY:
            raise ValueError(f"{value} is no time of a day")
        return _clock(second) + _fraction(part, digits)

    return read


def _timestamp(unit: str, zone: str) -> Callable[[int], str]:
    per_second, digits = _PER_SECOND[unit], _DIGITS[unit]
    per_day = per_second * _DAY

    def read(value: int) -> str:
        day, rest = divmod(value, per_day)
        second, part = divmod(rest, per_second)
        return f"{_day(day)}T{_clock(second)}{_fraction(part, digits)}{zone}"

    return read


def _int96(value: bytes) -> str:
    """Nanoseconds of a day, and its Julian number: deprecated, and still written by Impala and Spark."""
    nanos, julian = struct.unpack("<qi", value)
    return _nanos((julian - _JULIAN) * _DAY * 10**9 + nanos)


_nanos = _timestamp("NANOS", "")
_HEX = Meaning(ColumnType.TEXT, _hex)
_TEXT = Meaning(ColumnType.TEXT, _text)

_PLAIN = {
    "BOOLEAN": Meaning(ColumnType.BOOLEAN),
    "INT32": Meaning(ColumnType.INTEGER),
    "INT64": Meaning(ColumnType.INTEGER),
    "INT96": Meaning(ColumnType.TIMESTAMP, _int96),
    "FLOAT": Meaning(ColumnType.FLOAT, _real),
    "DOUBLE": Meaning(ColumnType.FLOAT, _real),
    "BYTE_ARRAY": _HEX,
    "FIXED_LEN_BYTE_ARRAY": _HEX,
}
_BYTES_KINDS = ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
_NAMED = {
    **{(name, kind): _TEXT for name in ("STRING", "ENUM") for kind in _BYTES_KINDS},
    **{("JSON", kind): Meaning(ColumnType.JSON, _json) for kind in _BYTES_KINDS},
    **{(name, "BYTE_ARRAY"): _HEX for name in ("BSON", "GEOMETRY", "GEOGRAPHY")},
    **{("UNKNOWN", kind): _TEXT if kind in _BYTES_KINDS else Meaning(ColumnType.TEXT) for kind in _PLAIN},
    ("DATE", "INT32"): Meaning(ColumnType.DATE, _day),
    ("UUID", "FIXED_LEN_BYTE_ARRAY"): Meaning(ColumnType.TEXT, _uuid),
    ("FLOAT16", "FIXED_LEN_BYTE_ARRAY"): Meaning(ColumnType.FLOAT, _half),
    ("INTERVAL", "FIXED_LEN_BYTE_ARRAY"): Meaning(ColumnType.TEXT, _interval),
}
