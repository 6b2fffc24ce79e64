"""Read one column of a table in a route."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

from penstock.model.column import Column, ColumnType
from penstock.model.value_rules import Epoch
from penstock.routes.fields import Fields
from penstock.routes.metadata import check_metadata, read_from
from penstock.routes.protection import check_protection, read_hash, read_mask
from penstock.routes.value_rules import read_rules

# The types whose texts a strptime pattern describes.
FORMATTED_TYPES = (ColumnType.DATE, ColumnType.TIMESTAMP)

# Any time can show whether a pattern parses what it formats.
_EXAMPLE = datetime(2024, 11, 28, 21, 22, 23, 456789, tzinfo=UTC)
# Without one of these, strptime sets the year to 1900.
_YEARS = ("%Y", "%y", "%G", "%c", "%x")

_ARRAYS = {f"{element}[]": element for element in ColumnType}
_DIGITS = re.compile(r"numeric\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)")
# What a decimal of Parquet and Iceberg holds, and a number of DynamoDB.
_MOST_DIGITS = 38


def read_column(fields: Fields, nulls: tuple[str, ...], groups: Collection[str] = ()) -> Column:
    """Read a column. ``nulls``: those of its table; ``groups``: those of the route's ``key_pattern``.

    Raises InvalidRouteError, which names the field.
    """
    source, metadata = read_from(fields, groups)
    kind, digits, places = _read_type(fields)
    elements = _ARRAYS.get(kind)
    column = Column(
        name=fields.text("name"),
        type=ColumnType.TEXT if elements else ColumnType(kind),
        elements=elements,
        source=source,
        nullable=fields.flag("nullable", True),  # noqa: FBT003  (the default)
        nulls=fields.texts("nulls", () if metadata else nulls, empty=True),
        formats=fields.texts("format", ()),
        metadata=metadata,
        hash=read_hash(fields),
        mask=read_mask(fields),
        digits=digits,
        places=places,
    )
    _check_formats(fields, column)
    check_metadata(fields, column)
    column = read_rules(fields, column)
    fields.refuse_unknown()
    check_protection(fields, column)
    return column


def _read_type(fields: Fields) -> tuple[str, int, int]:
    """The name of a type; of ``numeric(12,2)`` also the digits in all, and behind the point."""
    declared = _DIGITS.fullmatch(fields.text("type", "")) if fields.is_text("type") else None
    if declared is None:
        return fields.choice("type", [*ColumnType, *_ARRAYS], ColumnType.TEXT), 0, 0
    digits, places = int(declared[1]), int(declared[2])
    if not 1 <= digits <= _MOST_DIGITS or places > digits:
        raise fields.complain(
            "type", f"has 1 to {_MOST_DIGITS} digits, and no more of them behind the point: numeric(12,2)"
        )
    return ColumnType.NUMERIC, digits, places


def _check_formats(fields: Fields, column: Column) -> None:
    """Refuse a pattern that no text can match: it would reject every record."""
    if column.formats and column.type not in FORMATTED_TYPES:
        raise fields.complain("format", f"is for date and timestamp, not for {column.type}")
    epochs = [pattern for pattern in column.formats if pattern in list(Epoch)]
    if epochs and column.type is ColumnType.DATE:
        raise fields.complain("format", f"{epochs[0]} is for timestamp, not for date")
    if len(set(epochs)) > 1:
        raise fields.complain("format", f"{epochs[0]} and {epochs[1]} cannot be told apart: choose one")
    for pattern in column.formats:
        if pattern in epochs:
            continue
        try:
            datetime.strptime(_EXAMPLE.strftime(pattern).strip(), pattern)  # noqa: DTZ007  # only a check
        except (ValueError, re.error) as error:
            raise fields.complain("format", f"no text can match {pattern!r}: {error}") from error
        if not _has_year(pattern):
            raise fields.complain("format", f"{pattern!r} has no year: add %Y, or %y for two digits")


def _has_year(pattern: str) -> bool:
    return any(directive in pattern.replace("%%", "") for directive in _YEARS)
