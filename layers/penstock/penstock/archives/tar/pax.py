"""The extended headers of pax (POSIX.1-2001): records of ``length keyword=value`` that describe one member, or all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.errors import BadHeaderError

SPARSE = "GNU.sparse."

# What is read. Owners, access times and extended attributes have no place in an object.
_READ = ("path", "linkpath", "size", "mtime", f"{SPARSE}name")

_LENGTH = re.compile(rb"([0-9]{1,10}) ")


def read_records(data: bytes, offset: int) -> dict[str, str]:
    """Return the records that describe a member's content. An empty value takes back an earlier one.

    Of a sparse file, only its name is kept, and that it is one (`SPARSE`): headers for all members add up.
    ``offset`` is that of ``data`` in the archive. Raises BadHeaderError.
    """
    found = {}
    for keyword, value in _records(data, offset):
        if keyword in _READ:
            found[keyword] = text(value)
        elif keyword.startswith(SPARSE) and value:
            found[SPARSE] = "1"
    return found


def text(value: bytes) -> str:
    """Decode a name. It is UTF-8, or else ISO 8859-1: tar declares no encoding, and the latter takes all bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("iso-8859-1")


def _records(data: bytes, offset: int) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data) and data[at]:  # some writers pad with zeros
        length = _LENGTH.match(data, at)
        end = at + int(length[1]) if length else at
        record = data[length.end() : end] if length else b""
        keyword, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not (equals and keyword and record.endswith(b"\n") and end <= len(data)):
            raise BadHeaderError("damaged pax header", offset=offset + at)
        yield text(keyword), value
        at = end
