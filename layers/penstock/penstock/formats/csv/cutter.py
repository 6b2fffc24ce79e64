"""Cut CSV into pieces of complete records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from penstock.formats.batching import Fault, Piece, RecordSpan
from penstock.formats.csv.footer import REASON, Footer
from penstock.formats.csv.records import ESCAPED_HINT, Dialect, Fields
from penstock.formats.csv.skip import WINDOW, RecordSkipper
from penstock.formats.encoding import Offsets
from penstock.formats.window import Window
from penstock.model.lazy_sequence import LazySequence
from penstock.model.record import RAW_LIMIT, CsvValidator, RawCsv
from penstock.model.wording import counted

_TEXT = re.compile(rb"[^\r\n]*")


class CsvCutter:
    """Cuts a window that begins at the start of a record (see Cutter).

    Guesses the end of the last record by counting quotes, parses all records at once, and verifies the guess with the
    csv module's state at the end. If that fails, or any record is bad, it parses the window record by record. Records
    that the validator accepts need no verification. ``footer`` rejects records that are like one.
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
        footer: Footer | None = None,
        ignores_extra: bool = False,
    ) -> None:
        self._feed = feed
        self._dialect = dialect
        self._width = width
        self._row = row
        self._max_record = max_record
        self._validator = validator
        self._footer = footer
        self._ignores_extra = ignores_extra

    @property
    def records(self) -> int:
        """The number of records of the source up to here."""
        return self._row - 1

    def cut(self, limit: int) -> Piece | None:
        window, last = self._feed.window(limit)
        if not window:
            return None
        if limit >= self._max_record and not last and window.endswith(b"\r"):
            # The next byte shows whether the longest record ends here, as it does at the end of a span.
            window, last = self._feed.window(limit + 1)
        text = self._dialect.uncommented(window, last=last)
        data = text[: self._dialect.likely_end(text, last=last)]
        is_like_footer = self._footer is not None and self._footer.in_lines(data)
        piece = None if is_like_footer else self._validated(data)
        if not piece:
            rows = self._table(data) if data else None
            if rows is None:
                data = text[: self._dialect.certain_end(text, last=last)]
            if not data:
                return None
            # The positions of records in the source are counted in its own bytes.
            source = data if text is window else window[: len(data)]
            fitting = None if is_like_footer or rows is None else self._fitting(rows)
            if fitting is not None:
                piece = self._piece(data, source, len(fitting), fitting)
            else:
                piece = self._one_by_one(data, source, strict=rows is not None)
        self._feed.advance(len(data))
        piece.end = self._feed.offset
        self._row += piece.count
        return piece

    def _fitting(self, rows: list[Fields]) -> list[Fields] | None:
        """Return the rows with as many fields as the header; None if any of them is a reject."""
        widths = set(map(len, rows))
        if widths <= {self._width}:
            return rows
        return [row[: self._width] for row in rows] if all(map(self._fits, widths)) else None

    def _fits(self, width: int) -> bool:
        return width == self._width or (self._ignores_extra and width > self._width)

    def cut_long(self) -> Piece | None:
        offset = self._feed.offset
        start, _ = self._feed.window(4 * RAW_LIMIT)
        if not start:
            return None
        if self._dialect.is_comment(start):
            self._pass_comment()
            return self._piece(b"", b"", 0, ())
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

    def _pass_comment(self) -> None:
        window, _ = self._feed.window(WINDOW)
        while window:
            line = _TEXT.match(window)
            passed = line.end() if line else 0
            self._feed.advance(passed)
            window = b"" if passed < len(window) else self._feed.window(WINDOW)[0]

    def _validated(self, data: bytes) -> Piece | None:
        if not (self._validator and data and self._is_decodable(data)):
            return None
        codec = self._dialect.codec
        if self._dialect.escapes and self._dialect.escapes.within(data):
            return None
        raw_csv = self._validator(data if codec == "utf-8" else data.decode(codec).encode())
        if not raw_csv:
            return None
        return self._piece(data, data, raw_csv.count, LazySequence(lambda: self._table(data) or ()), raw_csv=raw_csv)

    def _table(self, data: bytes) -> list[Fields] | None:
        try:
            return self._dialect.table(data.decode(self._dialect.codec))
        except UnicodeDecodeError:
            return None

    def _one_by_one(self, data: bytes, source: bytes, *, strict: bool) -> Piece:
        """Parse record by record. ``strict``: text after a closing quote is an error."""
        strict = strict or self._dialect.table(data.decode(self._dialect.codec, "surrogateescape")) is not None
        offsets = Offsets(self._feed.encoding, source, self._feed.offset)
        rows: list[Fields] = []
        faults: list[Fault] = []
        for number, start, end, fields, bad in self._judged(data, strict=strict):
            if bad:
                span = RecordSpan(number, offsets.at(start), data[start:end])
                faults.append(Fault(span, self._reason(span, fields)))
            else:
                rows.append(fields)
        return self._piece(data, source, len(rows) + len(faults), rows, faults=faults, strict=strict)

    def _piece(
        self,
        data: bytes,
        source: bytes,
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
            spans=partial(self._spans, data, source, offset, strict=strict),
            faults=faults,
            codec=self._dialect.codec,
            raw_csv=raw_csv,
        )

    def _spans(self, data: bytes, source: bytes, offset: int, *, strict: bool) -> Iterator[RecordSpan]:
        offsets = Offsets(self._feed.encoding, source, offset)
        for number, start, end, _, bad in self._judged(data, strict=strict):
            if not bad:
                yield RecordSpan(number, offsets.at(start), data[start:end])

    def _judged(self, data: bytes, *, strict: bool) -> Iterator[tuple[int, int, int, Fields, bool]]:
        """Yield every record of the data: its number, its first and last byte, its fields and whether it is bad."""
        decodable = self._is_decodable(data)
        number = 0
        for start, end, fields in self._dialect.spans(data, last=True):
            if fields:
                bad = not self._fits(len(fields)) or not (decodable or self._is_decodable(data[start:end]))
                bad = bad or not (strict or not self._dialect.stray(data[start:end]))
                bad = bad or (self._footer is not None and self._footer.is_like(data[start:end]))
                yield number, start, end, fields if bad else fields[: self._width], bad
                number += 1

    def _is_decodable(self, data: bytes) -> bool:
        if self._dialect.codec == "utf-8" and data.isascii():  # twenty times as fast
            return True
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
        if self._footer and self._footer.is_like(span.record):
            return REASON
        ragged = f"expected {counted(self._width, 'field')}, found {len(fields)}"
        hint = f". {ESCAPED_HINT}" if self._dialect.looks_escaped(span.record) else ""
        return (self._dialect.stray(span.record) or ragged) + hint
