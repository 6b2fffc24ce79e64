"""What each column type accepts, as texts.

A kind looks at a whole column at once (``accepts``): if all of it is in the common form, which PostgreSQL reads
exactly as Python does, the texts are used as they are. Only otherwise are they taken one by one (``value``), and
then more forms are understood: spaces around a number, ``12.0`` for an integer, a date format of the route.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from math import isinf
from typing import ClassVar, cast

_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")

# Characters of a bad value that a reject's reason quotes.
SHOWN = 60


class Cells:
    """The texts of a column that are not null, and checks of all of them at once.

    ``joined`` has newlines between them; ``shape`` is the same in bytes, every digit a zero. Raises TypeError when
    a text is None.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.joined = "\n".join(texts)

    @cached_property
    def shape(self) -> bytes:
        return self.joined.encode("utf-8", "surrogatepass").translate(_DIGITS_TO_ZERO)

    def made_of(self, characters: bytes) -> bool:
        """Whether all texts consist of these (ASCII) characters."""
        return self.shape.translate(None, characters) == b"\n" * (len(self.texts) - 1)

    def shapes(self) -> set[bytes]:
        """The shapes of the texts, each once; those of parts where a text holds a newline."""
        first = self.shape.partition(b"\n")[0]
        if self.shape == b"\n".join([first] * len(self.texts)):
            return {first}
        return set(self.shape.split(b"\n"))


class ColumnKind(ABC):
    """One column type. ``keeps_text``: a list holds the texts of such values, not the values."""

    keeps_text: ClassVar = False

    @abstractmethod
    def accepts(self, cells: Cells) -> bool:
        """Whether all texts are in the common form."""

    def regular(self, cells: Cells) -> Cells | None:
        """The texts in the common form, if all are or can be converted at once."""
        return cells if self.accepts(cells) else None

    @abstractmethod
    def values(self, texts: Sequence[str]) -> Iterable[object]:
        """The values of texts in the common form, at the speed of C where there is a way."""

    @abstractmethod
    def value(self, text: str) -> object:
        """The value of one text in any form; None if the text means null. Raises ValueError with a reject's reason."""

    def text(self, value: object) -> str:
        """What PostgreSQL reads as ``value``."""
        return str(value)

    def written(self, text: str, value: object) -> str:  # noqa: ARG002  # some write the text itself
        """What PostgreSQL reads as the ``value`` of ``text``. It does not depend on the other values of the column."""
        return self.text(value)


def shown(text: str) -> str:
    """A value as a reason quotes it."""
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."


def check_storable(text: str) -> None:
    """Raise ValueError for characters that UTF-8 or a PostgreSQL text cannot hold."""
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"holds half a surrogate pair: {shown(text[error.start])}") from error


def storable(joined: str) -> bool:
    """Whether `check_storable` raises nothing."""
    try:
        check_storable(joined)
    except ValueError:
        return False
    return True


class TextKind(ColumnKind):
    """Any text that PostgreSQL can hold."""

    def accepts(self, cells: Cells) -> bool:
        return storable(cells.joined)

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return texts

    def value(self, text: str) -> object:
        check_storable(text)
        return text


class IntegerKind(ColumnKind):
    """64 bits, decimal. ``12.0`` counts as an integer: some writers write it in a column with nulls."""

    least, most = -(2**63), 2**63 - 1
    pattern = re.compile(r"\s*([+-]?[0-9]+)(?:\.0*)?\s*", re.ASCII)
    longest = 100  # digits; beyond this only leading zeros could fit
    too_long = b"0" * 19

    def accepts(self, cells: Cells) -> bool:
        # At most one sign, before a digit; at least one digit, and not too many.
        lines = b"\n" + cells.shape + b"\n"
        return (
            cells.made_of(b"0-")
            and lines.count(b"-") == lines.count(b"\n-0")
            and b"\n\n" not in lines
            and self.too_long not in lines
        )

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(int, texts)

    def value(self, text: str) -> object:
        match = self.pattern.fullmatch(text)
        if not match:
            raise ValueError(f"{shown(text)} is not an integer")
        digits = match[1]
        if len(digits) > self.longest or not self.least <= int(digits) <= self.most:
            raise ValueError(f"{shown(text)} does not fit 64 bits")
        return int(digits)


class NumericKind(ColumnKind):
    """Exact decimals, within what PostgreSQL's numeric holds."""

    pattern = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
    too_long = b"0" * 101  # for a common form; floats, which check it, know no larger range than 308 digits
    long_exponent = re.compile(rb"[eE][+-]?000")
    # https://www.postgresql.org/docs/current/datatype-numeric.html
    most_digits, most_places = 131_072, 16_383

    def accepts(self, cells: Cells) -> bool:
        try:
            deque(map(float, cells.texts), maxlen=0)  # a loop in C that keeps nothing
        except ValueError:
            return False
        if not cells.made_of(b"0+-.eE") or self.too_long in cells.shape:
            return False
        has_exponents = b"e" in cells.shape or b"E" in cells.shape
        return not (has_exponents and self.long_exponent.search(cells.shape))

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(Decimal, texts)

    def value(self, text: str) -> object:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} is not a number")
        try:
            number = Decimal(text)
        except InvalidOperation as error:  # an exponent that Decimal cannot hold
            raise ValueError(f"{shown(text)} does not fit a numeric") from error
        check_numeric(number)
        return number


def check_numeric(number: Decimal) -> None:
    """Raise ValueError for what PostgreSQL's numeric cannot hold exactly."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{number} is not a number")  # noqa: TRY004  # a value, not a type: NaN or infinity
    if exponent < -NumericKind.most_places or number.adjusted() >= NumericKind.most_digits:
        raise ValueError(f"{shown(str(number))} does not fit a numeric")


def places_of(number: Decimal) -> int:
    """Digits after the point, without trailing zeros; negative for numbers such as 100."""
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -(cast("int", exponent) + zeros)


class FloatKind(ColumnKind):
    """Double precision, with NaN and infinities."""

    special = re.compile(r"\s*[+-]?(?:nan|inf(?:inity)?)\s*", re.ASCII | re.IGNORECASE)

    def accepts(self, cells: Cells) -> bool:
        try:
            numbers = list(map(float, cells.texts))
        except ValueError:
            return False
        if not cells.made_of(b"0+-.eE"):
            return False
        if "e" in cells.joined or "E" in cells.joined:
            # PostgreSQL refuses what Python rounds to zero or infinity.
            return min(map(abs, numbers)) > 0 and not isinf(max(map(abs, numbers)))
        return NumericKind.too_long not in cells.shape

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(float, texts)

    def value(self, text: str) -> object:
        if self.special.fullmatch(text):
            return float(text)
        if not NumericKind.pattern.fullmatch(text):
            raise ValueError(f"{shown(text)} is not a number")
        number = float(text)
        if isinf(number) or (number == 0 and re.match(r"\s*[+-]?[0.]*[1-9]", text)):
            raise ValueError(f"{shown(text)} does not fit double precision")
        return number


class BooleanKind(ColumnKind):
    """PostgreSQL's words for true and false."""

    truths: ClassVar = {
        spelling: truth
        for word, truth in {
            **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
            **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
        }.items()
        for spelling in (word, word.title(), word.upper())
    }

    def accepts(self, cells: Cells) -> bool:
        return set(cells.texts) <= self.truths.keys()

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return map(self.truths.__getitem__, texts)

    def value(self, text: str) -> object:
        try:
            return self.truths[text.strip().lower()]
        except KeyError:
            raise ValueError(f"{shown(text)} is not a boolean") from None

    def text(self, value: object) -> str:
        return "true" if value else "false"
