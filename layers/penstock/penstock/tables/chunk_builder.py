"""A parsed batch to a chunk, which a table sink commits at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from penstock.model.column import FieldCounts
from penstock.model.load import Chunk
from penstock.model.record import Batch, CsvValidator, Reject
from penstock.model.table import Table, TablePlan
from penstock.tables.field_watch import FieldWatch, declared_columns
from penstock.tables.forms import FORMS, Form
from penstock.tables.late_columns import SpareColumns
from penstock.tables.raw_csv import csv_validator
from penstock.tables.row_converter import RowConverter
from penstock.tables.table_router import TableRouter


def tables_of(plan: TablePlan) -> tuple[Table, ...]:
    """The tables of a plan, each once, in its order."""
    if plan.table:
        return (plan.table,)
    return tuple(dict.fromkeys(plan.choice.tables.values())) if plan.choice else ()


def beside_of(plan: TablePlan) -> tuple[str, ...]:
    """Fields of a row that are no column, but that the plan asks for."""
    choice = plan.choice
    if choice is None or choice.payload:
        return ()
    # Of a CSV it is the name of a column, of JSON a path.
    return choice.field, choice.field.split(".")[0]


class ChunkBuilder:
    """Makes chunks out of the batches of one file, by a plan whose columns are known (see `complete`).

    ``fields`` tells of the fields of all these batches.

    Raises InvalidTableError when they are not, or when the header lacks one.
    """

    def __init__(self, plan: TablePlan, form: Form = Form.TEXT) -> None:
        self.table = plan.table
        self.chooser = TableRouter(plan.choice) if plan.choice else None
        self.form = form
        self.shapers: dict[Table, RowConverter] = {}
        self.watches = {table: FieldWatch(table, beside_of(plan)) for table in tables_of(plan)}
        self.spares = {table: SpareColumns(table) for table in tables_of(plan) if table.spare}
        self.unseen = FieldCounts(missing=declared_columns(tables_of(plan)))
        self.fields = self.unseen

    def screen(self, names: tuple[str, ...], delimiter: str, quote: str) -> CsvValidator | None:
        """What recognises batches of a CSV that need not be parsed (see `raw_csv`); None where there is nothing."""
        if not self.table or not FORMS[self.form].raw_csv:
            return None
        return csv_validator(self.table, names, delimiter, quote)

    def chunk(self, number: int, batch: Batch) -> tuple[Chunk, tuple[Reject, ...]]:
        """The ``number``-th chunk of its span, and all rejects in the order of the records, the parser's included."""
        parts, unfit = self._split(batch)
        # Without a row the header is looked at all the same, unless it may be another table's.
        wanted = [(table, part) for table, part in parts.items() if table is self.table or part.rows]
        self.fields = self._compared(parts, self.fields)
        shaped = [
            self._shaper(wide, batch).shape(sort) for table, part in wanted for wide, sort in self._sorts(table, part)
        ]
        faults = [reject for _, rejects in shaped for reject in rejects]
        rejects = sorted((*batch.rejects, *unfit, *faults), key=attrgetter("place.row"))
        chunk = Chunk(
            number=number,
            end=batch.end,
            next_row=batch.first_row + batch.count,
            records=batch.count,
            rows=[rows for rows, _ in shaped if rows.count],
            rejects=len(rejects),
        )
        return chunk, tuple(rejects)

    def compare(self, batch: Batch) -> FieldCounts:
        """What these records alone tell of their fields."""
        return self._compared(self._split(batch)[0], self.unseen)

    def _compared(self, parts: Mapping[Table, Batch], known: FieldCounts) -> FieldCounts:
        for table, part in parts.items():
            if part.raw_csv or part.rows:
                known = known.plus(self.watches[table].look(part, known.missing))
        return known

    def _split(self, batch: Batch) -> tuple[Mapping[Table, Batch], tuple[Reject, ...]]:
        if self.chooser:
            return self.chooser.split(batch)
        return ({self.table: batch} if self.table else {}), ()

    def _sorts(self, table: Table, part: Batch) -> Sequence[tuple[Table, Batch]]:
        return self.spares[table].split(part) if table.spare else [(table, part)]

    def _shaper(self, table: Table, batch: Batch) -> RowConverter:
        if table not in self.watches:  # of one batch, with more columns
            return RowConverter(table, batch.names, self.form)
        if table not in self.shapers:
            self.shapers[table] = RowConverter(table, batch.names, self.form)
        return self.shapers[table]
