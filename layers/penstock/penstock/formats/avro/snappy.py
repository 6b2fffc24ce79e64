"""Decode raw snappy. https://github.com/google/snappy/blob/main/format_description.txt

In Python, because a library for it would be the largest of the layer. Most of the time goes to decoding records anyway.
"""

from __future__ import annotations

from penstock.formats.avro.long import LOW_BITS

_LITERAL = 0
_ONE_BYTE_OFFSET = 1
_TWO_BYTE_OFFSET = 2
# A literal of so many bytes or more has its length in 1 to 4 bytes of its own.
_LONG_LITERAL = 60
_LONGEST = 1 << 32


def declared_size(data: bytes) -> tuple[int, int]:
    """Return the decoded size that the data declares, and where its elements begin. Raises ValueError."""
    size = shift = 0
    for at, byte in enumerate(data[:5]):
        size |= (byte & LOW_BITS) << shift
        if byte <= LOW_BITS:
            if size >= _LONGEST:
                break
            return size, at + 1
        shift += 7
    raise ValueError("it does not begin with its decoded size")


def decode(data: bytes) -> bytes:
    """Return the decoded bytes, as many as declared. Raises ValueError. Memory: the declared size."""
    size, at = declared_size(data)
    end = len(data)
    found = bytearray()
    while at < end:
        tag = data[at]
        at += 1
        kind = tag & 3
        if kind == _LITERAL:
            length = tag >> 2
            if length >= _LONG_LITERAL:
                wide = length - _LONG_LITERAL + 1
                length = int.from_bytes(data[at : at + wide], "little")
                at += wide
            length += 1
            found += data[at : at + length]
            at += length
            if at > end or len(found) > size:
                raise ValueError("a literal goes on beyond its end")
            continue
        if kind == _ONE_BYTE_OFFSET:
            length = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | data[at] if at < end else 0
            at += 1
        else:
            length = (tag >> 2) + 1
            wide = 2 if kind == _TWO_BYTE_OFFSET else 4
            offset = int.from_bytes(data[at : at + wide], "little")
            at += wide
        start = len(found) - offset
        if at > end or start < 0 or not offset or len(found) + length > size:
            raise ValueError("a copy of bytes that are not there")
        if offset >= length:
            found += found[start : start + length]
        else:
            found += (found[start:] * (length // offset + 1))[:length]
    if len(found) != size:
        raise ValueError(f"{len(found):,} bytes where {size:,} are declared")
    return bytes(found)
