"""Counts in words: ``1 record was``, ``2,000 records were``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, which takes an s where there are more or fewer than one."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def were(number: int) -> str:
    """What so many things did: they were."""
    return "was" if number == 1 else "were"


def rejected(number: int, of: int | None = None) -> str:
    """So many records were rejected, ``of`` all, if that is known."""
    told = counted(number, "record") if of is None else f"{number:,} of {counted(of, 'record')}"
    return f"{told} {were(number)} rejected"
