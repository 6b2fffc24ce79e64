"""The header in front of a member (APPNOTE 4.3.7), which must agree with the directory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import NoReturn

from penstock.archives.names import plain_name
from penstock.archives.zip.ciphers import CIPHERS, ZIPCRYPTO
from penstock.archives.zip.coding import coding
from penstock.archives.zip.end import FULL_32
from penstock.archives.zip.entry import LOCAL_SIZE
from penstock.archives.zip.fields import DESCRIPTOR, UTF_8, decode_name, zip64_values
from penstock.archives.zip.ranges import read_range
from penstock.errors import BadHeaderError, CorruptSourceError
from penstock.model.member import STORED, Member, MemberContent
from penstock.model.source import RangeReader

# Signature, version, flags, method, time, date, CRC32, encoded and decoded bytes, lengths of name and extra field.
_LOCAL = struct.Struct("<4s5H3L2H")
_MAGIC = b"PK\x03\x04"

# Room for the extra fields of usual writers: one read finds the whole header.
_EXTRA = 256


def locate(reader: RangeReader, member: Member) -> Member:
    """Return a member of `entries` with the range of its encoded bytes, without its own header.

    Raises BadHeaderError if its header differs from the directory, CorruptSourceError if its content reaches into the
    next entry, and the errors of the reader.
    """
    content = _content_of(member)
    start, limit = content.start, content.limit or reader.size
    data = read_range(reader, start, min(limit, start + LOCAL_SIZE + len(member.name.encode()) + _EXTRA))
    if not data.startswith(_MAGIC) or len(data) < LOCAL_SIZE:
        _refuse(member, "has no header of its own")
    _, _, flags, method, time, _, crc32, encoded, size, names, extras = _LOCAL.unpack_from(data)
    end = LOCAL_SIZE + names + extras
    if start + end + content.end - content.start > limit:
        raise CorruptSourceError(f"member {member.name!r} reaches into the next entry", offset=start)
    if len(data) < end:
        data += read_range(reader, start + len(data), start + end)
    raw, extra = data[LOCAL_SIZE : LOCAL_SIZE + names], data[LOCAL_SIZE + names : end]
    _check_coding(member, flags, method, extra)
    if member.name not in _names(raw, flags, extra):
        _refuse(member, f"is called {raw!r} in its header")
    if not flags & DESCRIPTOR:
        if FULL_32 in (size, encoded):
            size, encoded = zip64_values(extra, (size, encoded), start)
        _check_sizes(member, encoded, size, crc32)
    _check_stored(member)
    check = (time if flags & DESCRIPTOR else crc32 >> 16) >> 8 if content.encryption == ZIPCRYPTO else None
    return replace(member, content=replace(content, start=start + end, end=content.end + end, password_check=check))


def _content_of(member: Member) -> MemberContent:
    if member.content is None:
        raise ValueError(f"member {member.name!r} was not listed by a directory")
    return member.content


def _names(raw: bytes, flags: int, extra: bytes) -> Iterator[str]:
    """Yield what the header's name may mean. Some writers set the flag of UTF-8 in one of the headers only."""
    for how in (flags, flags | UTF_8, flags & ~UTF_8):
        name = decode_name(raw, how, extra)
        yield plain_name(name)
        yield plain_name(name.replace("\\", "/"))


def _check_coding(member: Member, flags: int, method: int, extra: bytes) -> None:
    content, own = _content_of(member), coding(flags, method, extra)
    if bool(own.encryption) != bool(content.encryption):
        _refuse(member, "is encrypted in one of its headers only")
    if own.encryption != content.encryption:
        _refuse(member, f"is encrypted with {own.encryption} in its header, {content.encryption} in the directory")
    if own.method != content.method:
        _refuse(member, f"has method {method} in its header, {content.method} in the directory")


def _check_stored(member: Member) -> None:
    """Refuse a member that has no room for what surrounds a ciphertext, or whose stored bytes are not all."""
    content = _content_of(member)
    encoded = content.end - content.start
    overhead = CIPHERS[content.encryption].overhead if content.encryption in CIPHERS else 0
    if encoded < overhead:
        _refuse(member, f"is encrypted with {content.encryption}, but has {encoded:,} bytes instead of {overhead:,}")
    is_read = not content.encryption or content.encryption in CIPHERS
    if content.method == STORED and is_read and encoded - overhead != content.size:
        _refuse(member, f"is stored, but has {encoded - overhead:,} bytes for {content.size:,}")


def _check_sizes(member: Member, encoded: int, size: int, crc32: int) -> None:
    content = _content_of(member)
    for what, own, listed in (
        ("encoded bytes", encoded, content.end - content.start),
        ("bytes", size, content.size),
        ("as CRC32", crc32, content.crc32),
    ):
        if listed is not None and own != listed:
            _refuse(member, f"has {own:,} {what} in its header, {listed:,} in the directory")


def _refuse(member: Member, why: str) -> NoReturn:
    raise BadHeaderError(f"member {member.name!r} {why}", offset=_content_of(member).start)
