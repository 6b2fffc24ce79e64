"""How the texts of one column are written, where that is not the usual form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Epoch(StrEnum):
    """Formats of numbers that count from 1970-01-01T00:00Z."""

    SECONDS = "epoch_s"
    MILLISECONDS = "epoch_ms"
    MICROSECONDS = "epoch_us"
    NANOSECONDS = "epoch_ns"


class Fold(StrEnum):
    """Which moment a local time means that the clock shows twice."""

    REJECT = "reject"
    EARLIER = "earlier"
    LATER = "later"


class Percent(StrEnum):
    """What ``12.5 %`` is: 0.125, or 12.5."""

    FRACTION = "fraction"
    POINTS = "points"


class Negative(StrEnum):
    """Negative numbers that do not begin with a minus: ``(1.00)`` and ``1.00-``."""

    PARENTHESES = "parentheses"
    TRAILING = "trailing"


class Trim(StrEnum):
    """The sides of a text from which white space is removed."""

    NONE = ""
    BOTH = "both"
    LEFT = "left"
    RIGHT = "right"


class Case(StrEnum):
    """The letters of a text."""

    ANY = ""
    UPPER = "upper"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class ValueRules:
    """Numbers: ``decimal`` is the decimal point; ``thousands`` may stand between groups of three digits (with
    ``indian``, of two before the last three); ``currency`` signs may stand before or after a number. A column with
    ``percent`` has a percent sign in every text.

    Booleans: the words for ``true`` and ``false``; none: the usual ones.

    Times: ``timezone`` is that of times without zone (default: UTC). ``end_of_day``: 24:00 is the midnight that ends
    the day. Two-digit years below ``pivot`` are after 2000, all others before.

    ``default`` is the value of a field that is absent, empty or a null token, in the usual form. With
    ``absent_is_unset``, a JSON record without the field does not write the column: the database has a default.
    """

    decimal: str = "."
    thousands: tuple[str, ...] = ()
    indian: bool = False
    negative: tuple[Negative, ...] = ()
    percent: Percent | None = None
    currency: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    timezone: str = ""
    fold: Fold = Fold.REJECT
    end_of_day: bool = False
    pivot: int | None = None
    default: str | None = None
    absent_is_unset: bool = False
    trim: Trim = Trim.NONE
    case: Case = Case.ANY

    @property
    def are_of_numbers(self) -> bool:
        """Whether numbers are written in another form."""
        written = self.decimal != "." or self.thousands or self.negative or self.percent or self.currency
        return bool(written)

    @property
    def are_of_times(self) -> bool:
        """Whether times follow another rule than ISO 8601."""
        return bool(self.timezone) or self.end_of_day


USUAL = ValueRules()
