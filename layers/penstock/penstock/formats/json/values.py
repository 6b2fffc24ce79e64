"""Decode JSON values as records, with exact numbers, and explain why a text is not JSON (RFC 8259)."""

from __future__ import annotations

import decimal
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import IntEnum
from json.scanner import make_scanner

from penstock.model.number import Written, number

# The errors of decoding: bad syntax, undecodable bytes, integers of too many digits; nesting beyond the stack;
# exponents beyond Decimal's.
UNDECODABLE = (ValueError, RecursionError, decimal.InvalidOperation)


class NotANumberError(ValueError):
    """NaN or an infinity. Python and JavaScript libraries write them, but JSON does not allow them."""


def _refuse(constant: str) -> object:
    raise NotANumberError(constant)


def _integer(text: str) -> object:
    return Written(text) if text == "-0" else int(text)


class Spelling(IntEnum):
    """The spelling of a text's numbers. Some need a slower decoder to keep their text."""

    PLAIN = 0
    EXPONENTS = 1
    MINUS_ZERO = 2


def decoders(refuse: Callable[[str], object]) -> Sequence[json.JSONDecoder]:
    """Return the decoders by `Spelling`. Floats are Decimal; the ``str`` of a number is its text in the file."""
    return (
        json.JSONDecoder(parse_float=Decimal, parse_constant=refuse),
        json.JSONDecoder(parse_float=number, parse_constant=refuse),
        json.JSONDecoder(parse_float=number, parse_int=_integer, parse_constant=refuse),
    )


DECODERS = decoders(_refuse)
DECODER = DECODERS[Spelling.PLAIN]

# Each scans a value at a position and returns it with its end; StopIteration if there is none.
SCANS = [make_scanner(decoder) for decoder in DECODERS]  # type: ignore[arg-type]  # a decoder's attributes will do

_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_MINUS_ZERO = re.compile(rb"-0(?:[\s,\]}]|$)")


def spelling_of(data: bytes) -> Spelling:
    """Return the spelling that the numbers may have. An exact check would take longer than decoding."""
    if b"-0" in data and _MINUS_ZERO.search(data):
        return Spelling.MINUS_ZERO
    shape = data.translate(_DIGITS_TO_ZERO)
    # Decimal gives very small numbers an exponent too.
    if b"0e" in shape or b"0E" in shape or b"0.000000" in data:
        return Spelling.EXPONENTS
    return Spelling.PLAIN


def why_not(error: Exception) -> str:
    """Return the reason for a reject from one of the errors ``UNDECODABLE``."""
    match error:
        case json.JSONDecodeError():
            return f"not JSON: {error.msg} (column {error.pos + 1:,})"
        case NotANumberError():
            return f"{error} is no JSON number"
        case RecursionError():
            return "nested too deeply"
        case decimal.InvalidOperation():
            return "a number's exponent is too large"
        case _:
            return "an integer has too many digits"
