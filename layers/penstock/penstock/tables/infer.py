"""The columns of a table from the first records of a file: the same file gives the same columns.

Cautious on purpose: a column gets a type only if every value of the sample has it and none would change by it.
``007`` is a text, and so is a column that mixes types or is empty. All columns may be null. With its type a column gets
the spellings that the sample has shown: behind the sample it takes no others (see `spellings`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

from penstock.errors import HeaderRowError, InvalidTableError
from penstock.model.column import DIGITS, PLACES, Column, ColumnType
from penstock.model.number import Written
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.rescue_column import with_rescue
from penstock.model.table import Table, TablePlan
from penstock.model.xml_values import Several, TextElement, UntypedRecord
from penstock.tables.chunk_builder import routing_fields, with_tables
from penstock.tables.column_kinds import Cells, IntegerKind
from penstock.tables.field_names import name_problems
from penstock.tables.field_watch import path_of
from penstock.tables.header_fields import fields_without
from penstock.tables.kind_choice import PLAIN
from penstock.tables.spellings import spellings_of
from penstock.tables.table_router import TableRouter

# Records of the sample that columns are inferred from.
SAMPLE = 10_000

Inferred = tuple[ColumnType, tuple[str, ...], int]
"""A type, its spellings, and the places behind the point that its numbers need, if these are many."""

TEXT: Inferred = (ColumnType.TEXT, ("text",), 0)
JSON: Inferred = (ColumnType.JSON, ("json",), 0)

# The order matters: a valid integer is also a valid numeric.
TYPES = (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.DATE, ColumnType.TIMESTAMP)
OF_NUMBERS = (ColumnType.INTEGER, ColumnType.NUMERIC)
OF_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)
# A longer integer makes the column numeric: the next one may not fit 64 bits.
LONGEST_INTEGER = len(str(IntegerKind.most)) - 1


def complete(plan: TablePlan, sample: Batch) -> TablePlan:
    """The plan with the columns of every table: those that the route does not declare are inferred from a sample.

    Raises InvalidTableError for a table of which the sample has no record, and for a header that does not do.
    """
    parts: Mapping[Table, Batch] = TableRouter(plan.choice).split(sample)[0] if plan.choice else {}
    routing = routing_fields(plan)
    # The sample of a sheet says nothing of the tables of others.
    others = plan.tables if plan.choice and plan.choice.by_sheet else ()
    return with_tables(
        plan,
        lambda table: (
            table if table in others and table not in parts else _with_columns(table, parts.get(table, sample), routing)
        ),
    )


def samples_of(plan: TablePlan) -> tuple[ParseOptions, ...]:
    """How the source is parsed for each sample that the columns of the plan need: one, or one for each table whose
    sheets are to be read."""
    choice, parse = plan.choice, plan.parse
    if not choice or not choice.by_sheet:
        return (parse,)
    unknown = [value for value, table in choice.tables.items() if not table.columns or table.grows]
    return tuple(
        replace(
            parse,
            sheets=tuple(replace(sheet, read=sheet.name == value) for sheet in parse.sheets),
            refuse_others=False,
        )
        for value in unknown
    )


def _with_columns(table: Table, sample: Batch, also_used: Collection[str]) -> Table:
    if table.columns:
        new = new_columns(table, sample, also_used) if table.grows else ()
        return replace(table, columns=(*table.columns, *new)) if new else table
    columns = infer(sample, table.nulls)
    if table.grows and not sample.names and not sample.schema:
        columns = _with_values(columns, sample, table.key) or columns
    if not columns:
        faults = name_problems([row for row in sample.rows[:SAMPLE] if isinstance(row, Mapping)])
        why = "".join(f"; {fault}" for fault in dict.fromkeys(faults.values()))
        raise InvalidTableError(
            f"table {table.name}: there is no good record to infer its columns from{why}",
            hint="Declare the table's columns.",
        )
    if strange := set(table.key) - {column.name for column in columns}:
        raise InvalidTableError(f"table {table.name}: the key {min(strange)!r} is not among its columns")
    return with_rescue(replace(table, columns=columns, guessed=not (sample.rows or sample.schema), inferred=True))


def _with_values(columns: tuple[Column, ...], sample: Batch, key: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns whose fields are not null in all records: a later record shows the type of the others."""
    records = [row for row in sample.rows if isinstance(row, Mapping)]
    known = {name for record in records for name, value in record.items() if value is not None}
    return tuple(column for column in columns if column.name in known or column.name in key)


def new_columns(table: Table, batch: Batch, also_used: Collection[str] = ()) -> tuple[Column, ...]:
    """Columns for the fields of records that no column of the table takes, nor the route otherwise (``also_used``).

    A field that is null in all records, and a header without records, show no type yet.
    """
    if batch.names:
        taken = {column.source or column.name for column in table.columns} | {*also_used, table.rescue}
        taken -= {""}  # without a rescue column
        at = [position for _, position in fields_without(taken, batch.names)] if batch.rows else []
        _check_header(batch, at)
        names = tuple(batch.names[position] for position in at)
        cells = cast("Sequence[Sequence[str | None]]", batch.rows)
        found: Batch = replace(batch, names=names, rows=[[row[position] for position in at] for row in cells])
        return infer(found, table.nulls) if names else ()
    taken = {path_of(column)[0] for column in (*table.columns, *table.spare)} | {*also_used, table.rescue}
    records = [row for row in batch.rows if isinstance(row, Mapping)]
    if set[str]().union(*records) <= taken:
        return ()
    others = [
        {name: value for name, value in record.items() if value is not None and name not in taken} for record in records
    ]
    return infer(replace(batch, rows=list(filter(None, others))), table.nulls, limit=len(others))


