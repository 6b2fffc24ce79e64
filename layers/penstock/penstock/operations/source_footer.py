"""The footer of rejects in the form of their source: without one, a route with ``footer`` would refuse the file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from penstock.model.parse_options import FOOTER_BYTES, ParseOptions

# Bytes of the longest code unit: the end of a source is cut out at a multiple.
_UNIT = 4
_LINE_END = re.compile(r"\r\n|\r|\n")


def footer_line(pieces: Iterable[bytes], options: ParseOptions, encoding: str, count: int) -> str:
    """Return the last line of a source that ``footer`` matches, with ``count`` as the declared number of records.

    It is empty if no line matches. Memory: one piece and the longest footer.
    """
    end = b""
    for piece in pieces:
        end += piece
        surplus = len(end) - FOOTER_BYTES
        end = end[surplus - surplus % _UNIT :] if surplus >= _UNIT else end
    expression = re.compile(options.footer)
    lines = _LINE_END.split(end.decode(encoding, "ignore"))
    found = next((match for line in reversed(lines) if (match := expression.search(line))), None)
    if found is None:
        return ""
    if found.groupdict().get("rows") is None:
        return found.string
    first, last = found.span("rows")
    return f"{found.string[:first]}{count}{found.string[last:]}"
