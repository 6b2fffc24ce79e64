"""The codec of uncompressed sources.

Memory: one chunk of the source and one step of output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs.codec import Codec
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace

NAME = "identity"


def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    """Yield the source in pieces of 1 to ``step`` bytes. Raises no errors of its own."""
    feed = Feed(chunks, trace)
    while piece := feed.take(step):
        trace.produced += len(piece)
        yield piece


def describe(window: int) -> Codec:  # noqa: ARG001  # there is none
    """The codec needs no index, because every byte can be read by its offset."""
    return Codec(NAME, (), (), decode, speed=300e6, typical_ratio=1, worst_ratio=1)
