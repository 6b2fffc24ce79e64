"""Reads PostgreSQL's texts of arrays, composite types, ranges and multiranges.

https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
https://www.postgresql.org/docs/current/rangetypes.html#RANGETYPES-IO
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Bounds of an array's subscripts, in front of it.
_SUBSCRIPTS = re.compile(r"\s*(?:\[[-+]?[0-9]+(?::[-+]?[0-9]+)?\]\s*)+=")
_BLANKS = re.compile(r"\s*+")
_BARE = re.compile(r'[^{}",\\]*+')
_PLAIN = re.compile(r'[^"\\]*+')
_FIELD_END, _BOUND_END = re.compile(r"[,)]"), re.compile(r"[,)\]]")
_PLAIN_OF = {_FIELD_END: re.compile(r'[^"\\,)]*+'), _BOUND_END: re.compile(r'[^"\\,)\]]*+')}


class NotWellFormedError(ValueError):
    """A text is not written as PostgreSQL writes such values."""


class _Reader:
    """A text, and how far it was read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def sign(self) -> str:
        return self.text[self.at : self.at + 1]

    def pass_blanks(self) -> None:
        self.at = self._end(_BLANKS)

    def take(self, signs: str) -> str:
        """The next sign, which must be one of these."""
        sign = self.sign
        if not sign or sign not in signs:
            raise NotWellFormedError
        self.at += 1
        return sign

    def bare(self, pattern: re.Pattern[str]) -> str:
        before, self.at = self.at, self._end(pattern)
        return self.text[before : self.at]

    def quoted(self) -> str:
        """What stands between the quotes here, escapes undone; a doubled quote ends it."""
        self.take('"')
        parts = [self.bare(_PLAIN)]
        while self.take('"\\') == "\\":
            parts.append(self.text[self.at : self.at + 1])
            self.at += 1
            parts.append(self.bare(_PLAIN))
        return "".join(parts)

    def field(self, ends: re.Pattern[str]) -> str | None:
        """A field of a composite type, or a bound of a range, up to a sign that ends it; None where it is empty."""
        parts: list[str] = []
        was_quoted = False
        while not self.sign or not ends.match(self.sign):
            quotes = self.sign == '"'
            if quotes:
                parts += [*(['"'] if was_quoted else []), self.quoted()]
            elif self.sign == "\\":
                parts.append(self.text[self.at + 1 : self.at + 2])
                self.at += 2
            else:
                self.take_any()
                parts.append(self.text[self.at - 1] + self.bare(_PLAIN_OF[ends]))
            was_quoted = quotes
        return "".join(parts) if parts else None

    def take_any(self) -> None:
        """Pass a sign. Raises NotWellFormedError at the end."""
        if not self.sign:
            raise NotWellFormedError
        self.at += 1

    def end(self) -> None:
        self.pass_blanks()
        if self.at < len(self.text):
            raise NotWellFormedError

    def _end(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        return found.end() if found else self.at


def elements(text: str) -> Iterator[str]:
    """The elements of an array that are not null, of any number of dimensions. Raises NotWellFormedError."""
    reader = _Reader(text)
    subscripts = _SUBSCRIPTS.match(text)
    reader.at = subscripts.end() if subscripts else 0
    reader.pass_blanks()
    reader.take("{")
    depth = 1
    while depth:
        reader.pass_blanks()
        if reader.sign == '"':
            yield reader.quoted()
        else:
            bare = reader.bare(_BARE).strip()
            if bare and bare.upper() != "NULL":
                yield bare
        reader.pass_blanks()
        sign = reader.take("{},")
        depth += (sign == "{") - (sign == "}")
    reader.end()


def fields(text: str) -> list[str | None]:
    """The fields of a composite type, None for each that is null. Raises NotWellFormedError."""
    reader = _Reader(text)
    reader.pass_blanks()
    reader.take("(")
    found = [reader.field(_FIELD_END)]
    while reader.take(",)") == ",":
        found.append(reader.field(_FIELD_END))
    reader.end()
    return found


def bounds(text: str) -> Iterator[str]:
    """The bounds of a range. Raises NotWellFormedError."""
    if text.strip().lower() == "empty":
        return
    reader = _Reader(text)
    yield from _range(reader)
    reader.end()


def bounds_of_many(text: str) -> Iterator[str]:
    """The bounds of the ranges of a multirange. Raises NotWellFormedError."""
    reader = _Reader(text)
    reader.pass_blanks()
    reader.take("{")
    reader.pass_blanks()
    while reader.sign != "}":
        if reader.text[reader.at : reader.at + len("empty")].lower() == "empty":
            reader.at += len("empty")
        else:
            yield from _range(reader)
        reader.pass_blanks()
        if reader.sign != "}":
            reader.take(",")
            reader.pass_blanks()
    reader.take("}")
    reader.end()


def _range(reader: _Reader) -> Iterator[str]:
    reader.pass_blanks()
    reader.take("[(")
    for last in (",", ")]"):
        bound = reader.field(_BOUND_END)
        if bound is not None:
            yield bound
        reader.take(last)
