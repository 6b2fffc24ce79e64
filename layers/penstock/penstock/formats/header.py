"""The header row: which one it is, and the column names in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from penstock.errors import HeaderRowError
from penstock.model.wording import counted


def column_names(header: Sequence[str], columns: tuple[str, ...], *, offset: int) -> tuple[str, ...]:
    """Return the names in a header, or ``columns`` if the route names them.

    Raises HeaderRowError if a name is missing or doubled, or if ``columns`` are more or fewer than the header's.
    """
    if columns:
        if len(columns) != len(header):
            raise HeaderRowError(
                f"the header row has {counted(len(header), 'column')}, the route names {len(columns)}", offset=offset
            )
        return columns
    nameless = [str(number) for number, name in enumerate(header, 1) if not name.strip()]
    if nameless:
        raise HeaderRowError(f"no name in the header row for column {', '.join(nameless)}", offset=offset)
    doubled = [name for name, times in Counter(header).items() if times > 1]
    if doubled:
        raise HeaderRowError(f"doubled in the header row: {', '.join(map(repr, doubled))}", offset=offset)
    return tuple(header)


class HeaderSearch:
    """Finds the first row that holds all the declared columns, where titles and remarks stand above the header.

    Ask ``is_header`` for each row in turn, and raise ``not_found()`` after LINES rows or at the end.
    """

    LINES = 1000

    def __init__(self, declared: Sequence[str]) -> None:
        self._declared = declared
        self._lacking: Sequence[str] = declared
        self._rows = 0
        self._closest = 0

    def is_header(self, fields: Sequence[str | None]) -> bool:
        """Whether this row is the header."""
        self._rows += 1
        present = set(fields)
        lacking = [name for name in self._declared if name not in present]
        if len(lacking) < len(self._lacking):
            self._lacking, self._closest = lacking, self._rows
        return not lacking

    @property
    def is_empty(self) -> bool:
        """Whether no row was seen."""
        return not self._rows

    @property
    def is_over(self) -> bool:
        """Whether enough rows were seen."""
        return self._rows >= self.LINES

    def not_found(self) -> HeaderRowError:
        """The error, which names what the closest row lacks."""
        names = ", ".join(map(repr, self._lacking))
        closest = f"; row {self._closest} of them lacks only {names}" if self._closest else f": {names}"
        return HeaderRowError(
            f"none of the first {counted(self._rows, 'row')} holds all columns that the route declares{closest}",
            offset=0,
            hint="Correct the columns in the route, or say where the header is.",
        )
