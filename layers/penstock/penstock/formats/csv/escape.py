"""Escape characters of a CSV: the character after one is always text.

So a pair of an escape and a character is taken out of sight before quotes, delimiters and line ends are looked for, in
bytes and in texts alike; all other rules then hold as they do without. An escape at the very end of a source is text.
"""

from __future__ import annotations

import re

# In place of a pair's second character, where that is one that the rules look for: halves of surrogate pairs, which no
# decoded text holds (what cannot be decoded is kept in the lower halves).
_HIDDEN = 0xD800
_SHOWN = re.compile("[\ud800-\ud80f]")
_PLAIN = "x_0"


class Escapes:
    """The pairs of one dialect, whose signs these are; ``escape`` is one ASCII character."""

    def __init__(self, escape: str, delimiter: str, quote: str, codec: str) -> None:
        self._escape = escape
        self._escape_byte = escape.encode(codec)
        self._specials = dict.fromkeys((escape, delimiter, "\r", "\n", *quote))
        self._pair = re.compile(re.escape(escape) + "(.)", re.DOTALL)
        # A character of several bytes is taken whole where the rules look for it.
        second = b"|".join(re.escape(sign.encode(codec)) for sign in self._specials)
        self._byte_pair = re.compile(re.escape(self._escape_byte) + b"(?:" + second + b"|.)", re.DOTALL)
        self._plain = next(sign for sign in _PLAIN if sign not in self._specials).encode(codec)

    def within(self, data: bytes) -> bool:
        """Whether there is any escape."""
        return self._escape_byte in data

    def blank(self, data: bytes) -> bytes:
        """As many bytes, with text in place of each pair."""
        if not self.within(data):
            return data
        return self._byte_pair.sub(lambda pair: self._plain * len(pair[0]), data)

    def whole_pairs(self, data: bytes, stop: int) -> int:
        """``stop``, or the byte before it where a pair lies across; ``data`` begins with no second half."""
        run = stop - len(data[:stop].rstrip(self._escape_byte))
        return stop - run % 2

    def hide(self, text: str) -> str:
        """The text that its pairs stand for, with what the rules look for out of their sight."""
        hidden = {sign: chr(_HIDDEN + number) for number, sign in enumerate(self._specials)}
        return self._pair.sub(lambda pair: hidden.get(pair[1], pair[1]), text)

    def show(self, fields: list[str]) -> list[str]:
        """Fields of a text that was hidden."""
        signs = list(self._specials)
        return [_SHOWN.sub(lambda sign: signs[ord(sign[0]) - _HIDDEN], field) for field in fields]
