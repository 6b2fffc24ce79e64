"""The end of a zip, which says where its directory lies (APPNOTE 4.3.14 to 4.3.16)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NoReturn

from penstock.archives.archive import MAX_MEMBERS
from penstock.archives.zip.ciphers import ENCRYPT_OTHERWISE
from penstock.archives.zip.ranges import HeldRange, hold, read_range
from penstock.errors import (
    BadHeaderError,
    CodecMismatchError,
    CorruptSourceError,
    EncryptedMemberError,
    ExpansionLimitError,
    TruncatedSourceError,
)
from penstock.model.source import RangeReader

# Signature, this disk, the directory's disk, entries on this disk, entries, bytes and offset of the directory, comment.
_END = struct.Struct("<4s4H2LH")
# Signature, disk of the zip64 record, its offset, number of disks.
_LOCATOR = struct.Struct("<4sLQL")
# Signature, bytes that follow, versions, disks, entries on this disk, entries, bytes and offset of the directory.
_END64 = struct.Struct("<4sQ2H2L4Q")
_END_MAGIC, _LOCATOR_MAGIC, _END64_MAGIC = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_ANY_MAGIC = b"PK"
# A reader needs this version for a directory that is encrypted (APPNOTE 4.4.3); the zip64 record then has more fields.
_ENCRYPTED_VERSION = 62

# A field of the end record that is full leaves its value to the zip64 record.
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF

_TAIL = _END64.size + _LOCATOR.size + _END.size + FULL_16

# The fixed part of a directory entry.
ENTRY = 46
# Names, extra fields and comments may take ten times as much on average.
MAX_DIRECTORY = MAX_MEMBERS * ENTRY * 11


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the directory lies. ``prefix``: bytes before the archive, which its offsets do not count.

    ``whole``: where the archive ends. Bytes that follow are not part of it. ``is_wide``: the count is one of zip64;
    else only its last 16 bits are known, because old writers knew no zip64.
    """

    start: int
    end: int
    count: int
    prefix: int
    whole: int
    is_wide: bool

    def holds(self, number: int) -> bool:
        """Return whether so many entries are as many as were declared."""
        return self.count == (number if self.is_wide else number & FULL_16)


@dataclass(frozen=True, slots=True)
class _Declared:
    """``at``: offset of the record, where the directory must end. ``whole``: where the record ends with its comment."""

    at: int
    whole: int
    disks: tuple[int, int]
    here: int
    count: int
    size: int
    offset: int


def find_directory(reader: RangeReader) -> tuple[Directory, RangeReader]:
    """Return where the directory lies, and a reader that holds the archive's last 64 KiB.

    Raises CodecMismatchError for what is no zip, TruncatedSourceError if the archive is cut off, CorruptSourceError if
    its end contradicts itself or is that of another archive, BadHeaderError if it is part of a set,
    EncryptedMemberError if the directory is encrypted, ExpansionLimitError for more than MAX_MEMBERS entries.
    """
    tail = hold(reader, max(0, reader.size - _TAIL), reader.size)
    end = declared = _end_record(tail)
    shift = 0
    if zip64 := _zip64_record(tail, end):
        declared, shift = zip64
    if any(declared.disks) or declared.here != declared.count:
        _refuse_set(declared.at)
    start = declared.at - declared.size
    prefix = start - declared.offset
    if start < 0 or prefix < 0 or (zip64 and prefix != shift):
        raise CorruptSourceError(
            f"the zip's end declares a directory of {declared.size:,} bytes at byte {declared.offset:,}, "
            "which does not lead up to it",
            offset=declared.at,
        )
    _check_count(declared, is_wide=declared is not end)
    _check_rest(tail, end.whole, prefix)
    return Directory(start, declared.at, declared.count, prefix, end.whole, declared is not end), tail


