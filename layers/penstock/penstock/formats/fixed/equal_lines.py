"""Lines of one length. What is at one position of all of them is a slice with a step, so they need not be split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class EqualLines:
    """``count`` lines of ``width`` bytes in ``data``, which has ``step`` bytes for each, line end included."""

    data: bytes
    step: int
    count: int
    width: int

    @classmethod
    def of(cls, data: bytes) -> Self | None:
        """Return the lines; None if they differ in length, or are few and long: to split them is faster then.

        There may be others within them: see `are_all`.
        """
        step = data.find(b"\n") + 1
        count = len(data) // step if step else 0
        if not count >= step or count * step != len(data):
            return None
        if data[step - 1 :: step] != b"\n" * count:
            return None
        before = data[step - 2 :: step] if step > 1 else b""
        if b"\r" not in before:
            return cls(data, step, count, step - 1)
        return cls(data, step, count, step - 2) if before == b"\r" * count else None

    @property
    def line_ends(self) -> int:
        """The bytes of all line ends."""
        return self.count * (self.step - self.width)

    @property
    def are_all(self) -> bool:
        """Whether no line end is within a line."""
        return self.data.count(b"\n") == self.count

    def at(self, position: int) -> bytes:
        """Return the byte at this position of every line."""
        return self.data[position :: self.step]

    def start_with(self, prefix: bytes) -> bool:
        """Return whether every line starts with the prefix."""
        if len(prefix) > self.width:
            return False
        return all(self.at(number) == prefix[number : number + 1] * self.count for number in range(len(prefix)))

    def are_blank_from(self, position: int) -> bool:
        """Return whether every line has only blanks from this position on."""
        blanks = b" " * self.count
        return all(self.at(number) == blanks for number in range(position, self.width))

    def between(self, start: int, stop: int) -> bytes:
        """Return what every line has from one position to another, each followed by LF."""
        stop = min(stop, self.width)
        size = max(0, stop - start) + 1
        found = bytearray(b"\n") * (self.count * size)
        for number, position in enumerate(range(start, stop)):
            found[number::size] = self.at(position)
        return bytes(found)
