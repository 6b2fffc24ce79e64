"""Counts in words: ``1 record was``, ``2,000 records were``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def were(number: int) -> str:
    """Return "was" for 1, otherwise "were"."""
    return "was" if number == 1 else "were"


def rejected(number: int, of: int | None = None) -> str:
    """Say how many records were rejected, ``of`` how many if that is known."""
    records = counted(number, "record") if of is None else f"{number:,} of {counted(of, 'record')}"
    return f"{records} {were(number)} rejected"
