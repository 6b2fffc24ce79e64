"""A choice by `$sheet`: whole sheets go to tables, whatever the destination."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import ParseOptions, SheetTable
from penstock.model.record import Batch, RecordPosition
from penstock.model.table import Choice, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, complete, samples_of

ORDERS = Table("orders", (Column("id", ColumnType.INTEGER),))
MONTHS = Table("months", (Column("day"), Column("n", ColumnType.INTEGER)))
SHEETS = (SheetTable("Orders"), SheetTable("2026-*"), SheetTable("More"))


def plan(orders: Table = ORDERS, months: Table = MONTHS) -> TablePlan:
    choice = Choice("$sheet", {"Orders": orders, "2026-*": months, "More": orders})
    return TablePlan(ParseOptions(sheets=SHEETS, refuse_others=True), choice=choice)


def sheet(name: str, names: Sequence[str], *rows: Sequence[str | None]) -> Batch:
    batch_rows = [list(row) for row in rows]
    return Batch(1, 0, 0, len(rows), tuple(names), batch_rows, lambda row: RecordPosition(row, 0, ""), sheet=name)


@pytest.mark.parametrize("form", Form)
def test_each_sheet_goes_to_its_table_by_its_own_header(form: Form) -> None:
    builder = ChunkBuilder(plan(), form)
    one = "1" if form is Form.TEXT else 1
    for name, names, row, table, columns in (
        ("orders", ["id"], ["1"], "orders", [[one]]),
        ("2026-01", ["day", "n"], ["a", "1"], "months", [["a"], [one]]),
        ("2026-02", ["n", "x", "day"], ["1", "-", "a"], "months", [["a"], [one]]),
        ("more", ["x", "id"], ["-", "1"], "orders", [[one]]),
    ):
        chunk, rejects = builder.chunk(0, sheet(name, names, row))
        [rows] = chunk.rows
        assert (rows.table.name, [list(column) for column in rows.columns], rejects) == (table, columns, ())


def test_the_header_of_a_sheet_without_rows_is_checked() -> None:
    with pytest.raises(InvalidTableError, match="table months, column 'n'"):
        ChunkBuilder(plan()).chunk(0, sheet("2026-01", ["day"]))


def test_a_file_without_sheets_is_an_error() -> None:
    with pytest.raises(InvalidTableError, match=r"records are chosen by '\$sheet', but the file has no sheets"):
        ChunkBuilder(plan()).chunk(0, sheet("", ["id"], ["1"]))


def test_each_table_is_inferred_from_a_sample_of_its_own_sheets() -> None:
    unknown = plan(Table("orders"), Table("months"))
    [orders, months, more] = samples_of(unknown)
    assert [[table.read for table in options.sheets] for options in (orders, months, more)] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    assert not orders.refuse_others
    known = complete(unknown, sheet("Orders", ["id"], ["1"]))
    assert [len(table.columns) for table in known.tables] == [1, 0]
    known = complete(known, sheet("2026-07", ["day", "n"], ["2026-07-01", "1"]))
    assert [[column.type.value for column in table.columns] for table in known.tables] == [
        ["integer"],
        ["date", "integer"],
    ]
    assert [options.sheets[1].read for options in samples_of(plan(months=Table("months")))] == [True]
