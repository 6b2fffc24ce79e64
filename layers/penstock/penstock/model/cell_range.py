"""A part of a sheet, in A1 notation: ``B4:H200``, ``B4:H`` (to the last row) or ``B:H`` (all rows)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_uppercase

from penstock.errors import InvalidRouteError

# XFD1048576 is the last cell.
COLUMNS = 16_384
ROWS = 1_048_576

_RANGE = re.compile(r"\$?([A-Z]{1,3})(?:\$?([1-9]\d{0,6}))?:\$?([A-Z]{1,3})(?:\$?([1-9]\d{0,6}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CellRange:
    """Rows count from 1, columns from 0; all are inclusive. ``fixed``: the first row is given, so it is the header."""

    first_row: int = 1
    last_row: int = ROWS
    left: int = 0
    right: int = COLUMNS - 1
    fixed: bool = False

    def __str__(self) -> str:
        return f"{column_letters(self.left)}{self.first_row}:{column_letters(self.right)}{self.last_row}"

    @property
    def width(self) -> int:
        return self.right - self.left + 1

    @property
    def has_all_columns(self) -> bool:
        return self.width == COLUMNS


WHOLE_SHEET = CellRange()


def read_range(text: str) -> CellRange:
    """Read a range. Raises InvalidRouteError if it is none, or if it holds no cell."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise InvalidRouteError(f'must be cells such as "B4:H200", "B4:H" or "B:H", not {text[:60]!r}')
    left, first, right, last = match.groups()
    found = CellRange(int(first or 1), int(last or ROWS), column_number(left), column_number(right), fixed=bool(first))
    if found.left > found.right or found.first_row > found.last_row:
        raise InvalidRouteError(f"ends before it begins: {text!r}")
    if found.right >= COLUMNS or found.last_row > ROWS:
        raise InvalidRouteError(f"is larger than a sheet, which ends at XFD{ROWS}: {text!r}")
    return found


def column_number(letters: str) -> int:
    """Return the number of a column from 0: A, B, ... Z, AA."""
    column = -1
    for letter in letters.upper():
        column = (column + 1) * 26 + ascii_uppercase.index(letter)
    return column


def column_letters(column: int) -> str:
    """Return the letters of a column by its number from 0."""
    letters = ""
    while column >= 0:
        column, letter = divmod(column, 26)
        letters, column = ascii_uppercase[letter] + letters, column - 1
    return letters
