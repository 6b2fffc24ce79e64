"""Parse lines of fixed-width fields into batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial

from penstock.errors import InvalidRouteError
from penstock.formats.batching import Fault, Piece, RecordSpan, gather
from penstock.formats.fixed.lines import LineFields
from penstock.formats.format import ParseSettings
from penstock.formats.long_lines import pass_line
from penstock.formats.window import Window
from penstock.model.columnar_rows import ColumnarRows
from penstock.model.fixed_layout import Layout, read_layout
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch


def parse_fixed(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    """Yield batches whose rows have a text for each field. Blank lines, and lines without the prefix, are not records.

    Rejects: lines of a wrong length (see `LineLength`), undecodable ones, and those over ``max_record``. Memory: three
    times the window (the larger of ``batch_bytes`` and ``max_record``, at most their sum), one chunk, and the fields of
    one batch.

    Raises InvalidRouteError if the fields are missing or wrong.
    """
    layout = layout_of(options)
    feed = Window(chunks, options.encoding, settings.within)
    resume = settings.within.go_on(settings.resume) if settings.within else settings.resume
    feed.skip_to(resume.offset)
    yield from gather(
        FixedCutter(feed, layout, options),
        names=layout.names,
        resume=resume,
        batch_bytes=settings.batch_bytes,
        max_record=options.max_record,
    )


def layout_of(options: ParseOptions) -> Layout:
    """Return the layout of the options. Raises InvalidRouteError."""
    try:
        return read_layout(options.fields)
    except InvalidRouteError as error:
        raise InvalidRouteError(f"parse.fields: {error.message}", hint="Set parse.fields in the route.") from error


class FixedCutter:
    """Cuts a feed at line ends (see Cutter). If a line of a piece is bad, all of its lines are read one by one."""

    def __init__(self, feed: Window, layout: Layout, options: ParseOptions) -> None:
        self._feed = feed
        self._lines = LineFields(layout, options, feed.encoding)
        self._max_record = options.max_record

    def cut(self, limit: int) -> Piece | None:
        window, last = self._feed.window(limit)
        data = window if last else window[: window.rfind(b"\n") + 1]
        if not data:
            return None
        offset = self._feed.offset
        columns = self._lines.columns(data)
        rows: Sequence[object]
        faults: list[Fault] = []
        if columns is not None:
            rows = ColumnarRows(columns)
        else:
            judged = list(self._judged(data, offset))
            rows = [tuple(fields) for _, fields, reason in judged if not reason]
            faults = [Fault(span, reason) for span, _, reason in judged if reason]
        self._feed.advance(len(data))
        return Piece(
            offset=offset,
            end=self._feed.offset,
            size=len(data),
            count=len(rows) + len(faults),
            rows=rows,
            spans=partial(self._spans, data, offset, {fault.span.number for fault in faults}),
            faults=faults,
            codec=self._feed.encoding.codec,
        )

    def cut_long(self) -> Piece | None:
        start, _ = self._feed.window(4 * RAW_LIMIT)
        if not start:
            return None
        offset = self._feed.offset
        reason = f"longer than {self._max_record:,} bytes"
        is_record = pass_line(self._feed) and self._lines.has_prefix(start)
        return Piece(
            offset=offset,
            end=self._feed.offset,
            size=0,
            count=int(is_record),
            rows=(),
            spans=tuple,
            faults=[Fault(RecordSpan(0, offset, start), reason)] if is_record else (),
            codec=self._feed.encoding.codec,
        )

    def _spans(self, data: bytes, offset: int, bad: Collection[int]) -> Iterator[RecordSpan]:
        return (span for span in self._located(data, offset) if span.number not in bad)

    def _located(self, data: bytes, offset: int) -> Iterator[RecordSpan]:
        number = 0
        for line in data.split(b"\n"):
            if self._lines.is_record(line):
                yield RecordSpan(number, offset, line)
                number += 1
            offset += self._feed.encoding.source_length(line + b"\n")

    def _judged(self, data: bytes, offset: int) -> Iterator[tuple[RecordSpan, list[str], str]]:
        """Yield every record, with its fields and the reason for its reject, if any."""
        for span in self._located(data, offset):
            try:
                fields, reason = self._lines.fields(span.record)
            except UnicodeDecodeError as error:
                fields, reason = [], self._feed.encoding.undecodable(span.record, error, span.offset)
            yield span, fields, reason
