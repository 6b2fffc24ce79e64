"""Deflate64, which the Windows Explorer writes for files beyond 2 GiB: deflate with a window and matches of 64 KiB.

Memory: one chunk of the source, the window, and what a slice decodes to. The decoder has no limit of its own: a match
takes 18 bits at least, so a slice of 128 bytes decodes to at most 3.7 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.codec import Codec
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.errors import BadHeaderError, CorruptSourceError, TruncatedSourceError

try:
    from inflate64 import Inflater
except ImportError:
    Inflater = None

NAME = "deflate64"

_SLICE = 128


def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    """Yield the content in pieces of 1 to ``step`` bytes. Raises CorruptSourceError and TruncatedSourceError."""
    feed = Feed(chunks, trace)
    inflater = Inflater()
    while not inflater.eof:
        at = feed.position
        data = feed.take(_SLICE)
        if not data:
            raise TruncatedSourceError("the source ends inside Deflate64 data", offset=at)
        try:
            content: bytes = inflater.inflate(data)
        except ValueError as error:
            raise CorruptSourceError("corrupt Deflate64 data nearby", offset=at) from error
        for start in range(0, len(content), step):
            piece = content[start : start + step]
            trace.produced += len(piece)
            yield piece


def describe(offset: int) -> Codec:
    """Describe the codec. Raises BadHeaderError with ``offset`` if its library has no wheel for this machine."""
    if Inflater is None:
        raise BadHeaderError(
            "the member is compressed with Deflate64, whose library (inflate64) is not installed",
            offset=offset,
            hint="Install inflate64, or compress the member with Deflate.",
        )
    return Codec(NAME, (), (), decode, speed=60e6, typical_ratio=5, worst_ratio=30_000)  # 65,538 bytes from 18 bits
