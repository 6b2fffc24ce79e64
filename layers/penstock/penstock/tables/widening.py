"""The wider types that columns need for values which they have rejected: integer, numeric, then text.

Columns of Iceberg tables have fewer: long instead of int, double instead of float, and decimals of more digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from penstock.model.column import NUMBERS, Column, ColumnType, Storage
from penstock.model.record import Batch, Reject
from penstock.model.table import Evolve, Table
from penstock.tables.cells import as_texts
from penstock.tables.column_kinds import places_of as decimal_places
from penstock.tables.header_fields import places_of
from penstock.tables.kind_choice import PLAIN
from penstock.tables.rescue import raw_value
from penstock.tables.spellings import pattern_of

# Of a decimal in Iceberg and Parquet.
_MOST_DIGITS = 38


def wider_columns(table: Table, batch: Batch, rejects: Sequence[Reject]) -> tuple[Column, ...]:
    """The columns of a table that take the rejected values once they have these types.

    Columns that the route declares are not widened, nor are those of a key.
    """
    if table.evolve is not Evolve.WIDEN:
        return ()
    return tuple(_wider(table, batch, rejects))


def _wider(table: Table, batch: Batch, rejects: Sequence[Reject]) -> Iterator[Column]:
    for column in (*table.columns, *table.spare):
        rows = {reject.position.row for reject in rejects if reject.column == column.name}
        held = column.storage
        if rows and held and _may_widen(table, column, held) and (texts := _texts(column, batch, rows)):
            if not held.parsed:
                yield Column(column.name, _type_for(texts, held))
            elif wider := _promoted(column.name, texts, held):
                yield wider


def _may_widen(table: Table, column: Column, held: Storage) -> bool:
    inferred = table.inferred or bool(column.spellings) or column in table.spare
    if not inferred or column.name in table.key or held.filled or held.in_bytes:
        return False
    if held.parsed:
        return held.type in NUMBERS
    return held.type in {ColumnType.INTEGER, ColumnType.NUMERIC} or (
        held.type is ColumnType.TEXT and held.length is not None
    )


def _texts(column: Column, batch: Batch, rows: set[int]) -> list[str]:
    """The rejected values, without nulls."""
    source = column.source or column.name
    places = places_of(source, batch.names)
    if batch.names and not places:
        return []
    get = raw_value(column, places[0] if batch.names else None)
    values = [get(row) for number, row in enumerate(batch.rows) if batch.position(number).row in rows]
    texts, _ = as_texts(values, Column(column.name, storage=Storage()))
    return [text for text in texts if text is not None and text not in column.nulls]


def _type_for(texts: Sequence[str], held: Storage) -> ColumnType:
    limited = held.type is ColumnType.INTEGER or (held.type is ColumnType.NUMERIC and held.places is not None)
    is_numeric = _is_spelled if held.spellings else _is_number
    return ColumnType.NUMERIC if limited and all(map(is_numeric, texts)) else ColumnType.TEXT


def _promoted(name: str, texts: Sequence[str], held: Storage) -> Column | None:
    """The column that takes some of the values, by the promotions of Iceberg; None if it takes none."""
    if held.type is ColumnType.NUMERIC:
        digits = _digits_for(texts, held.places or 0)
        wider = digits > (held.digits or 0)
        return Column(name, held.type, digits=digits, places=held.places or 0) if wider else None
    kind = held.type or ColumnType.TEXT
    return Column(name, kind) if held.bits and any(_is_of(kind, text) for text in texts) else None


def _digits_for(texts: Sequence[str], places: int) -> int:
    """The digits of the longest number that a decimal with so many places can hold; 0 if there is none."""
    numbers = [Decimal(text.strip()) for text in texts if _is_number(text)]
    fit = [one for one in numbers if one.is_finite() and decimal_places(one) <= places]
    digits = [max(one.adjusted() + 1, 0) + places for one in fit]
    return max((count for count in digits if count <= _MOST_DIGITS), default=0)


def _is_spelled(text: str) -> bool:
    return re.fullmatch(pattern_of(["numeric"]), text) is not None


def _is_number(text: str) -> bool:
    return _is_of(ColumnType.NUMERIC, text)


def _is_of(kind: ColumnType, text: str) -> bool:
    try:
        return PLAIN[kind].value(text) is not None
    except ValueError:
        return False
