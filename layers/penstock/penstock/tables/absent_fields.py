"""Columns that take the default of the database where a JSON record has no field for them: the record does not write
them. So the records of a batch are split by the columns that they write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from penstock.model.record import Batch
from penstock.model.table import Mode, Table
from penstock.tables.cells import plain_getter
from penstock.tables.field_watch import has_field, path_of
from penstock.tables.table_router import part_of


def split_by_absent_fields(table: Table, batch: Batch) -> list[tuple[Table, Batch]]:
    """The parts of a batch, each with its table and columns. In an upsert, records of one key stay in their order."""
    paths = {column.name: path_of(column) for column in table.columns if column.rules.absent_is_unset}
    if not paths or batch.names:
        return [(table, batch)]
    absent = [frozenset(name for name, path in paths.items() if not has_field(row, path)) for row in batch.rows]
    positions: Sequence[int] = range(len(absent))
    if table.mode is not Mode.UPSERT or _have_own_keys(table, batch):
        positions = sorted(positions, key=lambda position: sorted(absent[position]))
    groups = [(names, list(part)) for names, part in groupby(positions, key=absent.__getitem__)]
    if len(groups) == 1 and not groups[0][0]:
        return [(table, batch)]
    return [
        (_without(table, names), part_of(batch, [(position, batch.rows[position]) for position in part]))
        for names, part in groups
    ] or [(table, batch)]


def _have_own_keys(table: Table, batch: Batch) -> bool:
    getters = [
        plain_getter(path_of(column)) for column in table.columns if column.name in table.key and not column.metadata
    ]
    keys = [tuple(str(get(row)).strip() for get in getters) for row in batch.rows if isinstance(row, Mapping)]
    return len(set(keys)) == len(keys)


def _without(table: Table, names: frozenset[str]) -> Table:
    if not names:
        return table
    return replace(table, columns=tuple(column for column in table.columns if column.name not in names))
