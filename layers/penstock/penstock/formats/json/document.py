"""Parse a JSON document with a list of records into batches. The document is never in memory as a whole."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple

from penstock.errors import BadDocumentError, BadSourceError, RecordsMissingError
from penstock.formats.batching import Fault, Piece, RecordSpan, discard, gather
from penstock.formats.json.skip import pass_value
from penstock.formats.json.values import DECODER, SCANS, UNDECODABLE, spelling_of, why_not
from penstock.formats.json.walk import ValueEnd, cut_off, find_records, finish, last_of_doubled, next_sign, pass_sign
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch

_BLANKS = re.compile(r"[ \t\r\n]*")
# An error this close to the end of a window may be a literal, number or escape that the window cuts.
_LONGEST_TOKEN = 8
_ESCAPED_BYTE = re.compile("[\ud800-\udfff]")


def parse_json_document(
    chunks: Iterable[bytes], options: ParseOptions, *, batch_bytes: int, resume: Resume
) -> Iterator[Batch]:
    """Parse a document. Rows are the decoded elements of the list at ``options.records``, or one record for an object.

    Floats are Decimal, with the text of the file. Of a repeated key the last value counts. Rejects: elements with
    invalid numbers, nested beyond the interpreter's stack, undecodable or over ``max_record``. To resume at
    ``resume.row``, all earlier elements are parsed again. Memory: five times the window (the larger of ``batch_bytes``
    and ``max_record``, at most their sum), one chunk, and the rows of one batch.

    Raises RecordsMissingError if there is no list, TruncatedSourceError if the source ends too early, and
    BadDocumentError if it is not JSON; the last two after the batches before the error were delivered.
    """
    feed = Window(chunks, options.encoding)
    if not next_sign(feed):
        return
    if not options.records_at:
        options = _settled_within(feed, options, max(batch_bytes, options.max_record))
    cutter = ElementCutter(feed, options)
    discard(cutter, resume.row - 1, limit=options.max_record)
    yield from gather(
        cutter, names=(), resume=resume, batch_bytes=batch_bytes, max_record=options.max_record
    )  # fmt: skip


def settle_document(chunks: Iterable[bytes], options: ParseOptions) -> ParseOptions:
    """Return options that say which of repeated keys on the path to the records is the last.

    Reads to the end of the source, unless there is no path. Raises BadDocumentError and TruncatedSourceError.
    """
    if not options.records:
        return options
    feed = Window(chunks, options.encoding)
    return replace(options, records_at=last_of_doubled(feed, _path(options))) if next_sign(feed) else options


def _settled_within(feed: Window, options: ParseOptions, size: int) -> ParseOptions:
    """Settle the options of a document of at most ``size`` bytes. Its errors are raised when it is parsed."""
    window, last = feed.window(size)
    if not (last and options.records):
        return options
    try:
        return settle_document([window], replace(options, encoding=feed.encoding.codec))
    except BadSourceError:
        return options


def _path(options: ParseOptions) -> list[str]:
    return options.records.split(".") if options.records else []


class _Element(NamedTuple):
    """Characters ``start`` to ``end`` of a text; ``after`` is the position after the next comma or bracket."""

    start: int
    end: int
    after: int
    value: object
    reason: str


class ElementCutter:
    """Cuts a document between the elements of its list (see Cutter). It holds no more than a window."""

    def __init__(self, feed: Window, options: ParseOptions) -> None:
        self._feed = feed
        self._max_record = options.max_record
        self._opened = find_records(feed, _path(options), options.records_at)
        sign = next_sign(feed)
        if not sign:
            raise cut_off(feed)
        if sign not in b"[{":
            raise RecordsMissingError(
                f"neither a list nor an object at {options.records or 'the top'}", offset=feed.offset
            )
        self._single = sign == b"{"
        self._done = False
        if not self._single:
            feed.advance(1)
            if next_sign(feed) == b"]":
                self._end(pass_sign(feed, b"]"))

    def cut(self, limit: int, most: int | None = None) -> Piece | None:
        """Cut at most ``most`` records."""
        if self._done:
            return None
        window, last = self._feed.window(limit)
        text = self._text(window, last=last)
        rows: list[object] = []
        reasons: dict[int, str] = {}
        after = 0
        for number, element in enumerate(islice(_elements(text, single=self._single), most)):
            after = element.after
            if element.reason:
                reasons[number] = element.reason
            else:
                rows.append(element.value)
        if not after:
            return None
        offset, data = self._feed.offset, window[: self._size(text[:after])]
        self._feed.advance(len(data))
        piece = Piece(
            offset=offset,
            end=self._feed.offset,
            size=len(data),
            count=len(rows) + len(reasons),
            rows=rows,
            spans=partial(self._spans, data, offset, reasons.keys()),
            faults=list(self._faults(data, offset, reasons)) if reasons else (),
            codec=self._feed.encoding.codec,
        )
        self._end(b"]" if self._single else text[after - 1].encode())
        return piece

    def cut_long(self) -> Piece | None:
        if self._done:
            return None
        if not next_sign(self._feed):
            raise cut_off(self._feed)
        piece = self.cut(self._max_record)
        return piece or self._pass_long()

    def _pass_long(self) -> Piece:
        offset = self._feed.offset
        window, last = self._feed.window(self._max_record)
        self._refuse_garbage(self._text(window, last=last), offset)
        pass_value(self._feed, decoded=False)
        end = self._feed.offset
        self._end(b"]" if self._single else pass_sign(self._feed, b",]"))
        hint = "; if it holds the list of records, parse.records is the path to it" if self._single else ""
        fault = Fault(RecordSpan(0, offset, window[: 4 * RAW_LIMIT]), f"longer than {self._max_record:,} bytes{hint}")
        return Piece(
            offset=offset,
            end=end,
            size=0,
            count=1,
            rows=(),
            spans=tuple,
            faults=[fault],
            codec=self._feed.encoding.codec,
        )

    def _refuse_garbage(self, text: str, offset: int) -> None:
        """Raises BadDocumentError unless the text is the beginning of an element that ends beyond it."""
        error = _syntax_error(text)
        end = _value_end(text, 0)
        if not error and end >= 0 and (after := _past_blanks(text, end)) < len(text):
            error = json.JSONDecodeError("Expecting ',' delimiter", text, after)
        if error and (end >= 0 or len(text) - error.pos > _LONGEST_TOKEN):
            passed = self._feed.encoding.source_length(self._bytes(text[: error.pos]))
            raise BadDocumentError(f"not JSON: {error.msg}", offset=offset + passed)

    def _end(self, sign: bytes) -> None:
        if sign == b"]":
            self._done = True
            finish(self._feed, self._opened)

    def _text(self, window: bytes, *, last: bool) -> str:
        """Return the window without an incomplete last character; undecodable bytes become lone surrogates."""
        decoder = codecs.getincrementaldecoder(self._feed.encoding.codec)
        try:
            return decoder().decode(window, last)
        except UnicodeDecodeError:
            return decoder("surrogateescape").decode(window, last)

    def _size(self, text: str) -> int:
        return len(text) if text.isascii() else len(self._bytes(text))

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._feed.encoding.codec, "surrogateescape")

    def _located(self, data: bytes, offset: int) -> Iterator[RecordSpan]:
        """Return the position of each element of the data, which starts at ``offset``."""
        text = self._text(data, last=True)
        passed = 0
        for number, element in enumerate(_elements(text, single=self._single)):
            offset += self._feed.encoding.source_length(self._bytes(text[passed : element.start]))
            passed = element.start
            yield RecordSpan(number, offset, self._bytes(text[element.start : element.end]))

    # Bad elements are found once: a second parse, deeper in the stack, could refuse a nesting that the first accepted.

    def _spans(self, data: bytes, offset: int, bad: Collection[int]) -> Iterator[RecordSpan]:
        return (span for span in self._located(data, offset) if span.number not in bad)

    def _faults(self, data: bytes, offset: int, reasons: Mapping[int, str]) -> Iterator[Fault]:
        encoding = self._feed.encoding
        for span in self._located(data, offset):
            if span.number in reasons:
                try:
                    span.record.decode(encoding.codec)
                except UnicodeDecodeError as error:
                    yield Fault(span, encoding.undecodable(span.record, error, offset=span.offset))
                else:
                    yield Fault(span, reasons[span.number])


def _elements(text: str, *, single: bool) -> Iterator[_Element]:
    """Yield the elements of a list that are complete in the text, or a single value."""
    scan = SCANS[spelling_of(text.encode("utf-8", "surrogatepass"))]
    escaped = not text.isascii() and _ESCAPED_BYTE.search(text) is not None
    after = 0
    while True:
        start = _past_blanks(text, after)
        reason = ""
        try:
            value, end = scan(text, start)
        except (StopIteration, json.JSONDecodeError):
            return
        except UNDECODABLE as error:
            value, end, reason = None, _value_end(text, start), why_not(error)
        after = _past_blanks(text, end) + 1
        if end < 0 or (not single and text[after - 1 : after] not in (",", "]")):
            return
        if escaped and _ESCAPED_BYTE.search(text, start, end):
            reason = "undecodable"
        yield _Element(start, end, end if single else after, value, reason)
        if single or text[after - 1] == "]":
            return


def _past_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at


def _value_end(text: str, start: int) -> int:
    """Return where the value that starts here ends; -1 if it continues beyond the text."""
    end, ended = ValueEnd().find(text, start)
    return end if ended else -1


def _syntax_error(text: str) -> json.JSONDecodeError | None:
    """Return the syntax error in the first value of the text; an incomplete string is not an error."""
    try:
        DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        return None if error.msg.startswith("Unterminated string") else error
    except UNDECODABLE:
        return None
    return None
