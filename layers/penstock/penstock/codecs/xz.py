"""xz (https://tukaani.org/xz/xz-file-format.txt): streams in a row, padded or not. lzma checks each block and stream.

Memory: one chunk of the source, a slice of 16 KiB, the dictionary (up to ``window``) and twice a step of output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from lzma import FORMAT_XZ, LZMADecompressor, LZMAError

from penstock.checksum import crc32
from penstock.codecs.feed import Feed
from penstock.codecs.model import Trace
from penstock.codecs.streams import Decompressor, decode_streams
from penstock.codecs.window import check_window
from penstock.limits import MIB, MIN_WINDOW

NAME = "xz"
MAGIC = (b"\xfd7zXZ\0",)

_STREAM_HEADER = 12
_NO_BLOCK = (b"", b"\0")  # the end of the source, or an index
_LZMA2 = 0x21

# What liblzma needs besides the dictionary, generously: 0.1 MiB was seen.
OVERHEAD = 1 * MIB


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, window: int = MIN_WINDOW) -> Iterator[bytes]:
    """Yield the content of all streams, in pieces of 1 to ``step`` bytes.

    Raises BadHeaderError (also for a dictionary larger than ``window`` bytes), CorruptSourceError (a wrong checksum
    included, and a dictionary that grows after a stream's first block) and TruncatedSourceError.
    """
    feed = Feed(chunks, trace)

    def start() -> Decompressor:
        # liblzma refuses too, but its error class is the one of corrupt data.
        check_window(_dictionary(feed), window, "xz dictionary", offset=feed.position)
        return LZMADecompressor(FORMAT_XZ, memlimit=window + OVERHEAD)

    return decode_streams(feed, trace, step, name=NAME, magic=MAGIC, padding=4, start=start, error=LZMAError)


def _dictionary(feed: Feed) -> int:
    """Bytes that the first block of the stream asks for; 0 where there is none, or where it is damaged."""
    size = feed.peek(_STREAM_HEADER + 1)[_STREAM_HEADER:]
    if size in _NO_BLOCK:
        return 0
    header = feed.peek(_STREAM_HEADER + (size[0] + 1) * 4)[_STREAM_HEADER:]
    if crc32(header[:-4]) != int.from_bytes(header[-4:], "little"):
        return 0
    return lzma2_dictionary(header[1:-4])


def lzma2_dictionary(header: bytes) -> int:
    """Walk block flags, optional sizes and filters (section 3.1) as far as LZMA2, always the last filter."""
    flags, at = header[0], 1
    for present in (flags & 0x40, flags & 0x80):
        if present:
            _, at = read_number(header, at)
    for _ in range((flags & 0x03) + 1):
        identity, at = read_number(header, at)
        size, at = read_number(header, at)
        if identity == _LZMA2 and size == 1 and at < len(header):
            bits = header[at]
            return (2 | bits & 1) << bits // 2 + 11
        at += size
    return 0


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number (section 1.2) and where the next field starts."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return value, at
