"""A sink that loads nothing: it looks at the rows of a load, and at the tables that they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from penstock.destinations.plain_sink import PlainSink
from penstock.destinations.ports import TableInspection
from penstock.model.column import Column, Storage
from penstock.model.load import Chunk, Loaded, Resume, Rows
from penstock.model.record import Reject
from penstock.model.table import Mode, Table, TablePlan
from penstock.model.table_limits import TableLimits
from penstock.source_check.table_profile import TableProfile
from penstock.tables import tables_of, with_tables


class DryRunSink(PlainSink):
    """Implements ``TableSink`` for one calling thread. Its rows are in value form.

    With an ``inspection``, the existing tables decide the types, and values that they refuse are rejects: nulls,
    lengths, ranges, and keys of unique indexes that come twice in the source. Columns that the load would add are
    remembered. Memory: that of the profiles.
    """

    def __init__(self, inspection: TableInspection | None, *, repeats: bool) -> None:
        self.profiles: dict[str, TableProfile] = {}
        self.added: dict[str, dict[str, Storage]] = {}
        self.known: Mapping[str, TableLimits] = {}
        self._inspection = inspection
        self._repeats = repeats

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """Return how the existing tables store their columns, those included that the load would add or widen."""
        held = self._inspection.storages(plan) if self._inspection else {}
        return {name: {**storages, **self.added.get(name, {})} for name, storages in held.items()}

    def begin(self, plan: TablePlan) -> Resume:
        """Check the tables. Raises what `TableInspection.check` raises."""
        if self._inspection:
            self.known = self._inspection.check(with_tables(plan, self._without_added))
        for table in tables_of(plan):
            limits = self.known.get(table.name)
            self.profiles[table.name] = TableProfile(table, limits, repeats=self._repeats or table.mode is Mode.UPSERT)
        return Resume()

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:  # noqa: ARG002
        """Remember the columns that a load would add or widen."""
        known = self.added.setdefault(table.name, {})
        refused = self._inspection.refused(table, columns, len(known)) if self._inspection else {}
        known |= {
            column.name: Storage(column.type, spellings=column.spellings)
            for column in columns
            if column.name not in refused
        }
        return refused

    def load(self, chunk: Chunk) -> Loaded:
        """Look at the rows."""
        rejects = [reject for rows in chunk.rows for reject in self._look(rows)]
        unique = {reject.position.row: reject for reject in reversed(rejects)}
        count = sum(rows.count for rows in chunk.rows)
        return Loaded(count - len(unique), tuple(sorted(unique.values(), key=attrgetter("position.row"))))

    def _look(self, rows: Rows) -> Sequence[Reject]:
        return self.profiles[rows.table.name].add(rows)

    def _without_added(self, table: Table) -> Table:
        added = self.added.get(table.name, {})

        return replace(table, columns=tuple(column for column in table.columns if column.name not in added))
