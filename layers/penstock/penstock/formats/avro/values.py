"""The values of Avro types that Python's decoder leaves as integers and bytes, in the form of JSON values.

Decimals are exact; dates and times are texts of ISO 8601; bytes are texts as PostgreSQL writes them: ``\\x00ff``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from uuid import UUID

from penstock.formats.avro.schema import Node
from penstock.model.number import Written

Convert = Callable[[object], object]
"""Converts a value. Raises ValueError with a reject's reason."""

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
# Python writes smaller numbers with an exponent.
_SMALLEST_PLAIN = -6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_MICROS = 86_400_000_000
_PER_SECOND = {"millis": 1000, "micros": 1_000_000, "nanos": 1_000_000_000}


def scalar_conversion(node: Node) -> Convert | None:
    """The conversion of a type that contains no other; None if its values stay as they are."""
    if node.kind == "enum":
        return _symbol(node)
    if node.logical == "decimal":
        return _decimal(node)
    if node.kind in ("bytes", "fixed"):
        return {"uuid": _uuid, "duration": _duration}.get(node.logical, _hexadecimal)
    return _of_time(node.logical)


def add_to_map(values: dict[str, object], key: str, value: object) -> None:
    """Add a value to a map. Raises ValueError if it has the key already."""
    if key in values:
        raise ValueError(f"its map has the key {key[:60]!r} twice")
    values[key] = value


def _of_time(logical: str) -> Convert | None:
    what, _, unit = logical.rpartition("-")
    match what:
        case "time":
            return _time(1_000_000 // _PER_SECOND[unit])
        case "timestamp" | "local-timestamp":
            return _timestamp(logical, unit, "Z" if what == "timestamp" else "")
    return _date if logical == "date" else None


def _symbol(node: Node) -> Convert:
    symbols = node.symbols

    def convert(value: object) -> object:
        if not 0 <= value < len(symbols):  # type: ignore[operator]
            raise ValueError(f"symbol {value} of an enum that has {len(symbols):,}")
        return symbols[value]  # type: ignore[call-overload]

    return convert


def _decimal(node: Node) -> Convert:
    scale = -node.scale
    may_be_small = node.scale > -_SMALLEST_PLAIN

    def convert(value: object) -> object:
        if not value:
            raise ValueError("a decimal without bytes")
        number = _EXACT.scaleb(Decimal(int.from_bytes(value, "big", signed=True)), scale)  # type: ignore[arg-type]
        if may_be_small and number.adjusted() < _SMALLEST_PLAIN:
            return Written(format(number, "f"))
        return number

    return convert


def _hexadecimal(value: object) -> object:
    return "\\x" + value.hex()  # type: ignore[attr-defined]


def _uuid(value: object) -> object:
    return str(UUID(bytes=value))  # type: ignore[arg-type]


def _duration(value: object) -> object:
    months, days, millis = (int.from_bytes(value[at : at + 4], "little") for at in (0, 4, 8))  # type: ignore[index]
    seconds, rest = divmod(millis, 1000)
    return f"P{months}M{days}DT{seconds}{f'.{rest:03}' if rest else ''}S"


def _date(value: object) -> object:
    try:
        return date.fromordinal(_EPOCH_DAY + value).isoformat()  # type: ignore[operator]
    except (ValueError, OverflowError):
        raise ValueError(f"date {value} is not within the years 1 to 9999") from None


def _time(micros: int) -> Convert:
    def convert(value: object) -> object:
        passed = value * micros  # type: ignore[operator]
        if not 0 <= passed < _DAY_MICROS:
            raise ValueError(f"time {value} is not within a day")
        return (_EPOCH + timedelta(microseconds=passed)).time().isoformat()

    return convert


def _timestamp(logical: str, unit: str, zone: str) -> Convert:
    nanos = unit == "nanos"
    micros = 1_000_000 // _PER_SECOND[unit] if not nanos else 1

    def convert(value: object) -> object:
        rest = 0
        passed: int = value  # type: ignore[assignment]
        if nanos:
            passed, rest = divmod(passed, 1000)
        try:
            text = (_EPOCH + timedelta(microseconds=passed * micros)).isoformat()
        except OverflowError:
            raise ValueError(f"{logical} {value} is not within the years 1 to 9999") from None
        if rest:
            text += f"{'' if '.' in text else '.000000'}{rest:03}"
        return text + zone

    return convert
