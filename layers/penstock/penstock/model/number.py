"""Exact JSON numbers that keep their spelling: a text column stores ``1e5`` as ``1e5``."""

from __future__ import annotations

from decimal import Decimal
from typing import Self


class Written(Decimal):
    """A number whose spelling differs from Decimal's own."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, text: str) -> Self:
        value = super().__new__(cls, text)
        value.written = text
        return value

    def __str__(self) -> str:
        return self.written

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.written,)


def number(text: str) -> Decimal:
    """Return the value of a number with a point or an exponent; its ``str`` is ``text``.

    Decimal keeps digits and zeros, but respells exponents, and writes very small numbers with one. Only those numbers
    need `Written`, which would double the memory of all the others.
    """
    plain = "e" not in text and "E" not in text and "0.000000" not in text
    return Decimal(text) if plain else Written(text)
