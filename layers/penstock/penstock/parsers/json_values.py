"""JSON values as records: exact numbers, and in plain words why a text is none (RFC 8259)."""

from __future__ import annotations

import decimal
import json
from json.scanner import make_scanner

# What decoding can raise: bad syntax, undecodable bytes, integers of too many digits; nesting beyond the stack;
# exponents beyond Decimal's.
UNDECODABLE = (ValueError, RecursionError, decimal.InvalidOperation)


class NotANumberError(ValueError):
    """NaN or an infinity: Python and JavaScript libraries write them, JSON does not know them."""


def _refuse(constant: str) -> object:
    raise NotANumberError(constant)


DECODER = json.JSONDecoder(parse_float=decimal.Decimal, parse_constant=_refuse)

# A value at a position, and where it ends; StopIteration where there is none.
SCAN = make_scanner(DECODER)  # type: ignore[arg-type]  # anything with a decoder's attributes will do


def why_not(error: Exception) -> str:
    """The reason for a reject, from one of ``UNDECODABLE``."""
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
