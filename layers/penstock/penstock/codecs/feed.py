"""Read chunks of any size as one stream. A decoder takes slices of it, and gives back the unused bytes."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.codecs.trace import Trace
from penstock.errors import TruncatedSourceError


class Feed:
    """Memory: one chunk of the source. ``position``: offset in the source of the next byte; so is ``trace.consumed``.

    Chunks may be as large as ranged GETs (8 MiB). Decoders get small slices, because each decoder copies the unused
    part of its input on every call.
    """

    __slots__ = ("_at", "_chunk", "_chunks", "_set_aside", "_trace", "position")

    def __init__(self, chunks: Iterable[bytes], trace: Trace) -> None:
        self._chunks = iter(chunks)
        self._trace = trace
        self._chunk = b""
        self._at = 0
        self._set_aside: list[tuple[bytes, int]] = []
        self.position = 0

    def take(self, limit: int) -> bytes:
        """Return 1 to ``limit`` bytes from one chunk; empty only at the end of the source."""
        while self._at == len(self._chunk):
            # Release the spent chunk first: fetching the next one must not keep two in memory.
            self._chunk, self._at = b"", 0
            if self._set_aside:
                self._chunk, self._at = self._set_aside.pop()
                continue
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._chunk = chunk
        piece = self._chunk[self._at : self._at + limit]
        self._at += len(piece)
        self._move(len(piece))
        return piece

    def give_back(self, data: bytes) -> None:
        """Return the last bytes taken, to be taken again."""
        self._move(-len(data))
        if len(data) <= self._at:
            self._at -= len(data)
        else:
            # They reach back into an earlier chunk: isal reads eight bytes ahead, also across chunks.
            self._set_aside.append((self._chunk, self._at))
            self._chunk, self._at = data, 0

    def up_to(self, count: int) -> bytes:
        """Return the next ``count`` bytes; fewer only at the end of the source."""
        piece = self.take(count)
        if len(piece) == count:
            return piece
        pieces = [piece]
        missing = count - len(piece)
        while missing and (piece := self.take(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def exactly(self, count: int, what: str) -> bytes:
        """Return the next ``count`` bytes. Raises TruncatedSourceError if the source ends inside ``what``."""
        data = self.up_to(count)
        if len(data) < count:
            raise TruncatedSourceError(f"the source ends inside {what}", offset=self.position)
        return data

    def skip(self, count: int, what: str) -> None:
        """Skip ``count`` bytes. Raises TruncatedSourceError if the source ends inside ``what``."""
        while count:
            passed = min(count, len(self._chunk) - self._at)
            self._at += passed
            self._move(passed)
            count -= passed
            if count:
                first = self.take(1)
                if not first:
                    raise TruncatedSourceError(f"the source ends inside {what}", offset=self.position)
                count -= 1

    def peek(self, count: int) -> bytes:
        """Return the result of ``up_to`` without taking it."""
        data = self.up_to(count)
        self.give_back(data)
        return data

    def _move(self, count: int) -> None:
        self.position += count
        self._trace.consumed = self.position
