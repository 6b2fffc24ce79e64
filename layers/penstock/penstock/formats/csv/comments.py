"""Comment lines of a CSV: lines that begin with a character at a place where a record could begin.

A comment ends at the end of its line: quotes and escapes mean nothing in it. Each of its bytes is replaced by a line
end before records are searched. So a comment becomes blank lines, which are no records, and all offsets stay the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.formats.boundaries import Rules
from penstock.formats.csv.boundaries import START

# The state inside a comment. It is persisted.
COMMENT = 7

_LINE_END = re.compile(rb"[\r\n]")


class CommentedRules:
    """Other rules, for a source whose comment lines begin with this byte."""

    def __init__(self, rules: Rules, comment: bytes) -> None:
        self.entries = (*rules.entries, COMMENT)
        self._rules = rules
        # The byte comes first: a literal is searched fast.
        self._line = re.compile(rb"%b(?<![^\r\n]%b)" % (re.escape(comment), re.escape(comment)))

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many records begin in it."""
        if not data:
            return state, 0
        state, plain, is_open = self._plain(state, data)
        end, begun = self._rules.step(state, plain)
        return COMMENT if is_open else end, begun

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where records begin in the data."""
        state, plain, _ = self._plain(state, data)
        return self._rules.starts(state, plain)

    def blank(self, data: bytes) -> bytes:
        """Return the same number of bytes without comments. The data begins where a record could begin."""
        return self._plain(START, data)[1]

    def _plain(self, state: int, data: bytes) -> tuple[int, bytes, bool]:
        """Return state and data without comments, and whether the data ends inside a comment."""
        if state == COMMENT:
            end = _LINE_END.search(data)
            if not end:
                return START, b"\n" * len(data), True
            state, data = START, b"\n" * end.start() + data[end.start() :]
        pieces: list[bytes] = []
        at, reached, is_open = 0, state, False
        found = self._line.search(data)
        while found:
            before = data[at : found.start()]
            reached, _ = self._rules.step(reached, before)
            pieces.append(before)
            at = found.start()
            if reached == START:
                end = _LINE_END.search(data, at)
                is_open = end is None
                stop = end.start() if end else len(data)
                # An LF after a lone CR would belong to the line before.
                pieces.append((b"\r" if before.endswith(b"\r") else b"\n") * (stop - at))
                at = stop
            found = self._line.search(data, max(at, found.end()))
        return state, b"".join([*pieces, data[at:]]) if pieces else data, is_open
