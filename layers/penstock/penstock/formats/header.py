"""Column names from a header row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from penstock.errors import HeaderRowError
from penstock.model.wording import counted


def column_names(header: Sequence[str], columns: tuple[str, ...], *, offset: int) -> tuple[str, ...]:
    """Return the names in a header, or ``columns`` if the route names them.

    Raises HeaderRowError if a name is missing or doubled, or if ``columns`` are more or fewer than the header's.
    """
    names = field_names(header, columns, offset=offset)
    nameless = [str(number) for number, name in enumerate(names, 1) if not name.strip()]
    if nameless:
        raise HeaderRowError(f"no name in the header row for column {', '.join(nameless)}", offset=offset)
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise HeaderRowError(f"doubled in the header row: {', '.join(map(repr, doubled))}", offset=offset)
    return names


def field_names(header: Sequence[str], columns: tuple[str, ...], *, offset: int) -> tuple[str, ...]:
    """Return the same, where fields may be meant by their position: names may be missing or doubled."""
    if columns and len(columns) != len(header):
        raise HeaderRowError(
            f"the header row has {counted(len(header), 'column')}, the route names {len(columns)}", offset=offset
        )
    return columns or tuple(header)
