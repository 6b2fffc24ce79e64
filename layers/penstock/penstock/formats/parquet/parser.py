"""Parse Parquet files into batches: one row group after another, and of each the needed columns."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from penstock.errors import BlockTooLargeError
from penstock.formats.format import ParseSettings, Places
from penstock.formats.parquet.assembly import Field
from penstock.formats.parquet.decoder import LEAST_ROOM, PROCESS_BYTES, Columns, Decoder, size_of
from penstock.formats.parquet.parquet_file import ParquetFile, RowGroupPlace
from penstock.formats.parquet.row_group_file import RowGroupFile
from penstock.limits import KIB, MIB
from penstock.model.column import Column
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch, RecordPosition, Reject
from penstock.model.source import RangeReader
from penstock.model.span import Entry, Within

_PIECE = 256 * KIB
# Records that are decoded at once: more cost no less each.
_MOST_RECORDS = 8192
# Names of columns in a note.
_LISTED = 20


def parse_parquet(ranges: RangeReader, options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    """Parse a file, or the row groups of a span. Rows are mappings, as those of JSON; see docs/formats.md for values.

    There are no byte offsets of records: those of positions are 0, those of batches grow with the uncompressed bytes of
    the row groups. The raw text of a record is a JSON object. Rejects: a text that is not UTF-8, a map that has a key
    twice, and records whose JSON is longer than ``max_record``.

    Memory: the footer, one piece of the source, one page as it is stored, the rows of one batch, and the process that
    decodes, at most ``limits.block_bytes``: 30 MB, and the rest for pages and a batch. Disk: the needed columns of one
    row group.

    Raises BadSourceError for a file that cannot be read, and BlockTooLargeError for what does not fit.
    """
    file = ParquetFile(ranges, settings.limits, settings.columns)
    first = max(settings.resume.row, settings.within.row if settings.within else 1)
    end = settings.within.end if settings.within else 0
    places = [place for place in file.places if place.row + place.rows > first and (not end or place.start < end)]
    groups = [file.checked(place) for place in places]
    schema = tuple(field.column for field in file.fields)
    if not settings.within:
        _tell_left_out(file, settings.tell)
    if not places and first == 1 and not settings.resume.chunk:
        yield Batch(1, 0, 0, 0, (), (), _no_position, schema=schema)
    block = settings.limits.block_bytes
    room = max(min(block, LEAST_ROOM), block - PROCESS_BYTES)
    with RowGroupFile(ranges, file.columns, room) as held, Decoder(held.descriptor, room) as decoder:
        for place, group in zip(places, groups, strict=True):
            skipped = max(0, first - place.row)
            if not file.columns:
                yield from _without_columns(place, skipped, schema)
                continue
            record = held.hold(group)
            most = max(1, min(_MOST_RECORDS, int(settings.batch_bytes / record)))
            row = place.row + skipped
            for count, columns, size in decoder.batches(file.name(place), place.rows, most, skipped):
                batch = _Records(row, file.fields, options.max_record).batch(count, columns, size)
                yield replace(batch, offset=place.offset(row), end=place.offset(row + count), schema=schema)
                row += count


def parse_parquet_stream(
    chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings
) -> Generator[Batch, None, None]:
    """Write all chunks to a file in /tmp and parse it with `parse_parquet`: a Parquet file is read from its end.

    Raises BlockTooLargeError if the file does not fit the disk beside its row groups.
    """
    most = settings.limits.file_bytes // 2
    with tempfile.TemporaryFile() as file:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            try:
                if size > most:
                    raise _too_large(f"the Parquet file is larger than {most // MIB:,} MiB")
                file.write(chunk)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise _too_large(f"the disk is full after {size:,} bytes of the Parquet file") from error
        file.flush()
        limits = replace(settings.limits, file_bytes=settings.limits.file_bytes - size)
        yield from parse_parquet(_FileRanges(file, size), options, replace(settings, limits=limits))


def places_of(ranges: RangeReader, settings: ParseSettings) -> Places:
    """Return the row groups. Raises as `parse_parquet` does for what the footer shows."""
    file = ParquetFile(ranges, settings.limits, settings.columns)
    for place in file.places:
        file.checked(place)
    entries = tuple(Entry(place.start, place.encoded, record=place.start, row=place.row) for place in file.places)
    total = file.places[-1].end if file.places else 0
    return Places(entries, total, Within(0, 1, ""))


@dataclass(frozen=True, slots=True)
class _FileRanges:
    """Ranges of a temporary file. Implements ``RangeReader``."""

    file: BinaryIO
    size: int

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        self.file.seek(start)
        while start < end and (piece := self.file.read(min(_PIECE, end - start))):
            start += len(piece)
            yield piece


@dataclass(frozen=True, slots=True)
class _Records:
    """Makes a batch of decoded columns. ``first`` is the number of the first record."""

    first: int
    fields: Sequence[Field]
    max_record: int

    def batch(self, count: int, columns: Columns, size: int) -> Batch:
        faults: dict[int, tuple[str, str]] = {}
        values: list[Sequence[object]] = []
        for field, decoded in zip(self.fields, columns, strict=True):
            found, wrong = field.values(decoded)
            values.append(found)
            for position, reason in wrong.items():
                faults.setdefault(position, (field.name, reason))
        names = [field.name for field in self.fields]
        rows: list[Mapping[str, object]] = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
        if size > self.max_record:
            for position in range(count):
                if sum(size_of(column[position]) for column in columns) > self.max_record:
                    faults.setdefault(position, ("", f"longer than {self.max_record:,} bytes"))
        kept: Sequence[int] = range(count)
        good: Sequence[Mapping[str, object]] = rows
        if faults:
            kept = [position for position in kept if position not in faults]
            good = [rows[position] for position in kept]
        rejects = tuple(
            Reject(self._position(position, rows[position]), reason, column)
            for position, (column, reason) in sorted(faults.items())
        )
        return Batch(
            first_row=self.first,
            offset=0,
            end=0,
            count=count,
            names=(),
            rows=good,
            position=lambda row: self._position(kept[row], good[row]),
            rejects=rejects,
        )

    def _position(self, number: int, row: Mapping[str, object]) -> RecordPosition:
        return RecordPosition(self.first + number, 0, _as_json(row)[:RAW_LIMIT])


def _as_json(row: Mapping[str, object]) -> str:
    """A record as rejects show it."""
    try:
        return json.dumps(row, ensure_ascii=False, default=_shown)
    except RecursionError:
        return str(sorted(row))


def _shown(value: object) -> str:
    """Numbers that keep every digit, and bytes that are no text."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _without_columns(place: RowGroupPlace, skipped: int, schema: tuple[Column, ...]) -> Iterator[Batch]:
    """Records of which no field is needed."""
    row, end = place.row + skipped, place.row + place.rows
    while row < end:
        count = min(_MOST_RECORDS, end - row)
        yield Batch(
            row,
            place.offset(row),
            place.offset(row + count),
            count,
            (),
            [{}] * count,
            lambda number, first=row: RecordPosition(first + number, 0, "{}"),  # type: ignore[misc]
            schema=schema,
        )
        row += count


def _tell_left_out(file: ParquetFile, tell: Callable[[str], None]) -> None:
    names = file.left_out
    if names:
        others = " and others" if len(names) > _LISTED else ""
        listed = ", ".join(map(repr, names[:_LISTED]))
        tell(f"columns of the file that no column of the table takes are not read: {listed}{others}")


def _no_position(number: int) -> RecordPosition:
    raise IndexError(number)


def _too_large(what: str) -> BlockTooLargeError:
    return BlockTooLargeError(what, hint="Upload it without the codec or archive around it: then it is read by ranges.")
