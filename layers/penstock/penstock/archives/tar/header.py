"""One header block of a tar archive (POSIX.1-1988 ustar, GNU tar, and tar of Unix version 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.errors import BadHeaderError

# Headers and contents are padded with zeros to whole blocks.
BLOCK = 512

_NAME, _MODE, _SIZE, _MODIFIED, _SUM = slice(0, 100), slice(100, 108), slice(124, 136), slice(136, 148), slice(148, 156)
_KIND, _LINK, _MAGIC, _PREFIX = slice(156, 157), slice(157, 257), slice(257, 263), slice(345, 500)
_POSIX = b"ustar\0"

_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
# A number with this bit in its first byte is binary (GNU: base-256).
_BINARY = 0x80
_PERMISSIONS = 0o7777


@dataclass(frozen=True, slots=True)
class Header:
    """A header. ``kind``: its type flag, one byte. ``size``: bytes of content. ``modified``: seconds since 1970.

    ``modified`` is None and ``mode`` is 0 if the field is not a number.
    """

    name: bytes
    kind: bytes
    size: int
    modified: int | None
    mode: int
    link: bytes


def is_header(block: bytes) -> bool:
    """Return whether 512 bytes have the checksum of a header that names something."""
    return len(block) >= BLOCK and _sum_is_right(block[:BLOCK]) and bool(block[_NAME].strip(b"\0"))


def parse_header(block: bytes, offset: int) -> Header:
    """Parse the 512 bytes of a header. ``offset`` counts from the start of the archive.

    Raises BadHeaderError if the checksum differs, or the size is not a number.
    """
    if not _sum_is_right(block):
        raise BadHeaderError("no tar header: the checksum of the block is wrong", offset=offset)
    size = _number(block[_SIZE])
    if size is None or size < 0:
        raise BadHeaderError(f"the tar header has no valid size ({block[_SIZE]!r})", offset=offset)
    name, prefix = _text(block[_NAME]), _text(block[_PREFIX]) if block[_MAGIC] == _POSIX else b""
    return Header(
        name=prefix + b"/" + name if prefix else name,
        kind=block[_KIND],
        size=size,
        modified=_number(block[_MODIFIED]),
        mode=(_number(block[_MODE]) or 0) & _PERMISSIONS,
        link=_text(block[_LINK]),
    )


def _sum_is_right(block: bytes) -> bool:
    """Compare the declared sum of a block with that of its bytes, the sum itself counted as blanks.

    POSIX adds unsigned bytes. Some old programs add signed ones.
    """
    declared = _number(block[_SUM])
    blanks = len(block[_SUM]) * ord(" ")
    if declared == sum(block) - sum(block[_SUM]) + blanks:
        return True
    signed = sum(memoryview(block).cast("b")) - sum(memoryview(block[_SUM]).cast("b"))
    return declared == signed + blanks


def _number(field: bytes) -> int | None:
    """Return a number in octal digits, or binary with its sign; an empty field is 0. None if it is neither."""
    if field[0] & _BINARY:
        bits = 8 * len(field) - 2  # the first bit marks the form, the second is the sign
        value = int.from_bytes(field, "big") & ((1 << (bits + 1)) - 1)
        return value - (1 << (bits + 1)) if value >> bits else value
    digits = _OCTAL.fullmatch(field)
    if digits:
        return int(digits[1], 8)
    return None if field.strip(b" \0") else 0


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
