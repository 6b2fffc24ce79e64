"""Names of sheets, and the names and patterns by which routes mean them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

# The field of a choice that routes whole sheets.
SHEET_FIELD = "$sheet"

# No name of a sheet holds any of them.
_WILDCARDS = frozenset("*?[")


def is_pattern(wanted: str) -> bool:
    """Whether it may mean several sheets."""
    return not _WILDCARDS.isdisjoint(wanted)


def matches(name: str, pattern: str) -> bool:
    """Whether a sheet's name matches a pattern, whatever its case."""
    return is_pattern(pattern) and fnmatchcase(name.casefold(), pattern.casefold())


def meaning(name: str, wanted: Iterable[str]) -> str | None:
    """Which of these means the sheet of a name: the exact one, the one in another case, or the first pattern."""
    wanted = tuple(wanted)
    if name in wanted:
        return name
    folded = name.casefold()
    named = next((each for each in wanted if each.casefold() == folded), None)
    return named or next((each for each in wanted if matches(name, each)), None)
