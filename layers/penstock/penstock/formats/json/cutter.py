"""Cuts a JSON document between its records."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from penstock.errors import BadDocumentError, InvalidRouteError, RecordsMissingError
from penstock.formats.batching import Fault, Piece, RecordSpan
from penstock.formats.json.elements import Form, elements, past_blanks, syntax_error, value_end
from penstock.formats.json.lists import named, names_in
from penstock.formats.json.skip import pass_value
from penstock.formats.json.walk import OpenObject, cut_off, find_records, finish, next_sign, pass_sign
from penstock.formats.window import Window
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT

# An error this close to the end of a window may be a literal, number or escape that the window cuts.
LONGEST_TOKEN = 8


def path_of(options: ParseOptions) -> list[str]:
    """Return the keys on the path to the records."""
    return options.records.split(".") if options.records else []


def document_cutter(feed: Window, options: ParseOptions) -> ElementCutter:
    """Move to the records of a document, and return what cuts them. The names of records that are lists are read."""
    opened = find_records(feed, path_of(options), options.records_at)
    sign = next_sign(feed)
    if not sign:
        raise cut_off(feed)
    if sign not in b"[{":
        raise RecordsMissingError(f"neither a list nor an object at {options.records or 'the top'}", offset=feed.offset)
    if sign == b"{":
        return ElementCutter(feed, Form.SINGLE, options.max_record, opened)
    feed.advance(1)
    cutter = ElementCutter(feed, Form.LIST, options.max_record, opened)
    if next_sign(feed) == b"[":
        cutter.read_names(options)
    return cutter


class ElementCutter:
    """Cuts a feed between values (see Cutter). It holds no more than a window. ``opened`` are the objects around."""

    def __init__(self, feed: Window, form: Form, max_record: int, opened: Sequence[OpenObject] = ()) -> None:
        self._feed = feed
        self._form = form
        self._max_record = max_record
        self._opened = opened
        self._names: tuple[str, ...] = ()
        self._done = False
        if form is Form.LIST and next_sign(feed) == b"]":
            self._end(pass_sign(feed, b"]"))

    def read_names(self, options: ParseOptions) -> None:
        """Take the elements for lists of values. The first one names them, unless the route does so without a header.

        Raises HeaderRowError and InvalidRouteError.
        """
        if options.header:
            offset = self._feed.offset
            piece = self.cut(self._max_record, 1) or self.cut_long()
            self._names = names_in(piece, options.columns, offset)
        elif options.columns:
            self._names = options.columns
        else:
            raise InvalidRouteError("lists without a header need names", hint="Set parse.columns in the route.")

    def cut(self, limit: int, most: int | None = None) -> Piece | None:
        """Cut at most ``most`` records."""
        if self._done:
            return None
        window, last = self._feed.window(limit)
        text = self._text(window, last=last)
        rows: list[object] = []
        reasons: dict[int, str] = {}
        after = 0
        for number, element in enumerate(islice(elements(text, self._form), most)):
            after = element.after
            value, reason = element.value, element.reason
            if self._names and not reason:
                value, reason = named(value, self._names)
            if reason:
                reasons[number] = reason
            else:
                rows.append(value)
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
        self._end(text[after - 1].encode())
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
        self._end(pass_sign(self._feed, b",]") if self._form is Form.LIST else b"")
        is_single = self._form is Form.SINGLE
        hint = "; if it holds the list of records, parse.records is the path to it" if is_single else ""
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
        if self._form is Form.STREAM and text[:1] not in ("{", "["):
            raise BadDocumentError("not JSON: an object expected", offset=offset)
        error = syntax_error(text)
        end = value_end(text, 0)
        if not error and self._form is not Form.STREAM and end >= 0 and (after := past_blanks(text, end)) < len(text):
            error = json.JSONDecodeError("Expecting ',' delimiter", text, after)
        if error and (end >= 0 or len(text) - error.pos > LONGEST_TOKEN):
            passed = self._feed.encoding.source_length(self._bytes(text[: error.pos]))
            raise BadDocumentError(f"not JSON: {error.msg}", offset=offset + passed)

    def _end(self, sign: bytes) -> None:
        """Notice the end of the records. ``sign``: the last character that was passed."""
        if self._form is Form.STREAM:
            self._done = not next_sign(self._feed)
        elif self._form is Form.SINGLE or sign == b"]":
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
        for number, element in enumerate(elements(text, self._form)):
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
