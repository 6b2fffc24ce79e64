"""Find where CSV records begin and end, and their fields, in bytes that may be cut anywhere.

The csv module decides: records are those of ``csv.reader`` over the complete text. They follow RFC 4180, and the
practice of spreadsheet programs: any line end, line ends and doubled quotes inside quotes, stray quotes inside unquoted
fields. A record with text after a closing quote ends where that module ends it, but is a reject: it is ambiguous.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Protocol

from penstock.errors import InvalidRouteError
from penstock.formats.boundaries import Rules
from penstock.formats.csv.comments import CommentedRules
from penstock.formats.csv.escape import Escapes
from penstock.formats.csv.rules import csv_rules
from penstock.formats.encoding import is_one_byte
from penstock.model.parse_options import ParseOptions

Fields = list[str]
Span = tuple[int, int, Fields]  # bytes from and to, the line end included

ESCAPED_HINT = 'Quotes seem to be escaped by backslashes: set parse.escape = "\\\\" in the route (--escape of run).'

# The csv module's result for a line with only a delimiter, if no quote is open before it.
_END = ["", ""]
# From this share of lines with quotes, the csv module is faster for all lines.
_MOSTLY = 0.75


class _Reader(Iterator[Fields], Protocol):
    @property
    def line_num(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """The CSV dialect of one source. An empty ``quote`` means that quotes are text; without ``escape`` no
    character takes the meaning of the next; without ``comment`` no line is a comment."""

    delimiter: str
    quote: str
    codec: str
    escape: str = ""
    comment: str = ""
    escapes: Escapes | None = field(init=False, repr=False, compare=False, default=None)
    comments: CommentedRules | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        """Raises InvalidRouteError if the csv module would guess or refuse."""
        if len(self.delimiter) != 1 or self.delimiter in "\r\n":
            raise InvalidRouteError(f"parse.delimiter is one character, not {self.delimiter!r}")
        if len(self.quote) > 1 or self.quote in ("\r", "\n", self.delimiter):
            raise InvalidRouteError(f"parse.quote is one character other than the delimiter, not {self.quote!r}")
        try:
            (self.delimiter + self.quote).encode(self.codec)
        except UnicodeEncodeError as error:
            raise InvalidRouteError(f"parse.delimiter or parse.quote does not exist in {self.codec}") from error
        if self.escape:
            if (
                len(self.escape) != 1
                or not self.escape.isascii()
                or self.escape in ("\r", "\n", self.delimiter, self.quote)
            ):
                raise InvalidRouteError(
                    f"parse.escape is one ASCII character other than delimiter and quote, not {self.escape!r}"
                )
            object.__setattr__(self, "escapes", Escapes(self.escape, self.delimiter, self.quote, self.codec))
        if self.comment:
            others = (self.delimiter, self.quote, self.escape, "\r", "\n")
            if len(self.comment) != 1 or not self.comment.isascii() or self.comment in others:
                raise InvalidRouteError(
                    f"parse.comment is one ASCII character other than delimiter, quote and escape, not {self.comment!r}"
                )
            rules = replace(self, comment="").rules("comment")
            object.__setattr__(self, "comments", CommentedRules(rules, self.comment.encode(self.codec)))

    @property
    def delimiter_bytes(self) -> bytes:
        return self.delimiter.encode(self.codec)

    @property
    def quote_bytes(self) -> bytes:
        return self.quote.encode(self.codec)

    def rules(self, option: str) -> Rules:
        """Return the rules that count records. Raises InvalidRouteError, which names the option that needs them."""
        if not all(is_one_byte(sign, self.codec) for sign in self.delimiter + self.quote):
            raise InvalidRouteError(
                f"parse.{option} needs a delimiter and a quote of one byte, and {self.delimiter!r} and {self.quote!r} "
                f"have more in {self.codec}"
            )
        return csv_rules(
            self.delimiter_bytes, self.quote_bytes, self.escape.encode(self.codec), self.comment.encode(self.codec)
        )

    def uncommented(self, window: bytes, *, last: bool) -> bytes:
        """Return the bytes of a window that begins with a record, with line ends in place of comments.

        ``last``: the source ends with the window. Otherwise a comment at its end stays, and ends no record.
        """
        if not self.comments:
            return window
        end = len(window) if last else _line_end(window, len(window))
        plain = self.comments.blank(window[:end])
        return plain if end == len(window) else plain + window[end:]

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line is a comment if a record could begin where it does."""
        return bool(self.comment) and line.startswith(self.comment.encode(self.codec))

    def table(self, text: str) -> list[Fields] | None:
        """Return all records of a text except blank lines.

        None if it ends inside quotes, or if text follows a closing quote.
        """
        if self.escapes and self.escape in text:
            rows = self._table(self.escapes.hide(text))
            return None if rows is None else list(map(self.escapes.show, rows))
        return self._table(text)

    def _table(self, text: str) -> list[Fields] | None:
        try:
            rows = self._by_lines(text)
            if rows is not None:
                return rows
            end = "" if text.endswith(("\n", "\r")) else "\n"
            rows = list(self._reader(io.StringIO(text + end + self.delimiter, newline=""), strict=True))
        except csv.Error:
            return None
        return [row for row in rows if row] if rows.pop() == _END else None

    def _by_lines(self, text: str) -> list[Fields] | None:
        """Return the records if every line is a record: lines without quotes are split, in half the time.

        None if a line is not a record, or if this would not be faster.
        """
        line_end = _line_end_of(text)
        if not line_end:
            return None
        lines = text.split(line_end)
        quote = self.quote
        quoted = [line for line in lines if quote in line] if quote else []
        if quoted:
            # Odd numbers of quotes mean records of several lines, or stray quotes. To check before parsing saves time.
            if len(quoted) > _MOSTLY * len(lines) or any(line.count(quote) & 1 for line in quoted):
                return None
            parsed = list(self._reader(iter([*quoted, self.delimiter]), strict=True))
            # Each record takes at least one line: if records and lines are equal in number, no record spans lines.
            if parsed.pop() != _END or len(parsed) != len(quoted):
                return None
            records = iter(parsed)
            return [next(records) if quote in line else line.split(self.delimiter) for line in lines if line]
        return [line.split(self.delimiter) for line in lines if line]

    def spans(self, window: bytes, *, last: bool) -> Iterator[Span]:
        """Yield the records of a window, with blank lines, up to the last that ends. Slower, but with their positions.

        ``last``: the source ends with the window. Undecodable bytes appear as lone surrogates.
        """
        plain = self.blank(window)
        end = len(window) if last else _line_end(plain, len(window))
        if not end:
            return
        data = window[:end]
        ends = list(accumulate(map(len, plain[:end].splitlines(keepends=True))))
        text = data.decode(self.codec, "surrogateescape")
        hiding = self.escapes if self.escapes and self.escapes.within(data) else None
        lines = io.StringIO(hiding.hide(text) if hiding else text, newline="")
        reader = self._reader(chain(lines, (self.delimiter,)))
        start = 0
        held: Span | None = None
        for fields in reader:
            # The last record contains the added delimiter: it is not a record, or it has no end.
            if held:
                yield held
                start = held[1]
            shown = hiding.show(fields) if hiding else fields
            held = (start, ends[min(reader.line_num, len(ends)) - 1], shown) if ends else None

    def blank(self, data: bytes) -> bytes:
        """Return the data with text in place of escaped characters."""
        return self.escapes.blank(data) if self.escapes else data

    def looks_escaped(self, data: bytes) -> bool:
        """Return whether quotes seem to be escaped by backslashes although the route declares no escape."""
        return bool(self.quote) and not self.escape and b"\\" + self.quote_bytes in data

    def stray(self, record: bytes) -> str:
        """Return the reason for a reject if text follows a closing quote in the record; otherwise empty."""
        if not self.quote or self.quote_bytes not in record:
            return ""
        text = self.blank(record).decode(self.codec, "surrogateescape").rstrip("\r\n")
        quoted = re.compile("{0}[^{0}]*+(?:{0}{0}[^{0}]*+)*{0}".format(re.escape(self.quote)))
        at, number = 0, 1
        while at >= 0:
            inside = quoted.match(text, at)
            at = inside.end() if inside else at
            if inside and text[at : at + 1] not in ("", self.delimiter):
                return f"{text[at]!r} follows the closing quote of field {number}"
            at = text.find(self.delimiter, at) + 1 or -1
            number += 1
        return ""

    def likely_end(self, window: bytes, *, last: bool) -> int:
        """Return where the last record of the window ends if no quote is stray; 0 if none ends."""
        window = self.blank(window)
        end = len(window) if last else _line_end(window, len(window))
        quote = self.quote_bytes
        # To find none takes a tenth of the time of counting.
        if not quote or quote not in window:
            return end
        odd = window.count(quote, 0, end) & 1
        while odd and end:
            # All line ends after the last quote are inside quotes.
            before = _line_end(window, window.rfind(quote, 0, end))
            odd ^= window.count(quote, before, end) & 1
            end = before
        return end

    def certain_end(self, window: bytes, *, last: bool) -> int:
        """Return where the last record of the window ends; 0 if none ends."""
        return max((end for _, end, _ in self.spans(window, last=last)), default=0)

    def _reader(self, lines: Iterator[str] | io.StringIO, *, strict: bool = False) -> _Reader:
        if self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=None, quoting=csv.QUOTE_NONE)


def dialect_of(options: ParseOptions, delimiter: str, codec: str) -> Dialect:
    """Return the dialect of a source with this delimiter."""
    return Dialect(delimiter, options.quote, codec, options.escape, options.comment)


def _line_end_of(text: str) -> str:
    """Return the line end that all lines share; empty if there is none."""
    returns = text.count("\r")
    if not returns:
        return "\n"
    return "\r\n" if text.count("\r\n") == text.count("\n") == returns else ""


def _line_end(window: bytes, before: int) -> int:
    """Return the position after the last line end in ``window[:before]``; 0 if there is none.

    A CR at the very end of the window does not count yet, because an LF may follow.
    """
    line_feed = window.rfind(b"\n", 0, before)
    carriage_return = window.rfind(b"\r", line_feed + 1, min(before, len(window) - 1))
    return max(line_feed, carriage_return) + 1
