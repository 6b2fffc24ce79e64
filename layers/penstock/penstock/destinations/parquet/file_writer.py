"""Writes rows as one Parquet file, whose bytes are pushed to where they belong.

Rows gather as record batches of Arrow until they take the bytes of a row group, or, if there are very many arrays,
twice as much memory. Then the row group is encoded, its pages are pushed, and its description waits for the footer.
Each batch is freed once it is encoded, if nobody else holds it. So memory is, next to that of the rows at hand, the
larger of

    row_group_bytes, a quarter more for small batches, and one batch, as Arrow, or twice that
    the encoded row group, twice

and some MiB of the encoder, and the footer so far. If others hold the batches, it is the sum of all these. An encoded
row group is usually a tenth to a half of its Arrow bytes. The footer has some 100 bytes for each column of each row
group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from penstock.destinations.parquet.record_batches import RecordBatches, combined
from penstock.destinations.parquet.row_groups import distinct_columns, write_row_group
from penstock.destinations.parquet.schema import LakeSchema
from penstock.destinations.parquet.statistics import FileStatistics, nans_of
from penstock.formats.parquet.footer import MAGIC, Footer
from penstock.formats.parquet.schema import with_uuids
from penstock.limits import MIB
from penstock.model.data_file import ColumnStatistics
from penstock.model.load import Rows

if TYPE_CHECKING:
    from arro3.core import RecordBatch

# Of Arrow. Readers take a row group at once: more rows compress better, and take more memory on both sides.
ROW_GROUP_BYTES: Final = 32 * MIB
COMPRESSION: Final = "zstd(1)"
# The share of a row group that is combined to one batch. arro3 writes larger batches faster.
_COMBINED: Final = 1 / 8
# A file has at most so many row groups: their ordinals have 16 bits.
MOST_ROW_GROUPS: Final = 32_767
# What an array takes beside its bytes. Measured with batches of 5, 30 and 300 rows: 801 to 841.
_OF_COLUMN: Final = 820


def memory_of(batch: RecordBatch) -> int:
    """The memory that a record batch takes."""
    return int(batch.nbytes) + _OF_COLUMN * batch.num_columns


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What was written: ``size`` in bytes, ``rows``, and what `DataFile` keeps of them."""

    size: int
    rows: int
    columns: tuple[ColumnStatistics, ...]
    split_offsets: tuple[int, ...]


class ParquetFileWriter:
    """Writes one file. ``write`` takes its bytes in order. ``finish`` must be called, also for a file without rows.

    ``size`` are the bytes pushed so far, ``rows`` all rows added so far. Raises PermanentError, and what ``write``
    raises.
    """

    def __init__(
        self,
        write: Callable[[bytes | memoryview], object],
        schema: LakeSchema,
        *,
        row_group_bytes: int = ROW_GROUP_BYTES,
        compression: str = COMPRESSION,
    ) -> None:
        self.schema = schema
        self.size = 0
        self.rows = 0
        self._push = write
        self._row_group_bytes = row_group_bytes
        self._compression = compression
        self._batches = RecordBatches(schema)
        self._pending: list[RecordBatch] = []
        self._pending_bytes = self._pending_memory = 0
        self._small: list[RecordBatch] = []
        self._small_memory = 0
        self._statistics = FileStatistics(schema)
        self._leaves = range(len(schema.columns))
        self._groups: list[bytes] = []
        self._offsets: list[int] = []
        self._footer: Footer | None = None
        self._distinct: list[str] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the file takes no more row groups."""
        return len(self._groups) >= MOST_ROW_GROUPS

    @property
    def pending(self) -> int:
        """The memory of the rows that are not in a row group yet."""
        return self._pending_memory

    def add(self, rows: Rows) -> None:
        """Add rows. Raises InvalidTableError if they do not have the columns of the schema."""
        self.add_batch(self._batches.of(rows))

    def add_batch(self, batch: RecordBatch) -> None:
        """Add a record batch that `RecordBatches` has made of this schema, or a part of one."""
        if not batch.num_rows:
            return
        self._small.append(batch)
        self._small_memory += memory_of(batch)
        self._pending_bytes += batch.nbytes
        self._pending_memory += memory_of(batch)
        self.rows += batch.num_rows
        if self._small_memory >= _COMBINED * self._row_group_bytes:
            self._combine()
        if max(self._pending_bytes, self._pending_memory // 2) >= self._row_group_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a row group, if there are any."""
        self._combine()
        if self._pending:
            self._write_row_group()

    def finish(self) -> FileSummary:
        """Write what waits, and the footer."""
        self.flush()
        if self._footer is None:
            self._begin(write_row_group(self._batches.arrow, [], self._compression).footer)
        if self._footer is not None:
            self._write(self._footer.assemble(self._groups, self.rows))
        return FileSummary(self.size, self.rows, self._statistics.result(), tuple(self._offsets))

    def _combine(self) -> None:
        """Copy small batches into one. A column that arro3 has read keeps all columns of its batch in memory, also
        those that were only read for the proof: twice the bytes that it has."""
        made = combined(self._small)
        self._pending += made
        self._pending_memory += sum(map(memory_of, made)) - self._small_memory
        self._small, self._small_memory = [], 0

    def _write_row_group(self) -> None:
        batches, self._pending = self._pending, []
        self._pending_bytes = self._pending_memory = 0
        if self._distinct is None:
            self._distinct = distinct_columns(self._batches.arrow, batches)
        nans = nans_of(batches, self.schema)
        written = write_row_group(self._batches.arrow, batches, self._compression, self._distinct)
        if written.group is None:
            return
        if self._footer is None:
            self._begin(written.footer)
        start = self.size
        self._statistics.add(written.group, nans)
        self._groups.append(written.group.encode(self._leaves, shift=start - len(MAGIC), ordinal=len(self._groups)))
        self._offsets.append(start)
        self._write(written.pages)

    def _begin(self, footer: Footer) -> None:
        """Begin the file. Arrow has no type for UUIDs that arro3 would write as such."""
        leaves = [column.type.element or column for column in self.schema.columns]
        uuids = [number for number, column in enumerate(leaves) if column.type.name == "uuid"]
        self._footer = replace(footer, schema=with_uuids(footer.schema, uuids)) if uuids else footer
        self._write(MAGIC)

    def _write(self, data: bytes | memoryview) -> None:
        self._push(data)
        self.size += len(data)
