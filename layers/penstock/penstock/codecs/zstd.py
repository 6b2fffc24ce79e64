"""zstd (RFC 8878): frames in a row, with skippable frames between them.

The frames are walked block by block here and decoded by libzstd. A block decodes to at most 128 KiB, so output is
bounded although zstandard's decompression object has no limit of its own, and the offset is exact.

Memory: one chunk of the source, a block of at most 128 KiB before and after, and the window (up to ``window``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import zstandard

from penstock.codecs.feed import Feed
from penstock.codecs.members import at_member
from penstock.codecs.model import Trace
from penstock.codecs.window import check_window
from penstock.errors import BadHeaderError, ChecksumMismatchError, CorruptSourceError, TruncatedSourceError
from penstock.limits import KIB, MIN_WINDOW

NAME = "zstd"
_SKIPPABLE = tuple(bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60))
MAGIC = (b"\x28\xb5\x2f\xfd", *_SKIPPABLE)

_SHORTEST_HEADER, _LONGEST_HEADER = 5, 18
_BLOCK_MAXIMUM = 128 * KIB
_RLE = 1
_SLICE = 64 * KIB

# The largest that libzstd takes on 64-bit machines.
_LARGEST_WINDOW = 1 << 31


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, window: int = MIN_WINDOW) -> Iterator[bytes]:
    """Yield the content of all frames, in pieces of 1 to ``step`` bytes.

    Raises BadHeaderError (also for a window larger than ``window`` bytes, or a dictionary), CorruptSourceError,
    ChecksumMismatchError (offset of the checksum) and TruncatedSourceError.
    """
    feed = Feed(chunks, trace)
    window = min(window, _LARGEST_WINDOW)
    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    proven = True
    while at_member(feed, trace, NAME, MAGIC, proven=proven):
        if feed.peek(4) in _SKIPPABLE:
            _skip(feed)
            proven = False
            continue
        header, parameters = _header(feed, window)
        for piece in _blocks(feed, decompressor, header, has_checksum=parameters.has_checksum):
            for at in range(0, len(piece), step):
                part = piece[at : at + step]
                trace.produced += len(part)
                yield part
        trace.members += 1
        proven = parameters.has_checksum


def _skip(feed: Feed) -> None:
    header = feed.exactly(8, "a skippable zstd frame")
    left = int.from_bytes(header[4:], "little")
    while left:
        piece = feed.take(min(left, _SLICE))
        if not piece:
            raise TruncatedSourceError("the source ends inside a skippable zstd frame", offset=feed.position)
        left -= len(piece)


def _header(feed: Feed, window: int) -> tuple[bytes, zstandard.FrameParameters]:
    start = feed.position
    head = feed.peek(_LONGEST_HEADER)
    try:
        size = zstandard.frame_header_size(head) if len(head) >= _SHORTEST_HEADER else _SHORTEST_HEADER
        header = feed.exactly(size, "a zstd frame header")
        parameters = zstandard.get_frame_parameters(header)
    except zstandard.ZstdError as error:
        raise BadHeaderError("invalid zstd frame header", offset=start) from error
    check_window(parameters.window_size, window, "zstd window", offset=start)
    if parameters.dict_id:
        raise BadHeaderError(
            f"zstd frame needs dictionary {parameters.dict_id}", offset=start, hint="Compress it without a dictionary."
        )
    return header, parameters


def _blocks(
    feed: Feed, decompressor: zstandard.ZstdDecompressor, header: bytes, *, has_checksum: bool
) -> Iterator[bytes]:
    """Yield the content of each block that is not empty, then check the frame as a whole."""
    frame = decompressor.decompressobj()
    frame.decompress(header)
    last = False
    while not last:
        at = feed.position
        block, last = _block(feed)
        try:
            piece = frame.decompress(block)
        except zstandard.ZstdError as error:
            raise CorruptSourceError("corrupt zstd block", offset=at) from error
        if piece:
            yield piece
    at = feed.position
    if has_checksum:
        checksum = feed.exactly(4, "a zstd checksum")
        try:
            frame.decompress(checksum)
        except zstandard.ZstdError as error:
            raise ChecksumMismatchError(
                "the decoded bytes do not match the zstd frame's checksum", offset=at
            ) from error
    if not frame.eof:
        raise CorruptSourceError("zstd frame does not end with its last block", offset=at)


def _block(feed: Feed) -> tuple[bytes, bool]:
    """One block with its header (section 3.1.1.2), and whether it is the frame's last."""
    at = feed.position
    header = feed.exactly(3, "a zstd block")
    fields = int.from_bytes(header, "little")
    last, kind, size = bool(fields & 1), fields >> 1 & 3, fields >> 3
    if size > _BLOCK_MAXIMUM:
        raise CorruptSourceError(f"zstd block of {size:,} bytes exceeds {_BLOCK_MAXIMUM:,}", offset=at)
    return header + feed.exactly(1 if kind == _RLE else size, "a zstd block"), last
