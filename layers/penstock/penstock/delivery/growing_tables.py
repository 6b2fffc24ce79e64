"""Tables whose columns grow with the fields of the records (`evolve` in a route).

What a file needs is added before its first row; what a JSON record needs later, between two chunks: the load then holds
no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from penstock.destinations.ports import TableSink
from penstock.errors import InvalidTableError, PenstockError, PermanentError
from penstock.model.column import Column, ColumnType, FieldCounts
from penstock.model.column_change import ColumnChange
from penstock.model.load import Chunk
from penstock.model.record import Batch, CsvValidator, Reject
from penstock.model.table import Table, TablePlan
from penstock.tables import (
    ChunkBuilder,
    Form,
    Storages,
    fit_to_storage,
    new_columns,
    tables_of,
    wider_columns,
    with_tables,
)

# Names that cannot be columns, and that are not asked for again. With more, nothing is added any more.
MOST_REFUSED = 200


def grows(plan: TablePlan) -> bool:
    """Whether new fields may become columns."""
    return any(table.grows for table in tables_of(plan))


def changes_of(sink: TableSink, plan: TablePlan) -> tuple[ColumnChange, ...]:
    """Return the columns that the job has added or widened."""
    return sink.changes() if grows(plan) else ()


@contextmanager
def noting_changes(sink: TableSink, plan: TablePlan) -> Iterator[None]:
    """Note on an error that ends the load which columns it has changed before. They stay."""
    try:
        yield
    except PermanentError as error:
        with suppress(PenstockError):
            if changes := changes_of(sink, plan):
                error.add_note(f"changed before: {'; '.join(change.text for change in changes)}")
        raise


def grow(sink: TableSink, plan: TablePlan, held: Mapping[str, Storages]) -> TablePlan:
    """Add the columns of the plan that its existing tables lack; return the plan with those that they then have.

    Raises InvalidTableError for a field that cannot be a column, if there is no rescue column to keep it.
    """

    def grown(table: Table) -> Table:
        storages = held.get(table.name)
        if not table.grows or not storages:
            return table
        missing = [column for column in table.columns if column.name not in storages and column.name not in table.key]
        # By itself, so that it is there however many other fields cannot be columns.
        _add(sink, plan, table, [column for column in missing if column.name == table.rescue])
        missing = [column for column in missing if column.name != table.rescue]
        # Without a good record, types are guesses: nothing is added.
        without = {column.name for column in missing} if table.guessed else set(_add(sink, plan, table, missing))
        return replace(table, columns=tuple(column for column in table.columns if column.name not in without))

    return with_tables(plan, grown)


def _add(sink: TableSink, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:
    """Add columns; return those that cannot be added. Raises InvalidTableError unless a rescue column keeps their
    fields."""
    refused = sink.evolve(plan, table, columns) if columns else {}
    if refused and (not table.rescue or table.rescue in refused):
        name, why = next(iter(refused.items()))
        others = f", nor can {len(refused) - 1:,} others" if len(refused) > 1 else ""
        raise InvalidTableError(
            f"table {table.name}: the field {name!r} cannot become a column: {why}{others}",
            hint="Declare a column for the field (`from`), keep such fields in a `rescue` column, or correct the file.",
        )
    return refused


class GrowingChunkBuilder:
    """A `ChunkBuilder` that adds and widens columns. ``settle`` waits for the chunk that is being loaded."""

    def __init__(self, sink: TableSink, plan: TablePlan, form: Form, settle: Callable[[], None]) -> None:
        self._sink = sink
        self._plan = plan
        self._form = form
        self._settle = settle
        self._inner = ChunkBuilder(plan, form)
        self._refused: dict[str, set[str]] = {table.name: set() for table in tables_of(plan)}

    @property
    def fields(self) -> FieldCounts:
        return self._inner.fields

    def validator(self, names: tuple[str, ...], delimiter: str, quote: str) -> CsvValidator | None:
        """See `ChunkBuilder`. What is valid for a column stays valid when its type is widened."""
        return self._inner.validator(names, delimiter, quote)

    def chunk(self, number: int, batch: Batch) -> tuple[Chunk, tuple[Reject, ...]]:
        """See `ChunkBuilder`."""
        if not (batch.raw_csv or batch.names):
            self._add_columns(batch)
        while True:
            before = self._inner.fields
            chunk, rejects = self._inner.chunk(number, batch)
            if not rejects or not self._widen_columns(batch, rejects):
                return chunk, rejects
            self._inner.fields = before

    def _add_columns(self, batch: Batch) -> None:
        for table, part in self._inner.parts(batch).items():
            refused = self._refused[table.name]
            if not table.grows or len(refused) > MOST_REFUSED:
                continue
            columns = [one for one in new_columns(table, part, self._inner.routing) if one.name not in refused]
            if columns:
                self._settle()
                refused |= _add(self._sink, self._plan, table, columns).keys()
                self._refit()

    def _widen_columns(self, batch: Batch, rejects: Sequence[Reject]) -> bool:
        """Widen columns for rejected values; return whether any was widened."""
        before = self._plan
        for table, part in self._inner.parts(batch).items():
            if columns := wider_columns(table, part, rejects):
                self._settle()
                self._sink.evolve(self._plan, table, columns)
                self._refit()
        return self._plan != before

    def _refit(self) -> None:
        """Take the columns that the tables now have, also those that other loads have changed."""
        fields = self._inner.fields
        self._plan = fit_to_storage(with_tables(self._plan, _undeclared), self._sink.storages(self._plan))
        self._inner = ChunkBuilder(self._plan, self._form)
        self._inner.fields = fields


def _undeclared(table: Table) -> Table:
    """Return the table with inferred columns that take any type which the table has."""

    def undeclared(column: Column) -> Column:
        inferred = column.storage is not None and (table.inferred or column.spellings) and column.name != table.rescue
        return replace(column, type=ColumnType.TEXT, spellings=(), storage=None) if inferred else column

    return replace(table, columns=tuple(map(undeclared, table.columns)))
