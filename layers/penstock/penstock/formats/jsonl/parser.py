"""Parse JSON Lines (https://jsonlines.org) into batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import partial

from penstock.formats.batching import Fault, Piece, RecordSpan, gather
from penstock.formats.json.values import DECODERS, UNDECODABLE, decoders, spelling_of, why_not
from penstock.formats.long_lines import BLANK, pass_line
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch
from penstock.model.span import Within

# NaN separates the lines of a piece that is decoded at once: no valid line can contain it, and no line can close a
# bracket of another across it. This saves a quarter to a third of the time, and lines share the strings of their keys.
_BETWEEN = object()
_JOINED = decoders(lambda _: _BETWEEN)


def parse_json_lines(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    within: Within | None = None,
) -> Iterator[Batch]:
    """Yield batches whose rows are the decoded values of the lines: mappings if they are records. Blank lines are not
    records.

    Floats are Decimal, and their text is the file's. The last value of a repeated key counts. Rejects: lines that are
    not JSON (NaN and infinities are not), nested beyond the interpreter's stack, or over ``max_record``. Memory: three
    times the window (the larger of ``batch_bytes`` and ``max_record``, at most their sum), one chunk, and the rows of
    one batch.
    """
    feed = Window(chunks, options.encoding, within)
    resume = within.go_on(resume) if within else resume
    feed.skip_to(resume.offset)
    yield from gather(
        LineCutter(feed, options.max_record),
        names=(),
        resume=resume,
        batch_bytes=batch_bytes,
        max_record=options.max_record,
    )


class LineCutter:
    """Cuts a feed at newlines (see Cutter)."""

    def __init__(self, feed: Window, max_record: int) -> None:
        self._feed = feed
        self._codec = feed.encoding.codec
        self._max_record = max_record

    def cut(self, limit: int) -> Piece | None:
        window, last = self._feed.window(limit)
        data = window if last else window[: window.rfind(b"\n") + 1]
        if not data:
            return None
        offset = self._feed.offset
        rows = self._at_once(data)
        faults: list[Fault] = []
        if rows is None:
            judged = list(self._judged(data, offset))
            rows = [value for _, value, reason in judged if not reason]
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
            codec=self._codec,
        )

    def cut_long(self) -> Piece | None:
        start, _ = self._feed.window(4 * RAW_LIMIT)
        if not start:
            return None
        offset = self._feed.offset
        reason = f"longer than {self._max_record:,} bytes"
        faults = [Fault(RecordSpan(0, offset, start), reason)] if pass_line(self._feed) else []
        return Piece(
            offset=offset,
            end=self._feed.offset,
            size=0,
            count=len(faults),
            rows=(),
            spans=tuple,
            faults=faults,
            codec=self._codec,
        )

    def _at_once(self, data: bytes) -> list[object] | None:
        """Return all values of the data; None unless every line has exactly one value."""
        if b"NaN" in data or b"Infinity" in data:
            return None
        try:
            text = data.decode(self._codec).strip(" \t\r\n")
            values = _JOINED[spelling_of(data)].decode(f"[{text}]".replace("\n", ",NaN,"))
        except UNDECODABLE:
            return None
        between = values[1::2]
        complete = len(between) == text.count("\n") == between.count(_BETWEEN)
        return values[::2] if complete else None

    def _spans(self, data: bytes, offset: int, bad: Collection[int]) -> Iterator[RecordSpan]:
        return (span for span in self._located(data, offset) if span.number not in bad)

    def _located(self, data: bytes, offset: int) -> Iterator[RecordSpan]:
        """Yield every line of the data that is not blank."""
        number = 0
        for line in data.split(b"\n"):
            if line.strip(BLANK):
                yield RecordSpan(number, offset, line)
                number += 1
            offset += self._feed.encoding.source_length(line + b"\n")

    def _judged(self, data: bytes, offset: int) -> Iterator[tuple[RecordSpan, object, str]]:
        """Yield the same lines, each with its value and the reason for its reject, if any."""
        for span in self._located(data, offset):
            value, reason = self._value(span.record, span.offset)
            yield span, value, reason

    def _value(self, line: bytes, offset: int) -> tuple[object, str]:
        try:
            return DECODERS[-1].decode(line.decode(self._codec)), ""
        except UnicodeDecodeError as error:
            return None, self._feed.encoding.undecodable(line, error, offset)
        except UNDECODABLE as error:
            return None, why_not(error)
