"""What columns of files take, where no database parses or refuses a value: the limits of their types, lists, UUIDs."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from penstock.tables.array_texts import read_list
from penstock.tables.column_kinds import Cells, ColumnKind, FloatKind, NumericKind, TextKind, shown
from penstock.tables.literals import NotWellFormedError
from penstock.tables.within import Within


class DigitsKind(Within):
    """A number with at most so many digits before the point."""

    def __init__(self, kind: ColumnKind, digits: int, places: int) -> None:
        super().__init__(kind)
        self.limit = Decimal(1).scaleb(digits - places)
        self.described = f"decimal({digits}, {places})"
        self.too_long = re.compile(rb"(?<![0.])0{%d}" % (digits - places + 1))

    def accepts(self, cells: Cells) -> bool:
        shape = cells.shape
        return b"e" not in shape and b"E" not in shape and not self.too_long.search(shape) and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        value = self.kind.value(text)
        number = Decimal(text.strip()) if NumericKind.pattern.fullmatch(text) else None
        if number is None:
            raise ValueError(f"{shown(text)} is not a number")
        # A comparison is exact; `abs` would round to 28 digits.
        if not -self.limit < number < self.limit:
            raise ValueError(f"{shown(text)} does not fit {self.described}")
        return value


class SmallIntegerKind(Within):
    """An integer of 32 bits."""

    least, most = -(2**31), 2**31 - 1
    too_long = b"0" * 10

    def accepts(self, cells: Cells) -> bool:
        return self.too_long not in cells.shape and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        value = self.kind.value(text)
        if not isinstance(value, int) or not self.least <= value <= self.most:
            raise ValueError(f"{shown(text)} does not fit 32 bits")
        return value


class BinaryFractionKind(Within):
    """A number of double or single precision (32 ``bits``). Of an integer it must keep every digit; of others it is the
    nearest, where that is neither zero nor infinite."""

    single: ClassVar = struct.Struct("<f")

    def __init__(self, kind: ColumnKind, bits: int | None) -> None:
        super().__init__(kind)
        self.bits = bits

    def accepts(self, cells: Cells) -> bool:
        return not self.bits and isinstance(self.kind, FloatKind) and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        value = self.kind.value(text)
        if not isinstance(value, (int, float)):
            return value
        try:
            stored = self.single.unpack(self.single.pack(value))[0] if self.bits else float(value)
        except OverflowError:
            stored = 0.0
        if (isinstance(value, int) and stored != value) or (value and not stored):
            raise ValueError(f"{shown(text)} does not fit {'single' if self.bits else 'double'} precision")
        return stored


class UtcKind(Within):
    """A timestamp in the years 1 to 9999 of UTC."""

    edges: ClassVar = re.compile("0001-01-01|9999-12-31")

    def accepts(self, cells: Cells) -> bool:
        return self.kind.accepts(cells) and not self.edges.search(cells.joined)

    def value(self, text: str) -> object:
        moment = self.kind.value(text)
        try:
            return moment.astimezone(UTC) if isinstance(moment, datetime) else moment
        except OverflowError:
            raise ValueError(f"{shown(text)} is in a year that does not exist in UTC") from None


class UuidKind(TextKind):
    """A UUID: 32 hexadecimal digits, with hyphens or without. Its value are 16 bytes."""

    pattern = re.compile(r"\s*\{?[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?\s*", re.ASCII | re.IGNORECASE)

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each is checked on its own
        return False

    def value(self, text: str) -> object:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} is not a UUID")
        return UUID(text.strip()).bytes


class ListKind(ColumnKind):
    """A list of JSON, or one as PostgreSQL writes arrays, of elements of another kind. ``required``: none is null."""

    def __init__(self, element: ColumnKind, *, required: bool = False) -> None:
        self.element = element
        self.required = required

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each is read on its own
        return False

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(self.value, texts)

    def value(self, text: str) -> object:
        try:
            elements = read_list(text)
        except NotWellFormedError:
            raise ValueError(f"{shown(text)} is no list: write a list of JSON, or {{1,2}} in other formats") from None
        if self.required and None in elements:
            raise ValueError(f"{shown(text)} has an element that is null, but may not have one")
        return [None if element is None else self._element(element) for element in elements]

    def _element(self, text: str) -> object:
        value = self.element.value(text)
        return text if self.element.keeps_text else value
