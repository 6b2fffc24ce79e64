"""Turns a parsed batch into a chunk, which a table sink commits in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from penstock.errors import InvalidTableError
from penstock.model.column import FieldCounts
from penstock.model.load import Chunk
from penstock.model.record import Batch, CsvValidator, Reject
from penstock.model.table import Evolve, Table, TablePlan
from penstock.tables.absent_fields import split_by_absent_fields
from penstock.tables.field_watch import FieldWatch, declared_columns
from penstock.tables.forms import FORMS, Form
from penstock.tables.late_columns import LateColumns
from penstock.tables.protection import redacted, without_raw
from penstock.tables.row_converter import RowConverter
from penstock.tables.table_router import TableRouter


def tables_of(plan: TablePlan) -> tuple[Table, ...]:
    """The tables of a plan, each once, in its order."""
    return plan.tables


def with_tables(plan: TablePlan, change: Callable[[Table], Table]) -> TablePlan:
    """The plan with each of its tables changed."""
    if plan.table:
        return replace(plan, table=change(plan.table))
    if plan.choice:
        tables = {value: change(table) for value, table in plan.choice.tables.items()}
        return replace(plan, choice=replace(plan.choice, tables=tables))
    return plan


def check_header(plan: TablePlan, names: Sequence[str]) -> None:
    """Raise InvalidTableError if the header lacks a column, or has one twice."""
    for table in tables_of(plan):
        RowConverter(table, names)


def routing_fields(plan: TablePlan) -> tuple[str, ...]:
    """Fields that are no columns of a table, but that the plan uses: by some it routes records to tables."""
    choice = plan.choice
    if choice is None or choice.payload or choice.by_sheet:
        return ()
    # Every line has all fields of a fixed layout, also those of records for other tables.
    columns = [column for table in plan.tables for column in table.columns] if plan.parse.fields else []
    others = [column.source or column.name for column in columns if not column.metadata]
    # In a CSV it is the name of a column, in JSON a path.
    return tuple(dict.fromkeys((choice.field, choice.field.split(".")[0], *others)))


class ChunkBuilder:
    """Makes chunks out of the batches of one file, by a plan whose columns are known (see `complete`).

    ``fields`` counts the fields of all batches.

    Raises InvalidTableError when the columns are not known, or when the header lacks one.
    """

    def __init__(self, plan: TablePlan, form: Form = Form.TEXT) -> None:
        self.plan = plan
        self.table = plan.table
        self.router = TableRouter(plan.choice) if plan.choice else None
        self.form = form
        self.converters: dict[Table, tuple[tuple[str, ...], RowConverter]] = {}
        self.routing = routing_fields(plan)
        self.watches = {table: FieldWatch(table, self.routing) for table in tables_of(plan)}
        self.late = {table: LateColumns(table) for table in tables_of(plan) if table.spare}
        self.unseen = FieldCounts(missing=declared_columns(tables_of(plan)))
        self.fields = self.unseen

    def validator(self, names: tuple[str, ...], delimiter: str, quote: str) -> CsvValidator | None:
        """Recognises batches of a CSV that need not be parsed (see `raw_csv`); None where every batch is parsed."""
        create = FORMS[self.form].raw_csv
        return create(self.table, names, delimiter, quote) if self.table and create else None

    def chunk(self, number: int, batch: Batch) -> tuple[Chunk, tuple[Reject, ...]]:
        """Chunk ``number`` of its span, and all rejects in the order of the records, those of the parser included."""
        batch = without_raw(batch, self.plan)
        parts, unfit = self._split(batch)
        # A header without rows is still checked, unless it may belong to another table.
        wanted = [(table, part) for table, part in parts.items() if part is batch or part.rows]
        fields = self._compared(parts, self.fields)
        converted = [
            self._converter(wide, batch).convert(alike)
            for table, part in wanted
            for wide, alike in self._by_columns(table, part)
        ]
        self.fields = fields.with_rescued(sum(rows.rescued for rows, _ in converted))
        faults = [reject for _, rejects in converted for reject in rejects]
        found = sorted((*batch.rejects, *unfit, *faults), key=attrgetter("position.row"))
        rejects = redacted(tuple(found), self.plan)
        chunk = Chunk(
            number=number,
            end=batch.end,
            next_row=batch.first_row + batch.count,
            records=batch.count,
            rows=[rows for rows, _ in converted if rows.count],
            rejects=len(rejects),
            first_reject=rejects[0] if rejects else None,
        )
        return chunk, rejects

    def compare(self, batch: Batch) -> FieldCounts:
        """The field counts of these records alone."""
        return self._compared(self.parts(batch), self.unseen)

    def _compared(self, parts: Mapping[Table, Batch], known: FieldCounts) -> FieldCounts:
        for table, part in parts.items():
            if part.raw_csv or part.rows:
                found = self.watches[table].look(part, known.missing)
                if found.records and table.evolve is Evolve.FAIL:
                    raise _refused(table, part, found.names)
                known = known.plus(found)
        return known

    def parts(self, batch: Batch) -> Mapping[Table, Batch]:
        """The records of each table."""
        return self._split(batch)[0]

    def _split(self, batch: Batch) -> tuple[Mapping[Table, Batch], tuple[Reject, ...]]:
        if self.router:
            return self.router.split(batch)
        return ({self.table: batch} if self.table else {}), ()

    def _by_columns(self, table: Table, part: Batch) -> Sequence[tuple[Table, Batch]]:
        parts = self.late[table].split(part) if table.spare else [(table, part)]
        return [each for wide, alike in parts for each in split_by_absent_fields(wide, alike)]

    def _converter(self, table: Table, batch: Batch) -> RowConverter:
        if table not in self.watches:  # a table for one batch, with late columns
            return RowConverter(table, batch.names, self.form, self.routing)
        names, converter = self.converters.get(table, (None, None))
        # Each sheet of a workbook has a header of its own.
        if converter is None or names != batch.names:
            converter = RowConverter(table, batch.names, self.form, self.routing)
            self.converters[table] = batch.names, converter
        return converter


def _refused(table: Table, part: Batch, names: Sequence[str]) -> InvalidTableError:
    """The error for fields without a column, where the route lets them fail."""
    found = next((n for n, row in enumerate(part.rows) if part.names or set(names) & set(_names_of(row))), 0)
    where = "the header" if part.names else f"record {part.position(found).row:,}"
    listed = ", ".join(map(repr, names))
    return InvalidTableError(
        f'table {table.name}: {where} has fields that no column takes, and the route says evolve = "fail": {listed}',
        hint='Add the columns, or set evolve to "add" or "ignore".',
    )


def _names_of(row: object) -> Sequence[str]:
    return tuple(row) if isinstance(row, Mapping) else ()
