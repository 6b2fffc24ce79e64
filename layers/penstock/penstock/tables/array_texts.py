"""Read arrays as strictly as PostgreSQL 17 does. Versions before it also refuse a list of empty lists.

`tables.literals` finds the elements of an array, and leaves it to the database to refuse others. A check has none.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from penstock.tables.literals import NotWellFormedError

# Bounds of subscripts, in front of the array.
_SUBSCRIPTS = re.compile(r"\s*((?:\[[-+]?[0-9]+(?::[-+]?[0-9]+)?\]\s*)+)=")
_BOUNDS = re.compile(r"\[([-+]?[0-9]+)(?::([-+]?[0-9]+))?\]")
# A sign, or an element with quotes or without.
_TOKEN = re.compile(
    r"""\s*+(?:(?P<sign>[{},])|"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>(?:[^{},"\\\s]|\\.|\s++(?=[^{},"\s]))++))\s*+""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DEEPEST = 6
# What may follow a sign or an element, shown as a sign: "e".
_NEXT = {"": "{", "{": "{}e", "e": ",}", ",": "{e", "}": ",}"}


def read_array(text: str) -> list[str | None]:
    """Return the elements of an array, of any number of dimensions. Raises NotWellFormedError."""
    return _read(text)[0]


def read_list(text: str) -> list[str | None]:
    """Return the elements of an array of one dimension. Raises NotWellFormedError."""
    found, dimensions = _read(text)
    if dimensions > 1:
        raise NotWellFormedError
    return found


def _read(text: str) -> tuple[list[str | None], int]:
    subscripts = _SUBSCRIPTS.match(text)
    found: list[str | None] = []
    shape = _Shape()
    before = ""
    for sign, element in _tokens(text, subscripts.end() if subscripts else 0):
        if sign not in _NEXT[before] or (before and not shape.open):
            raise NotWellFormedError
        shape.add(sign)
        if sign == "e":
            found.append(element)
        before = sign
    if shape.open or not before:
        raise NotWellFormedError
    if subscripts and [_length(*bounds) for bounds in _BOUNDS.findall(subscripts[1])] != shape.lengths:
        raise NotWellFormedError
    return found, len(shape.lengths)


class _Shape:
    """The lengths of the dimensions, outermost first. ``open`` counts the values of each list that is not closed."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.lengths: list[int] = []
        self._deepest = 0

    def add(self, sign: str) -> None:
        """Add a sign; an element is "e". Raises NotWellFormedError if lists differ in length or depth."""
        if sign in "{e" and self.open:
            self.open[-1] += 1
        if sign == "{":
            self.open.append(0)
            if len(self.open) > (self._deepest or _DEEPEST):
                raise NotWellFormedError
        elif sign == "e":
            self._end_at(len(self.open))
        elif sign == "}":
            depth = len(self.open)
            if not self._deepest:
                self._end_at(depth)
            length = self.open.pop()
            if self.lengths[depth - 1] not in (-1, length):
                raise NotWellFormedError
            self.lengths[depth - 1] = length

    def _end_at(self, depth: int) -> None:
        """Elements are in lists of this depth."""
        if self._deepest not in (0, depth):
            raise NotWellFormedError
        if not self._deepest:
            self._deepest = depth
            self.lengths = [-1] * depth


def _tokens(text: str, at: int) -> Iterator[tuple[str, str | None]]:
    """The signs, and the elements with the sign "e"; None if one is null."""
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise NotWellFormedError
        at = token.end()
        if token["sign"]:
            yield token["sign"], None
        elif token["quoted"] is not None:
            yield "e", _ESCAPE.sub(r"\1", token["quoted"])
        else:
            bare = token["bare"]
            yield "e", None if bare.upper() == "NULL" else _ESCAPE.sub(r"\1", bare)


def _length(first: str, last: str) -> int:
    return int(last) - int(first) + 1 if last else int(first)
