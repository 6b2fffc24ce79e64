"""Dates and timestamps of ISO 8601."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from penstock.tables.column_kinds import Cells, ColumnKind, shown

# PostgreSQL keeps microseconds, and would round what is smaller.
DIGITS_OF_SECONDS = 6


def not_iso(text: str, what: str, example: str) -> ValueError:
    """The reject reason of a text that may be a date or a time in a form that the route must declare."""
    if any(character.isdigit() for character in text):
        return ValueError(f"{shown(text)} is not {what} of ISO 8601, such as {example}: declare the column's format")
    return ValueError(f"{shown(text)} is not {what}")


class DateKind(ColumnKind):
    """A day; a timestamp at midnight will do."""

    pattern = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})(?:[T ]00:00(?::00(?:\.0+)?)?)?")

    def accepts(self, cells: Cells) -> bool:
        if cells.shapes() != {b"0000-00-00"}:
            return False
        try:
            deque(map(date.fromisoformat, cells.texts), maxlen=0)
        except ValueError:
            return False
        return True

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(date.fromisoformat, texts)

    def value(self, text: str) -> object:
        match = self.pattern.fullmatch(text.strip())
        if not match:
            raise not_iso(text, "a date", "2024-12-31")
        try:
            return date.fromisoformat(match[1])
        except ValueError:
            raise ValueError(f"{shown(text)} is not a date") from None


def zoned(moment: datetime) -> datetime:
    """A timestamp without zone is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class TimestampKind(ColumnKind):
    """With time zone; without one in the text it is UTC."""

    common = re.compile(rb"0000-00-00(?:[T ]00:00(?::00(?:\.0{1,6})?)?(?:Z|([+-]00(?::?00)?))?)?")
    pattern = re.compile(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})"
        r"(T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?|T[0-9]{4}(?:[0-9]{2})?)?"
        r"(?(2)(?: ?(UTC|Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)"
    )
    fraction = re.compile(r"[.,]([0-9]+)")
    # PostgreSQL knows no offset of 16 hours or more.
    farthest: ClassVar = timedelta(hours=16)
    far = re.compile(r"[+-](?:1[6-9]|2[0-9])(?::?[0-9]{2})?$", re.MULTILINE)

    def accepts(self, cells: Cells) -> bool:
        matches = [self.common.fullmatch(shape) for shape in cells.shapes()]
        if not all(matches) or cells.joined.count("\n") != len(cells.texts) - 1:
            return False
        if any(match and match[1] for match in matches) and self.far.search(cells.joined):
            return False
        if " 24:" in cells.joined or "T24:" in cells.joined:
            return False
        try:
            deque(map(datetime.fromisoformat, cells.texts), maxlen=0)
        except ValueError:
            return False
        return True

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(zoned, map(datetime.fromisoformat, texts))

    def value(self, text: str) -> object:
        moment = self.moment(text)
        if abs(moment.utcoffset() or timedelta()) >= self.farthest:
            raise ValueError(f"{shown(moment.isoformat())} has an offset of 16 hours or more")
        return zoned(moment)

    def moment(self, text: str) -> datetime:
        """Its moment; without a zone if the text has none. Raises ValueError."""
        match = self.pattern.fullmatch(text.strip().upper().replace(" ", "T", 1))
        if not match:
            raise not_iso(text, "a timestamp", "2024-12-31T23:30:00Z")
        if (match[2] or "").startswith("T24"):  # the next day, for newer versions of Python
            raise ValueError(f"{shown(text)} is not a timestamp")
        try:
            moment = datetime.fromisoformat("".join(filter(None, match.groups())).replace("UTC", "Z"))
        except ValueError:
            raise ValueError(f"{shown(text)} is not a timestamp") from None
        fraction = self.fraction.search(match[2] or "")
        if fraction and fraction[1][DIGITS_OF_SECONDS:].strip("0"):
            raise ValueError(f"{shown(text)} has digits beyond microseconds, which would be lost")
        return moment
