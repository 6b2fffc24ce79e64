"""One row group at a time, as a file in /tmp that holds the needed columns only."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import Self

from penstock.errors import BlockTooLargeError, CorruptSourceError, TruncatedSourceError
from penstock.formats.limits import memory_for_block
from penstock.formats.parquet.decoder import PROCESS_BYTES
from penstock.formats.parquet.footer import MAGIC
from penstock.formats.parquet.pages import check_pages, reframed
from penstock.formats.parquet.physical import file_end
from penstock.formats.parquet.row_groups import ColumnChunk, RowGroup
from penstock.formats.parquet.schema import SchemaNode
from penstock.limits import MIB
from penstock.model.source import RangeReader

# Bytes between two chunks that are read along: a request costs as much CPU as receiving 4 MiB, and more time.
GAP = 1 * MIB
# The deprecated codec LZ4 means several ways of framing.
_HADOOP = "LZ4"
# What the records of a batch take, as Arrow, as values of Python and as an answer.
_OF_BATCH = 4 * MIB

Placed = tuple[ColumnChunk, int]
"""A column chunk, and where it lies in the file."""


class RowGroupFile:
    """A context manager. Memory: one piece of the source, and one page as it is stored, of at most ``room`` bytes."""

    def __init__(self, ranges: RangeReader, columns: Sequence[SchemaNode], room: int) -> None:
        self._ranges = ranges
        self._columns = columns
        self._room = room
        self._leaves = [leaf.leaf for column in columns for leaf in column.leaves()]
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed with this

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def descriptor(self) -> int:
        return self._file.fileno()

    def hold(self, group: RowGroup) -> float:
        """Read a row group, check its pages, and make it the only one of the file. Return about the bytes of a record.

        Raises the errors of reading and of `check_pages`, and BlockTooLargeError if the disk is full.
        """
        chunks = [group.columns[leaf] for leaf in self._leaves]
        placed: list[Placed] = []
        at = len(MAGIC)
        for chunk in chunks:
            placed.append((chunk, at))
            at += chunk.compressed
        self._file.truncate(0)
        self._write(MAGIC, 0)
        for run in _runs(placed):
            self._copy(run)
        record, memory, stored = 0.0, _OF_BATCH, 0
        for number, (chunk, start) in enumerate(placed):
            sizes = check_pages(self.descriptor, start, chunk, self._room)
            record += max(sizes.value, 8) * max(1.0, chunk.values / group.rows)
            memory, stored = memory + sizes.memory, max(stored, sizes.stored)
            if chunk.codec == _HADOOP:
                placed[number], at = self._reframe(chunk, start, at)
        if memory + stored > self._room:
            raise BlockTooLargeError(
                f"the pages of {len(placed):,} columns need {-(-(memory + stored) // MIB):,} MiB of memory to be "
                f"decoded; {self._room // MIB:,} MiB are there",
                hint=f"Set MemorySize to {_function_of(memory + stored):,} or more, or write smaller row groups. Each "
                "column that is compressed by zstd takes 0.1 MiB more than with snappy.",
            )
        self._write(file_end(self._columns, placed, group.rows), at)
        return record

    def _reframe(self, chunk: ColumnChunk, start: int, at: int) -> tuple[Placed, int]:
        """Write the pages of a chunk once more, behind all others, if some have to be changed. Return the chunk with
        its place, and where the file ends."""
        end, is_changed = at, False
        for page, changed in reframed(self.descriptor, start, chunk):
            self._write(page, end)
            end += len(page)
            is_changed = is_changed or changed
        if is_changed:
            return (replace(chunk, compressed=end - at), at), end
        self._file.truncate(at)
        return (chunk, start), at

    def _copy(self, run: Sequence[Placed]) -> None:
        """Copy chunks that lie together, with one request."""
        start, end = run[0][0].start, max(chunk.end for chunk, _ in run)
        at = start
        with closing(self._ranges.read(start, end)) as pieces:
            for piece in pieces:
                view = memoryview(piece)
                for chunk, place in run:
                    first, last = max(chunk.start, at), min(chunk.end, at + len(piece))
                    if first < last:
                        self._write(view[first - at : last - at], place + first - chunk.start)
                at += len(piece)
        if at < end:
            raise TruncatedSourceError(f"the Parquet file ends within its column chunks, at byte {at:,}", offset=at)

    def _write(self, data: bytes | memoryview, at: int) -> None:
        left = memoryview(data)
        try:
            while left:
                written = os.pwrite(self.descriptor, left, at)
                left, at = left[written:], at + written
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise BlockTooLargeError(
                f"the disk is full after {at:,} bytes of a row group",
                hint="Give the function more /tmp (EphemeralStorage), or write smaller row groups.",
            ) from error


def _function_of(room: int) -> int:
    """The MB of a function that has so many bytes for a row group."""
    return memory_for_block(room + PROCESS_BYTES) // MIB


def check_chunk(chunk: ColumnChunk, end: int) -> None:
    """Raises CorruptSourceError for a chunk that does not lie between the magic and the footer, which is at ``end``."""
    if chunk.start < len(MAGIC) or chunk.end > end:
        raise CorruptSourceError(
            f"column {'.'.join(chunk.path)!r} is damaged: its chunk is not within the file", offset=chunk.start
        )


def _runs(placed: Sequence[Placed]) -> Iterator[list[Placed]]:
    """Yield the chunks that lie together, in the order of the source."""
    run: list[Placed] = []
    end = 0
    for each in sorted(placed, key=lambda each: each[0].start):
        if run and each[0].start > end + GAP:
            yield run
            run = []
        run.append(each)
        end = max(end, each[0].end) if len(run) > 1 else each[0].end
    if run:
        yield run
