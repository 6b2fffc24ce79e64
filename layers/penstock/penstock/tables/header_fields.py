"""The fields of rows that have a header: by name, or by position (``#3``) whatever the name.

A field without a name, or with the name of another one, is called by its position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from penstock.errors import InvalidTableError
from penstock.model.column import POSITION, Column
from penstock.model.likely_name import did_you_mean, with_likely_names
from penstock.model.table import Table

# Characters of a message that lists a header.
MESSAGE = 1000


def places_of(source: str, names: Sequence[str]) -> list[int]:
    """Return where the fields of this name are; if there is none, where the field of this position is."""
    found = [place for place, name in enumerate(names) if name == source]
    position = None if found else POSITION.fullmatch(source)
    return [int(position[1]) - 1] if position and int(position[1]) <= len(names) else found


def fields_without(taken: Collection[str], names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the fields that none of the sources in ``taken`` means: what each is called, and where it is."""
    others = [(name, place) for place, name in enumerate(names) if name not in taken]
    if not others:
        return []
    used = {place for source in taken if source.startswith("#") for place in places_of(source, names)}
    times = Counter(names)
    return [
        (name if name.strip() and times[name] == 1 else f"#{place + 1}", place)
        for name, place in others
        if place not in used
    ]


def positions_of(table: Table, columns: Sequence[Column], names: Sequence[str]) -> list[int]:
    """Return where the field of each column is. Raises InvalidTableError if a column has none, or several."""
    found = [places_of(column.source or column.name, names) for column in columns]
    if lacking := [column for column, places in zip(columns, found, strict=True) if not places]:
        raise _lacking(table, lacking, names)
    for column, places in zip(columns, found, strict=True):
        if len(places) > 1:
            raise InvalidTableError(
                f"table {table.name}, column {column.name!r}: the header has {column.source or column.name!r} "
                f"{len(places)} times",
                hint=f'Take one of them by its position, such as `from = "#{places[0] + 1}"` in the route.',
            )
    return [places[0] for places in found]


def _lacking(table: Table, columns: Sequence[Column], names: Sequence[str]) -> InvalidTableError:
    """The error for columns that the header lacks."""
    sources = [column.source or column.name for column in columns]
    one = f", column {columns[0].name!r}" if len(columns) == 1 else ""
    message = f"table {table.name}{one}: the header lacks "
    if any(each.is_protected for each in table.columns):
        # A file without a header has a record in its place.
        listed = with_likely_names(sources, ())
        return InvalidTableError(f"{message}{listed}; it is not shown, because the route protects columns"[:MESSAGE])
    taken = {column.source or column.name for column in table.columns}
    others = [name for name in names if name not in taken]
    has = f"has {', '.join(map(repr, names))}"
    if not one:
        return InvalidTableError(f"{message}{with_likely_names(sources, others)}; it {has}"[:MESSAGE])
    meant = did_you_mean(sources[0], others)
    return InvalidTableError(f"{message}{sources[0]!r}{f'{meant} It' if meant else '; it'} {has}"[:MESSAGE])
