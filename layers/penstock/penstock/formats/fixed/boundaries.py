"""Count the lines that begin with a prefix."""

from __future__ import annotations

from collections.abc import Iterator

# States: how many bytes the line has so far, all of them of the prefix, or REST if the line is counted or is not.
REST = -1

_LINE_END = b"\n"


class PrefixRules:
    """Counts the lines that begin with ``prefix``. A record begins where its line begins."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._begun = _LINE_END + prefix

    @property
    def entries(self) -> tuple[int, ...]:
        return *range(len(self._prefix)), REST

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many records begin in it."""
        first = data.find(_LINE_END)
        end, begun = self._within(state, data if first < 0 else data[:first])
        if first < 0:
            return end, begun
        # Of the last line, only what may be the prefix matters. If it is longer, `count` has seen all of that.
        line = data.rfind(_LINE_END) + 1
        end, _ = self._within(0, data[line : line + len(self._prefix)])
        return end, begun + data.count(self._begun, first)

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where records begin in the data; below 0 if the line began before the data."""
        first = data.find(_LINE_END)
        if self._within(state, data if first < 0 else data[:first])[1]:
            yield -state
        while first >= 0:
            first = data.find(self._begun, first)
            if first >= 0:
                first += 1
                yield first

    def _within(self, state: int, line: bytes) -> tuple[int, int]:
        """Return the state after a part of one line, and whether its prefix is complete in it."""
        if state == REST:
            return REST, 0
        met = self._prefix[:state] + line[: len(self._prefix) - state]
        if met == self._prefix:
            return REST, 1
        return (len(met) if self._prefix.startswith(met) else REST), 0
