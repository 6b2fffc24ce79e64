"""Count the records of JSON Lines: lines with more than white space."""

from __future__ import annotations

import re
from collections.abc import Iterator

# States: the number of bytes of white space in the line so far, or RECORD if the line is a record.
LINE, RECORD = 0, -1
_SOME_SPACE = 1

_LINE_END = b"\n"
_TEXT = re.compile(rb"[^ \t\r\n]")
_BEFORE_BLANK = re.compile(rb"\n(?=[ \t\r]*+\n)")


class LineRules:
    """Counts lines. A record begins where its line begins, leading white space included."""

    entries = (LINE, _SOME_SPACE, RECORD)

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many of its lines are records."""
        first, last = data.find(_LINE_END) + 1, data.rfind(_LINE_END) + 1
        if not first:
            return _within(state, data, 0, len(data))
        _, begun = _within(state, data, 0, first)
        # To count by the length that a deletion removes takes half the time of bytes.count.
        begun += len(data) - len(data.replace(_LINE_END, b"")) - 1
        begun -= len(_BEFORE_BLANK.findall(data, first - 1, last))
        end, more = _within(LINE, data, last, len(data))
        return end, begun + more

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where records begin in the data; below 0 if the line began before the data."""
        at = 0 if state != RECORD else data.find(_LINE_END) + 1
        if state == RECORD and not at:
            return
        line = at - max(state, 0)
        while found := _TEXT.search(data, at):
            yield data.rfind(_LINE_END, at, found.start()) + 1 or line
            line = at = data.find(_LINE_END, found.start()) + 1
            if not at:
                return


def _within(state: int, data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the state after a part of one line, and whether the line became a record in it."""
    if state == RECORD:
        return RECORD, 0
    if _TEXT.search(data, start, end):
        return RECORD, 1
    return state + end - start, 0
