"""Bytes as they are.

Memory: one chunk of the source and one step of output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.codec import Trace
from penstock.codecs.feed import Feed

NAME = "identity"


def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    """Yield the source in pieces of 1 to ``step`` bytes. Raises nothing of its own."""
    feed = Feed(chunks, trace)
    while piece := feed.take(step):
        trace.produced += len(piece)
        yield piece
