"""Skip a CSV record that is too long for memory."""

from __future__ import annotations

import re
from enum import Enum, auto

from penstock.errors import UnclosedQuoteError
from penstock.formats.csv.records import ESCAPED_HINT, Dialect
from penstock.formats.encoding import whole_characters
from penstock.formats.window import Window

WINDOW = 256 * 1024


class _State(Enum):
    START = auto()
    IN_FIELD = auto()
    IN_QUOTES = auto()
    AFTER_QUOTE = auto()


class RecordSkipper:
    """Moves a feed from the start of a record to its end, by the rules of the csv module. Memory: one window.

    ``opened`` is the byte offset in the source of the last quote that opened a field; -1 if none did.
    ``looks_escaped``: whether there were quotes after backslashes, which are not escapes here.
    """

    def __init__(self, feed: Window, dialect: Dialect) -> None:
        self.opened = -1
        self.looks_escaped = False
        self._feed = feed
        self._dialect = dialect
        self._quote = dialect.quote_bytes
        opening = re.escape(dialect.delimiter_bytes + self._quote)
        self._sign = re.compile(rb"\r\n?|\n" + (b"|" + opening if self._quote else b""))
        # The bytes that a window may cut are left for the next window.
        self._hold = max(2, len(dialect.delimiter_bytes) + len(self._quote)) - 1
        self._state = _State.START

    def skip(self, where: str) -> None:
        """Skip the record. Raises UnclosedQuoteError with ``where`` if the source ends inside quotes."""
        ended = False
        while not ended:
            window, last = self._feed.window(WINDOW)
            if not window:
                break
            at, ended = self._run(self._dialect.blank(window), self._stop(window, last=last))
            self.looks_escaped |= self._dialect.looks_escaped(window[:at])
            self._feed.advance(at)
        if self._state is _State.IN_QUOTES:
            raise UnclosedQuoteError(
                f"the quote opened here, in {where}, is never closed: all that follows was taken for one field",
                offset=self.opened,
                hint=ESCAPED_HINT if self.looks_escaped else "",
            )

    def _stop(self, window: bytes, *, last: bool) -> int:
        """Return the end of the readable part. Characters and pairs that the window cuts are left for the next one."""
        if last:
            return len(window)
        stop = whole_characters(window[: -self._hold])
        return self._dialect.escapes.whole_pairs(window, stop) if self._dialect.escapes else stop

    def _run(self, window: bytes, stop: int) -> tuple[int, bool]:
        """Return the position reached, and whether the record ended there."""
        at = 0
        while at < stop:
            if self._state is _State.IN_QUOTES:
                found = window.find(self._quote, at)
                if found < 0 or found >= stop:
                    return stop, False
                self._state = _State.AFTER_QUOTE
                at = found + len(self._quote)
            elif self._state is not _State.IN_FIELD and self._quote and window.startswith(self._quote, at):
                if self._state is _State.START:
                    self._open(window, at)
                self._state = _State.IN_QUOTES
                at += len(self._quote)
            else:
                self._state = _State.IN_FIELD
                sign = self._sign.search(window, at)
                if not sign or sign.start() >= stop:
                    return stop, False
                at = sign.end()
                if sign[0].startswith((b"\r", b"\n")):
                    return at, True
                self._open(window, at - len(self._quote))
                self._state = _State.IN_QUOTES
        return at, False

    def _open(self, window: bytes, at: int) -> None:
        self.opened = self._feed.offset + self._feed.encoding.source_length(window[:at])