def _end_record(tail: HeldRange) -> _Declared:
    data, size = tail.data, tail.size
    last = at = data.rfind(_END_MAGIC)
    while at >= 0:
        if len(data) - at >= _END.size:
            _, disk, first, here, count, length, offset, comment = _END.unpack_from(data, at)
            if at + _END.size + comment == len(data):
                return _Declared(tail.start + at, size, (disk, first), here, count, length, offset)
        at = data.rfind(_END_MAGIC, 0, at + len(_END_MAGIC) - 1)
    if last < 0 or len(data) - last < _END.size:
        if size and not read_range(tail, 0, min(len(_ANY_MAGIC), size)).startswith(_ANY_MAGIC[:size]):
            raise CodecMismatchError("the content is no zip: it has neither the start nor the end of one", offset=0)
        raise TruncatedSourceError(f"the zip is cut off at byte {size:,}: it has no end record", offset=size)
    _, disk, first, here, count, length, offset, comment = _END.unpack_from(data, last)
    end = tail.start + last + _END.size + comment
    if end > size:
        raise TruncatedSourceError(
            f"the zip is cut off at byte {size:,}: its comment ends at byte {end:,}", offset=size
        )
    return _Declared(tail.start + last, end, (disk, first), here, count, length, offset)


def _check_rest(tail: HeldRange, end: int, prefix: int) -> None:
    """Refuse bytes behind the end if it may be that of an inner archive, or if another archive follows."""
    if end < tail.size and (prefix or read_range(tail, end, tail.size).startswith(_ANY_MAGIC)):
        raise CorruptSourceError(f"{tail.size - end:,} bytes follow the end of the zip", offset=end)


def _zip64_record(tail: HeldRange, end: _Declared) -> tuple[_Declared, int] | None:
    """Return the zip64 record and by how much it lies behind its declared offset; None if there is none.

    Without one, a field that is full has that value.
    """
    locator = end.at - _LOCATOR.size
    if locator < tail.start or not tail.data.startswith(_LOCATOR_MAGIC, locator - tail.start):
        return None
    _, disk, offset, disks = _LOCATOR.unpack_from(tail.data, locator - tail.start)
    if disk or disks > 1:
        _refuse_set(locator)
    # The record lies where the locator says; if bytes were put before the archive, right before the locator.
    for at in (offset, locator - _END64.size):
        if not 0 <= at <= locator - _END64.size:
            continue
        magic, rest, _, needed, *fields = _END64.unpack(read_range(tail, at, at + _END64.size))
        if magic == _END64_MAGIC and at + 12 + rest == locator:
            if needed >= _ENCRYPTED_VERSION and rest > _END64.size - 12:
                raise EncryptedMemberError(
                    "the zip's directory is encrypted (PKWARE strong encryption)", offset=at, hint=ENCRYPT_OTHERWISE
                )
            found = _Declared(at, end.whole, (fields[0], fields[1]), *fields[2:])
            _check_agreement(end, found)
            return found, at - offset
    raise CorruptSourceError(
        f"the zip64 locator points to byte {offset:,}, where no zip64 end record lies", offset=locator
    )


def _check_agreement(end: _Declared, zip64: _Declared) -> None:
    for what, full, short, long in (
        ("the number of this disk", FULL_16, end.disks[0], zip64.disks[0]),
        ("the disk of the directory", FULL_16, end.disks[1], zip64.disks[1]),
        ("the number of entries on this disk", FULL_16, end.here, zip64.here),
        ("the number of entries", FULL_16, end.count, zip64.count),
        ("the size of the directory", FULL_32, end.size, zip64.size),
        ("the offset of the directory", FULL_32, end.offset, zip64.offset),
    ):
        if short not in (full, long):
            raise CorruptSourceError(
                f"the zip's end record declares {short:,} as {what}, its zip64 record {long:,}", offset=zip64.at
            )


def _check_count(declared: _Declared, *, is_wide: bool) -> None:
    count, size = declared.count, declared.size
    may_be_none = is_wide or size <= FULL_16 * ENTRY
    if size < count * ENTRY or (size and not count and may_be_none):
        raise CorruptSourceError(
            f"the zip's end declares {count:,} entries in a directory of {size:,} bytes", offset=declared.at
        )
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise too_many(f"{count:,}", size)


def too_many(count: str, size: int) -> ExpansionLimitError:
    """Return the error for a directory that is too large."""
    return ExpansionLimitError(
        f"the zip has {count} entries in a directory of {size:,} bytes, above {MAX_MEMBERS:,} and {MAX_DIRECTORY:,}",
        hint="Send several smaller archives.",
    )


def _refuse_set(offset: int) -> NoReturn:
    raise BadHeaderError(
        "the zip is one of several volumes",
        offset=offset,
        hint="Join the volumes with `zip -s 0 set.zip --out one.zip`.",
    )
