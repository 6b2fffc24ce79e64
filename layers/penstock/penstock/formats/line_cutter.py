"""Cuts sources whose records are lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Protocol

from penstock.formats.batching import Fault, Piece, RecordSpan
from penstock.formats.long_lines import pass_line
from penstock.formats.window import Window
from penstock.model.record import RAW_LIMIT


class LineReader(Protocol):
    """Reads the records of lines in readable bytes (see `Encoding`)."""

    def all(self, data: bytes) -> Sequence[object] | None:
        """Return the rows of all records in complete lines; None unless all of them are good."""

    def one(self, line: bytes) -> tuple[object, str]:
        """Return the row of a record, or why it is bad. Raises UnicodeDecodeError."""

    def is_record(self, line: bytes) -> bool:
        """Whether a line, given with or without its line end, is a record."""

    def begins_record(self, start: bytes) -> bool:
        """Whether a long line that is not blank is a record, by its start."""


class LineCutter:
    """Cuts a feed at line ends (see Cutter). If a line of a piece is bad, all of its lines are read one by one."""

    def __init__(self, feed: Window, lines: LineReader, max_record: int) -> None:
        self._feed = feed
        self._lines = lines
        self._max_record = max_record

    def cut(self, limit: int) -> Piece | None:
        window, last = self._feed.window(limit)
        data = window if last else window[: window.rfind(b"\n") + 1]
        if not data:
            return None
        offset = self._feed.offset
        rows = self._lines.all(data)
        faults: list[Fault] = []
        if rows is None:
            judged = list(self._judged(data, offset))
            rows = [row for _, row, reason in judged if not reason]
            faults = [Fault(span, reason) for span, _, reason in judged if reason]
        self._feed.advance(len(data))
        return Piece(
            offset=offset,
            end=self._feed.offset,
            size=len(data),
            count=len(rows) + len(faults),
            rows=rows,
            # Bad lines are found only once: with more of the stack in use, a second pass may reject more lines.
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
        is_record = pass_line(self._feed) and self._lines.begins_record(start)
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

    def _judged(self, data: bytes, offset: int) -> Iterator[tuple[RecordSpan, object, str]]:
        """Yield every record, with its row and the reason for its reject, if any."""
        for span in self._located(data, offset):
            try:
                row, reason = self._lines.one(span.record)
            except UnicodeDecodeError as error:
                row, reason = None, self._feed.encoding.undecodable(span.record, error, span.offset)
            yield span, row, reason
