"""The pages of a column chunk: what their headers say is checked before anything is decoded.

https://github.com/apache/parquet-format#data-pages and src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from penstock.errors import BlockTooLargeError, ChecksumMismatchError, CorruptSourceError
from penstock.formats.parquet.hadoop_lz4 import with_lz4_frame
from penstock.formats.parquet.row_groups import ColumnChunk
from penstock.formats.parquet.thrift import I32, Struct
from penstock.formats.parquet.thrift_reader import Reader
from penstock.formats.parquet.thrift_writer import encode
from penstock.limits import KIB, MIB

# A header has statistics of up to two values. Writers cut these, or leave them out, where they are long.
_HEADER, _LONGEST_HEADER = 8 * KIB, 1 * MIB

_DATA, _INDEX, _DICTIONARY, _DATA_2 = range(4)
_TYPE, _UNCOMPRESSED, _COMPRESSED, _CRC = range(1, 5)
# Fields of data pages of the second version: bytes of the two kinds of levels, and whether the values are compressed.
_LEVELS, _IS_COMPRESSED = (5, 6), 7
# A reader of a column, without its pages: the decompressor of zstd takes 96 KiB. Measured with 200 and 1,000 columns:
# 5 to 9 KiB, and 104 to 106 with zstd.
_READER, _ZSTD_READER = 9 * KIB, 106 * KIB
_HELD: Final = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}
_VALUES = 1
_UNSIGNED: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PageSizes:
    """``memory``: what a reader of the column holds: the largest page and the dictionary, decompressed, and itself.
    ``stored``: the largest page as it is stored, which it holds while it decompresses. ``value``: about the bytes of a
    value, in the page where they are largest."""

    memory: int
    stored: int
    value: float


def check_pages(descriptor: int, start: int, chunk: ColumnChunk, room: int) -> PageSizes:
    """Look at the pages of a chunk that lies at ``start`` in a file. Memory: one page as it is stored.

    Raises CorruptSourceError for sizes that contradict each other, ChecksumMismatchError, and BlockTooLargeError for a
    page of more than ``room`` bytes. Offsets are those in the source.
    """
    at, end = start, start + chunk.compressed
    shift = chunk.start - start
    values = largest = dictionary = most_stored = 0
    value = entry = 0.0
    while at < end and values < chunk.values:
        header, at = read_header(descriptor, at, end, shift)
        kind = header.integer(_TYPE)
        stored, size = header.integer(_COMPRESSED), header.integer(_UNCOMPRESSED)
        if kind is None or size is None or stored is None or size < 0 or not 0 <= stored <= end - at:
            raise _damage(chunk, "a page does not fit its column chunk", at + shift)
        if size + stored > room:
            raise BlockTooLargeError(
                f"column {'.'.join(chunk.path)!r}: a page of {size:,} bytes needs {-(-(size + stored) // MIB):,} MiB "
                f"of memory to be decoded; {room // MIB:,} MiB are there"
            )
        if _CRC in header.fields:
            _check_crc32(os.pread(descriptor, stored, at), header, chunk, at + shift)
        at += stored
        if kind not in _HELD:
            continue
        most_stored = max(most_stored, stored)
        held = header.struct(_HELD[kind])
        count = held.integer(_VALUES) if held else None
        if count is None or count < 0:
            raise _damage(chunk, "a page does not say how many values it holds", at + shift)
        if kind == _DICTIONARY:
            dictionary = max(dictionary, size)
            entry = max(entry, size / max(count, 1))
        else:
            largest = max(largest, size)
            values += count
            value = max(value, size / max(count, 1))
    if values != chunk.values:
        raise _damage(chunk, f"its pages hold {values:,} of {chunk.values:,} values", at + shift)
    reader = _ZSTD_READER if chunk.codec == "ZSTD" else _READER
    return PageSizes(largest + dictionary + reader, most_stored, value + entry)


def reframed(descriptor: int, start: int, chunk: ColumnChunk) -> Iterator[tuple[bytes, bool]]:
    """Yield each page of a checked chunk of the codec LZ4 with its header, and whether it is changed: one of several
    blocks has LZ4's own frame (see `hadoop_lz4`). Memory: one page, twice."""
    at, end = start, start + chunk.compressed
    while at < end:
        header, at = read_header(descriptor, at, end, chunk.start - start)
        stored, size = header.integer(_COMPRESSED) or 0, header.integer(_UNCOMPRESSED) or 0
        page = os.pread(descriptor, stored, at)
        at += stored
        second = header.struct(_HELD[_DATA_2])
        plain = sum(second.integer(id_) or 0 for id_ in _LEVELS) if second else 0
        if second and second.flag(_IS_COMPRESSED) is False:
            plain = stored
        framed = page[:plain] + with_lz4_frame(page[plain:], size - plain)
        if framed != page:
            header.set(_COMPRESSED, I32, len(framed))
            header.remove(_CRC)
        yield encode(header) + framed, framed != page


def read_header(descriptor: int, at: int, end: int, shift: int) -> tuple[Struct, int]:
    """The header of the page at ``at``, and where the page begins behind it. Raises CorruptSourceError."""
    size = _HEADER
    while True:
        data = os.pread(descriptor, min(size, end - at), at)
        reader = Reader(data, origin=at + shift)
        try:
            return reader.read_struct(), at + reader.at
        except CorruptSourceError:
            if size >= min(_LONGEST_HEADER, end - at):
                raise
            size *= 16


def _check_crc32(page: bytes, header: Struct, chunk: ColumnChunk, offset: int) -> None:
    declared = header.integer(_CRC)
    found = zlib.crc32(page)
    if declared is not None and found != declared & _UNSIGNED:
        raise ChecksumMismatchError(
            f"column {'.'.join(chunk.path)!r}: the CRC32 of a page is {found:08x}, its header declares "
            f"{declared & _UNSIGNED:08x}",
            offset=offset,
        )


def _damage(chunk: ColumnChunk, what: str, offset: int) -> CorruptSourceError:
    return CorruptSourceError(f"column {'.'.join(chunk.path)!r} is damaged: {what}", offset=offset)
