"""Escape characters of a CSV: the character after one is always text.

So pairs of an escape and a character are hidden before the search for quotes, delimiters and line ends, in bytes and in
texts. All other rules are the same as without escapes. An escape at the very end of a source is text.
"""

from __future__ import annotations

import re

# Replacements for a pair's second character, if the rules search for it: high surrogates, which no decoded text has
# (undecodable bytes become low surrogates).
_HIDDEN = 0xD800
_SHOWN = re.compile("[\ud800-\ud80f]")
_PLAIN = "x_0"


class Escapes:
    """The pairs of one dialect with these special characters; ``escape`` is one ASCII character."""

    def __init__(self, escape: str, delimiter: str, quote: str, codec: str) -> None:
        self._escape = escape
        self._escape_byte = escape.encode(codec)
        self._specials = dict.fromkeys((escape, delimiter, "\r", "\n", *quote))
        self._pair = re.compile(re.escape(escape) + "(.)", re.DOTALL)
        # A special character of several bytes is matched completely.
        second = b"|".join(re.escape(sign.encode(codec)) for sign in self._specials)
        self._byte_pair = re.compile(re.escape(self._escape_byte) + b"(?:" + second + b"|.)", re.DOTALL)
        self._plain = next(sign for sign in _PLAIN if sign not in self._specials).encode(codec)

    def within(self, data: bytes) -> bool:
        """Return whether the data contains an escape."""
        return self._escape_byte in data

    def blank(self, data: bytes) -> bytes:
        """Return the same number of bytes, with text in place of each pair."""
        if not self.within(data):
            return data
        return self._byte_pair.sub(lambda pair: self._plain * len(pair[0]), data)

    def whole_pairs(self, data: bytes, stop: int) -> int:
        """Return ``stop``, or the byte before it if a pair lies across it. ``data`` does not begin inside a pair."""
        run = stop - len(data[:stop].rstrip(self._escape_byte))
        return stop - run % 2

    def hide(self, text: str) -> str:
        """Return the text without escapes, with hidden special characters."""
        hidden = {sign: chr(_HIDDEN + number) for number, sign in enumerate(self._specials)}
        return self._pair.sub(lambda pair: hidden.get(pair[1], pair[1]), text)

    def show(self, fields: list[str]) -> list[str]:
        """Restore the special characters in the fields of a hidden text."""
        signs = list(self._specials)
        return [_SHOWN.sub(lambda sign: signs[ord(sign[0]) - _HIDDEN], field) for field in fields]
