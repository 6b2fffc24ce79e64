"""The directory of a zip, read twice: once to check that the archive is sound, once to yield its entries.

Memory: three windows of the directory and a table of 24 bytes for each entry (`Extents`), 8 more while it is sorted.
A directory that fits one window is fetched once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NoReturn

from penstock.archives.archive import MAX_MEMBERS, TRAILING, Skipped
from penstock.archives.zip.end import ENTRY, Directory, find_directory, too_many
from penstock.archives.zip.entry import ENTRY_MAGIC, Entry, parse_entry
from penstock.archives.zip.extents import Extents
from penstock.archives.zip.ranges import hold, read_range
from penstock.errors import CorruptSourceError
from penstock.limits import MIB
from penstock.model.member import Member
from penstock.model.source import RangeReader

# Bytes of the directory that are fetched at once. Who takes the entries may be slow, so no connection stays open.
WINDOW = 2 * MIB

# The lengths of an entry's name, extra field and comment.
_LENGTHS, _LENGTHS_AT = struct.Struct("<3H"), 28


def entries(reader: RangeReader) -> Iterator[Member | Skipped]:
    """Yield the entries of an archive, in the order of its directory.

    ``content.start`` is the offset of the member's own header, and ``content.end`` lies as many bytes behind it as the
    content has; `locate` moves both. Before the first entry, raises the errors of `find_directory`,
    CorruptSourceError for a damaged directory, for entries that overlap and for a name that is there twice,
    BadHeaderError for a damaged zip64 field, and the errors of the reader.
    """
    directory, reader = find_directory(reader)
    if directory.end - directory.start <= WINDOW:
        reader = hold(reader, directory.start, directory.end)
    extents = _checked(reader, directory)
    for entry in read_directory(reader, directory):
        yield entry.listed(extents.limit(entry.start, directory.start))
    if directory.whole < reader.size:
        yield Skipped("", 0, f"the bytes from byte {directory.whole:,} {TRAILING}")


def read_directory(reader: RangeReader, directory: Directory) -> Iterator[Entry]:
    """Yield the entries as they are. Raises CorruptSourceError and BadHeaderError."""
    number, held, at, fetched = 0, b"", 0, directory.start
    while fetched < directory.end:
        stop = min(fetched + WINDOW, directory.end)
        held, at, fetched = held[at:] + read_range(reader, fetched, stop), 0, stop
        while len(held) - at >= ENTRY:
            position = fetched - len(held) + at
            if not held.startswith(ENTRY_MAGIC, at):
                raise CorruptSourceError(
                    f"the zip's directory is damaged: no entry {number + 1:,} of {directory.count:,}", offset=position
                )
            length = ENTRY + sum(_LENGTHS.unpack_from(held, at + _LENGTHS_AT))
            if at + length > len(held):
                break
            number += 1
            yield parse_entry(held[at : at + length], number, position, directory.prefix)
            at += length
    if at != len(held) or not directory.holds(number):
        raise CorruptSourceError(
            f"the zip's directory has {number:,} whole entries, its end declares {directory.count:,}",
            offset=directory.end - len(held) + at,
        )


def _checked(reader: RangeReader, directory: Directory) -> Extents:
    extents = Extents()
    for entry in read_directory(reader, directory):
        if entry.number > MAX_MEMBERS:
            raise too_many(f"more than {MAX_MEMBERS:,}", directory.end - directory.start)
        if entry.least_end > directory.start:
            raise CorruptSourceError(
                f"member {entry.name!r} ends at byte {entry.least_end:,}, behind the start of the directory",
                offset=entry.position,
            )
        extents.add(entry.start, entry.least_end, "" if entry.skipped else entry.name)
    claimed = extents.overlap()
    if claimed is not None:
        _refuse_overlap(reader, directory, claimed)
    for value in extents.repeated_names():
        _refuse_repeated(reader, directory, value)
    extents.release_names()
    return extents


def _refuse_overlap(reader: RangeReader, directory: Directory, byte: int) -> NoReturn:
    claims = (entry for entry in read_directory(reader, directory) if entry.start <= byte < entry.least_end)
    first, second = next(claims), next(claims)
    raise CorruptSourceError(
        f"members {first.name!r} ({first.number:,}) and {second.name!r} ({second.number:,}) overlap", offset=byte
    )


def _refuse_repeated(reader: RangeReader, directory: Directory, value: int) -> None:
    """Return if different names have this hash."""
    seen: dict[str, int] = {}
    for entry in read_directory(reader, directory):
        if entry.skipped or hash(entry.name) != value:
            continue
        if entry.name in seen:
            raise CorruptSourceError(
                f"members {seen[entry.name]:,} and {entry.number:,} have one name: {entry.name!r}",
                offset=entry.position,
            )
        seen[entry.name] = entry.number
