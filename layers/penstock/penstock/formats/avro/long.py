"""The longs of Avro: integers of 64 bits, of which small ones take few bytes."""

from __future__ import annotations

# Bytes of a long, at most; and the bits of each that count. The highest one says that more follow.
LONG = 10
LOW_BITS = 0x7F


# Of each byte: whether another one follows in a long, or else whether it fits as the last one of LONG bytes.
_KINDS = bytes(0 if byte <= 1 else 1 if byte <= LOW_BITS else 2 for byte in range(256))
_TOO_LONG = (bytes([2] * LONG), bytes([2] * (LONG - 1) + [1]))


def may_hold_too_long(data: bytes) -> bool:
    """Whether data has bytes that would be a long of more than 64 bits, if they were one and not text or a number."""
    kinds = data.translate(_KINDS)
    return any(bytes_ in kinds for bytes_ in _TOO_LONG)


def parse_long(data: bytes, at: int) -> tuple[int, int]:
    """Return the long that begins here, and where it ends; 0 if it does not end within the data and LONG bytes."""
    number = shift = 0
    for position in range(at, min(len(data), at + LONG)):
        byte = data[position]
        number |= (byte & LOW_BITS) << shift
        if byte <= LOW_BITS:
            return (number >> 1) ^ -(number & 1), position + 1
        shift += 7
    return 0, 0


def write_long(number: int) -> bytes:
    """Return the bytes of a number that is not negative."""
    number <<= 1
    found = bytearray()
    while number > LOW_BITS:
        found.append(number & LOW_BITS | ~LOW_BITS & 0xFF)
        number >>= 7
    found.append(number)
    return bytes(found)
