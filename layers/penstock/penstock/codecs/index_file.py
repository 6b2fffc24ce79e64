"""The format of an index segment: a small directory of the entries, then each window by itself.

    segment    magic  version  count  crc32   then ``count`` records, then the windows in the same order
    bytes      4      1        4      4
    record     decoded  encoded  record  row  window  bits  raw
    bytes      8        8        8       8    2       1     1

Little-endian. The CRC32 is that of the records; ``window`` is the length of the deflated window (zlib format, RFC 1950,
with its own checksum), 0 for none. An entry takes 36 bytes and, inside a member, at most 32,784 for its window, usually
a fifth of that: below 0.2 % of the decoded source if entries lie at least 16 MiB apart.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.codecs.checkpoint import LARGEST_WINDOW, check_entry
from penstock.codecs.checksum import crc32
from penstock.errors import CorruptIndexError
from penstock.model.span import Entry

_HEADER = struct.Struct("<4sBII")
_RECORD = struct.Struct("<QQqqHB?")
_MAGIC, _VERSION = b"PNSX", 1

# Level 6 makes windows of text a quarter smaller, at four times the CPU.
_LEVEL = 6

HEADER_SIZE = _HEADER.size


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry, and the position of its deflated window in the segment; ``size`` is 0 if it has none."""

    entry: Entry
    start: int
    size: int


def pack(entries: Sequence[tuple[Entry, bytes]]) -> bytes:
    """Return a segment of entries, each with its window of at most 32 KiB, or an empty window."""
    windows = [zlib.compress(window, _LEVEL) if window else b"" for _, window in entries]
    directory = b"".join(
        _RECORD.pack(entry.decoded, entry.encoded, entry.record, entry.row, len(window), entry.bits, entry.raw)
        for (entry, _), window in zip(entries, windows, strict=True)
    )
    header = _HEADER.pack(_MAGIC, _VERSION, len(entries), crc32(directory))
    return b"".join((header, directory, *windows))


def directory_size(head: bytes) -> int:
    """Return how many bytes `read_directory` needs. ``head`` needs HEADER_SIZE bytes. Raises CorruptIndexError."""
    if len(head) < _HEADER.size:
        raise CorruptIndexError(f"an index segment of {len(head)} bytes is truncated")
    magic, version, count, _ = _HEADER.unpack_from(head)
    if (magic, version) != (_MAGIC, _VERSION):
        raise CorruptIndexError(f"not an index segment of version {_VERSION}: it begins with {head[:5].hex()}")
    return _HEADER.size + int(count) * _RECORD.size


def read_directory(head: bytes) -> list[Listed]:
    """Return the entries of a segment, from its first `directory_size` bytes or more. Raises CorruptIndexError."""
    start = end = directory_size(head)
    directory = head[_HEADER.size : end]
    if len(directory) != end - _HEADER.size:
        raise CorruptIndexError(f"the directory of an index segment has {len(head):,} bytes of {end:,}")
    if crc32(directory) != _HEADER.unpack_from(head)[3]:
        raise CorruptIndexError("the directory of an index segment does not match its checksum")
    listed = []
    for decoded, encoded, record, row, size, bits, raw in _RECORD.iter_unpack(directory):
        listed.append(Listed(Entry(decoded, encoded, bits, raw, record, row), start, size))
        check_entry(listed[-1].entry, b"")
        start += size
    return listed


def read_window(data: bytes) -> bytes:
    """Inflate a window; empty data is an empty window. Raises CorruptIndexError."""
    if not data:
        return b""
    inflater = zlib.decompressobj()
    try:
        window = inflater.decompress(data, LARGEST_WINDOW)
    except zlib.error as error:
        raise CorruptIndexError("a window of an index segment is damaged") from error
    if not inflater.eof or inflater.unused_data:
        raise CorruptIndexError("a window of an index segment is truncated or too long")
    return window
