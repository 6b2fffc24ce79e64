"""Parse CSV into batches."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from penstock.errors import HeaderRowError, InvalidRouteError
from penstock.formats.batching import Fault, Piece, RecordSpan, gather
from penstock.formats.csv.records import ESCAPED_HINT, Dialect, Fields, Span
from penstock.formats.csv.skip import RecordSkipper
from penstock.formats.csv.start import START, Start, find_start
from penstock.formats.encoding import Offsets
from penstock.formats.format import no_validator, tell_nobody
from penstock.formats.header import column_names
from penstock.formats.window import Window
from penstock.model.lazy_sequence import LazySequence
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch, CsvValidator, CsvValidatorFactory, RawCsv
from penstock.model.span import Within
from penstock.model.wording import counted

# Nearly every header ends within these bytes; a longer one may take max_record bytes.
_HEADER = START


def parse_csv(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    validator_factory: CsvValidatorFactory = no_validator,
    within: Within | None = None,
    tell: Callable[[str], None] = tell_nobody,
) -> Iterator[Batch]:
    """Parse CSV. Rows are lists of str with one item per name. Blank lines are not records.

    Rejects: ragged rows, text after a closing quote, undecodable bytes, records over ``max_record``. To resume at
    ``resume.offset``, only the header is parsed again. Memory: twice the window (the larger of ``batch_bytes`` and
    ``max_record``, at most their sum), one chunk, and the rows of one batch: some six times their text. A batch
    that the validator accepts is parsed only when its rows are read.

    Raises HeaderRowError and UnclosedQuoteError, the latter after all records before the quote were delivered.
    """
    # The limit is global to the process and by default smaller than a record may be.
    csv.field_size_limit(max(csv.field_size_limit(), options.max_record))
    feed = Window(chunks, options.encoding, within)
    if within:
        dialect = Dialect(within.delimiter, options.quote, feed.encoding.codec, options.escape)
        names = within.names
        resume = within.go_on(resume)
    else:
        start, names = open_csv(feed, options)
        dialect = start.dialect
        for note in start.notes:
            tell(note)
    if not names:
        return
    feed.skip_to(resume.offset)
    yield from gather(
        CsvCutter(
            feed,
            dialect,
            width=len(names),
            row=resume.row,
            max_record=options.max_record,
            validator=validator_factory(names, dialect.delimiter, dialect.quote),
        ),
        names=names,
        resume=resume,
        batch_bytes=batch_bytes,
        max_record=options.max_record,
    )


def open_csv(feed: Window, options: ParseOptions) -> tuple[Start, tuple[str, ...]]:
    """Return how a source starts and its names, and move its window past the header. An empty source has no names."""
    if not options.header and not options.columns:
        raise InvalidRouteError("a CSV without header needs names", hint="Set parse.columns in the route.")
    start = find_start(feed, options)
    return start, _names(feed, start.dialect, options) if options.header else options.columns


class CsvCutter:
    """Cuts a window that begins at the start of a record (see Cutter).

    Guesses the end of the last record by counting quotes, parses all records at once, and verifies the guess with the
    csv module's state at the end. If that fails, or any record is bad, it parses the window record by record. Records
    that the validator accepts need no verification.
    """

    def __init__(
        self,
        feed: Window,
        dialect: Dialect,
        *,
        width: int,
        row: int,
        max_record: int,
        validator: CsvValidator | None = None,
    ) -> None:
        self._feed = feed
        self._dialect = dialect
        self._width = width
        self._row = row
        self._max_record = max_record
        self._validator = validator

    def cut(self, limit: int) -> Piece | None:
        window, last = self._feed.window(limit)
        if not window:
            return None
        data = window[: self._dialect.likely_end(window, last=last)]
        piece = self._validated(data)
        if not piece:
            rows = self._table(data) if data else None
            if rows is None:
                data = window[: self._dialect.certain_end(window, last=last)]
            if not data:
                return None
            if rows is not None and set(map(len, rows)) <= {self._width}:
                piece = self._piece(data, len(rows), rows)
            else:
                piece = self._one_by_one(data, strict=rows is not None)
        self._feed.advance(len(data))
        piece.end = self._feed.offset
        self._row += piece.count
        return piece

    def cut_long(self) -> Piece | None:
        offset = self._feed.offset
        start, _ = self._feed.window(4 * RAW_LIMIT)
        if not start:
            return None
        skipper = RecordSkipper(self._feed, self._dialect)
        skipper.skip(f"row {self._row:,}")
        self._row += 1
        quote = f"; its last quoted field begins at byte {skipper.opened:,}" if skipper.opened >= 0 else ""
        fault = Fault(RecordSpan(0, offset, start), f"longer than {self._max_record:,} bytes{quote}")
        return Piece(
            offset=offset,
            end=self._feed.offset,
            size=0,
            count=1,
            rows=(),
            spans=tuple,
            faults=[fault],
            codec=self._dialect.codec,
        )

    def _validated(self, data: bytes) -> Piece | None:
        if not (self._validator and data and self._is_decodable(data)):
            return None
        codec = self._dialect.codec
        if self._dialect.escapes and self._dialect.escapes.within(data):
            return None
        raw_csv = self._validator(data if codec == "utf-8" else data.decode(codec).encode())
        if not raw_csv:
            return None
        return self._piece(data, raw_csv.count, LazySequence(lambda: self._table(data) or ()), raw_csv=raw_csv)

    def _table(self, data: bytes) -> list[Fields] | None:
        try:
            return self._dialect.table(data.decode(self._dialect.codec))
        except UnicodeDecodeError:
            return None

    def _one_by_one(self, data: bytes, *, strict: bool) -> Piece:
        """Parse record by record. ``strict``: text after a closing quote is an error."""
        strict = strict or self._dialect.table(data.decode(self._dialect.codec, "surrogateescape")) is not None
        offsets = Offsets(self._feed.encoding, data, self._feed.offset)
        rows: list[Fields] = []
        faults: list[Fault] = []
        for number, start, end, fields, bad in self._judged(data, strict=strict):
            if bad:
                span = RecordSpan(number, offsets.at(start), data[start:end])
                faults.append(Fault(span, self._reason(span, fields)))
            else:
                rows.append(fields)
        return self._piece(data, len(rows) + len(faults), rows, faults=faults, strict=strict)

    def _piece(
        self,
        data: bytes,
        count: int,
        rows: Sequence[Fields],
        *,
        faults: Sequence[Fault] = (),
        strict: bool = True,
        raw_csv: RawCsv | None = None,
    ) -> Piece:
        offset = self._feed.offset
        return Piece(
            offset=offset,
            end=offset,
            size=len(data),
            count=count,
            rows=rows,
            spans=partial(self._spans, data, offset, strict=strict),
            faults=faults,
            codec=self._dialect.codec,
            raw_csv=raw_csv,
        )

    def _spans(self, data: bytes, offset: int, *, strict: bool) -> Iterator[RecordSpan]:
        offsets = Offsets(self._feed.encoding, data, offset)
        for number, start, end, _, bad in self._judged(data, strict=strict):
            if not bad:
                yield RecordSpan(number, offsets.at(start), data[start:end])

    def _judged(self, data: bytes, *, strict: bool) -> Iterator[tuple[int, int, int, Fields, bool]]:
        """Yield every record of the data: its number, its first and last byte, its fields and whether it is bad."""
        decodable = self._is_decodable(data)
        number = 0
        for start, end, fields in self._dialect.spans(data, last=True):
            if fields:
                bad = len(fields) != self._width or not (decodable or self._is_decodable(data[start:end]))
                bad = bad or not (strict or not self._dialect.stray(data[start:end]))
                yield number, start, end, fields, bad
                number += 1

    def _is_decodable(self, data: bytes) -> bool:
        try:
            data.decode(self._dialect.codec)
        except UnicodeDecodeError:
            return False
        return True

    def _reason(self, span: RecordSpan, fields: Fields) -> str:
        try:
            span.record.decode(self._dialect.codec)
        except UnicodeDecodeError as error:
            return self._feed.encoding.undecodable(span.record, error, span.offset)
        ragged = f"expected {counted(self._width, 'field')}, found {len(fields)}"
        hint = f". {ESCAPED_HINT}" if self._dialect.looks_escaped(span.record) else ""
        return (self._dialect.stray(span.record) or ragged) + hint


def _names(feed: Window, dialect: Dialect, options: ParseOptions) -> tuple[str, ...]:
    """Return the names in the first record that is not blank; an empty file has none."""
    for size in (min(_HEADER, options.max_record), options.max_record):
        window, last = feed.window(size)
        header = next((span for span in dialect.spans(window, last=last) if span[2]), None)
        if header:
            return _header(feed, dialect, window, header, options.columns)
    if last and not window.strip(b"\r\n"):
        return ()
    if last:
        RecordSkipper(feed, dialect).skip("the header row")
    raise HeaderRowError(f"the header row is longer than {options.max_record:,} bytes", offset=feed.offset)


def _header(feed: Window, dialect: Dialect, window: bytes, header: Span, columns: tuple[str, ...]) -> tuple[str, ...]:
    start, end, fields = header
    feed.advance(start)
    offset, record = feed.offset, window[start:end]
    try:
        record.decode(dialect.codec)
    except UnicodeDecodeError as error:
        at = offset + feed.encoding.source_length(record[: error.start])
        raise HeaderRowError(f"the header row is not {feed.encoding.name}", offset=at) from error
    if stray := dialect.stray(record):
        raise HeaderRowError(f"in the header row {stray}", offset=offset)
    feed.advance(len(record))
    return column_names(fields, columns, offset=offset)
