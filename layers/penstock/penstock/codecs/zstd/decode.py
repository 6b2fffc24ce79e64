"""Decode zstd (RFC 8878): consecutive frames, with skippable frames between them.

This module walks the frames block by block, and libzstd decodes them. A block decodes to at most 128 KiB, so output is
bounded although zstandard's decompression object has no limit of its own, and the offset is exact.

Memory: one chunk of the source, a block of at most 128 KiB before and two after, and the window (up to ``window``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import zstandard

from penstock.codecs.feed import Feed
from penstock.codecs.members import at_member
from penstock.codecs.trace import Trace
from penstock.codecs.window_limit import check_window
from penstock.errors import BadHeaderError, ChecksumMismatchError, CorruptSourceError
from penstock.limits import KIB, MIN_WINDOW

NAME = "zstd"
_SKIPPABLE = tuple(bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60))
MAGIC = (b"\x28\xb5\x2f\xfd", *_SKIPPABLE)

_SHORTEST_HEADER, _LONGEST_HEADER = 5, 18
_BLOCK_MAXIMUM = 128 * KIB
_RLE, _COMPRESSED = 1, 2
_CHECKSUM = 4

# The maximum window of libzstd on 64-bit machines.
_LARGEST_WINDOW = 1 << 31


class Header(NamedTuple):
    """A frame's raw header, its declared content size, and whether a checksum follows the blocks."""

    raw: bytes
    size: int | None
    has_checksum: bool


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, window: int = MIN_WINDOW) -> Iterator[bytes]:
    """Yield the content of all frames, in pieces of 1 to ``step`` bytes.

    A frame's last piece is yielded after the check of the complete frame. Raises BadHeaderError (also for a window
    larger than ``window`` bytes, or a dictionary), CorruptSourceError, ChecksumMismatchError (offset of the checksum)
    and TruncatedSourceError.
    """
    frames = Frames(Feed(chunks, trace), trace, window)
    while frames.at_frame():
        yield from frames.content(frames.header(), step)


class Frames:
    """The frames of a feed, one after the other: `at_frame`, then `header`, then `content` or `skip_content`."""

    def __init__(self, feed: Feed, trace: Trace, window: int) -> None:
        self._feed = feed
        self._trace = trace
        self._window = min(window, _LARGEST_WINDOW)
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=self._window)
        self._proven = True

    def at_frame(self) -> bool:
        """Return whether a frame with content follows; False at the end of the source. Skip skippable frames."""
        feed = self._feed
        while at_member(feed, self._trace, NAME, MAGIC, proven=self._proven):
            if feed.peek(4) not in _SKIPPABLE:
                return True
            header = feed.exactly(8, "a skippable zstd frame")
            feed.skip(int.from_bytes(header[4:], "little"), "a skippable zstd frame")
            self._proven = False
        return False

    def header(self) -> Header:
        """Read the frame's header. Raises BadHeaderError and TruncatedSourceError."""
        feed = self._feed
        start = feed.position
        head = feed.peek(_LONGEST_HEADER)
        try:
            size = zstandard.frame_header_size(head) if len(head) >= _SHORTEST_HEADER else _SHORTEST_HEADER
            raw = feed.exactly(size, "a zstd frame header")
            parameters = zstandard.get_frame_parameters(raw)
        except zstandard.ZstdError as error:
            raise BadHeaderError("invalid zstd frame header", offset=start) from error
        check_window(parameters.window_size, self._window, "zstd window", offset=start)
        if parameters.dict_id:
            raise BadHeaderError(
                f"zstd frame needs dictionary {parameters.dict_id}",
                offset=start,
                hint="Compress it without a dictionary.",
            )
        known = parameters.content_size != zstandard.CONTENTSIZE_UNKNOWN
        return Header(raw, parameters.content_size if known else None, parameters.has_checksum)

    def content(self, header: Header, step: int) -> Iterator[bytes]:
        """Decode the frame. Raises CorruptSourceError, ChecksumMismatchError and TruncatedSourceError."""
        for piece in _blocks(self._feed, self._decompressor, header):
            for at in range(0, len(piece), step):
                part = piece[at : at + step]
                self._trace.produced += len(part)
                yield part
        self._ended(header)

    def skip_content(self, header: Header) -> Iterator[None]:
        """Skip the frame, one block at a time. Its header declares its decoded size.

        Raises CorruptSourceError if its blocks cannot hold that size, and TruncatedSourceError.
        """
        feed, size, room, last = self._feed, header.size or 0, 0, False
        start = feed.position
        while not last:
            last, kind, length = _block_header(feed)
            feed.skip(_stored(kind, length), "a zstd block")
            room += _BLOCK_MAXIMUM if kind == _COMPRESSED else length
            yield
        if size > room:
            raise CorruptSourceError(f"zstd frame of {size:,} bytes has blocks for {room:,} at most", offset=start)
        if header.has_checksum:
            feed.skip(_CHECKSUM, "a zstd checksum")
        self._trace.produced += size
        self._ended(header)

    def _ended(self, header: Header) -> None:
        self._trace.members += 1
        self._proven = header.has_checksum


def _blocks(feed: Feed, decompressor: zstandard.ZstdDecompressor, header: Header) -> Iterator[bytes]:
    """Yield the content of each block that is not empty; before the last one, check the complete frame."""
    frame = decompressor.decompressobj()
    frame.decompress(header.raw)
    held, last, produced = b"", False, 0
    while not last:
        at = feed.position
        block, last = _block(feed)
        try:
            piece = frame.decompress(block)
        except zstandard.ZstdError as error:
            raise CorruptSourceError("corrupt zstd block", offset=at) from error
        produced += len(piece)
        if piece:
            if held:
                yield held
            held = piece
    at = feed.position
    # libzstd does not compare the size if the last block is empty.
    if header.size not in (None, produced):
        raise CorruptSourceError(f"zstd frame declares {header.size:,} bytes and holds {produced:,}", offset=at)
    if header.has_checksum:
        checksum = feed.exactly(_CHECKSUM, "a zstd checksum")
        try:
            frame.decompress(checksum)
        except zstandard.ZstdError as error:
            raise ChecksumMismatchError(
                "the decoded bytes do not match the zstd frame's checksum", offset=at
            ) from error
    if not frame.eof:
        raise CorruptSourceError("zstd frame does not end with its last block", offset=at)
    if held:
        yield held


def _block(feed: Feed) -> tuple[bytes, bool]:
    """Return a block with its header, and whether it is the frame's last."""
    last, kind, length = _block_header(feed)
    header = (length << 3 | kind << 1 | last).to_bytes(3, "little")
    return header + feed.exactly(_stored(kind, length), "a zstd block"), last


def _block_header(feed: Feed) -> tuple[bool, int, int]:
    """Return whether a block is the frame's last, its kind and its length (section 3.1.1.2)."""
    at = feed.position
    fields = int.from_bytes(feed.exactly(3, "a zstd block"), "little")
    last, kind, length = bool(fields & 1), fields >> 1 & 3, fields >> 3
    if length > _BLOCK_MAXIMUM:
        raise CorruptSourceError(f"zstd block of {length:,} bytes exceeds {_BLOCK_MAXIMUM:,}", offset=at)
    return last, kind, length


def _stored(kind: int, length: int) -> int:
    """Return the number of bytes after a block's header. A run stores only the repeated byte."""
    return 1 if kind == _RLE else length
