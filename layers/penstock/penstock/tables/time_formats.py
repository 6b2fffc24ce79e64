"""Dates and timestamps in the formats of the route: patterns of strptime, numbers since 1970, local times."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache

from penstock.model.column import ColumnType
from penstock.model.typed_text import Typed
from penstock.model.value_rules import Epoch, ValueRules
from penstock.tables.column_kinds import Cells, shown
from penstock.tables.conversions import Conversion
from penstock.tables.fixed_times import FixedTimes
from penstock.tables.local_times import LocalTimes, iso
from penstock.tables.times import DIGITS_OF_SECONDS, TimestampKind

# Dates repeat in a file, and strptime takes microseconds.
REMEMBERED = 16_384
CENTURY = 100

EPOCHS = frozenset(Epoch)
# Digits behind the point of a second.
_PLACES = {Epoch.SECONDS: 0, Epoch.MILLISECONDS: 3, Epoch.MICROSECONDS: 6, Epoch.NANOSECONDS: 9}
_START = datetime(1970, 1, 1, tzinfo=UTC)
_COUNT = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
# Keeps all digits of a count.
_EXACT = Context(prec=100)

_END_OF_DAY = re.compile(r"(?<![0-9:])24(:00(?::00(?:[.,]0+)?)?)(?![0-9:]|[.,][0-9])")
_LAST_HOUR = 23
_NAMES_OF_UTC = ("UTC", "GMT")
_CLOCKS = ("%H:%M", "%R", "%T")
_ISO_TYPED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOCAL = re.compile(rb"0000-00-00[T ]00:00(?::00(?:\.0{1,6})?)?")


class TimeConversion(Conversion):
    """In the formats of the route, the first that fits; without any, ISO 8601."""

    def __init__(self, kind: ColumnType, formats: Sequence[str], rules: ValueRules) -> None:
        self.is_date = kind is ColumnType.DATE
        self.formats = formats
        self.rules = rules
        self.local = LocalTimes(rules.timezone, rules.fold) if rules.timezone else None
        self.fixed = FixedTimes.of(formats[0], is_date=self.is_date) if formats else None
        # Typed and other texts of the same characters differ.
        self.one_of = lru_cache(REMEMBERED, typed=True)(self.convert)

    def one(self, text: str) -> str:
        return self.one_of(text)

    def convert(self, text: str) -> str:
        """See `one`, which remembers."""
        moment = self._moment(text)
        if self.is_date:
            return moment.date().isoformat()
        if self.local and moment.tzinfo is None:
            moment = self.local.moment(moment, text)
        return iso(moment)

    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        if set(map(type, texts)) != {str}:
            return None
        regular = self._regular(texts)
        if regular is not None:
            return regular
        try:
            known = {text: self.one_of(text) for text in set(texts)}
        except ValueError:
            return None
        return [known[text] for text in texts]

    def _regular(self, texts: Sequence[str]) -> Sequence[str] | None:
        """Local times that all have the same digits at the same places."""
        found: Sequence[str] | None
        if self.fixed:
            found = self.fixed.iso(Cells(texts))
            has_clock = self.fixed.has_clock
        elif not self.formats:
            cells = Cells(texts)
            found = texts if all(map(_LOCAL.fullmatch, cells.shapes())) else None
            has_clock = True
        else:
            return None
        if found is None or self.local is None:
            return found
        return self.local.all(found) if has_clock else None

    def _moment(self, text: str) -> datetime:
        """Raises ValueError with a reject's reason."""
        stripped = text.strip()
        if not self.formats or (isinstance(text, Typed) and _ISO_TYPED.match(stripped)):
            return self._of_day(stripped, TimestampKind().moment)
        if self.fixed and (moment := self.fixed.moment(stripped)):
            return moment
        for pattern in self.formats:
            try:
                return self._by(pattern, stripped)
            except _OtherFormatError:
                continue
        raise ValueError(f"{shown(text)} is not in the format {' or '.join(map(repr, self.formats))}")

    def _by(self, pattern: str, text: str) -> datetime:
        """Raises _OtherFormatError."""
        if pattern in EPOCHS:
            return _counted(text, Epoch(pattern))

        def read(text: str) -> datetime:
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007  # a zone is added later
            directives = pattern.replace("%%", "")
            if "%Z" in directives and moment.tzinfo is None:
                _check_zone_name(text, pattern)
            if self.rules.pivot is None or "%y" not in directives:
                return moment
            year = moment.year % CENTURY
            return _in_year(moment, year + (2000 if year < self.rules.pivot else 1900), keep_day="%j" in directives)

        try:
            return self._of_day(text, read) if any(clock in pattern for clock in _CLOCKS) else read(text)
        except ValueError as error:
            raise _OtherFormatError from error

    def _of_day(self, text: str, read: Callable[[str], datetime]) -> datetime:
        """A moment; that of 24:00 is an hour after 23:00, if the column has such times."""
        late, count = _END_OF_DAY.subn(rf"{_LAST_HOUR}\1", text) if self.rules.end_of_day else (text, 0)
        if count != 1:
            return read(text)
        try:
            moment = read(late)
        except ValueError:
            return read(text)  # its reason quotes the text
        if moment.hour != _LAST_HOUR:  # it was the offset that was 24:00
            return read(text)
        try:
            return moment + timedelta(hours=1)
        except OverflowError:
            raise ValueError(f"{shown(text)} is after the year 9999") from None


def _check_zone_name(text: str, pattern: str) -> None:
    """Raise ValueError for a name of a zone that is not UTC. Python takes those of the machine, and forgets them."""
    if (time.strptime(text, pattern).tm_zone or "").upper() not in _NAMES_OF_UTC:
        raise ValueError(f"{shown(text)} is not in UTC")


def _in_year(moment: datetime, year: int, *, keep_day: bool) -> datetime:
    """The moment in another year, on the same day of the month, or with ``keep_day`` of the year. Raises ValueError."""
    if not keep_day:
        return moment.replace(year=year)
    moved = moment.replace(year=year, month=1, day=1) + timedelta(days=moment.timetuple().tm_yday - 1)
    if moved.year != year:
        raise ValueError("the year has no day 366")
    return moved


class _OtherFormatError(ValueError):
    """A text is not in a format. Never leaves this module."""


def _counted(text: str, unit: Epoch) -> datetime:
    if not _COUNT.fullmatch(text):
        raise _OtherFormatError
    microseconds = _EXACT.scaleb(Decimal(text), DIGITS_OF_SECONDS - _PLACES[unit])
    if microseconds != int(microseconds):
        raise ValueError(f"{shown(text)} has digits beyond microseconds, which would be lost")
    try:
        return _START + timedelta(microseconds=int(microseconds))
    except OverflowError:
        raise ValueError(f"{shown(text)} is no time between the years 1 and 9999 as {unit}") from None
