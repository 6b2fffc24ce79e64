"""What the column of an existing table takes, where the database itself would change a value instead of refusing it.

PostgreSQL rounds a number to the scale of its column and a time to its precision, cuts blanks off to the length of a
varchar, forgets the zone of a time where the column has none, and reads ``03.04.05`` by the session's DateStyle. Each
of these is a reject here, or is converted. What else a column cannot hold, the database refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, cast

from penstock.records import ColumnType, Storage
from penstock.tables.kinds import Cells, Kind, NumericKind, TextKind, shown
from penstock.tables.times import DIGITS_OF_SECONDS


def stored_kind(kind: Kind, storage: Storage) -> Kind:
    """``kind``, within what the column holds."""
    match storage.type:
        case ColumnType.TEXT if storage.length is not None and isinstance(kind, TextKind):
            return LimitedTextKind(storage.length)
        case ColumnType.NUMERIC if storage.places is not None:
            return RoundingKind(kind, storage.places)
        case ColumnType.TIMESTAMP if not storage.zoned or storage.places is not None:
            return MomentKind(kind, storage)
        case None if storage.times and isinstance(kind, TextKind):
            return TimesKind(storage)
        case None if storage.places is not None and isinstance(kind, TextKind):
            return FractionsKind(storage.places)
    return kind


class LimitedTextKind(TextKind):
    """A text of so many characters: blanks at its end count too."""

    def __init__(self, length: int) -> None:
        self.length = length

    def accepts(self, cells: Cells) -> bool:
        return super().accepts(cells) and max(map(len, cells.texts)) <= self.length

    def value(self, text: str) -> object:
        if len(text) > self.length:
            raise ValueError(f"{shown(text)} has {len(text):,} characters; the column takes {self.length:,}")
        return super().value(text)


class Within(Kind):
    """Another kind, within limits."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return self.kind.values(texts)

    def text(self, value: object) -> str:
        return self.kind.text(value)

    def written(self, text: str, value: object) -> str:
        return self.kind.written(text, value)


class RoundingKind(Within):
    """A number with at most so many digits behind the point; of zeros there may be more. Fewer than none: it ends in
    so many zeros."""

    def __init__(self, kind: Kind, places: int) -> None:
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
        if number and _places(number) > self.places:
            raise ValueError(f"{shown(text)} would be rounded: the column keeps {self.places} digits behind the point")
        return value


def _places(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end; fewer than none for 100."""
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -(cast("int", exponent) + zeros)


class MomentKind(Within):
    """A timestamp in a column without zone, which then holds UTC, or of so many digits of a second."""

    offset: ClassVar = re.compile(r":[0-9.]+[+-]")

    def __init__(self, kind: Kind, storage: Storage) -> None:
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
            raise ValueError(f"{shown(text)} lies in a year, in UTC, that there is none of") from None


class FractionsKind(TextKind):
    """Text that the database reads, and whose numbers or seconds it would round to so many digits behind the point."""

    number = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")

    def __init__(self, places: int) -> None:
        self.places = places

    def accepts(self, cells: Cells) -> bool:
        shape = cells.shape
        return not any(sign in shape for sign in (b".", b"e", b"E")) and super().accepts(cells)

    def value(self, text: str) -> object:
        numbers = map(Decimal, self.number.findall(text))
        if any(number and _places(number) > self.places for number in numbers):
            raise ValueError(f"{shown(text)} would be rounded: the column keeps {self.places} digits behind the point")
        return super().value(text)


class TimesKind(FractionsKind):
    """Text that the database reads as times, or lists and ranges of dates and times: in the form of ISO 8601."""

    words = frozenset({"t", "z", "utc", "am", "pm", "null", "empty", "infinity"})
    word = re.compile(r"[^\W\d_]+")
    # Three numbers, but not after a colon, where they may be seconds, a fraction and an offset.
    day = re.compile(r"(?<![:.0-9])[0-9]+[-/.][0-9]+[-/.][0-9]+")
    iso_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    bare = re.compile(r"(?<![-:/.+0-9])[0-9]+(?![-:/.+0-9])")
    bare_day = 8
    offset = re.compile(r":[0-9]{2}(?:\.[0-9]+)?\s?[+-][0-9]")

    def __init__(self, storage: Storage) -> None:
        super().__init__(DIGITS_OF_SECONDS if storage.places is None else storage.places)
        self.zoned = storage.zoned

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each is looked at by itself
        return False

    def value(self, text: str) -> object:
        days = self.day.findall(text)
        words = {word.lower() for word in self.word.findall(text)}
        if (
            not words <= self.words
            or not all(map(self.iso_day.fullmatch, days))
            or any(len(digits) != self.bare_day for digits in self.bare.findall(text))
        ):
            raise ValueError(f"{shown(text)} is not in the form of ISO 8601, such as 2024-12-31 or 23:30:05")
        if not self.zoned and self.offset.search(text):
            raise ValueError(f"{shown(text)} has an offset, which the column would forget")
        return super().value(text)
