"""One entry of the directory (APPNOTE 4.3.12, 4.4)."""

from __future__ import annotations

import stat
import struct
from typing import NamedTuple

from penstock.archives.archive import Skipped
from penstock.archives.names import MAX_NAME, name_refusal, plain_name
from penstock.archives.zip.coding import coding
from penstock.archives.zip.end import ENTRY, FULL_16, FULL_32
from penstock.archives.zip.fields import decode_name, modified, zip64_values
from penstock.errors import BadHeaderError
from penstock.model.member import Member, MemberContent

# Signature, version and host that made it, version needed, flags, method, time, date, CRC32, encoded and decoded bytes,
# lengths of name, extra field and comment, disk, attributes, offset of the member's own header.
_ENTRY = struct.Struct("<4s2B5H3L5H2L")
ENTRY_MAGIC = b"PK\x01\x02"
LOCAL_SIZE = 30

# Hosts whose file systems have backslashes between segments: FAT, NTFS and VFAT; and those with Unix permissions.
_DOS_HOSTS, _UNIX_HOSTS = (0, 10, 14), (3, 19)
_DOS_DIRECTORY = 0x10
_SPECIAL = {
    stat.S_IFDIR: "it is a directory",
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFIFO: "it is a FIFO",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a character device",
    stat.S_IFBLK: "it is a block device",
}


class Entry(NamedTuple):
    """``position``: offset of the entry. ``start``: offset of the member's own header. ``mode``: Unix, 0 if unknown.

    ``encoded`` and ``size``: encoded and decoded bytes. ``skipped``: why it is not delivered; empty if it is.
    """

    number: int
    position: int
    name: str
    start: int
    encoded: int
    size: int
    least_end: int
    skipped: str
    mode: int
    flags: int
    method: int
    crc32: int
    date: int
    time: int
    extra: bytes

    def listed(self, limit: int) -> Member | Skipped:
        """Return the entry as it is listed; ``limit`` is that of `MemberContent`."""
        if self.skipped:
            shown = self.name.encode(errors="surrogateescape").decode(errors="replace")
            return Skipped(shown[:MAX_NAME], self.number, self.skipped)
        method, encryption, has_crc32 = coding(self.flags, self.method, self.extra)
        crc32 = self.crc32 if has_crc32 else None
        content = MemberContent(
            self.start, self.start + self.encoded, method, crc32, encryption, size=self.size, limit=limit
        )
        when = modified(self.date, self.time, self.extra)
        return Member(self.name, self.number, self.size, content, modified=when, mode=self.mode & 0o7777)


def parse_entry(record: bytes, number: int, position: int, prefix: int) -> Entry:
    """Parse a record of the directory. ``prefix``: bytes before the archive.

    Raises BadHeaderError for a damaged zip64 field, and for an entry of another volume.
    """
    fields = _ENTRY.unpack_from(record)
    _, _, host, _, flags, method, time, date, crc32, encoded, size, names, extras, _, disk, _, attributes, start = (
        fields
    )
    raw, extra = record[ENTRY : ENTRY + names], record[ENTRY + names : ENTRY + names + extras]
    if FULL_32 in (size, encoded, start):
        size, encoded, start = zip64_values(extra, (size, encoded, start), position)
    if disk not in (0, FULL_16):
        raise BadHeaderError(f"entry {number:,} lies on another volume of the zip", offset=position)
    on_unix = host in _UNIX_HOSTS
    mode = attributes >> 16 if on_unix else 0
    name = decode_name(raw, flags, extra, on_unix=on_unix)
    if host in _DOS_HOSTS:
        name = name.replace("\\", "/")
    name = plain_name(name)
    start += prefix
    return Entry(
        number=number,
        position=position,
        name=name,
        start=start,
        encoded=encoded,
        size=size,
        least_end=start + LOCAL_SIZE + names + encoded,
        skipped=_skipped(name, mode, attributes, size),
        mode=mode,
        flags=flags,
        method=method,
        crc32=crc32,
        date=date,
        time=time,
        extra=extra,
    )


def _skipped(name: str, mode: int, attributes: int, size: int) -> str:
    kind = stat.S_IFMT(mode)
    # Info-ZIP marks what it read from its standard input, a pipe, as one.
    if kind in _SPECIAL and not (kind == stat.S_IFIFO and size):
        return _SPECIAL[kind]
    if name.endswith("/"):
        return "its name is that of a directory, but it has content" if size else _SPECIAL[stat.S_IFDIR]
    if attributes & _DOS_DIRECTORY and not size:
        return _SPECIAL[stat.S_IFDIR]
    return name_refusal(name)
