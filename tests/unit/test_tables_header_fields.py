"""Fields of a header without a name of their own: taken by position, called by position, and never guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.errors import HeaderRowError, InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.rescue_column import with_rescue
from penstock.model.table import Choice, Evolve, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, complete, field_warnings
from penstock.tables.raw_csv import csv_validator
from penstock.tables.row_converter import RowConverter
from table_batches import rows

HEADER = ["id", "", "name", "name", " "]
BATCH = rows(HEADER, ("1", "a", "b", "c", "d"))
THIRD = Column("third", source="#3")


def plan(*columns: Column, rescue: str = "") -> TablePlan:
    table = Table("t", columns, rescue=rescue)
    return TablePlan(ParseOptions(format=Format.CSV), with_rescue(table) if rescue else table)


def loaded(found: TablePlan, batch: Batch = BATCH) -> list[tuple[object, ...]]:
    chunk, _ = ChunkBuilder(found, Form.VALUE).chunk(0, batch)
    return [row for part in chunk.rows for row in zip(*part.columns, strict=True)]


def test_a_column_takes_a_field_by_its_position_whatever_its_name() -> None:
    columns = Column("id", ColumnType.INTEGER), Column("second", source="#2"), THIRD, Column("last", source="#5")
    assert loaded(plan(*columns)) == [(1, "a", "b", "d")]


def test_a_field_that_has_this_name_comes_first() -> None:
    assert loaded(plan(THIRD), rows(["#3", "b", "c"], ("1", "2", "3"))) == [("1",)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Column("name"), "the header has 'name' 2 times"),
        (Column("x", source="#6"), "the header lacks '#6'"),
        (Column("x", source="#0"), "the header lacks '#0'"),
        (Column("x", source=""), "the header lacks 'x'"),
    ],
)
def test_a_field_that_is_doubled_or_not_there_is_an_error_if_a_column_takes_it(column: Column, message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        loaded(plan(column))


def test_the_hint_says_how_to_take_a_doubled_field() -> None:
    with pytest.raises(InvalidTableError) as caught:
        loaded(plan(Column("name")))
    assert caught.value.hint == 'Take one of them by its position, such as `from = "#3"` in the route.'


@pytest.mark.parametrize(("names", "message"), [(["a", ""], "column 2 .* no name"), (["a", "a"], "has 'a' 2 times")])
def test_inferred_columns_need_names_of_their_own(names: list[str], message: str) -> None:
    with pytest.raises(HeaderRowError, match=message):
        complete(plan(), rows(names, ("1", "2")))


def test_new_columns_need_names_of_their_own() -> None:
    grows = replace(Table("t", (Column("id"),)), evolve=Evolve.ADD)
    with pytest.raises(HeaderRowError, match="column 2 of the header has no name"):
        complete(TablePlan(ParseOptions(), grows), BATCH)
    with pytest.raises(HeaderRowError, match="the header has 'name' 2 times"):
        complete(TablePlan(ParseOptions(), grows), rows(["id", "name", "name"], ("1", "a", "b")))


def test_other_fields_are_called_by_their_position() -> None:
    found = plan(Column("id"), THIRD)
    counts = ChunkBuilder(found).compare(BATCH)
    assert field_warnings(found, counts) == ("1 record holds fields that no column takes: '#2', '#4', '#5'",)
    assert loaded(plan(Column("id"), THIRD, rescue="rest")) == [("1", "b", {"#2": "a", "#4": "c", "#5": "d"})]


def test_records_are_chosen_by_a_field_at_a_position() -> None:
    tables = {"a": Table("one", (Column("id"),)), "x": Table("two", (Column("id"),))}
    chunk, _ = ChunkBuilder(TablePlan(ParseOptions(), choice=Choice("#2", tables))).chunk(0, BATCH)
    assert [part.table.name for part in chunk.rows] == ["one"]
    with pytest.raises(InvalidTableError, match="chosen by 'name', which the header has 2 times"):
        ChunkBuilder(TablePlan(ParseOptions(), choice=Choice("name", tables))).chunk(0, BATCH)


def test_rows_of_fields_by_position_need_not_be_parsed() -> None:
    table = Table("t", (Column("b", ColumnType.INTEGER, source="#2"), Column("a", source="#1")))
    validate = csv_validator(table, ("", ""), ",", '"')
    assert validate
    found = validate(b"x,1\n")
    assert found
    assert found.names == ("a", "b")
    assert csv_validator(Table("t", (Column("a", source="#1"), Column("b", source="#1"))), ("", ""), ",", '"') is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            ["id", "Name", "DAY"],
            "table t: the header lacks 'Name' (did you mean 'Nane'?), 'DAY' (did you mean 'day'?)",
        ),
        (["id", "Name"], "table t, column 'Name': the header lacks 'Name'; did you mean 'Nane'? It has 'id', 'Nane'"),
        ([f"column {n}" for n in range(12)], "'column 9' and 2 others; it has 'id', 'Nane', 'day'"),
    ],
)
def test_all_columns_that_a_header_lacks_are_named(columns: list[str], message: str) -> None:
    with pytest.raises(InvalidTableError) as error:
        RowConverter(Table("t", tuple(map(Column, columns))), ("id", "Nane", "day"))
    assert message in str(error.value)
