"""The columns that an Avro schema declares."""

from __future__ import annotations

from penstock.formats.avro.schema import Node
from penstock.model.column import Column, ColumnType

# Types of a table, and the spellings that values of an inferred column keep (see `tables.spellings`). Timestamps have
# none: a value with nanoseconds is then rejected for its digits, and not for its form.
_TEXT = (ColumnType.TEXT, ("text",))
_JSON = (ColumnType.JSON, ("json",))
_NUMERIC = (ColumnType.NUMERIC, ("numeric",))
_INTEGER = (ColumnType.INTEGER, ("integer",))
_FLOAT: tuple[ColumnType, tuple[str, ...]] = (ColumnType.FLOAT, ())
_BOOLEAN = (ColumnType.BOOLEAN, ("true",))
_DATE = (ColumnType.DATE, ("YYYY-MM-DD",))
_TIMESTAMP: tuple[ColumnType, tuple[str, ...]] = (ColumnType.TIMESTAMP, ())

_KINDS = {
    "boolean": _BOOLEAN,
    "int": _INTEGER,
    "long": _INTEGER,
    "float": _FLOAT,
    "double": _FLOAT,
    "array": _JSON,
    "map": _JSON,
    "record": _JSON,
}
# What the type of a column can state: with more digits, it is a numeric without limits.
_MOST_DIGITS = 38
_NUMBERS = {ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.FLOAT}

_Typed = tuple[ColumnType, tuple[str, ...]]


def columns_of(top: Node) -> tuple[Column, ...]:
    """The columns of a table for the records of this type; none if the records have no common fields."""
    return tuple(_column(name, part) for name, part in top.fields)


def _column(name: str, node: Node) -> Column:
    kind, spellings = _type_of(node)
    others = [branch for branch in node.branches if branch.kind != "null"] or [node]
    if len(others) == 1 and others[0].logical == "decimal" and others[0].precision <= _MOST_DIGITS:
        return Column(name, kind, digits=others[0].precision, places=others[0].scale)
    return Column(name, kind, spellings=spellings)


def _type_of(node: Node) -> _Typed:
    if node.kind == "union":
        return _common([_type_of(branch) for branch in node.branches if branch.kind != "null"])
    if node.logical == "decimal":
        return _NUMERIC
    if node.logical == "date":
        return _DATE
    if "timestamp" in node.logical:
        return _TIMESTAMP
    if node.logical:
        return _TEXT
    return _KINDS.get(node.kind, _TEXT)


def _common(types: list[_Typed]) -> _Typed:
    """The type for the values of several types."""
    kinds = {kind for kind, _ in types}
    if len(kinds) == 1:
        return types[0]
    if kinds and kinds <= _NUMBERS:
        return ColumnType.NUMERIC, ()
    return _JSON if ColumnType.JSON in kinds else _TEXT
