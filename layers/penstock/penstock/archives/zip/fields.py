"""The fields that a directory entry and a member's own header share: extra fields, names and times."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from penstock.archives.zip.end import FULL_32
from penstock.codecs.checksum import crc32
from penstock.errors import BadHeaderError

# Flags (APPNOTE 4.4.4). The patch flag belongs to a method that nobody implements.
ENCRYPTED, DESCRIPTOR, PATCH, STRONG, UTF_8 = 1, 1 << 3, 1 << 5, 1 << 6, 1 << 11

# Extra fields (APPNOTE 4.5.2, 4.6.9; https://libzip.org/specifications/extrafld.txt; https://www.winzip.com/en/support/
# aes-encryption/).
ZIP64, TIMESTAMP, UNICODE_PATH, AES_FIELD = 0x0001, 0x5455, 0x7075, 0x9901

_FIELD = struct.Struct("<HH")
_TIME = slice(1, 5)
_MODIFIED = 1  # the flag of a timestamp field that has the time of modification
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def extra_field(extra: bytes, kind: int) -> bytes | None:
    """Return the first extra field of a kind; None if there is none, or if it is cut off."""
    at = 0
    while at + _FIELD.size <= len(extra):
        found, size = _FIELD.unpack_from(extra, at)
        at += _FIELD.size
        if found == kind:
            return extra[at : at + size] if at + size <= len(extra) else None
        at += size
    return None


def zip64_values(extra: bytes, values: tuple[int, ...], offset: int) -> tuple[int, ...]:
    """Return ``values``, those that are full (32 bits) from the zip64 field, which has them alone, in this order.

    Raises BadHeaderError with ``offset`` if the field is too short.
    """
    full = values.count(FULL_32)
    if not full:
        return values
    field = extra_field(extra, ZIP64) or b""
    if len(field) < 8 * full:
        raise BadHeaderError("a zip64 field lacks a size or an offset that the header leaves to it", offset=offset)
    held = iter(struct.unpack_from(f"<{full}Q", field))
    return tuple(next(held) if value == FULL_32 else value for value in values)


def decode_name(raw: bytes, flags: int, extra: bytes, *, on_unix: bool = False) -> str:
    """Return a name: in UTF-8 by its flag, else by the Unicode path field if that is of this name, else in CP437.

    Info-ZIP and macOS set no flag: what was made ``on_unix`` and is valid UTF-8 is that. A byte that is not UTF-8
    although the flag or the field says so becomes a surrogate, so that the name is refused.
    """
    if not flags & UTF_8:
        field = extra_field(extra, UNICODE_PATH) if extra else None
        if field and field[0] == 1 and int.from_bytes(field[1:5], "little") == crc32(raw):
            raw = field[5:]
        else:
            return _unmarked(raw, on_unix=on_unix)
    return raw.decode("utf-8", "surrogateescape")


def _unmarked(raw: bytes, *, on_unix: bool) -> str:
    if raw.isascii():
        return raw.decode()  # several times as fast as CP437
    if on_unix:
        with suppress(UnicodeDecodeError):
            return raw.decode()
    return raw.decode("cp437")


def modified(date: int, time: int, extra: bytes) -> str:
    """Return the time of modification (ISO 8601): in UTC by the timestamp field, else as DOS has it, without a zone.

    Empty if it is no time.
    """
    field = extra_field(extra, TIMESTAMP) if extra else None
    if field and field[0] & _MODIFIED and len(field) >= _TIME.stop:
        seconds = int.from_bytes(field[_TIME], "little", signed=True)
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    year, month, day = (date >> 9) + 1980, date >> 5 & 0xF, date & 0x1F
    hour, minute, second = time >> 11, time >> 5 & 0x3F, (time & 0x1F) * 2
    try:
        return datetime(year, month, day, hour, minute, second).isoformat()  # noqa: DTZ001  # DOS knows no zones
    except ValueError:
        return ""
