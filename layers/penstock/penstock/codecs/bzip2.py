"""bzip2: consecutive streams. bz2 checks each block and stream.

Memory: one chunk of the source, a slice of 16 KiB, 4 MB for blocks of 900 kB, and twice a step of output.
"""

from __future__ import annotations

from bz2 import BZ2Decompressor
from collections.abc import Iterable, Iterator

from penstock.codecs.codec import Codec
from penstock.codecs.feed import Feed
from penstock.codecs.streams import decode_streams
from penstock.codecs.trace import Trace

NAME = "bzip2"

# Texts may also start with "BZh", so the magic includes the level and the magic of the first block, or of the end.
MAGIC = tuple(
    b"BZh%d" % level + bytes.fromhex(block) for level in range(1, 10) for block in ("314159265359", "177245385090")
)


def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    """Yield the content of all streams, in pieces of 1 to ``step`` bytes.

    Raises BadHeaderError, CorruptSourceError (a wrong checksum included) and TruncatedSourceError.
    """
    return decode_streams(
        Feed(chunks, trace),
        trace,
        step,
        name=NAME,
        magic=MAGIC,
        padding=0,
        start=BZ2Decompressor,
        error=OSError,
    )


def describe(window: int) -> Codec:  # noqa: ARG001  # blocks are 900 kB at most
    """bzip2 is decoded from the start only, because it does not declare where its blocks begin."""
    return Codec(
        NAME,
        MAGIC,
        (".bz2", ".bzip2", ".tbz2", ".tbz"),
        decode,
        speed=30e6,
        typical_ratio=8,
        worst_ratio=1_300_000,  # a block of zeros holds 45.9 MB and takes about 40 bytes
    )
