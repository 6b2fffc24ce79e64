"""Columns of a batch that hold values of its source, in the forms of all destinations."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from penstock.errors import SourceValueError
from penstock.formats import parse
from penstock.model.column import Column, ColumnType
from penstock.model.load import Rows
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.table import Choice, Evolve, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, check_values, with_metadata
from table_batches import records, rows

KEY = Column("file", metadata="key")
DAY = Column("day", ColumnType.DATE, formats=("%Y%m%d",), metadata="key.day")
ROW = Column("row", ColumnType.INTEGER, metadata="row")
VALUES = {"key": "a_20261130.csv", "key.day": "20261130"}


def plan(*columns: Column) -> TablePlan:
    return TablePlan(ParseOptions(), Table("t", (Column("id", ColumnType.INTEGER), *columns), key=("file", "row")))


def loaded(found: TablePlan, batch: Batch, form: Form = Form.VALUE) -> list[dict[str, object]]:
    chunk, _ = ChunkBuilder(found, form).chunk(0, with_metadata(batch, found, VALUES))
    return [row for part in chunk.rows for row in as_dicts(part)]


def as_dicts(part: Rows) -> list[dict[str, object]]:
    return [dict(zip(part.names, row, strict=True)) for row in zip(*part.columns, strict=True)]


def test_values_are_those_of_python_where_a_destination_wants_them() -> None:
    (one, two) = loaded(plan(KEY, DAY, ROW), rows(["id"], ("1",), ("2",), first=8))
    assert one == {"id": 1, "file": "a_20261130.csv", "day": date(2026, 11, 30), "row": 8}
    assert two["row"] == 9


def test_texts_are_those_that_a_database_reads() -> None:
    (one,) = loaded(plan(KEY, DAY, ROW), records({"id": 1, "file": "of the record"}), Form.TEXT)
    assert one == {"id": "1", "file": "a_20261130.csv", "day": "2026-11-30", "row": "1"}


def test_a_row_of_a_sheet_has_no_offset() -> None:
    offset = Column("at", ColumnType.INTEGER, metadata="offset")
    sheet = replace(rows(["id"], ("1",), ("2",)), sheet="Orders")
    assert [row["at"] for row in loaded(plan(KEY, ROW, offset), sheet)] == [None, None]


def test_rows_keep_their_numbers_behind_rejects() -> None:
    found = loaded(plan(KEY, ROW), rows(["id"], ("1",), ("x",), ("3",), first=5))
    assert [(row["id"], row["row"]) for row in found] == [(1, 5), (3, 7)]


def test_rows_have_the_numbers_that_the_parser_gives_them() -> None:
    data = b"id,n\n1,a\n2\n3,c\n"
    options = ParseOptions(format=Format.CSV)
    (batch,) = parse([data], options, batch_bytes=1000)
    assert [(row["id"], row["row"]) for row in loaded(plan(ROW), batch)] == [(1, 1), (3, 3)]


def test_records_of_several_tables_keep_theirs() -> None:
    tables = {"a": Table("a", (Column("id"), KEY, ROW)), "b": Table("b", (ROW,))}
    choice = TablePlan(ParseOptions(), choice=Choice("type", tables))
    found = loaded(choice, records({"type": "b"}, {"type": "a", "id": "x"}, {"type": "b"}))
    assert found == [{"id": "x", "file": "a_20261130.csv", "row": 2}, {"row": 1}, {"row": 3}]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (DAY, {"key": "k", "key.day": "20261399"}, r"\$key.day of the key 'k': '20261399'"),
        (replace(DAY, nullable=False), {"key": "k", "key.day": None}, "is null, but may not be"),
        (Column("row", metadata="version_id"), {"key": "k", "version_id": None}, "is null, but may not be"),
    ],
)
def test_a_value_that_fits_no_record_is_an_error_before_any(
    column: Column, values: dict[str, str | None], message: str
) -> None:
    with pytest.raises(SourceValueError, match=message):
        check_values(plan(KEY, column), {"job": "j", **values})


def test_a_column_of_the_source_is_no_field_that_is_missing() -> None:
    found = replace(plan(KEY, ROW), table=replace(plan(KEY, ROW).tables[0], evolve=Evolve.FAIL))
    assert ChunkBuilder(found).compare(records({"id": 1})).missing == ()
