"""Chooses the kind that reads a column, by its type, formats, spellings, and its type in an existing table."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.model.column import Column, ColumnType
from penstock.tables.column_kinds import BooleanKind, ColumnKind, FloatKind, IntegerKind, NumericKind, TextKind
from penstock.tables.documents import JsonKind
from penstock.tables.spellings import ANY_SPELLING, SpelledKind
from penstock.tables.stored_kinds import stored_kind
from penstock.tables.times import DateKind, FormattedDateKind, FormattedTimestampKind, TimestampKind

PLAIN: Mapping[ColumnType, ColumnKind] = {
    ColumnType.TEXT: TextKind(),
    ColumnType.INTEGER: IntegerKind(),
    ColumnType.NUMERIC: NumericKind(),
    ColumnType.FLOAT: FloatKind(),
    ColumnType.BOOLEAN: BooleanKind(),
    ColumnType.DATE: DateKind(),
    ColumnType.TIMESTAMP: TimestampKind(),
    ColumnType.JSON: JsonKind(),
}
FORMATTED = {ColumnType.DATE: FormattedDateKind, ColumnType.TIMESTAMP: FormattedTimestampKind}


def is_formatted(column: Column) -> bool:
    """Whether the column is read by the formats of the route."""
    return bool(column.formats) and column.type in FORMATTED


def is_spelled(column: Column) -> bool:
    """Whether the column was inferred, and accepts only the spellings of the sample."""
    return bool(column.spellings) and column.type not in ANY_SPELLING


def stays_raw(column: Column) -> bool:
    """Whether a valid text is stored as it is: the table holds the column as text, whatever the route declares."""
    held = column.storage
    return held is not None and held.type is ColumnType.TEXT and not is_formatted(column)


def kind_of(column: Column) -> ColumnKind:
    """The kind that reads the texts of a column."""
    kind = FORMATTED[column.type](column.formats) if is_formatted(column) else PLAIN[column.type]
    if is_spelled(column):
        kind = SpelledKind(kind, column.spellings)
    return stored_kind(kind, column.storage) if column.storage else kind
