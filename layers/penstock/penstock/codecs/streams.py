"""Decode consecutive streams with the standard library's decoders that buffer their own input: bz2 and lzma."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from penstock.codecs.feed import Feed
from penstock.codecs.members import at_member
from penstock.codecs.trace import Trace
from penstock.errors import CorruptSourceError, TruncatedSourceError

# A slice counts as consumed once the decoder asks for the next, so this is how far progress may lag.
_SLICE = 16 * 1024


class Decompressor(Protocol):
    """The interface that bz2.BZ2Decompressor and lzma.LZMADecompressor share."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decode_streams(
    feed: Feed,
    trace: Trace,
    step: int,
    *,
    name: str,
    magic: Sequence[bytes],
    padding: int,
    start: Callable[[], Decompressor],
    error: type[Exception],
) -> Iterator[bytes]:
    """Yield the content of all streams. ``start`` is called at the first byte of each; ``error`` means bad data."""
    while at_member(feed, trace, name, magic, padding=padding):
        decompressor = start()
        before = feed.position
        while not decompressor.eof:
            if needs_input := decompressor.needs_input:
                before = feed.position
            data = feed.take(_SLICE) if needs_input else b""
            try:
                piece = decompressor.decompress(data, step)
            except error as cause:
                raise CorruptSourceError(f"corrupt {name} data nearby", offset=before) from cause
            if decompressor.eof:
                feed.give_back(decompressor.unused_data)
            trace.consumed = feed.position if decompressor.eof or decompressor.needs_input else before
            if piece:
                trace.produced += len(piece)
                yield piece
            elif needs_input and not data and not decompressor.eof:
                raise TruncatedSourceError(f"the source ends inside {name} data", offset=feed.position)
        trace.members += 1
