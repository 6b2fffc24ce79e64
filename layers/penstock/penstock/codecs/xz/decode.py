"""Decode xz (https://tukaani.org/xz/xz-file-format.txt): consecutive streams, padded or not. lzma checks each block and
stream.

Memory: one chunk of the source, a slice of 16 KiB, the dictionary (up to ``window``) and twice a step of output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from lzma import FORMAT_XZ, LZMADecompressor, LZMAError, is_check_supported

from penstock.codecs.checksum import crc32
from penstock.codecs.feed import Feed
from penstock.codecs.streams import Decompressor, decode_streams
from penstock.codecs.trace import Trace
from penstock.codecs.window_limit import check_window
from penstock.errors import BadHeaderError
from penstock.limits import MIB, MIN_WINDOW

NAME = "xz"
MAGIC = (b"\xfd7zXZ\0",)

_STREAM_HEADER = 12
_NO_BLOCK = (b"", b"\0")  # the end of the source, or an index
_LZMA2 = 0x21
_CHECK = 0x0F  # of a stream header's second flag
# Section 5.3 of the format; https://github.com/tukaani-project/xz has the later filters.
_FILTERS = {
    0x03: "delta",
    0x04: "x86",
    0x05: "powerpc",
    0x06: "ia64",
    0x07: "arm",
    0x08: "armthumb",
    0x09: "sparc",
    0x0A: "arm64",
    0x0B: "riscv",
    _LZMA2: "lzma2",
}

# Memory that liblzma needs in addition to the dictionary; 0.1 MiB was measured.
OVERHEAD = 1 * MIB


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, window: int = MIN_WINDOW) -> Iterator[bytes]:
    """Yield the content of all streams, in pieces of 1 to ``step`` bytes.

    A check of a type that liblzma lacks causes a warning. Raises BadHeaderError (also for a dictionary larger than
    ``window`` bytes, and for filters that liblzma lacks), CorruptSourceError (a wrong checksum included, and a
    dictionary that grows after a stream's first block) and TruncatedSourceError.
    """
    feed = Feed(chunks, trace)

    def start() -> Decompressor:
        # liblzma also refuses these streams, but with the error class of corrupt data.
        header = feed.peek(_STREAM_HEADER)
        warn_of_check(header, trace)
        if block := _block_header(feed):
            check_block(header, block, window, offset=feed.position)
        return LZMADecompressor(FORMAT_XZ, memlimit=window + OVERHEAD)

    return decode_streams(feed, trace, step, name=NAME, magic=MAGIC, padding=4, start=start, error=LZMAError)


def warn_of_check(header: bytes, trace: Trace) -> None:
    """Warn, once for each type, if a stream's blocks have a check that liblzma cannot verify."""
    warning = unverified(header)
    if warning and warning not in trace.warnings:
        trace.warnings.append(warning)


def unverified(header: bytes) -> str:
    """Return the warning for a stream with this header; empty if its content is verified, or has no check."""
    check = header[7] & _CHECK if len(header) == _STREAM_HEADER else 0
    if is_check_supported(check):
        return ""
    return f"xz check type {check} is not known here: the content was decoded, but not verified"


def check_block(stream: bytes, header: bytes, window: int, *, offset: int) -> None:
    """Raises BadHeaderError if a block, by its header and its stream's, needs a dictionary beyond ``window`` bytes, or
    filters that liblzma lacks."""
    check_window(_dictionary(header[1:-4]), window, "xz dictionary", offset=offset)
    filters = [identity for identity, _ in _filters(header[1:-4])]
    if filters == [_LZMA2]:
        return
    try:
        LZMADecompressor(FORMAT_XZ, memlimit=window + OVERHEAD).decompress(stream + header)
    except LZMAError as error:
        # The header's checksum is correct, so these are the filters of its writer.
        names = ", ".join(f"{_FILTERS.get(each, 'unknown')} ({each:#04x})" for each in filters)
        raise BadHeaderError(
            f"xz filters {names} are not supported by the decoder here",
            offset=offset,
            hint="Compress it with LZMA2 alone, as xz does by default.",
        ) from error


def _block_header(feed: Feed) -> bytes:
    """Return the header of the stream's first block; empty if there is none, or if it is damaged."""
    size = feed.peek(_STREAM_HEADER + 1)[_STREAM_HEADER:]
    if size in _NO_BLOCK:
        return b""
    header = feed.peek(_STREAM_HEADER + (size[0] + 1) * 4)[_STREAM_HEADER:]
    return header if crc32(header[:-4]) == int.from_bytes(header[-4:], "little") else b""


def _dictionary(header: bytes) -> int:
    """Return the dictionary size of LZMA2, always the last filter; 0 if the filter is damaged."""
    for identity, properties in _filters(header):
        if identity == _LZMA2 and len(properties) == 1:
            bits = properties[0]
            return (2 | bits & 1) << bits // 2 + 11
    return 0


def _filters(header: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk block flags, optional sizes and filters (section 3.1): each filter's id and properties."""
    flags, at = header[0], 1
    for present in (flags & 0x40, flags & 0x80):
        if present:
            _, at = read_number(header, at)
    for _ in range((flags & 0x03) + 1):
        identity, at = read_number(header, at)
        size, at = read_number(header, at)
        yield identity, header[at : at + size]
        at += size


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length number (section 1.2) and the start of the next field."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return value, at
