"""The columns of a table from the first records of a file: the same file gives the same columns.

Cautious on purpose: a column gets a type only if every value of the sample has it and none would change by it.
``007`` is a text, and so is a column that mixes types or is empty. All columns may be null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from penstock.errors import InvalidTableError
from penstock.records import Batch, Choice, Column, ColumnType, Table, TablePlan
from penstock.tables.choose import Chooser
from penstock.tables.kinds import Cells, IntegerKind
from penstock.tables.times import DateKind, TimestampKind

# Records of the sample that are looked at.
SAMPLE = 10_000

_WHOLE = r"-?(?:0|[1-9][0-9]*)"
INTEGER = re.compile(_WHOLE)
NUMERIC = re.compile(_WHOLE + r"(?:\.[0-9]+)?")
FLOAT = re.compile(_WHOLE + r"(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")
BOOLEANS = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})


def complete(plan: TablePlan, sample: Batch) -> TablePlan:
    """The plan with the columns of every table: those that the route does not declare are inferred from a sample.

    Raises InvalidTableError for a table of which the sample has no record, and for a header that does not do.
    """
    if plan.table:
        return replace(plan, table=_with_columns(plan.table, sample))
    if plan.choice:
        return replace(plan, choice=_with_tables(plan.choice, sample))
    return plan


def _with_tables(choice: Choice, sample: Batch) -> Choice:
    parts, _ = Chooser(choice).split(sample)
    tables = {value: _with_columns(table, parts[table]) for value, table in choice.tables.items()}
    return replace(choice, tables=tables)


def _with_columns(table: Table, sample: Batch) -> Table:
    if table.columns:
        return table
    columns = infer(sample, table.nulls)
    if not columns:
        raise InvalidTableError(
            f"table {table.name}: there is no record to infer its columns from", hint="Declare the table's columns."
        )
    if strange := set(table.key) - {column.name for column in columns}:
        raise InvalidTableError(f"table {table.name}: the key {min(strange)!r} is not among its columns")
    return replace(table, columns=columns, guessed=not sample.rows)


def infer(sample: Batch, nulls: tuple[str, ...] = ("",)) -> tuple[Column, ...]:
    """The columns of a sample, named as in the header or, for JSON, by the keys in the order of their appearance.

    ``nulls`` are texts that mean NULL: they say nothing of a type.

    Raises InvalidTableError for names that are empty or there twice.
    """
    rows = sample.rows[:SAMPLE]
    if sample.names:
        _check_header(sample.names)
        cells = zip(*rows, strict=True) if rows else ((),) * len(sample.names)
        return tuple(
            Column(name, _type_of_texts([cell for cell in column if cell and cell not in nulls]), nulls=nulls)
            for name, column in zip(sample.names, cells, strict=True)
        )
    records = [row for row in rows if isinstance(row, Mapping)]
    names = dict.fromkeys(name for record in records for name in record)
    return tuple(
        Column(name, _type_of_values([record.get(name) for record in records], nulls), nulls=nulls) for name in names
    )


def _check_header(names: Sequence[str]) -> None:
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise InvalidTableError(
                f"column {number} of the header has no name", hint="Name the columns in the route, or in the header."
            )
        if name in names[: number - 1]:
            raise InvalidTableError(f"the header has {name!r} twice", hint="Name the columns in the route.")


def _type_of_texts(texts: Sequence[str]) -> ColumnType:
    if not texts:
        return ColumnType.TEXT
    if BOOLEANS.issuperset(texts):
        return ColumnType.BOOLEAN
    return _type_of_numbers(texts) or _type_of_times(texts) or ColumnType.TEXT


def _type_of_numbers(texts: Sequence[str]) -> ColumnType | None:
    if all(map(INTEGER.fullmatch, texts)):
        fits = all(len(text) < len(str(IntegerKind.most)) for text in texts)
        return ColumnType.INTEGER if fits else ColumnType.NUMERIC
    if all(map(NUMERIC.fullmatch, texts)):
        return ColumnType.NUMERIC
    return ColumnType.FLOAT if all(map(FLOAT.fullmatch, texts)) else None


def _type_of_times(texts: Sequence[str]) -> ColumnType | None:
    cells = Cells(texts)
    if all(map(DATE.fullmatch, texts)) and DateKind().accepts(cells):
        return ColumnType.DATE
    if all(map(TIMESTAMP.fullmatch, texts)) and TimestampKind().accepts(cells):
        return ColumnType.TIMESTAMP
    return None


def _type_of_values(values: Sequence[object], nulls: tuple[str, ...]) -> ColumnType:
    present = [value for value in values if value is not None and not (value and value in nulls)]
    kinds = set(map(type, present))
    if kinds & {dict, list}:
        return ColumnType.JSON
    if kinds == {bool}:
        return ColumnType.BOOLEAN
    if kinds and kinds <= {int, Decimal, float}:
        return _type_of_numbers(list(map(str, present))) or ColumnType.FLOAT
    if kinds == {str}:
        return _type_of_times([str(value) for value in present if value] or [""]) or ColumnType.TEXT
    return ColumnType.TEXT