def infer(sample: Batch, nulls: tuple[str, ...] = ("",), *, limit: int = SAMPLE) -> tuple[Column, ...]:
    """The columns of a sample, named as in the header or, for JSON, by the keys in the order of their appearance.

    ``nulls`` are texts that mean NULL: they say nothing of a type. Not more than ``limit`` records are looked at.

    Where the source has a schema, it decides, and not the values.

    Raises HeaderRowError for names that are empty or there twice.
    """
    rows = sample.rows[:limit]
    if sample.schema:
        return _declared(sample, nulls)
    if sample.names:
        _check_header(sample, range(len(sample.names)))
        cells = zip(*rows, strict=True) if rows else ((),) * len(sample.names)
        return tuple(
            _column(name, _of_texts([cell for cell in column if cell and cell not in nulls]), nulls)
            for name, column in zip(sample.names, cells, strict=True)
        )
    records = [row for row in rows if isinstance(row, Mapping)]
    if bad := name_problems(records):
        records = [record for position, record in enumerate(records) if position not in bad]
    # By the fields that each record has: JSON with ids as keys may have as many names as records.
    values: dict[str, list[object]] = {}
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
    untyped = any(isinstance(record, UntypedRecord) for record in records)
    return tuple(_column(name, _of_values(found, nulls, untyped=untyped), nulls) for name, found in values.items())


def _declared(sample: Batch, nulls: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of the source's schema, as far as the sample has their fields; all of them if it has no rows."""
    names = set(sample.names).union(*(row for row in sample.rows if isinstance(row, Mapping)))
    return tuple(replace(column, nulls=nulls) for column in sample.schema if not names or column.name in names)


def _column(name: str, inferred: Inferred, nulls: tuple[str, ...]) -> Column:
    kind, spellings, places = inferred
    return Column(name, kind, nulls=nulls, spellings=spellings, shown_places=places)


_NAME_THEM = (
    "Correct the header, name the columns (parse.columns), or declare those of the table, by position if need be."
)


def _check_header(batch: Batch, places: Iterable[int]) -> None:
    """Raise HeaderRowError if a column at one of these places has no name of its own."""
    times = Counter(batch.names)
    where = f"sheet {batch.sheet!r}: " if batch.sheet else ""
    for place in places:
        name = batch.names[place]
        if not name.strip():
            raise HeaderRowError(f"{where}column {place + 1} of the header has no name", offset=0, hint=_NAME_THEM)
        if times[name] > 1:
            raise HeaderRowError(f"{where}the header has {name!r} {times[name]} times", offset=0, hint=_NAME_THEM)


def _of_texts(texts: Sequence[str], among: Sequence[ColumnType] = TYPES) -> Inferred:
    """The first of these types whose values all texts are, unchanged, with their spellings; else text."""
    if texts:
        for kind in among:
            spellings = spellings_of(kind, texts)
            if spellings and _fit(kind, texts):
                return kind, spellings, _places(texts) if kind is ColumnType.NUMERIC else 0
    return TEXT


def _places(numbers: Sequence[str]) -> int:
    """How many places behind the point numbers need; 0 for the usual ones, and if a decimal has not so many digits.

    Twice the usual ones, where they will do: later files are likely to have more places than this one.
    """
    front = behind = 0
    for number in numbers:
        digits, _, exponent = number.lower().partition("e")
        if len(exponent) > DIGITS:
            return 0
        whole, _, part = digits.lstrip("-").partition(".")
        shift = int(exponent or 0)
        front = max(front, len(whole.lstrip("0")) + shift)
        behind = max(behind, len(part.rstrip("0")) - shift)
    if behind <= PLACES:
        return 0
    room = DIGITS - front
    return next((places for places in (2 * PLACES, behind) if behind <= places <= room), 0)


def _fit(kind: ColumnType, texts: Sequence[str]) -> bool:
    """Whether texts in a valid spelling of a type are also values of it."""
    if kind is ColumnType.INTEGER:
        return max(map(len, texts)) <= LONGEST_INTEGER
    if PLAIN[kind].accepts(Cells(texts)):
        return True
    try:
        return all(PLAIN[kind].value(text) is not None for text in texts)
    except ValueError:
        return False


def _of_values(values: Sequence[object], nulls: tuple[str, ...], *, untyped: bool = False) -> Inferred:
    """``untyped``: texts may be values of any type, as in a CSV."""
    present = [value for value in values if value is not None and not (value and value in nulls)]
    kinds = set(map(type, present))
    if kinds & {dict, list, TextElement, Several}:
        return JSON
    if kinds == {bool}:
        return ColumnType.BOOLEAN, ("true",), 0
    if kinds and kinds <= {int, Decimal, Written, float}:
        return _of_texts(list(map(str, present)), OF_NUMBERS)
    if kinds == {str}:
        return _of_texts([str(value) for value in present if value], TYPES if untyped else OF_TIMES)
    return TEXT
