"""Count CSV records in a source with an escape character."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.formats.csv.boundaries import IN_FIELD, IN_QUOTES, CsvRules

# States between an escape and the next byte, outside and inside quotes. They are persisted.
ESCAPED, ESCAPED_IN_QUOTES = 5, 6

_TEXT = b"x_0"


class EscapedRules:
    """`CsvRules` for a source with this escape. Its pairs are text, also if a piece ends inside a pair."""

    entries = (*CsvRules.entries, ESCAPED, ESCAPED_IN_QUOTES)

    def __init__(self, rules: CsvRules, escape: bytes) -> None:
        self._rules = rules
        self._escape = escape
        self._pair = re.compile(re.escape(escape) + b".", re.DOTALL)
        self._text = next(bytes([sign]) for sign in _TEXT if bytes([sign]) != escape and rules.is_text(bytes([sign])))

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many records begin in it."""
        if not data:
            return state, 0
        state, plain, is_open = self._plain(state, data)
        end, begun = self._rules.step(state, plain)
        if is_open:
            end = ESCAPED_IN_QUOTES if end == IN_QUOTES else ESCAPED
        return end, begun

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where records begin in the data."""
        state, plain, _ = self._plain(state, data)
        return self._rules.starts(state, plain)

    def _plain(self, state: int, data: bytes) -> tuple[int, bytes, bool]:
        """Return state and data without escapes, and whether the data ends inside a pair."""
        if state in (ESCAPED, ESCAPED_IN_QUOTES) and data:
            state = IN_QUOTES if state == ESCAPED_IN_QUOTES else IN_FIELD
            data = self._text + data[1:]
        if self._escape not in data:
            return state, data, False
        plain = self._pair.sub(self._text * 2, data)
        is_open = plain.endswith(self._escape)
        return state, plain[:-1] + self._text if is_open else plain, is_open
