"""Pages of the deprecated codec LZ4 that hold several blocks, as Hadoop writes them, in a form that decoders read.

Hadoop's stream is a sequence of groups: the uncompressed bytes of a group, then each of its blocks behind its
compressed bytes, all as 4 bytes, the highest one first. Pages of one block, of no framing, and in LZ4's own frames are
left as they are: https://github.com/apache/parquet-format/blob/master/Compression.md#lz4 and Hadoop's
BlockCompressorStream.java

The blocks stay as they are, and get LZ4's own frame: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

# Magic; version 1, independent blocks, no checksums; blocks of up to 4 MiB; and the checksum of these two bytes.
_FRAME: Final = bytes.fromhex("04224d18 60 70 73")
_FRAME_END: Final = bytes(4)
# Attempts to tell groups from blocks. A wrong one ends after a few.
_MOST_STEPS = 1_000
# Bytes of a number.
_NUMBER = 4


def with_lz4_frame(page: bytes, size: int) -> bytes:
    """Return a page of ``size`` uncompressed bytes in LZ4's own frame, if it holds several blocks of Hadoop; else as it
    is."""
    blocks = _blocks(page, size)
    if len(blocks) < 2:  # noqa: PLR2004  # one block is read as it is
        return page
    framed = [part for block in blocks for part in (len(block).to_bytes(_NUMBER, "little"), block)]
    return b"".join((_FRAME, *framed, _FRAME_END))


class _Read(NamedTuple):
    """The stream read up to ``at``: the bytes that its groups declare, the last block, and what was read before."""

    at: int
    declared: int
    start: int
    before: _Read | None


def _blocks(page: bytes, size: int) -> list[bytes]:
    """The blocks of Hadoop's stream; none if it is no such stream.

    What follows a block may be one of the same group, or a new group: both are tried, until the groups declare ``size``
    bytes and the last block ends with the page.
    """
    # A group comes first.
    left = [read for read in _next(page, size, _Read(0, 0, 0, None)) if read.start == 2 * _NUMBER]
    for _ in range(_MOST_STEPS):
        if not left:
            break
        read = left.pop()
        if read.at == len(page) and read.declared == size:
            return _listed(page, read)
        left += _next(page, size, read)
    return []


def _next(page: bytes, size: int, read: _Read) -> Iterator[_Read]:
    """Read on: a new group and its first block, or a block of the same group."""
    first, second = (int.from_bytes(page[at : at + _NUMBER], "big") for at in (read.at, read.at + _NUMBER))
    for start, stored, declared in (
        (read.at + 2 * _NUMBER, second, read.declared + first),
        (read.at + _NUMBER, first, read.declared),
    ):
        if stored and start + stored <= len(page) and declared <= size:
            yield _Read(start + stored, declared, start, read)


def _listed(page: bytes, last: _Read) -> list[bytes]:
    blocks: list[bytes] = []
    read: _Read | None = last
    while read and read.before:
        blocks.append(page[read.start : read.at])
        read = read.before
    return blocks[::-1]
