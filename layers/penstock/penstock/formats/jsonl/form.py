"""Tell JSON Lines from JSON whose records go on over line ends, by the start of the source."""

from __future__ import annotations

import codecs
import json
import re
from enum import Enum, auto

from penstock.formats.boundaries import HEAD
from penstock.formats.encoding import encoding_of
from penstock.formats.json.cutter import LONGEST_TOKEN
from penstock.formats.json.values import DECODER, UNDECODABLE

_BLANKS = " \t\r\n"
# An object, or a list of objects or lists.
_OPENED = re.compile(r"\{|\[[ \t\r\n]*(?:[\[{]|$)")


class JsonForm(Enum):
    """LINES: a value on each line. STREAM: values one after the other, on any lines. DOCUMENT: one list of records."""

    LINES = auto()
    STREAM = auto()
    DOCUMENT = auto()


def form_of(head: bytes, encoding: str) -> JsonForm:
    """Return the form of the source that starts with these bytes (HEAD bytes of `formats.boundaries`, or all).

    It is not LINES only if the first value, as far as it is in the head, is valid JSON and has a line end in it. So a
    line that is cut off is a line, and is rejected alone.
    """
    found = encoding_of(head, encoding)
    decoder = codecs.getincrementaldecoder(found.name)("replace")
    text = decoder.decode(head[found.mark :]).strip(_BLANKS)
    if not _OPENED.match(text) or "\n" not in text:
        return JsonForm.LINES
    try:
        _, end = DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        left = LONGEST_TOKEN if len(head) >= HEAD else 0
        is_cut = error.msg.startswith("Unterminated string") or len(text) - error.pos <= left
        end = len(text) if is_cut else 0
    except UNDECODABLE:
        return JsonForm.LINES
    if "\n" not in text[:end]:
        return JsonForm.LINES
    return JsonForm.STREAM if text[0] == "{" else JsonForm.DOCUMENT
