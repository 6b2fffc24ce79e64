"""BGZF (SAM/BAM specification, section 4.1): gzip members of at most 64 KiB that say how long they are.

So they are found by going from header to header, and their trailers tell what they decode to.
"""

from __future__ import annotations

import struct

from penstock.codecs.checksum import crc32_combine
from penstock.codecs.feed import Feed
from penstock.codecs.gzip.decode import MAGIC, extra_field
from penstock.codecs.trace import Trace

_HEADER = struct.Struct("<3sB6xH")
_TRAILER = struct.Struct("<II")
_EXTRA_ONLY = 0x04
_LARGEST = 65_536


def pass_over(feed: Feed, trace: Trace) -> bool:
    """Pass over the member that begins here, and trace what its trailer says; False where it must be inflated.

    So it is unless all of it is there and another member, or the end, follows. Its trailer is not proven: whoever
    decodes the content does that, and the CRC32 of all.
    """
    size = _size(feed)
    member = feed.peek(size + len(MAGIC[0]))
    if not size or len(member) < size or not MAGIC[0].startswith(member[size:]):
        return False
    crc, length = _TRAILER.unpack_from(member, size - _TRAILER.size)
    if length > _LARGEST:
        return False
    feed.skip(size, "a BGZF member")
    trace.produced += length
    trace.members += 1
    trace.crc32 = crc if trace.crc32 is None else crc32_combine(trace.crc32, crc, length)
    return True


def _size(feed: Feed) -> int:
    """Bytes of the member, as its extra field "BC" says; 0 where there is none."""
    head = feed.peek(_HEADER.size)
    if len(head) < _HEADER.size:
        return 0
    magic, flags, length = _HEADER.unpack(head)
    if magic != MAGIC[0] or flags != _EXTRA_ONLY:
        return 0
    extra = feed.peek(_HEADER.size + length)[_HEADER.size :]
    value = extra_field(extra, b"BC") or b""
    whole = int.from_bytes(value, "little") + 1
    return whole if len(value) == 2 and whole > _HEADER.size + length + _TRAILER.size else 0  # noqa: PLR2004  # 16 bits
