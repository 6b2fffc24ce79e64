"""Read ``from`` of a column: a field of the record, or a value of the source (``$key``)."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from penstock.model.column import Column, ColumnType
from penstock.model.source_values import KEY_GROUP, LAST_MODIFIED, LOADED_AT, OF_RECORD, OF_SOURCE, SIGN
from penstock.routes.fields import Fields

_NUMBERS = (ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.FLOAT, ColumnType.TEXT)
_TIMES = (ColumnType.TIMESTAMP, ColumnType.TEXT)
# The types that hold any value of the source; text holds all of them.
_TYPES = {
    "size": _NUMBERS,
    "row": _NUMBERS,
    "offset": _NUMBERS,
    LAST_MODIFIED: _TIMES,
    LOADED_AT: _TIMES,
}


def read_from(fields: Fields, groups: Collection[str]) -> tuple[str, str]:
    """Return the field of the record, and the value of the source; one of them is empty, or both.

    ``groups`` are those of the route's ``key_pattern``. A doubled sign begins the name of a field.
    """
    source = fields.text("from", "")
    if source.startswith(SIGN * 2):
        return source.removeprefix(SIGN), ""
    name = source.removeprefix(SIGN)
    if not source.startswith(SIGN):
        return source, ""
    if name in (*OF_SOURCE, *OF_RECORD):
        return "", name
    escape = f"; a field of this name is written {SIGN + source!r}"
    group = name.removeprefix(KEY_GROUP)
    if group == name:
        values = [SIGN + each for each in (*OF_SOURCE, *OF_RECORD, *(KEY_GROUP + each for each in groups))]
        meant = get_close_matches(source.lower(), values, 1)
        guess = f"; did you mean {meant[0]!r}?" if meant else ""
        raise fields.complain(
            "from", f"{source!r} is no value of the source{guess}; known are {', '.join(values)}{escape}"
        )
    if group not in groups:
        meant = get_close_matches(group, groups, 1)
        known = f"; did you mean {meant[0]!r}? It has" if meant else "; it has"
        lacking = f"key_pattern has no group {group!r}{known} {', '.join(groups)}"
        lacking = lacking if groups else "needs the route's key_pattern"
        raise fields.complain("from", f"{source!r}: {lacking}{escape}")
    return "", name


def check_metadata(fields: Fields, column: Column) -> None:
    """Refuse a type or a format that no such value has."""
    name = column.metadata
    if types := _TYPES.get(name):
        if column.type not in types:
            raise fields.complain("type", f"{SIGN}{name} is {', '.join(types[:-1])} or {types[-1]}, not {column.type}")
        if column.formats:
            raise fields.complain("format", f"is not for {SIGN}{name}, which is ISO 8601")
