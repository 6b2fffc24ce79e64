"""A Parquet file: its footer, its columns and the places of its row groups, checked before any row group is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from penstock.errors import BadDocumentError, BlockTooLargeError, CorruptSourceError
from penstock.formats.limits import ReadLimits
from penstock.formats.parquet.assembly import Field, fields_of
from penstock.formats.parquet.footer import TAIL, Footer, footer_range, read_footer
from penstock.formats.parquet.row_group_file import check_chunk
from penstock.formats.parquet.row_groups import CODECS, ENCODINGS, ColumnChunk, RowGroup
from penstock.formats.parquet.schema import SchemaNode
from penstock.limits import KIB, MIB
from penstock.model.source import RangeReader

# The end of a file that is read at once: most footers are smaller.
_END = 64 * KIB
# No implementation decodes LZO: the parquet-format project gave it up.
_UNREAD = frozenset({"LZO"})


@dataclass(frozen=True, slots=True)
class RowGroupPlace:
    """A row group: its number, its first record (from 1), its number of records, and the offset of the first and the
    next one, if each record had a byte, or its share of the uncompressed bytes. ``encoded`` is its share of the file.
    """

    number: int
    row: int
    rows: int
    start: int
    end: int
    encoded: int

    def offset(self, row: int) -> int:
        """The offset of a record of it, or of its end. It grows with every record."""
        return self.start + (self.end - self.start) * (row - self.row) // self.rows


class ParquetFile:
    """``ranges`` reads the file; ``columns`` are the names of the needed ones, None for all.

    Memory: the footer, at most ``limits.block_bytes``; of its row groups, 100 bytes each.

    Raises BadSourceError for what is no Parquet file, or cannot be read, and BlockTooLargeError.
    """

    def __init__(self, ranges: RangeReader, limits: ReadLimits, columns: frozenset[str] | None) -> None:
        self.footer = _read(ranges, limits)
        self._limits = limits
        children = self.footer.schema.children
        self.columns = [node for node in children if columns is None or node.name in columns]
        self.left_out = [node.name for node in children if columns is not None and node.name not in columns]
        if not self.footer.leaves and self.footer.rows:
            raise BadDocumentError(f"the Parquet file has {self.footer.rows:,} records, but no columns", offset=0)
        self.leaves = [leaf.leaf for node in self.columns for leaf in node.leaves()]

    @cached_property
    def fields(self) -> list[Field]:
        """The fields of its records. Raises BadDocumentError."""
        return fields_of(self.columns)

    @cached_property
    def places(self) -> list[RowGroupPlace]:
        """Its row groups, without empty ones."""
        found: list[RowGroupPlace] = []
        row, start, encoded = 1, 0, 0
        for number, group in enumerate(self.footer.row_groups):
            if group.rows:
                end = start + max(group.size, group.rows)
                found.append(RowGroupPlace(number, row, group.rows, start, end, encoded))
                row, start = row + group.rows, end
            encoded += group.compressed
        if row - 1 != self.footer.rows:
            raise CorruptSourceError(
                f"the footer counts {self.footer.rows:,} records, its row groups {row - 1:,}", offset=self.footer.offset
            )
        return found

    def checked(self, place: RowGroupPlace) -> RowGroup:
        """A row group whose needed columns can be read. Raises as the class, before any of them is read."""
        group = self.footer.row_groups[place.number]
        for leaf, chunk in self._needed(group):
            _check(leaf, chunk, group.rows)
            check_chunk(chunk, self.footer.offset)
        size = sum(chunk.compressed for _, chunk in self._needed(group))
        if size > self._limits.file_bytes:
            raise BlockTooLargeError(
                f"{self.name(place)} needs {-(-size // MIB):,} MiB of /tmp for its columns, but "
                f"{self._limits.file_bytes // MIB:,} MiB are there",
                hint="Give the function more /tmp (EphemeralStorage), or write smaller row groups.",
            )
        return group

    def name(self, place: RowGroupPlace) -> str:
        """A row group as messages name it."""
        return f"row group {place.number + 1:,} of {len(self.footer.row_groups):,}"

    def _needed(self, group: RowGroup) -> Iterator[tuple[SchemaNode, ColumnChunk]]:
        return ((self.footer.leaves[leaf], group.columns[leaf]) for leaf in self.leaves)


def _read(ranges: RangeReader, limits: ReadLimits) -> Footer:
    size = ranges.size
    tail = b"".join(ranges.read(max(0, size - _END), size))
    start, length = footer_range(tail[-TAIL:], size, most=limits.block_bytes)
    end = size - TAIL
    held = tail[max(0, start - size + len(tail)) : len(tail) - TAIL]
    data = held if len(held) == length else b"".join(ranges.read(start, end))
    return read_footer(data, start)


def _check(leaf: SchemaNode, chunk: ColumnChunk, rows: int) -> None:
    """Raises BadDocumentError for a chunk that cannot be read, CorruptSourceError for one that contradicts itself."""
    name = ".".join(leaf.path)
    if chunk.is_encrypted:
        raise BadDocumentError(
            f"column {name!r} is encrypted, which is not read",
            offset=0,
            hint="Declare only other columns in the route, or write the file without Parquet's encryption.",
        )
    if chunk.file:
        raise BadDocumentError(f"column {name!r} is in another file, {chunk.file[:200]!r}", offset=0)
    if chunk.codec in _UNREAD or chunk.codec not in CODECS:
        raise BadDocumentError(
            f"column {name!r} is compressed with {chunk.codec}, which is not read",
            offset=0,
            hint="Write the file with zstd, snappy, gzip, lz4, brotli or uncompressed.",
        )
    if unknown := [encoding for encoding in chunk.encodings if encoding not in ENCODINGS]:
        raise BadDocumentError(f"column {name!r} has the encoding {unknown[0]}, which is not known", offset=0)
    if chunk.physical != leaf.physical or (not leaf.repeated and chunk.values != rows):
        raise CorruptSourceError(
            f"column {name!r} is damaged: its chunk holds {chunk.values:,} values of type {chunk.physical}, but has "
            f"{rows:,} records of type {leaf.physical}",
            offset=chunk.start,
        )
