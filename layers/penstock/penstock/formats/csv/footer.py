"""The footer of a CSV: lines at the end of a source that are no records.

With ``skip_footer`` it is that many lines: blank lines after them do not count, and quotes mean nothing in them. With
``footer`` it begins at the first line after the last record that the expression matches, where a record is what has as
many fields as the header, and is not matched itself. A matched record that others follow is a reject.

A footer takes at most `FOOTER_BYTES`. So many bytes are held back until the source ends, and the last span of a large
job is never smaller: only there can a footer begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from penstock.errors import InvalidRouteError, TruncatedSourceError
from penstock.formats.csv.boundaries import START
from penstock.formats.csv.records import Dialect
from penstock.formats.declared_count import declared_count
from penstock.formats.encoding import Encoding, whole_characters
from penstock.formats.window import Window
from penstock.model.parse_options import FOOTER_BYTES, FOOTER_LINE, Extra, ParseOptions
from penstock.model.wording import counted

HINT = "Ask the sender for the complete file, or correct parse.skip_footer or parse.footer in the route."
NOT_FOUND = "after the last record, no line matches parse.footer"
REASON = "the line matches parse.footer, but records follow it"

_LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")


class Footer:
    """The footer of one source, whose header has ``width`` fields."""

    def __init__(self, options: ParseOptions, dialect: Dialect, width: int) -> None:
        """Raises InvalidRouteError if the expression cannot be read, or if records cannot be counted in bytes."""
        self._lines = options.skip_footer
        self._dialect = dialect
        self._width = width
        self._is_open = options.extra is Extra.IGNORE
        self._declared: int | None = None
        self._is_hidden = False
        self._expression = _expression_of(options)
        self._rules = dialect.rules("footer") if self._expression else None

    def cut(self, chunks: Iterable[bytes], encoding: Encoding, offset: int) -> Iterator[bytes]:
        """Yield the readable bytes of a source without its footer. They begin with a record, at byte ``offset``.

        Raises TruncatedSourceError at the end. Memory: FOOTER_BYTES, twice, and a chunk.
        """
        held = bytearray()
        state, is_all = START, True
        for chunk in chain(chunks, [None]):
            held += chunk or b""
            # Many small chunks are passed at once.
            if len(held) <= (FOOTER_BYTES if chunk is None else 2 * FOOTER_BYTES):
                continue
            passed = bytes(held[:-FOOTER_BYTES])
            passed = passed[: whole_characters(passed)] if encoding.foreign else passed
            del held[: len(passed)]
            state, is_all, offset = self._passed(state, passed), False, offset + encoding.source_length(passed)
            yield passed
        tail = bytes(held)
        lines = [line.span() for line in _LINE.finditer(tail)]
        try:
            begin = self._matched(tail, lines, state) if self._expression else self._counted(tail, lines, is_all=is_all)
        except _NotFoundError as error:
            at = offset + encoding.source_length(tail[: error.at])
            raise TruncatedSourceError(error.reason, offset=at, hint=HINT) from error
        yield tail[:begin]

    def in_lines(self, data: bytes) -> bool:
        """Return whether the expression matches any line."""
        if not self._expression:
            return False
        # To decode all lines at once takes a third of the time.
        lines = self._text(data).replace("\r", "\n").split("\n")
        return any(self._expression.search(line) for line in lines if len(line) <= FOOTER_LINE)

    def is_like(self, record: bytes) -> bool:
        """Return whether the expression matches the first line of a record."""
        line = _LINE.match(record) if self._expression else None
        return line is not None and self._matches(line[0])

    def check(self, records: int, offset: int) -> None:
        """Raises TruncatedSourceError if there is no footer, or one that declares another number of records."""
        if self._is_hidden:
            raise TruncatedSourceError(NOT_FOUND, offset=offset, hint=HINT)
        if self._declared not in (None, records):
            raise TruncatedSourceError(
                f"the footer declares {counted(self._declared or 0, 'record')}, the file has {records:,}",
                offset=offset,
                hint=HINT,
            )

    def check_alone(self, feed: Window) -> None:
        """Check the footer of a source without a header, which has no records. Raises TruncatedSourceError."""
        feed.filter_rest(self.cut)
        while not (rest := feed.window(FOOTER_BYTES))[1]:
            feed.advance(len(rest[0]))
        self.check(0, feed.offset)

    def _passed(self, state: int, data: bytes) -> int:
        return self._rules.step(state, data)[0] if self._rules else state

    def _counted(self, tail: bytes, lines: list[tuple[int, int]], *, is_all: bool) -> int:
        """Return where the last lines begin."""
        lines = _until_blank(tail, lines)
        whole = lines if is_all else lines[1:]
        if len(whole) >= self._lines:
            return whole[-self._lines][0]
        if is_all:
            be = "are" if len(lines) > 1 else "is"
            few = f"only {counted(len(lines), 'line')}" if lines else "no line"
            raise _NotFoundError(f"parse.skip_footer is {self._lines:,}, but there {be} {few} after the header", 0)
        raise _NotFoundError(f"the last {self._lines:,} lines have more than {FOOTER_BYTES:,} bytes", 0)

    def _matched(self, tail: bytes, lines: list[tuple[int, int]], state: int) -> int:
        """Return where the first matched line after the last record begins."""
        starts = []
        for start, end in lines:
            if state == START:
                starts.append(start)
            state = self._passed(state, tail[start:end])
        first = starts[0] if starts else len(tail)
        text = self._dialect.uncommented(tail[first:], last=True)
        spans = list(self._dialect.spans(text, last=True))
        widths = {first + start: len(fields) for start, _, fields in spans}
        ends = dict(lines)
        begin = follower = lonely = -1
        for start in starts:
            if self._matches(tail[start : ends[start]]):
                begin = start if begin < 0 else begin
            elif self._is_width(widths.get(start, 0)):
                lonely, follower, begin = (begin, start, -1) if begin >= 0 else (lonely, follower, -1)
        if begin >= 0:
            self._read_count([tail[slice(*line)] for line in lines if line[0] >= begin], begin)
            return begin
        if lonely >= 0:
            raise _NotFoundError("parse.footer matches this line, but records follow it, and no footer", lonely)
        if tail and (not spans or spans[-1][1] < len(text)):
            # The last record does not end: its quote, which the parser names, may hide the footer.
            self._is_hidden = True
            return len(tail)
        raise _NotFoundError(NOT_FOUND, len(tail))

    def _is_width(self, width: int) -> bool:
        return width == self._width or (self._is_open and width > self._width)

    def _read_count(self, lines: list[bytes], begin: int) -> None:
        """Read the number of records from the first line that declares one."""
        if self._expression is None or "rows" not in self._expression.groupindex:
            return
        found = [match["rows"] for line in lines if (match := self._searched(line))]
        declared = next((text for text in found if text is not None), "").strip()
        self._declared = declared_count(declared)
        if self._declared is None:
            raise _NotFoundError(f"the footer declares no number of records: {declared[:60]!r}", begin)

    def _matches(self, line: bytes) -> bool:
        return self._searched(line) is not None

    def _searched(self, line: bytes) -> re.Match[str] | None:
        return _search(self._expression, self._text(line)) if self._expression else None

    def _text(self, line: bytes) -> str:
        return line.decode(self._dialect.codec, "replace").rstrip("\r\n")


def likely_footer(window: bytes, options: ParseOptions, codec: str) -> int:
    """Return where the footer of a short source most likely begins: at the first matched line, or at the last lines."""
    lines = _until_blank(window, [line.span() for line in _LINE.finditer(window)])
    if expression := _expression_of(options):
        found = (
            start
            for start, end in lines
            if _search(expression, window[start:end].decode(codec, "replace").rstrip("\r\n"))
        )
        return next(found, len(window))
    return lines[max(0, len(lines) - options.skip_footer)][0] if options.skip_footer and lines else len(window)


def _search(expression: re.Pattern[str], line: str) -> re.Match[str] | None:
    return expression.search(line) if len(line) <= FOOTER_LINE else None


def _expression_of(options: ParseOptions) -> re.Pattern[str] | None:
    try:
        return re.compile(options.footer) if options.footer else None
    except re.error as error:
        raise InvalidRouteError(f"parse.footer is no regular expression: {error}") from error


def _until_blank(data: bytes, lines: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the lines without the blank ones at the end."""
    count = len(lines)
    while count and not data[slice(*lines[count - 1])].strip(b"\r\n"):
        count -= 1
    return lines[:count]


class _NotFoundError(Exception):
    """There is no footer, for this reason; ``at`` is the place in the held bytes."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at
