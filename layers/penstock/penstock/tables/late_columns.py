"""Late columns: columns of the table that the sample had no field for.

A record with a field for a late column writes it. A record without one leaves the column at its default, or at its
present value. So the records of a batch are split by the late columns that they have fields for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from penstock.model.column import ANY
from penstock.model.record import Batch
from penstock.model.table import Mode, Table
from penstock.tables.cells import plain_getter
from penstock.tables.field_names import name_problem
from penstock.tables.field_watch import path_of
from penstock.tables.table_router import part_of

# Statements for one chunk, at most. With more combinations of late columns, all records with any of them share one.
MOST_SORTS = 16

Sorts = Mapping[frozenset[str], Sequence[int]]
"""Positions of records, by the late columns that they have fields for."""


class LateColumns:
    """Splits the records of one table. Only JSON objects are split: a header is the same for all records."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.spare = {column.name: column for column in table.spare}
        self.own = {path_of(column)[0] for column in table.columns}
        self.key = [
            plain_getter(path_of(column))
            for column in table.columns
            if column.name in table.key and not column.metadata
        ]

    def split(self, batch: Batch) -> list[tuple[Table, Batch]]:
        """The parts of a batch, each with its table and columns. Records of one key are in one part, unless the
        destination keeps their order itself."""
        late = self._late(batch)
        if not late:
            return [(self.table, batch)]
        sorts = self._sorts(batch, late)
        return [
            (self._with(names), part_of(batch, [(position, batch.rows[position]) for position in positions]))
            for names, positions in sorts.items()
        ]

    def _late(self, batch: Batch) -> frozenset[str]:
        if batch.names or not self.spare:
            return frozenset()
        found = set[str]().union(*(row for row in batch.rows if isinstance(row, Mapping))) - self.own
        if ANY in self.spare:
            return frozenset(name for name in found if not name_problem(name))
        return frozenset(found & self.spare.keys())

    def _sorts(self, batch: Batch, late: frozenset[str]) -> Sorts:
        sorts: dict[frozenset[str], list[int]] = {}
        for position, row in enumerate(batch.rows):
            names = late.intersection(row) if isinstance(row, Mapping) else frozenset[str]()
            sorts.setdefault(names, []).append(position)
        if ANY in self.spare:
            return sorts
        if len(sorts) > MOST_SORTS:
            without = sorts.pop(frozenset(), [])
            sorts = {frozenset(): without} if without else {}
            sorts[late] = sorted(set(range(len(batch.rows))).difference(without))
        if self.table.mode is Mode.UPSERT and self._share_keys(batch, sorts.values()):
            return {late: range(len(batch.rows))}
        return sorts

    def _share_keys(self, batch: Batch, sorts: Collection[Sequence[int]]) -> bool:
        """Whether several of these groups contain the same key."""
        seen: set[tuple[str, ...]] = set()
        for positions in sorts:
            rows = (batch.rows[position] for position in positions)
            keys = {tuple(str(get(row)).strip() for get in self.key) for row in rows if isinstance(row, Mapping)}
            if not seen.isdisjoint(keys):
                return True
            seen |= keys
        return False

    def _with(self, names: frozenset[str]) -> Table:
        if not names:
            return self.table
        more = [self.spare.get(name) or replace(self.spare[ANY], name=name) for name in sorted(names)]
        return replace(self.table, columns=(*self.table.columns, *more), spare=())
