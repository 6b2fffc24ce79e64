"""Which fields can become columns of a table, and which types hold more than those of its columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from penstock.destinations.postgres.catalog import LONGEST_NAME, check_names
from penstock.destinations.postgres.connect import Connection
from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType, Storage

# Columns that one load may add. A JSON document with ids as keys would make thousands.
MOST_NEW = 100

# From the narrowest. A value of one type is a value of the next.
WIDTHS = (ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.TEXT)

_SYSTEM = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_BLANKS = re.compile(r"^\s|\s$")


def refused_columns(
    connection: Connection, held: Mapping[str, Storage], columns: Sequence[Column], added: int
) -> Mapping[str, str]:
    """Return which of the columns that a table lacks cannot be added, and why. ``added``: how many the load has added
    so far."""
    missing = [column for column in columns if column.name not in held]
    times = Counter(column.name.casefold() for column in missing)
    known = {name.casefold(): name for name in held}
    problems = {
        column.name: _problem(column.name, known, times) or _foreign(connection, column.name) for column in missing
    }
    refused = {name: why for name, why in problems.items() if why}
    new = [column.name for column in missing if column.name not in refused]
    if new and len(new) + added > MOST_NEW:
        refused |= dict.fromkeys(new, f"a load may add {MOST_NEW} columns at most")
    return refused


def is_wider(wanted: ColumnType, held: Storage) -> bool:
    """Whether a type holds more than an existing column, and all that it holds."""
    if held.type not in WIDTHS or wanted not in WIDTHS or held.filled or held.in_bytes:
        return False
    step = WIDTHS.index(wanted) - WIDTHS.index(held.type)
    return step > 0 or (step == 0 and (held.places is not None or held.length is not None))


def _problem(name: str, known: Mapping[str, str], times: Mapping[str, int]) -> str:
    """Return why a field cannot become a column; empty if it can. ``known`` are the columns, by their folded names,
    ``times`` how many new fields have each folded name."""
    if len(name.encode()) > LONGEST_NAME:
        return f"its name has more than {LONGEST_NAME} bytes"
    if not name.isprintable() or _BLANKS.search(name) or '"' in name:
        return "its name has quotes, blanks around it, or characters that cannot be printed"
    if name.casefold() in known:
        return f"its name differs from that of column {known[name.casefold()]!r} by case only"
    if times[name.casefold()] > 1:
        return "its name differs from that of another new field by case only"
    if name in _SYSTEM:
        return "PostgreSQL has a column of its own with this name"
    return ""


def _foreign(connection: Connection, name: str) -> str:
    """Return why the encoding of the database cannot hold the name of a column; empty if it can."""
    try:
        check_names(connection, "", "a column", [name])
    except InvalidTableError:
        return "the encoding of the database lacks a character of its name"
    return ""
