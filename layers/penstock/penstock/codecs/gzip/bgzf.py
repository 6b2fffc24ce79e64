"""Skip members of BGZF (SAM/BAM specification, section 4.1): gzip members of at most 64 KiB that declare their size.

The next header is found by the declared size, and the trailers declare the decoded size and CRC32.
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
    """Skip the member that begins here, and trace the values of its trailer; False if it must be inflated.

    It must be inflated unless it is complete and another member, or the end, follows. The trailer is not verified
    here: decoding the content verifies it, and the CRC32 of all members.
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
    """Return the size of the member from its extra field "BC"; 0 if there is none."""
    head = feed.peek(_HEADER.size)
    if len(head) < _HEADER.size:
        return 0
    magic, flags, length = _HEADER.unpack(head)
    if magic != MAGIC[0] or flags != _EXTRA_ONLY:
        return 0
    extra = feed.peek(_HEADER.size + length)[_HEADER.size :]
    value = extra_field(extra, b"BC") or b""
    size = int.from_bytes(value, "little") + 1
    return size if len(value) == 2 and size > _HEADER.size + length + _TRAILER.size else 0  # noqa: PLR2004  # 16 bits
