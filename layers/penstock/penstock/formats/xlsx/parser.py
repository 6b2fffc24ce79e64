"""Parse a worksheet of an XLSX workbook into batches."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from penstock.errors import HeaderRowError, InvalidRouteError, WorkbookTooLargeError
from penstock.formats.batching import Fault, Piece, RecordSpan, discard, empty_batch, gather
from penstock.formats.header import field_names
from penstock.formats.limits import ReadLimits
from penstock.formats.xlsx.footer import Footers
from penstock.formats.xlsx.header_search import find_header
from penstock.formats.xlsx.row_line import line_of
from penstock.formats.xlsx.sheet import SheetRow, sheet_rows
from penstock.formats.xlsx.sheet_choice import choose_sheets
from penstock.formats.xlsx.strings import Strings
from penstock.formats.xlsx.workbook import Sheet, Workbook
from penstock.limits import MIB
from penstock.model.cell_range import WHOLE_SHEET, CellRange, read_range
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions, SheetTable
from penstock.model.record import RAW_LIMIT, Batch

_LIMITS = ReadLimits()


def parse_xlsx_stream(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    limits: ReadLimits = _LIMITS,
) -> Iterator[Batch]:
    """Write all chunks to a file in /tmp and parse it with `parse_xlsx`: a zip is read from its end.

    Raises WorkbookTooLargeError if the file is larger than the limit, or if /tmp is full.
    """
    with tempfile.TemporaryFile() as file:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > limits.file_bytes:
                raise WorkbookTooLargeError(f"the workbook is larger than {limits.file_bytes // MIB:,} MiB")
            try:
                file.write(chunk)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise WorkbookTooLargeError(f"the disk is full after {size:,} bytes of the workbook") from error
        if size:
            file.seek(0)
            yield from parse_xlsx(file, options, batch_bytes=batch_bytes, resume=resume, limits=limits)


def parse_xlsx(
    file: BinaryIO,
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    limits: ReadLimits = _LIMITS,
) -> Iterator[Batch]:
    """Parse a workbook. Rows are lists of str and None (a blank cell), one per name: the texts that a CSV would hold.

    Formulas count with the value that was stored with them, and errors (#N/A) with their text. Of merged cells the
    first holds the value. Dates and times are ISO 8601, durations hours:minutes:seconds, booleans true and false,
    numbers the shortest text of the same value. The header is the first row that holds anything; rows that hold
    nothing are no records, and no row is expected to be where the sheet says it ends. Rejects: values outside the
    columns of the header, formulas without stored value, rows over ``max_record`` characters. Outside of
    ``range`` there are no cells. Several sheets follow each other in the order of the workbook, each with a header of
    its own; row numbers go on, and no batch holds records of two.

    There are no byte offsets: those of positions are 0, those of batches the number of the sheet. The raw text begins
    with the sheet and its row. To resume at ``resume.row``, all earlier rows are parsed again. Memory: the shared
    strings, one slice of XML (2 KiB, or a single row of up to 4 MiB), and the rows of one batch.

    Raises BadDocumentError, RecordsMissingError, HeaderRowError, ExpansionLimitError and WorkbookTooLargeError.
    """
    if not options.header and not options.columns:
        raise InvalidRouteError("a sheet without header needs names", hint="Set parse.columns in the route.")
    area = read_range(options.range) if options.range else CellRange(first_row=options.skip_rows + 1)
    with Workbook(file, limits) as workbook:
        chosen = choose_sheets(workbook.sheets, options)
        strings = Strings(workbook, limits.strings_bytes)
        footers = Footers(options)
        row = 1
        for number, (sheet, table) in enumerate(chosen):
            within = area if table else WHOLE_SHEET
            rows = sheet_rows(workbook, sheet.part, strings, options.max_record, within, typed=options.typed_cells)
            with _naming(sheet, options):
                opened = _open_sheet(rows, sheet, table, options, area, footers=footers)
            if opened is None:
                continue
            names, cutter = opened
            skipped = discard(cutter, resume.row - row, limit=options.max_record)
            row += skipped
            if row < resume.row:
                continue
            # The end of a batch is the number of its sheet: an empty one that was loaded is not loaded again.
            empty = bool(names) and not skipped and (not resume.chunk or number > resume.offset)
            batches = gather(
                cutter,
                names=names,
                resume=Resume(chunk=1, row=row),
                batch_bytes=batch_bytes,
                max_record=options.max_record,
            )
            for batch in batches:
                empty, row = False, row + batch.count
                yield replace(batch, sheet=sheet.name, offset=number, end=number)
            if empty:
                yield replace(empty_batch(names, row), sheet=sheet.name, offset=number, end=number)
        footers.check()


def _open_sheet(
    rows: Iterator[SheetRow],
    sheet: Sheet,
    table: SheetTable | None,
    options: ParseOptions,
    area: CellRange,
    *,
    footers: Footers,
) -> tuple[tuple[str, ...], RowCutter] | None:
    """Read the header of a sheet. Return its names and a cutter of its records; None for an empty sheet."""
    if table is None:
        if options.header:
            next(rows, None)
        refused = f"the sheet {sheet.name!r} names no table"
        return (), RowCutter(rows, sheet.name, left=0, width=0, max_record=options.max_record, refused=refused)
    names, left = options.columns, area.left
    if options.header:
        header = find_header(rows, table.declared) if options.find_header else next(rows, None)
        if header is None:
            # It lacks its footer, too.
            next(footers.cut(rows, sheet.name, left), None)
            return None
        if area.fixed and not options.find_header and header.number != area.first_row:
            raise HeaderRowError(f"row {area.first_row:,}, the first of {options.range}, holds no header", offset=0)
        left, names = _header(header, options.columns)
    records = footers.cut(rows, sheet.name, left)
    return names, RowCutter(records, sheet.name, left=left, width=len(names), max_record=options.max_record)


@contextmanager
def _naming(sheet: Sheet, options: ParseOptions) -> Iterator[None]:
    """Name the sheet in errors of its header, if several are read."""
    try:
        yield
    except HeaderRowError as error:
        if options.sheets:
            raise HeaderRowError(f"sheet {sheet.name!r}: {error.message}", offset=0, hint=error.hint) from error
        raise


class RowCutter:
    """Takes rows from a sheet up to the requested length of their texts, with a sign between them (see Cutter).

    ``refused``: why all of them are rejected.
    """

    def __init__(
        self, rows: Iterator[SheetRow], sheet: str, *, left: int, width: int, max_record: int, refused: str = ""
    ) -> None:
        self._refused = refused
        self._rows = rows
        self._sheet = sheet
        self._left = left
        self._width = width
        self._max_record = max_record
        self._next = next(rows, None)

    def cut(self, limit: int, most: int | None = None) -> Piece | None:
        """At most ``most`` records."""
        taken: list[SheetRow] = []
        room = limit
        while self._next and len(taken) != most:
            room -= _length(self._next)
            if room < 0:
                break
            taken.append(self._next)
            self._next = next(self._rows, None)
        return self._piece(taken, limit - max(room, 0)) if taken else None

    def cut_long(self) -> Piece | None:
        if not self._next:
            return None
        row, self._next = self._next, next(self._rows, None)
        fault = Fault(self._span(0, row), f"longer than {self._max_record:,} characters")
        return Piece(offset=0, end=0, size=0, count=1, rows=(), spans=tuple, faults=[fault])

    def _piece(self, taken: list[SheetRow], size: int) -> Piece:
        reasons = [self._wrong(row) for row in taken]
        good = [(index, row) for index, (row, reason) in enumerate(zip(taken, reasons, strict=True)) if not reason]
        return Piece(
            offset=0,
            end=0,
            size=size,
            count=len(taken),
            rows=[self._fields(row) for _, row in good],
            spans=partial(self._spans, good),
            faults=[Fault(self._span(i, taken[i]), reason) for i, reason in enumerate(reasons) if reason],
        )

    def _wrong(self, row: SheetRow) -> str:
        if self._refused or row.fault:
            return self._refused or row.fault
        beyond = self._left + self._width
        if (self._left and any(row.cells[: self._left])) or (len(row.cells) > beyond and any(row.cells[beyond:])):
            return "values outside the columns of the header"
        return ""

    def _fields(self, row: SheetRow) -> list[str | None]:
        fields = row.cells[self._left : self._left + self._width]
        return fields + [None] * (self._width - len(fields))

    def _spans(self, good: list[tuple[int, SheetRow]]) -> list[RecordSpan]:
        return [self._span(index, row) for index, row in good]

    def _span(self, number: int, row: SheetRow) -> RecordSpan:
        return RecordSpan(
            number, 0, f"{self._sheet}, row {row.number}: {line_of(row, self._left)}"[:RAW_LIMIT].encode()
        )


def _header(row: SheetRow, columns: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Return the first column of the table, and the names from there to the last column with a name."""
    if row.fault:
        raise HeaderRowError(f"the header row cannot be read: {row.fault}", offset=0)
    named = [column for column, text in enumerate(row.cells) if text]
    cells = row.cells[named[0] : named[-1] + 1]
    return named[0], field_names([text or "" for text in cells], columns, offset=0)


def _length(row: SheetRow) -> int:
    return len(row.cells) + sum(map(len, filter(None, row.cells)))
