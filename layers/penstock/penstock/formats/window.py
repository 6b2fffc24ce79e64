"""A source as a window that moves forward and knows its byte offset."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from penstock.formats.encoding import HEAD, Encoding, encoding_of, whole_characters
from penstock.model.span import Within


class Window:
    """The readable bytes of a source (see Encoding), after its byte order mark.

    ``offset`` counts bytes of the source itself. Memory: the largest requested window, twice, and one chunk.
    """

    __slots__ = ("_chunks", "_held", "_size", "encoding", "offset")

    def __init__(self, chunks: Iterable[bytes], declared: str, within: Within | None = None) -> None:
        chunks = iter(chunks)
        if within:
            # A byte order mark here is text.
            self._begin(encoding_of(b"", within.encoding), within.offset, chunks)
            return
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= HEAD:
                break
        encoding = encoding_of(head, declared)
        self._begin(encoding, encoding.mark, chain([head[encoding.mark :]], chunks))

    def _begin(self, encoding: Encoding, offset: int, chunks: Iterable[bytes]) -> None:
        self.encoding = encoding
        self.offset = offset
        self._chunks = encoding.to_readable(chunks, offset)
        self._held = deque[bytes | memoryview]()
        self._size = 0

    def window(self, size: int) -> tuple[bytes, bool]:
        """Return the next ``size`` bytes, and whether the source ends with them.

        Fewer at the end of the source, and up to three fewer if a character of a foreign encoding would be cut.
        """
        self._fill(size + 1)
        window = self._first(size)
        last = self._size <= size
        if self.encoding.foreign and not last:
            window = window[: whole_characters(window)]
        return window, last

    def advance(self, count: int) -> None:
        """Move past ``count`` bytes of the window; they must be complete characters."""
        passed = count
        if self.encoding.foreign:
            passed = self.encoding.source_length(self._first(count))
        self.offset += passed
        self._size -= count
        while count:
            piece = self._held.popleft()
            if len(piece) > count:
                self._held.appendleft(memoryview(piece)[count:])
            count -= min(count, len(piece))

    def skip_to(self, offset: int) -> None:
        """Move to a byte offset of the source at which a record starts, never back, and not beyond the end."""
        while (distance := offset - self.offset) > 0:
            if self.encoding.foreign:
                window, _ = self.window(256 * 1024)
                source = self.encoding.to_source(window)[:distance]
                count = sum(map(len, self.encoding.to_readable([source], self.offset)))
            else:
                self._fill(1)
                count = min(self._size, distance)
            if not count:
                return
            self.advance(count)

    def filter_rest(self, cut: Callable[[Iterable[bytes], Encoding, int], Iterator[bytes]]) -> None:
        """Let a filter take the readable bytes from here on; it gets the encoding and the offset, too."""
        rest = chain([self._first(self._size)], self._chunks)
        self._held.clear()
        self._size = 0
        self._chunks = cut(rest, self.encoding, self.offset)

    def _fill(self, size: int) -> None:
        while self._size < size and (chunk := next(self._chunks, None)) is not None:
            self._held.append(chunk)
            self._size += len(chunk)

    def _first(self, size: int) -> bytes:
        """Return a copy of the next ``size`` bytes, or of all that are held."""
        pieces: list[bytes | memoryview] = []
        for piece in self._held:
            if size <= 0:
                break
            pieces.append(piece if len(piece) <= size else memoryview(piece)[:size])
            size -= len(piece)
        return b"".join(pieces)
