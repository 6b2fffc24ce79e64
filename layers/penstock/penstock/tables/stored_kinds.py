"""The limits of columns of existing tables, where the database would change a value instead of refusing it.

PostgreSQL rounds a number to the scale of its column and a time to its precision, cuts blanks off to the length of a
varchar, forgets the zone of a time where the column has none, and reads ``03.04.05`` by the session's DateStyle. Each
of these is a reject here, or is converted. What else a column cannot hold, the database refuses.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from penstock.model.column import ColumnType, Storage
from penstock.tables.column_kinds import Cells, ColumnKind, NumericKind, TextKind, places_of, shown
from penstock.tables.database_texts import is_checked, text_kind
from penstock.tables.parsed_kinds import BinaryFractionKind, DigitsKind, SmallIntegerKind, UtcKind
from penstock.tables.times import DIGITS_OF_SECONDS
from penstock.tables.within import Within


def stored_kind(kind: ColumnKind, storage: Storage) -> ColumnKind:
    """``kind`` within the limits of the column."""
    match storage.type:
        case ColumnType.NUMERIC if storage.places is not None:
            kind = RoundingKind(kind, storage.places)
            kind = kind if storage.digits is None else DigitsKind(kind, storage.digits, storage.places)
        case ColumnType.TIMESTAMP if storage.parsed:
            kind = UtcKind(kind)
        case ColumnType.TIMESTAMP if not storage.zoned or storage.places is not None:
            kind = MomentKind(kind, storage)
        case ColumnType.INTEGER if storage.bits:
            kind = SmallIntegerKind(kind)
        case ColumnType.FLOAT if storage.parsed:
            kind = BinaryFractionKind(kind, storage.bits)
        case ColumnType.TEXT | None if is_checked(storage):
            texts = text_kind(storage)
            kind = texts if isinstance(kind, TextKind) else kind if storage.times else BothKind(kind, texts)
    return kind


class BothKind(Within):
    """A kind that the route declares, for a column that keeps the text: the text must be valid for both."""

    def __init__(self, kind: ColumnKind, texts: TextKind) -> None:
        super().__init__(kind)
        self.texts = texts

    def accepts(self, cells: Cells) -> bool:
        return self.texts.accepts(cells) and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        value = self.kind.value(text)
        self.texts.value(text)
        return value


class RoundingKind(Within):
    """A number with at most so many digits behind the point; of zeros there may be more. Fewer than none: it ends in
    so many zeros."""

    def __init__(self, kind: ColumnKind, places: int) -> None:
        super().__init__(kind)
        self.places = places
        self.too_many = b"." + b"0" * (max(places, 0) + 1)

    def accepts(self, cells: Cells) -> bool:
        shape = cells.shape
        plain = self.places >= 0 and b"e" not in shape and b"E" not in shape and self.too_many not in shape
        return plain and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        value = self.kind.value(text)
        number = Decimal(text.strip()) if NumericKind.pattern.fullmatch(text) else None  # else NaN or infinity
        if number and places_of(number) > self.places:
            raise ValueError(f"{shown(text)} would be rounded: the column keeps {self.places} digits behind the point")
        return value


class MomentKind(Within):
    """A timestamp in a column without zone, which then holds UTC, or of so many digits of a second."""

    offset: ClassVar = re.compile(r":[0-9.]+[+-]")

    def __init__(self, kind: ColumnKind, storage: Storage) -> None:
        super().__init__(kind)
        self.zoned = storage.zoned
        self.places = DIGITS_OF_SECONDS if storage.places is None else storage.places
        self.smallest = timedelta(microseconds=10 ** (DIGITS_OF_SECONDS - self.places))

    def accepts(self, cells: Cells) -> bool:
        joined = cells.joined
        if self.places < DIGITS_OF_SECONDS and "." in joined:
            return False
        return (self.zoned or not self.offset.search(joined)) and self.kind.accepts(cells)

    def value(self, text: str) -> object:
        moment = self.kind.value(text)
        if isinstance(moment, datetime) and moment.microsecond % (self.smallest // timedelta(microseconds=1)):
            raise ValueError(f"{shown(text)} would be rounded: the column keeps {self.places} digits of a second")
        return moment

    def text(self, value: object) -> str:
        if self.zoned or not isinstance(value, datetime):
            return self.kind.text(value)
        return str(value.astimezone(UTC).replace(tzinfo=None))

    def written(self, text: str, value: object) -> str:
        try:
            return self.text(value)
        except OverflowError:
            raise ValueError(f"{shown(text)} is in a year that does not exist in UTC") from None
