"""Find the values in a text that may be cut: those of a list, a single one, or one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from penstock.formats.json.values import DECODER, SCANS, UNDECODABLE, spelling_of, why_not
from penstock.formats.json.walk import ValueEnd

_BLANKS = re.compile(r"[ \t\r\n]*")
_ESCAPED_BYTE = re.compile("[\ud800-\udfff]")


class Form(Enum):
    """LIST: with commas between values, and a bracket at the end. STREAM: objects and lists with white space, if any,
    between them."""

    SINGLE = auto()
    LIST = auto()
    STREAM = auto()


class Element(NamedTuple):
    """Characters ``start`` to ``end`` of a text; ``after`` is where the next value may begin: in a list, after the next
    comma or bracket."""

    start: int
    end: int
    after: int
    value: object
    reason: str


def elements(text: str, form: Form) -> Iterator[Element]:
    """Yield the values that are complete in the text."""
    scan = SCANS[spelling_of(text.encode("utf-8", "surrogatepass"))]
    escaped = not text.isascii() and _ESCAPED_BYTE.search(text) is not None
    after = 0
    while True:
        start = past_blanks(text, after)
        reason = ""
        if form is Form.STREAM and text[start : start + 1] not in ("{", "["):
            return
        try:
            value, end = scan(text, start)
        except (StopIteration, json.JSONDecodeError):
            return
        except UNDECODABLE as error:
            value, end, reason = None, value_end(text, start), why_not(error)
        after = past_blanks(text, end) + 1 if form is Form.LIST else end
        if end < 0 or (form is Form.LIST and text[after - 1 : after] not in (",", "]")):
            return
        if escaped and _ESCAPED_BYTE.search(text, start, end):
            reason = "undecodable"
        yield Element(start, end, after, value, reason)
        if form is Form.SINGLE or (form is Form.LIST and text[after - 1] == "]"):
            return


def past_blanks(text: str, at: int) -> int:
    """Return where the white space that begins here ends."""
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at


def value_end(text: str, start: int) -> int:
    """Return where the value that starts here ends; -1 if it continues beyond the text."""
    end, ended = ValueEnd().find(text, start)
    return end if ended else -1


def syntax_error(text: str) -> json.JSONDecodeError | None:
    """Return the syntax error in the first value of the text; an incomplete string is not an error."""
    try:
        DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        return None if error.msg.startswith("Unterminated string") else error
    except UNDECODABLE:
        return None
    return None
