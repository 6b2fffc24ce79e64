"""Turns a batch of records into checked rows, column by column.

A column in the common form is checked as a whole, at the speed of C, and passed on by reference. Any other column is
read value by value, to find the bad records and to convert unusual forms to the common one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import TypeAlias, cast

from penstock.errors import InvalidTableError
from penstock.model.column import Column
from penstock.model.columnar_rows import ColumnarRows
from penstock.model.lazy_sequence import LazySequence
from penstock.model.load import Rows
from penstock.model.record import Batch, Reject
from penstock.model.table import Table
from penstock.model.typed_text import Typed
from penstock.model.xml_values import TextElement, UntypedRecord
from penstock.tables.cells import as_texts, column_getter
from penstock.tables.column_reader import ColumnReader, RejectReasons, default_of
from penstock.tables.documents import JsonKind, WrittenJsonKind
from penstock.tables.field_names import name_problems
from penstock.tables.field_watch import has_field, path_of
from penstock.tables.forms import FORMS, Form
from penstock.tables.header_fields import positions_of
from penstock.tables.kind_choice import is_converted
from penstock.tables.rescue import Rescue, is_rescued, raw_value

Texts: TypeAlias = "tuple[Sequence[str | None], Mapping[int, str]]"
"""A column of texts, and why some values (by position) have no text."""

NONE_WRONG: Mapping[int, str] = {}


class RowConverter:
    """Checks and types the records of one table.

    ``names``: the columns of the header; empty where records are JSON objects. `FieldWatch` counts fields without a
    column. In a JSON record, a column's ``source`` is a path (keys joined by dots); a missing field is null. Numbers
    and booleans keep their JSON text, so a text column may hold them. Null tokens apply to JSON values too, except the
    empty text in a text column: JSON has a null of its own. Key columns are never null. ``also_used``: fields that are
    not columns, but that the route uses.

    Raises InvalidTableError when the header lacks a column or names one twice, or shows that a column would hold what
    another one hashes.
    """

    def __init__(
        self, table: Table, names: Sequence[str], form: Form = Form.TEXT, also_used: Collection[str] = ()
    ) -> None:
        self.table = table
        self.form = FORMS[form]
        self.names = tuple(column.name for column in table.columns)
        if not table.columns:
            raise InvalidTableError(f"table {table.name}: its columns are not known yet")
        self.columns = [column for column in table.columns if not table.rescue or column.name != table.rescue]
        self.fields = [column for column in self.columns if not column.metadata]
        self.has_header = bool(names)
        self.positions = positions_of(table, self.fields, names) if names else []
        _refuse_raw(table, self.fields, self.positions)
        self.getters = [column_getter(path_of(column)) for column in self.fields]
        self.readers = [ColumnReader(column, table, self.form, json=not names) for column in self.columns]
        self.rescue = Rescue(table, names, also_used) if len(self.columns) < len(table.columns) else None
        if self.rescue:
            self.rescue_reader = ColumnReader(table.columns[self.rescue.position], table, self.form, json=True)
            if type(self.rescue_reader.kind) is JsonKind and self.rescue_reader.form.values is None:
                self.rescue_reader.kind = WrittenJsonKind()
        places = dict(zip(self.fields, self.positions, strict=False))
        self.raw_values = [
            raw_value(column, places.get(column)) if is_rescued(table, column) else None for column in self.columns
        ]

    def convert(self, batch: Batch) -> tuple[Rows, tuple[Reject, ...]]:
        """The good rows, and the rejects. A batch that the validator accepted is parsed only if its rows are read."""
        if batch.raw_csv:
            parsed = LazySequence(lambda: self.convert(replace(batch, raw_csv=None))[0].columns)
            return Rows(
                self.table, self.names, parsed, batch.count, batch.position, frozenset(), batch.raw_csv, batch.first_row
            ), ()
        faults = RejectReasons()
        rescued: dict[int, dict[str, object]] = {}
        found = self._found(batch, faults)
        columns, full = [], []
        for position, (reader, (texts, wrong)) in enumerate(zip(self.readers, found, strict=True)):
            if self.columns[position].is_protected and wrong:
                wrong = dict.fromkeys(wrong, "is no single value")  # noqa: PLW2901  # the reason quotes it
            unfit = faults if self.raw_values[position] is None else RejectReasons()
            for number, reason in wrong.items():
                unfit.add(number, reader.name, reason)
            alike = self.columns[position].metadata and len(texts) > 1 and texts.count(texts[0]) == len(texts)
            column, is_full = reader.read_alike(texts, unfit) if alike else reader.read(texts, unfit)
            columns.append(column)
            if is_full:
                full.append(position)
            self._keep(position, unfit, batch.rows, rescued)
        if self.rescue:
            column, is_full = self._left(self.rescue, batch.rows, rescued, faults)
            at = self.rescue.position
            columns.insert(at, column)
            full = [*(number + (number >= at) for number in full), *([at] if is_full else [])]
        kept: Sequence[int] = range(len(batch.rows))
        if faults.reasons:
            keep = [position not in faults.reasons for position in kept]
            columns = [list(compress(column, keep)) for column in columns]
            kept = list(compress(kept, keep))
        rows = Rows(self.table, self.names, columns, len(kept), lambda row: batch.position(kept[row]), frozenset(full))
        if len(kept) == batch.count:
            rows = replace(rows, first_row=batch.first_row)
        if rescued:
            rows = replace(rows, rescued=len(rescued.keys() - faults.reasons.keys()))
        return self.form.finish(rows), tuple(faults.rejects(batch))

    def _keep(
        self, number: int, unfit: RejectReasons, rows: Sequence[object], rescued: dict[int, dict[str, object]]
    ) -> None:
        """Keep the values of column ``number`` that are of the wrong type, if the rescue column takes them."""
        raw = self.raw_values[number]
        column = self.columns[number]
        for position in unfit.reasons if raw else ():
            rescued.setdefault(position, {})[column.source or column.name] = raw(rows[position]) if raw else None

    def _left(
        self, rescue: Rescue, rows: Sequence[object], rescued: Mapping[int, Mapping[str, object]], faults: RejectReasons
    ) -> tuple[Sequence[object], bool]:
        """The rescue column in the wanted form, and whether it is known to hold no None."""
        texts, wrong = rescue.texts(rows, rescued)
        for position, reason in wrong.items():
            faults.add(position, self.table.rescue, reason)
        return self.rescue_reader.read(texts, faults)

    def _found(self, batch: Batch, faults: RejectReasons) -> Iterator[Texts]:
        """The texts of each column: those of a field, or a value of the source."""
        fields = self._columns(batch.rows, faults)
        for column in self.columns:
            if not column.metadata:
                yield next(fields)
            else:
                yield batch.metadata(column.metadata) if batch.metadata else [None] * len(batch.rows), NONE_WRONG
        # Records without any column of a field are still examined.
        next(fields, None)

    def _columns(self, rows: Sequence[object], faults: RejectReasons) -> Iterator[Texts]:
        if not self.has_header:
            yield from self._fields(rows, faults)
        elif isinstance(rows, ColumnarRows):
            yield from ((rows.columns[position], NONE_WRONG) for position in self.positions)
        elif rows:
            columns = list(zip(*rows))  # noqa: B905  # every row is as wide as the header; `strict` doubles the time
            yield from ((columns[position], NONE_WRONG) for position in self.positions)
        else:
            yield from (((), NONE_WRONG),) * len(self.positions)

    def _fields(self, rows: Sequence[object], faults: RejectReasons) -> Iterator[Texts]:
        records = cast("Sequence[Mapping[str, object]]", rows)
        if not set(map(type, rows)) <= {dict, UntypedRecord}:
            for position, row in enumerate(rows):
                if not isinstance(row, Mapping):
                    faults.add(position, "", "is not an object")
            records = [row if isinstance(row, Mapping) else {} for row in rows]
        for position, reason in name_problems(records).items():
            faults.add(position, "", reason)
        for column, get in zip(self.fields, self.getters, strict=True):
            values = get(records)
            if (default := default_of(column)) is not None:
                path = path_of(column)
                values = [
                    value if value is not None or has_field(record, path) else default
                    for value, record in zip(values, records, strict=True)
                ]
            texts, wrong = as_texts(values, column)
            yield _typed(values, texts) if is_converted(column) else texts, wrong


def _typed(values: Sequence[object], texts: Sequence[str | None]) -> Sequence[str | None]:
    """The texts, marked where JSON has a type of its own: a number, true or false."""
    if set(map(type, values)) == {str}:
        return texts
    return [
        text if text is None or isinstance(value, str | TextElement) else Typed(text)
        for value, text in zip(values, texts, strict=True)
    ]


def _refuse_raw(table: Table, columns: Sequence[Column], positions: Sequence[int]) -> None:
    """Refuse a column that holds as it is what another one hashes or masks: only a header tells names and positions
    of the same field."""
    # Without a header there are no positions.
    placed = list(zip(positions, columns, strict=False))
    protected = {place: column.name for place, column in placed if column.is_protected}
    for place, column in placed:
        if place in protected and not column.is_protected:
            raise InvalidTableError(
                f"table {table.name}: column {column.name!r} would hold as it is what {protected[place]!r} hashes or "
                f"masks: both take field {place + 1}",
                hint="Leave one of them out, or take another field.",
            )
