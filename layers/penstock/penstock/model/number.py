"""Numbers of JSON, exact, and spelled as they were written: a column of texts takes ``1e5`` as ``1e5``."""

from __future__ import annotations

from decimal import Decimal
from typing import Self


class Written(Decimal):
    """A number whose usual text is another one than it was written with."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.written = text
        return made

    def __str__(self) -> str:
        return self.written

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.written,)


def number(text: str) -> Decimal:
    """The value of a number with a point or an exponent; its ``str`` is ``text``.

    Decimal keeps the digits and zeros of a text; only exponents it spells in its own way, and very small numbers by
    one. A class of its own for all numbers would double what they take.
    """
    plain = "e" not in text and "E" not in text and "0.000000" not in text
    return Decimal(text) if plain else Written(text)
