"""Skips a JSON value of any size, and validates it (RFC 8259).

The json module checks values that lie within a window, at its speed. Other values are checked character by character.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from json.scanner import make_scanner
from typing import NamedTuple

from penstock.errors import BadDocumentError, TruncatedSourceError
from penstock.formats.window import Window

_WINDOW = 256 * 1024
# Characters to check one by one after the json module has failed on a value, so that no byte is scanned often.
_AFTER_FAILURE = 32 * 1024

_BLANKS = re.compile(r"[ \t\r\n]*+")
_PLAIN = r'[^"\\\x00-\x1f]*+'
_STRING = re.compile(rf'{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*')
_LONGEST_ESCAPE = 6
_DIGITS = re.compile(r"[-+.eE0-9]*+")
_WORDS = ("true", "false", "null")
_CLOSING = {"[": "]", "{": "}"}


def _refuse(constant: str) -> object:
    raise ValueError(constant)


# Numbers are not converted, so the count of their digits does not matter.
_SCAN = make_scanner(json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse))  # type: ignore[arg-type]


def pass_value(feed: Window, *, decoded: bool = True) -> None:
    """Move past the value that starts here or after whitespace. Memory: one window, twice.

    Raises BadDocumentError if it is not a value, or if it is ``decoded`` and not in the source's encoding, and
    TruncatedSourceError if the source ends first.
    """
    _Walk(feed, decoded=decoded).value()


class Next(NamedTuple):
    """The handler of the next sign; None after the value."""

    following: Step | None


Step = Callable[[str], Next]


class _Walk:
    """A window of the feed as text, one character per byte, and the position in the value."""

    def __init__(self, feed: Window, *, decoded: bool) -> None:
        self._feed = feed
        self._decoder = codecs.getincrementaldecoder(feed.encoding.codec)() if decoded else None
        self._window = b""
        self._text = ""
        self._at = 0
        self._last = False
        # The closing brackets of open values, and the position up to which the json module gets no list or object.
        self._open: list[str] = []
        self._by_sign = 0
        self._passed = 0

    def value(self) -> None:
        step: Step | None = self._begin
        while step:
            step = step(self._sign()).following
        self._pass()

    def _sign(self) -> str:
        """Return the next character that is not whitespace. Raises TruncatedSourceError if there is none."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            if self._at < len(self._text) and blanks:
                self._at = blanks.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._last:
                raise self._cut_off()
            self._refill()

    def _refill(self) -> None:
        self._pass()
        self._passed += self._at
        self._window, self._last = self._feed.window(_WINDOW)
        self._text, self._at = self._window.decode("latin-1"), 0

    def _pass(self) -> None:
        """Move past the text that was read. Raises BadDocumentError if it is not in the source's encoding."""
        passed = self._window[: self._at]
        if self._decoder and not (passed.isascii() and not self._decoder.getstate()[0]):
            # The bytes of a character in the decoder are before the window.
            held = len(self._decoder.getstate()[0])
            try:
                self._decoder.decode(passed)
            except UnicodeDecodeError as error:
                encoding = self._feed.encoding
                at = self._feed.offset - held + encoding.source_length(error.object[: error.start])
                raise BadDocumentError(
                    f"not {encoding.name}: the text before the records cannot be decoded",
                    offset=at,
                    hint="Set parse.encoding to the encoding of the file, or correct the file.",
                ) from error
        self._feed.advance(self._at)

    def _begin(self, sign: str) -> Next:
        """Start a value."""
        if self._scanned(sign):
            return self._after()
        if sign in _CLOSING:
            self._at += 1
            self._open.append(_CLOSING[sign])
            return Next(self._first_member if sign == "{" else self._first_element)
        if sign == '"':
            self._long_string()
        elif sign in "-0123456789":
            self._long_number()
        else:
            self._cut_word()
        return self._after()

    def _scanned(self, sign: str) -> bool:
        """Move past the value if it lies within the window. Return whether it did."""
        if sign in _CLOSING and self._passed + self._at < self._by_sign:
            return False
        while True:
            try:
                _, end = _SCAN(self._text, self._at)
            except (StopIteration, ValueError, RecursionError):
                end = -1
            # At the end of the window a number may continue, or may be cut after a dot.
            goes_on = end >= 0 and self._text[end - 1] not in '"]}' and self._digits_end(end) == len(self._text)
            if end >= 0 and not (goes_on and (not self._last or self._digits_end(end) > end)):
                self._at = end
                return True
            if self._last or not self._at:
                self._by_sign = self._passed + self._at + _AFTER_FAILURE
                return False
            self._refill()

    def _first_element(self, sign: str) -> Next:
        return self._close() if sign == "]" else self._begin(sign)

    def _first_member(self, sign: str) -> Next:
        return self._close() if sign == "}" else self._member(sign)

    def _member(self, sign: str) -> Next:
        if sign != '"':
            raise self._wrong("key")
        self._long_string()
        return Next(self._colon)

    def _colon(self, sign: str) -> Next:
        if sign != ":":
            raise self._wrong("':'")
        self._at += 1
        return Next(self._begin)

    def _close(self) -> Next:
        self._at += 1
        self._open.pop()
        return self._after()

    def _after(self) -> Next:
        """Continue after a value; end if it was the value to skip."""
        return Next(self._separator if self._open else None)

    def _separator(self, sign: str) -> Next:
        if sign == self._open[-1]:
            return self._close()
        if sign != ",":
            raise self._wrong(f"',' or {self._open[-1]!r}")
        self._at += 1
        return Next(self._member if self._open[-1] == "}" else self._begin)

    def _long_string(self) -> None:
        """Move past a string of any length, from its opening quote."""
        self._at += 1
        while True:
            part = _STRING.match(self._text, self._at)
            self._at = part.end() if part else self._at
            left = len(self._text) - self._at
            if left and self._text[self._at] == '"':
                self._at += 1
                return
            cut = not left or (self._text[self._at] == "\\" and left < _LONGEST_ESCAPE)
            if not cut:
                raise self._wrong("a character of a string, or its escape,")
            if self._last:
                self._at = len(self._text)
                raise self._cut_off()
            self._refill()

    def _long_number(self) -> None:
        """Move past a number that does not end within the window. Only its characters are checked."""
        is_long = False
        while True:
            end = self._digits_end(self._at)
            if end < len(self._text) and not is_long:
                raise self._wrong("value")
            self._at = end
            if end < len(self._text):
                return
            if self._last:
                raise self._cut_off()
            is_long = True
            self._refill()

    def _digits_end(self, at: int) -> int:
        digits = _DIGITS.match(self._text, at)
        return digits.end() if digits else at

    def _cut_word(self) -> None:
        """Raises the error of a text that is not a value, or of a source that ends within one."""
        rest = self._text[self._at :]
        if self._last and any(word.startswith(rest) for word in _WORDS):
            self._at = len(self._text)
            raise self._cut_off()
        raise self._wrong("value")

    def _wrong(self, expected: str) -> BadDocumentError:
        self._feed.advance(self._at)
        return BadDocumentError(f"not JSON: {expected} expected", offset=self._feed.offset)

    def _cut_off(self) -> TruncatedSourceError:
        self._feed.advance(self._at)
        return TruncatedSourceError("the source ends inside the JSON document", offset=self._feed.offset)
