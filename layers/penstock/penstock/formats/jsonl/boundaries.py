"""Counts the records of JSON Lines: lines that hold more than white space."""

from __future__ import annotations

import re
from collections.abc import Iterator

# States: how many bytes of white space the line has had so far, or that it is a record.
LINE, RECORD = 0, -1
_SOME_SPACE = 1

_LINE_END = b"\n"
_TEXT = re.compile(rb"[^ \t\r\n]")
_BEFORE_BLANK = re.compile(rb"\n(?=[ \t\r]*+\n)")


class LineRules:
    """Counts lines. A record begins where its line begins, leading white space included."""

    entries = (LINE, _SOME_SPACE, RECORD)

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """The state after the data, and how many of its lines are records."""
        first, last = data.find(_LINE_END) + 1, data.rfind(_LINE_END) + 1
        if not first:
            return _within(state, data, 0, len(data))
        _, begun = _within(state, data, 0, first)
        # Counting what a deletion leaves out takes half the time of bytes.count.
        begun += len(data) - len(data.replace(_LINE_END, b"")) - 1
        begun -= len(_BEFORE_BLANK.findall(data, first - 1, last))
        end, more = _within(LINE, data, last, len(data))
        return end, begun + more

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Where in the data records begin; below 0 where the line began that much before."""
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
    """The state after a part of one line, and whether the line became a record in it."""
    if state == RECORD:
        return RECORD, 0
    if _TEXT.search(data, start, end):
        return RECORD, 1
    return state + end - start, 0
