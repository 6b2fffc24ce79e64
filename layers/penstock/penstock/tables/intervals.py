"""Intervals: finds what PostgreSQL would cut off or round because of the column's precision.

https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from penstock.tables.column_kinds import TextKind, shown

MONTHS: Mapping[str, int] = {"millennium": 12_000, "century": 1_200, "decade": 120, "year": 12, "month": 1}
DAYS: Mapping[str, int] = {"week": 7, "day": 1}
HOUR, MINUTE, SECOND = 3_600_000_000, 60_000_000, 1_000_000
TIMES: Mapping[str, int] = {"hour": HOUR, "minute": MINUTE, "second": SECOND, "millisecond": 1_000, "microsecond": 1}

_UNITS = (*MONTHS, *DAYS, *TIMES)
_SHORT = {
    "millennium": "millennia mil mils",
    "century": "centuries c cent",
    "decade": "dec decs",
    "year": "y yr yrs",
    "month": "mon mons",
    "week": "w",
    "day": "d",
    "hour": "h hr hrs",
    "minute": "m min mins",
    "second": "s sec secs",
    "millisecond": "ms msec msecs msecond mseconds",
    "microsecond": "us usec usecs usecond useconds",
}
_NAMES = {name: unit for unit in _UNITS for name in (unit, f"{unit}s", *_SHORT[unit].split())}

_NUMBER = r"(?:[0-9]{1,18}+(?:\.[0-9]{0,18}+)?|\.[0-9]{1,18}+)"
_TOKEN = re.compile(
    r"\s*(?:(?P<years>[-+]?[0-9]{1,9}+)-(?P<months>[0-9]{1,2}+)"
    r"|(?P<clock>[-+]?[0-9]{1,12}+(?::[0-9]{1,2}+){1,2}(?:\.[0-9]{0,18}+)?)"
    rf"|(?P<number>[-+]?{_NUMBER})\s*(?P<unit>[a-zA-Z]*+)|(?P<word>ago|@))",
    re.IGNORECASE,
)
_ISO = re.compile(r"P([-+0-9.YMWD]*)(?:T([-+0-9.HMS]+))?")
_ISO_PART = re.compile(rf"([-+]?{_NUMBER})([YMWDHS])")
_ISO_UNITS = ({"Y": "year", "M": "month", "W": "week", "D": "day"}, {"H": "hour", "M": "minute", "S": "second"})

Part: TypeAlias = tuple[Fraction, str]
"""A number, and what it counts; empty where the text does not say."""


class UnknownFormError(ValueError):
    """Only the database may know what the text means."""


class IntervalKind(TextKind):
    """Text that the database reads as an interval of nothing below the ``smallest`` field that the column keeps, and
    of no more digits of a second than ``places``."""

    def __init__(self, smallest: str, places: int) -> None:
        self.smallest = smallest
        self.step = 10 ** (6 - places) if smallest == "second" else TIMES.get(smallest, 0)
        self.is_limited = self.step != 1

    def accepts(self, cells: object) -> bool:  # noqa: ARG002  # each text is checked on its own
        return False

    def value(self, text: str) -> object:
        try:
            lost = self._loses(list(_parts(text.strip())))
        except UnknownFormError:
            # PostgreSQL reads more forms. Without a limit, it keeps their values.
            lost = False
            if self.is_limited or "." in text:
                raise ValueError(f"{shown(text)} is not in a known form, such as 1 day 02:03:04") from None
        if lost:
            raise ValueError(f"{shown(text)} would be rounded: the column keeps nothing smaller than {self._kept}")
        return super().value(text)

    @property
    def _kept(self) -> str:
        return f"{self.step:,} microseconds" if self.smallest == "second" else f"a {self.smallest}"

    def _loses(self, parts: list[Part]) -> bool:
        months, days, micros = Fraction(0), Fraction(0), Fraction(0)
        for number, named in parts:
            unit = named or self.smallest
            months += number * MONTHS.get(unit, 0)
            days += number * DAYS.get(unit, 0)
            micros += number * TIMES.get(unit, 0)
            if unit in MONTHS and unit != "month" and (number * MONTHS[unit]).denominator > 1:
                return True
        # A fraction of a month is one of thirty days, a fraction of a day one of 24 hours.
        days += months % 1 * 30
        micros += days % 1 * 24 * HOUR
        if self.smallest == "year" and months % 12:
            return True
        if self.smallest in MONTHS and days:
            return True
        return bool(micros % self.step if self.step else micros)


def _parts(text: str) -> Iterator[Part]:
    """Raises UnknownFormError."""
    if text.startswith("P"):
        yield from _iso_parts(text)
        return
    at = 0
    bare: Part | None = None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token or token.end() == at:
            raise UnknownFormError
        at = token.end()
        if bare:
            # A number before a time of day counts days.
            yield bare[0], "day" if token["clock"] else ""
            bare = None
        if token["years"]:
            yield Fraction(token["years"]), "year"
            yield Fraction(token["months"]), "month"
        elif token["clock"]:
            yield from _clock(token["clock"])
        elif token["number"] and not token["unit"]:
            bare = Fraction(token["number"]), ""
        elif token["number"]:
            yield Fraction(token["number"]), _unit(token["unit"])
    if bare:
        yield bare


def _unit(name: str) -> str:
    try:
        return _NAMES[name.lower()]
    except KeyError:
        raise UnknownFormError from None


def _clock(text: str) -> Iterator[Part]:
    numbers = text.lstrip("+-").split(":")
    minutes_first = len(numbers) < len(("h", "m", "s")) and "." in text
    units = ("minute", "second") if minutes_first else ("hour", "minute", "second")
    return zip(map(Fraction, numbers), units)  # noqa: B905  # of a time without seconds there are two


def _iso_parts(text: str) -> Iterator[Part]:
    halves = _ISO.fullmatch(text)
    if not halves:
        raise UnknownFormError
    for half, units in zip(halves.groups(), _ISO_UNITS, strict=True):
        parts = _ISO_PART.findall(half or "")
        if sum(len(number) + 1 for number, _ in parts) != len(half or "") or any(
            unit not in units for _, unit in parts
        ):
            raise UnknownFormError
        yield from ((Fraction(number), units[unit]) for number, unit in parts)
