"""The files of a span that are being written: one for each partition whose rows have come, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.destinations.parquet.file_store import StoredFile
from penstock.destinations.parquet.file_writer import COMPRESSION, ROW_GROUP_BYTES, ParquetFileWriter, memory_of
from penstock.destinations.parquet.partitions import Key, Partition, folder
from penstock.destinations.parquet.ports import LakeTable
from penstock.destinations.parquet.span_files import SpanFile
from penstock.errors import InvalidTableError, PenstockError
from penstock.limits import KIB, MIB
from penstock.model.data_file import DataFile, PartitionValue
from penstock.model.file_options import FILE_SIZE

if TYPE_CHECKING:
    from arro3.core import RecordBatch

LEAST_ROW_GROUP = 4 * MIB
# An encoder of one column, with its compressor. Measured with 300 and 1,000 columns: 95 to 104 KiB.
_ENCODER = 100 * KIB
# Of the limit, the share that rows of partitioned tables take before they are distributed.
_WAITING_SHARE = 8
# Rows of Arrow take about so many times the bytes that they have in a file.
_LIKELY_RATIO = 4
# As arro3 names them. zstd(1) takes half the time of zstd(3), and 2 % more bytes.
_CODECS = {"zstd": COMPRESSION, "snappy": "snappy", "gzip": "gzip(6)", "none": "uncompressed"}
# The record of a span names all of its files. It is read as a whole: 2,000 files of 50 columns are 15 MB.
MOST_FILES = 2_000


@dataclass(frozen=True, slots=True)
class _OpenFile:
    table: LakeTable
    key: Key
    stored: StoredFile
    writer: ParquetFileWriter

    @property
    def held(self) -> int:
        return self.writer.pending + self.stored.held

    @property
    def size(self) -> int:
        """The bytes of the file so far, with a guess of what the rows in memory will add."""
        return self.writer.size + self.writer.pending // _LIKELY_RATIO


@dataclass(slots=True)
class _Waiting:
    """Rows of a table with partitions that are distributed together: the parts of many rows are larger, and few."""

    table: LakeTable
    batches: list[RecordBatch] = field(default_factory=list)
    held: int = 0

    def add(self, batch: RecordBatch) -> None:
        self.batches.append(batch)
        self.held += memory_of(batch)

    def together(self) -> RecordBatch:
        if len(self.batches) == 1:
            return self.batches[0]
        from arro3.core import Table  # noqa: PLC0415  # only where there are files

        (whole,) = Table.from_batches(self.batches).combine_chunks().to_batches()
        return whole


class OpenFiles:
    """Distributes rows over files. ``open_stored(path)`` starts the file of a path below the place of a table.

    Memory: all open files, and the rows that are not distributed yet, hold at most ``limit`` bytes. Above that, the
    file that holds most is ended; further rows of its partition get another file. A span has at most `MOST_FILES`
    files.

    ``renew`` is called before each file is ended: the requests for all of them may take longer than a lease.
    """

    def __init__(
        self, open_stored: Callable[[LakeTable, str, int], StoredFile], limit: int, renew: Callable[[], object]
    ) -> None:
        self._open_stored = open_stored
        self._limit = limit
        self._renew = renew
        self._waiting: dict[str, _Waiting] = {}
        self._open: dict[tuple[str, Key], _OpenFile] = {}
        self._ended: list[tuple[SpanFile, StoredFile]] = []
        self._count = 0

    def add(self, table: LakeTable, batch: RecordBatch) -> None:
        """Write the rows of a batch, now or later. Raises InvalidTableError if they need too many files."""
        if not table.partitions:
            self._distribute(table, batch)
            return
        waiting = self._waiting.setdefault(table.name, _Waiting(table))
        waiting.add(batch)
        if sum(one.held for one in self._waiting.values()) >= self._limit // _WAITING_SHARE:
            self._distribute_all()

    def _distribute_all(self) -> None:
        while self._waiting:
            _, waiting = self._waiting.popitem()
            self._distribute(waiting.table, waiting.together())

    def _distribute(self, table: LakeTable, batch: RecordBatch) -> None:
        for key, part in _split(table, batch):
            file = self._open.get((table.name, key)) or self._begin(table, key)
            file.writer.add_batch(part.select(list(table.shown)) if table.shown else part)
            is_large = not table.is_file and file.size >= (table.file_size or FILE_SIZE)
            if is_large or file.writer.is_full:
                self._end(file)
        self._keep_limit(self._limit // _WAITING_SHARE if table.partitions else 0)

    def add_empty(self, table: LakeTable) -> None:
        """Write a file without rows."""
        self._begin(table, ())

    def end(self, name: str) -> None:
        """End the files of a table: later rows get others, with other columns. Raises as `add`."""
        if waiting := self._waiting.pop(name, None):
            self._distribute(waiting.table, waiting.together())
        for file in [file for file in self._open.values() if file.table.name == name]:
            self._end(file)

    def finish(self) -> tuple[SpanFile, ...]:
        """End all files. Their bytes are then stored, and nobody sees them. Raises as `add`."""
        self._distribute_all()
        for file in list(self._open.values()):
            self._end(file)
        return tuple(file for file, _ in self._ended)

    def keep(self) -> None:
        """Leave what is stored to the record that names it."""
        self._waiting.clear()
        self._open.clear()
        self._ended.clear()

    def discard(self) -> None:
        """Delete what is stored. Raises the first error, after all files were tried."""
        errors = []
        self._waiting.clear()
        for stored in [file.stored for file in self._open.values()] + [stored for _, stored in self._ended]:
            try:
                stored.discard()
            except PenstockError as error:
                errors.append(error)
        self._open.clear()
        self._ended.clear()
        if errors:
            raise errors[0]

    def _begin(self, table: LakeTable, key: Key) -> _OpenFile:
        if self._count >= MOST_FILES:
            raise InvalidTableError(
                f"table {table.name}: partition_by would make more than {MOST_FILES:,} files of one piece of a source",
                hint="Partition by fewer columns, or by larger intervals: month(...) instead of day(...).",
            )
        stored = self._open_stored(table, folder(table.partitions, key, table.kinds), self._count)
        self._count += 1
        writer = ParquetFileWriter(
            stored.write,
            table.in_files,
            row_group_bytes=min(table.row_group_size or self._row_group(len(table.in_files.columns)), self._limit),
            compression=_CODECS[table.compression or "zstd"],
        )
        file = _OpenFile(table, key, stored, writer)
        self._open[table.name, key] = file
        return file

    def _row_group(self, columns: int) -> int:
        """Return the bytes of a row group: half of what the encoders of all columns leave."""
        return max(LEAST_ROW_GROUP, min(ROW_GROUP_BYTES, (self._limit - _ENCODER * columns) // 2))

    def _end(self, file: _OpenFile) -> None:
        self._renew()
        written = file.writer.finish()
        names = [partition.name for partition in file.table.partitions]
        partition = tuple(zip(names, file.key, strict=True))
        uri, offsets = file.stored.uri, written.split_offsets
        data = DataFile(uri, written.size, written.rows, partition, written.columns, offsets)
        table = file.table
        stored = replace(file.stored.finish(data), table=table.name, spec_id=table.spec_id, table_id=table.table_id)
        self._ended.append((stored, file.stored))
        del self._open[file.table.name, file.key]

    def _keep_limit(self, waiting: int) -> None:
        while sum(file.held for file in self._open.values()) > self._limit - waiting:
            self._end(max(self._open.values(), key=lambda file: file.held))


def _split(table: LakeTable, batch: RecordBatch) -> Iterator[tuple[Key, RecordBatch]]:
    """Yield the rows of each partition, in their order."""
    if not batch.num_rows:
        return
    if not table.partitions:
        yield (), batch
        return
    values = [_values(partition, batch) for partition in table.partitions]
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(zip(*values, strict=True)):
        rows.setdefault(key, []).append(row)
    if len(rows) == 1:
        yield next(iter(rows)), batch
        return
    from arro3.core import Array, DataType  # noqa: PLC0415  # as everything of arro3, only where there are files

    for key, numbers in rows.items():
        yield key, batch.take(Array(numbers, type=DataType.uint32()))


def _values(partition: Partition, batch: RecordBatch) -> Iterable[PartitionValue]:
    from arro3.core import DataType  # noqa: PLC0415  # as above

    column = batch.column(partition.column)
    is_date = DataType.is_date32(column.type)
    if is_date:
        column = column.cast(DataType.int32())
    elif DataType.is_timestamp(column.type):
        column = column.cast(DataType.int64())
    return partition.apply(column.to_pylist(), is_date=is_date)
