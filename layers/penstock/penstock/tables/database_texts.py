"""Texts that only the database reads: finds what it would cut, round or guess instead of refusing.

A list, a range and a row are looked at part by part, each by the rules of its own type. Texts are stored as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import repeat

from penstock.model.column import ColumnType, Storage
from penstock.model.wording import counted
from penstock.tables import literals
from penstock.tables.column_kinds import Cells, TextKind, places_of, shown
from penstock.tables.intervals import IntervalKind
from penstock.tables.times import DIGITS_OF_SECONDS, DateKind


def text_kind(held: Storage) -> TextKind:
    """The kind that accepts the texts that a column, or a part of its values, keeps unchanged."""
    if held.type is None:
        return _other_kind(held)
    match held.type:
        case ColumnType.TEXT if held.length is not None:
            return LimitedTextKind(held.length, in_bytes=held.in_bytes)
        case ColumnType.DATE:
            return DayKind()
        case ColumnType.TIMESTAMP:
            return TimesKind(held)
        case ColumnType.NUMERIC if held.places is not None:
            return FractionsKind(held.places)
    return TextKind()


def _other_kind(held: Storage) -> TextKind:
    """The kind of a type that only the database reads."""
    kinds: tuple[tuple[bool, Callable[[], TextKind]], ...] = (
        (any(map(is_checked, held.parts)), lambda: PartsKind(held)),
        (bool(held.smallest), lambda: IntervalKind(held.smallest, held.places or 0)),
        (held.unsigned, UnsignedKind),
        (held.times, lambda: TimesKind(held)),
        (held.places is not None, lambda: FractionsKind(held.places or 0)),
    )
    return next((make() for applies, make in kinds if applies), TextKind())


def is_checked(held: Storage) -> bool:
    """Whether the database accepts texts that it does not keep unchanged."""
    return type(text_kind(held)) is not TextKind


class LimitedTextKind(TextKind):
    """A text of at most so many characters, or bytes of UTF-8. Trailing blanks count too."""

    def __init__(self, length: int, *, in_bytes: bool = False) -> None:
        self.length = length
        self.in_bytes = in_bytes

    def accepts(self, cells: Cells) -> bool:
        fits = max(map(len, cells.texts)) <= self.length and (not self.in_bytes or cells.joined.isascii())
        return fits and super().accepts(cells)

    def value(self, text: str) -> object:
        stored = super().value(text)
        length = len(text.encode()) if self.in_bytes else len(text)
        if length > self.length:
            what = "byte" if self.in_bytes else "character"
            raise ValueError(f"{shown(text)} has {counted(length, what)}; the column takes {self.length:,}")
        return stored


class UnsignedKind(TextKind):
    """A number that PostgreSQL would wrap around where it is below zero, and read as octal with a zero in front."""

    number = re.compile(r"\s*+\+?(?:0|[1-9][0-9]*+)(?:\s++\+?(?:0|[1-9][0-9]*+))*\s*+")

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each text is checked on its own
        return False

    def value(self, text: str) -> object:
        if not self.number.fullmatch(text):
            raise ValueError(f"{shown(text)} is not a number of digits alone, without zeros in front")
        return super().value(text)


class FractionsKind(TextKind):
    """Text whose numbers or seconds would be rounded to so many digits behind the point; fewer than none: to so many
    zeros before it."""

    number = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")

    def __init__(self, places: int) -> None:
        self.places = places

    def accepts(self, cells: Cells) -> bool:
        shape = cells.shape
        return self.places >= 0 and not any(sign in shape for sign in (b".", b"e", b"E")) and super().accepts(cells)

    def value(self, text: str) -> object:
        numbers = map(Decimal, self.number.findall(text))
        if any(number and places_of(number) > self.places for number in numbers):
            raise ValueError(f"{shown(text)} would be rounded: the column keeps {self.places} digits behind the point")
        return super().value(text)


class TimesKind(FractionsKind):
    """Text that the database reads as a time, with or without a day: in the form of ISO 8601."""

    words = frozenset({"t", "z", "utc", "am", "pm", "infinity"})
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

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each text is checked on its own
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


class DayKind(TextKind):
    """Text that the database reads as a day: of ISO 8601, without a time that would be lost."""

    infinite = frozenset({"infinity", "-infinity"})

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each text is checked on its own
        return False

    def value(self, text: str) -> object:
        if text.strip().lower() not in self.infinite:
            DateKind().value(text)
        return super().value(text)


class PartsKind(TextKind):
    """A list, a range, several ranges or a row."""

    def __init__(self, held: Storage) -> None:
        self.form = held.form
        self.kinds = [text_kind(part) for part in held.parts]

    def accepts(self, cells: Cells) -> bool:  # noqa: ARG002  # each text is checked on its own
        return False

    def value(self, text: str) -> object:
        try:
            parts = list(self._parts(text))
        except literals.NotWellFormedError:
            raise ValueError(f"{shown(text)} is not written as PostgreSQL writes a {self.form}") from None
        for kind, part in parts:
            kind.value(part)
        return super().value(text)

    def _parts(self, text: str) -> Iterable[tuple[TextKind, str]]:
        """The parts that are not null. Raises NotWellFormedError."""
        if self.form == "row":
            fields = literals.fields(text)
            if len(fields) != len(self.kinds):
                raise literals.NotWellFormedError
            return [(kind, field) for kind, field in zip(self.kinds, fields, strict=True) if field is not None]
        read = {"list": literals.elements, "range": literals.bounds, "multirange": literals.bounds_of_many}[self.form]
        return zip(repeat(self.kinds[0]), read(text), strict=False)
