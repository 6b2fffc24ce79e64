"""The wider types that columns need for values which they have rejected: integer, numeric, then text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from penstock.model.column import Column, ColumnType, Storage
from penstock.model.record import Batch, Reject
from penstock.model.table import Evolve, Table
from penstock.tables.cells import as_texts
from penstock.tables.header_fields import places_of
from penstock.tables.kind_choice import PLAIN
from penstock.tables.rescue import raw_value
from penstock.tables.spellings import pattern_of


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
            yield Column(column.name, _type_for(texts, held))


def _may_widen(table: Table, column: Column, held: Storage) -> bool:
    inferred = table.inferred or bool(column.spellings) or column in table.spare
    if not inferred or column.name in table.key or held.filled or held.in_bytes:
        return False
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


def _is_spelled(text: str) -> bool:
    return re.fullmatch(pattern_of(["numeric"]), text) is not None


def _is_number(text: str) -> bool:
    try:
        return PLAIN[ColumnType.NUMERIC].value(text) is not None
    except ValueError:
        return False
