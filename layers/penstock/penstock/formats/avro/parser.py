"""Parse Avro into batches. Blocks are read and decoded one after the other."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.codecs import Trace
from penstock.codecs.feed import Feed
from penstock.errors import BadDocumentError
from penstock.formats.avro.columns import columns_of
from penstock.formats.avro.container import Block, Header, blocks, check_sync, read_bytes, read_header
from penstock.formats.avro.decoded import Decoder, UndecodableError, Unfit
from penstock.formats.avro.records import decoder_for
from penstock.formats.avro.schema import read_schema
from penstock.formats.avro.shape import Shape
from penstock.formats.format import ParseSettings
from penstock.model.column import Column
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch, RecordPosition, Reject

# Records that take no byte, of one block.
_MOST_EMPTY_RECORDS = 1_000_000
# What a record weighs at least, and each of its fields: as rows they take as much memory as ten times so much text.
_RECORD, _FIELD = 16, 8
# Kinds of types whose values are records of a table.
_RECORDS = frozenset({"record", "map"})
_SCHEMA_HINT = "Only files whose records are of the type record (or a union of such) can be loaded."


def parse_avro(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    """Yield batches whose rows are the records, as mappings (see `avro.values`).

    A block that fits ``batch_bytes`` is never divided. To resume at ``resume.row``, earlier blocks are passed without
    decoding. Rejects: records over ``max_record``, and those with values that cannot be represented. Memory: a block
    twice, encoded and decoded, within what ``settings.limits`` allows to hold, and the rows of one batch.

    Raises BadHeaderError, BadDocumentError for the schema and for records that do not decode by it, CorruptSourceError,
    TruncatedSourceError and BlockTooLargeError, all after the batches before the error.
    """
    feed = Feed(chunks, Trace())
    within = settings.within
    if within:
        header = header_of(within.header)
        base, row = within.offset, within.row
        first = max(within.go_on(settings.resume).row, within.loaded)
    else:
        header = read_header(feed)
        base, row, first = 0, 1, settings.resume.row
    source = AvroSource.of(header)
    gathered = _Gathered(settings.batch_bytes, source.columns, first)
    decompress = header.decompress()
    for block in blocks(feed, base):
        # Bytes of no record are damage, which decoding finds.
        if row + block.count <= first and (block.count or not block.size):
            feed.skip(block.size, f"the block at byte {block.offset:,}")
        else:
            data = read_bytes(feed, block, decompress, settings.limits.block_bytes)
            yield from source.records(block, data, row, gathered, options.max_record)
        # A block counts only with its marker: without it, its bytes may be those of another one.
        check_sync(feed, block, header.sync)
        row += block.count
    yield from gathered.flush()
    if row == 1 and not within and not settings.resume.chunk:
        yield gathered.empty()


def header_of(stored: str) -> Header:
    """Return the header that `stored_header` has written."""
    return read_header(Feed([base64.b64decode(stored)], Trace()))


def stored_header(header: Header) -> str:
    """Return a header as a text."""
    return base64.b64encode(header.raw).decode()


@dataclass(frozen=True, slots=True)
class AvroSource:
    """What the header of a file says of its records. ``weight``: what each weighs at least in a batch."""

    decoder: Decoder
    columns: tuple[Column, ...]
    takes_bytes: bool
    weight: int

    @classmethod
    def of(cls, header: Header) -> AvroSource:
        """Read the schema. Raises BadDocumentError."""
        offset = max(0, header.raw.find(header.schema))
        top = read_schema(header.schema, offset=offset)
        shape = Shape(top, offset=offset)
        branches = top.branches if top.kind == "union" else [top]
        if not any(branch.kind in _RECORDS for branch in branches):
            raise BadDocumentError(
                f"the Avro file holds values of the type {top.kind}, and no records", offset=offset, hint=_SCHEMA_HINT
            )
        fields = max(len(branch.fields) for branch in branches)
        return cls(decoder_for(top, shape), columns_of(top), shape.least(top) > 0, _RECORD + _FIELD * fields)

    def records(self, block: Block, data: bytes, row: int, gathered: _Gathered, max_record: int) -> Iterator[Batch]:
        """Decode the records of a block, of which the first one has the number ``row``, and yield full batches."""
        if not self.takes_bytes and block.count > _MOST_EMPTY_RECORDS:
            raise BadDocumentError(
                f"a block has {block.count:,} records that may take no byte: more than {_MOST_EMPTY_RECORDS:,} are not "
                "read",
                offset=block.offset,
            )
        weight = max(len(data), block.count * self.weight)
        if weight <= gathered.limit and len(data) <= max_record:
            try:
                found = self.decoder.all(data, block.count)
            except UndecodableError:
                found = [record for _, record, _ in self._each(block, data, row)]  # raises the error of the record
            yield from gathered.make_room(weight, block, 0)
            gathered.add(block, row, found, weight)
            return
        for number, record, size in self._each(block, data, row):
            if number >= gathered.first:
                weight = max(size, self.weight)
                yield from gathered.make_room(weight, block, number - row)
                too_long = size > max_record
                gathered.add(block, number, [_long(record, max_record) if too_long else record], weight)

    def _each(self, block: Block, data: bytes, row: int) -> Iterator[tuple[int, object, int]]:
        """Yield each record with its number and its size. Raises BadDocumentError for one that does not decode."""
        before, number = 0, row
        try:
            for record, end in self.decoder.each(data, block.count):
                yield number, record, end - before
                before = end
                number += 1
        except UndecodableError as error:
            last = row + block.count - 1
            what = f"record {number:,}" if number <= last else _block_of(row, last)
            raise BadDocumentError(
                f"{what} does not decode by the schema of the file: {error}", offset=block.offset
            ) from error


def _block_of(first: int, last: int) -> str:
    return f"the block of the records {first:,} to {last:,}" if first <= last else f"a block before record {first:,}"


def _long(record: object, max_record: int) -> Unfit:
    return Unfit(record.record if isinstance(record, Unfit) else record, "", f"longer than {max_record:,} bytes")


class _Gathered:
    """Gathers records into batches. ``first``: earlier records are passed."""

    def __init__(self, limit: int, columns: tuple[Column, ...], first: int) -> None:
        self.limit = max(1, limit)
        self.first = first
        self._columns = columns
        self._begin()
        self._end = 0

    def _begin(self) -> None:
        self._rows: list[object] = []
        self._rejects: list[Reject] = []
        self._weight = self._count = self._row = 0
        # The first record of each block, and the offset of the block.
        self._firsts: list[int] = []
        self._offsets: list[int] = []

    def make_room(self, weight: int, block: Block, passed: int) -> Iterator[Batch]:
        """Yield the batch if no more records fit. ``passed`` records of the block are in it, or in earlier ones.

        A batch that ends within a block has an end within the block, in proportion: only its row tells where to go on.
        """
        if self._count and self._weight + weight > self.limit:
            if passed:
                self._end = block.offset + 1 + (block.end - block.offset - 2) * passed // block.count
            yield from self.flush()

    def add(self, block: Block, row: int, records: list[object], weight: int) -> None:
        """Add consecutive records of a block."""
        if row < self.first:
            records = records[self.first - row :]
            row = self.first
        if not self._count:
            self._row = row
        if not self._offsets or self._offsets[-1] != block.offset:
            self._firsts.append(row)
            self._offsets.append(block.offset)
        self._count += len(records)
        self._weight += weight
        self._end = block.end
        if Unfit not in set(map(type, records)):
            self._rows += records
            return
        for number, record in enumerate(records, row):
            if isinstance(record, Unfit):
                place = RecordPosition(number, block.offset, raw_of(record.record))
                self._rejects.append(Reject(place, record.reason, record.column))
            else:
                self._rows.append(record)

    def flush(self) -> Iterator[Batch]:
        """Yield the records that are left."""
        if self._count:
            places = _Places(self._rows, self._row, self._rejects, self._firsts, self._offsets)
            yield Batch(
                first_row=self._row,
                offset=self._offsets[0],
                end=self._end,
                count=self._count,
                names=(),
                rows=self._rows,
                position=places,
                rejects=tuple(self._rejects),
                schema=self._columns,
            )
            self._begin()

    def empty(self) -> Batch:
        """The batch of a file without records, so that its columns are still known."""
        return Batch(1, 0, 0, 0, (), (), _Places([], 1, [], [], []), schema=self._columns)


class _Places:
    """The positions of a batch's rows: the offset is that of the block."""

    __slots__ = ("_first", "_firsts", "_numbers", "_offsets", "_rejected", "_rows")

    def __init__(
        self, rows: list[object], first: int, rejects: list[Reject], firsts: list[int], offsets: list[int]
    ) -> None:
        self._rows = rows
        self._first = first
        self._rejected = {reject.position.row for reject in rejects}
        self._firsts = firsts
        self._offsets = offsets
        self._numbers: list[int] = []

    def __call__(self, index: int) -> RecordPosition:
        if not self._numbers:
            numbers = range(self._first, self._first + len(self._rows) + len(self._rejected))
            self._numbers = [number for number in numbers if number not in self._rejected]
        number = self._numbers[index]
        offset = self._offsets[bisect_right(self._firsts, number) - 1]
        return RecordPosition(number, offset, raw_of(self._rows[index]))


def raw_of(record: object) -> str:
    """A record as JSON, for the list of rejects."""
    text = json.dumps(record, ensure_ascii=False, default=str)
    return text[:RAW_LIMIT].encode("utf-8", "backslashreplace").decode()
