"""Columns that are inferred: cautious, and the same for the same file."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.tables import RowConverter, complete, infer
from table_batches import records, rows

T = ColumnType
PARSE = ParseOptions()


def typed(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns without how they are spelled."""
    return tuple(replace(column, spellings=()) for column in columns)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (T.INTEGER, ["1", "-20", "0", ""]),
        (T.INTEGER, ["0", "1"]),
        (T.TEXT, ["1", "007"]),
        (T.TEXT, ["+1"]),
        (T.TEXT, ["1", "x"]),
        (T.TEXT, ["1", " 2"]),
        (T.NUMERIC, ["1.50", "2"]),
        (T.NUMERIC, ["12345678901234567890"]),
        (T.TEXT, ["1.5", "01.5"]),
        (T.NUMERIC, ["1.5e3", "2"]),
        (T.NUMERIC, ["1e5", "12345678901234567.25"]),
        (T.NUMERIC, ["1e999", "-0.0"]),
        (T.TEXT, ["1e200000"]),
        (T.TEXT, [".5", "5."]),
        (T.TEXT, ["1", "+2.5"]),
        (T.NUMERIC, ["-0"]),
        (T.TEXT, ["NaN"]),
        (T.BOOLEAN, ["true", "False", ""]),
        (T.TEXT, ["yes", "no"]),
        (T.TEXT, ["true", "1"]),
        (T.DATE, ["2024-02-29", "2023-01-01"]),
        (T.TEXT, ["2024-02-30"]),
        (T.TEXT, ["2024-02-29", "20240229"]),
        (T.TIMESTAMP, ["2024-02-29T10:00:00Z", "2024-02-29 10:00"]),
        (T.TEXT, ["2024-02-29T10:00:00Z", "2024-02-29"]),
        (T.TEXT, ["", ""]),
        (T.TEXT, [None]),
        (T.TEXT, []),
    ],
)
def test_a_column_has_the_type_that_all_its_texts_have_and_keep(kind: ColumnType, cells: list[str | None]) -> None:
    sample = rows(["Any name"], *([cell] for cell in cells))
    columns = infer(sample)
    assert typed(columns) == (Column("Any name", kind),)
    _, rejects = RowConverter(Table("t", columns), sample.names).convert(sample)
    assert rejects == ()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (T.INTEGER, [1, None, -5]),
        (T.NUMERIC, [1, Decimal("1.5")]),
        (T.NUMERIC, [2**70]),
        (T.NUMERIC, [Decimal("1E+3")]),
        (T.BOOLEAN, [True, None]),
        (T.TEXT, ["1", "2"]),
        (T.TEXT, ["1", 2]),
        (T.TEXT, [True, 1]),
        (T.TEXT, [""]),
        (T.DATE, ["2024-02-29", ""]),
        (T.TIMESTAMP, ["2024-02-29T10:00:00Z"]),
        (T.JSON, [{"a": 1}, None, "x"]),
        (T.JSON, [[1]]),
        (T.TEXT, [None]),
    ],
)
def test_a_field_has_the_type_that_all_its_values_have(kind: ColumnType, values: list[object]) -> None:
    sample = records(*({"field": value} for value in values))
    columns = infer(sample)
    assert typed(columns) == (Column("field", kind),)
    _, rejects = RowConverter(Table("t", columns), ()).convert(sample)
    assert rejects == ()


def test_fields_are_all_keys_in_the_order_of_their_appearance() -> None:
    sample = records({"b": 1}, "no object", {"a": "x", "b": 2}, {"c.d": True})
    assert typed(infer(sample)) == (Column("b", T.INTEGER), Column("a", T.TEXT), Column("c.d", T.BOOLEAN))


def test_names_of_a_header_are_kept_as_they_are() -> None:
    names = ["Größe", 'a "b"', "SELECT"]
    assert [column.name for column in infer(rows(names, ["1", "2", "3"]))] == names


def test_declared_columns_are_left_alone() -> None:
    plan = TablePlan(PARSE, Table("t", (Column("id"),)))
    assert complete(plan, rows(["id"], ["1"])) == plan


def test_a_plan_is_completed_with_inferred_columns() -> None:
    plan = complete(TablePlan(PARSE, Table("t", mode=Mode.UPSERT, key=("id",))), rows(["id"], ["1"]))
    column = Column("id", T.INTEGER, spellings=("integer",))
    assert plan.table == Table("t", (column,), mode=Mode.UPSERT, key=("id",), inferred=True)


def test_a_key_that_is_no_column_is_an_error() -> None:
    with pytest.raises(InvalidTableError, match="the key 'id' is not among its columns"):
        complete(TablePlan(PARSE, Table("t", mode=Mode.UPSERT, key=("id",))), rows(["a"], ["1"]))


def test_each_table_of_a_choice_is_inferred_from_its_own_records() -> None:
    choice = Choice("type", {"song": Table("songs"), "app": Table("apps")}, payload="data")
    sample = records({"type": "song", "data": {"title": "x"}}, {"type": "app", "data": {"version": 1}})
    completed = complete(TablePlan(PARSE, choice=choice), sample).choice
    assert completed
    assert completed.tables == {
        "song": Table("songs", (Column("title", T.TEXT, spellings=("text",)),), inferred=True),
        "app": Table("apps", (Column("version", T.INTEGER, spellings=("integer",)),), inferred=True),
    }


def test_a_table_without_a_record_in_the_sample_cannot_be_inferred() -> None:
    choice = Choice("type", {"song": Table("songs"), "app": Table("apps")})
    with pytest.raises(InvalidTableError, match="table apps: there is no good record to infer its columns from"):
        complete(TablePlan(PARSE, choice=choice), records({"type": "song", "title": "x"}))


@pytest.mark.parametrize("sample", [rows(["n"], ["1"], ["NA"], [""]), records({"n": 1}, {"n": "NA"})])
def test_texts_that_mean_null_say_nothing_of_a_type_and_are_null(sample: Batch) -> None:
    plan = TablePlan(PARSE, Table("t", nulls=("", "NA")))
    inferred = Column("n", T.INTEGER, nulls=("", "NA"), spellings=("integer",))
    assert complete(plan, sample).table == Table("t", (inferred,), nulls=("", "NA"), inferred=True)


@pytest.mark.parametrize(
    ("texts", "spellings"),
    [
        (["true", "false"], ("true",)),
        (["True", "FALSE"], ("True", "TRUE")),
        (["2024-02-29T10:00:00Z", "2024-02-29T10:00:00.5+02:00"], ("YYYY-MM-DDThh:mm:ssZ",)),
        (["2024-02-29 10:00", "2024-02-29T10:00:00Z"], ("YYYY-MM-DDThh:mm:ssZ", "YYYY-MM-DD hh:mm")),
        (["1", "1.5"], ("numeric",)),
        (["a"], ("text",)),
    ],
)
def test_an_inferred_column_has_the_spellings_of_its_sample(texts: list[str], spellings: tuple[str, ...]) -> None:
    (column,) = infer(rows(["x"], *([text] for text in texts)))
    assert column.spellings == spellings


def test_the_schema_of_a_source_decides_and_not_its_values() -> None:
    schema = (Column("id", T.NUMERIC), Column("at", T.TIMESTAMP), Column("name"))
    columns = infer(replace(records({"id": 1, "at": None, "name": "2024-01-01"}), schema=schema), ("-",))
    assert columns == tuple(replace(column, nulls=("-",)) for column in schema)


def test_a_source_with_a_schema_and_no_records_has_columns_that_are_no_guess() -> None:
    empty = replace(records(), schema=(Column("id", T.INTEGER),))
    plan = complete(TablePlan(PARSE, Table("t", create=True)), empty)
    assert plan.table
    assert (plan.table.columns, plan.table.guessed) == ((Column("id", T.INTEGER),), False)


def test_the_schema_of_a_source_says_nothing_of_a_payload_within_its_records() -> None:
    choice = Choice("type", {"song": Table("songs")}, payload="data")
    sample = records({"type": "song", "data": {"id": 1}})
    sample = replace(sample, schema=(Column("type"), Column("data", T.JSON)))
    plan = complete(TablePlan(PARSE, choice=choice), sample)
    assert typed(plan.tables[0].columns) == (Column("id", T.INTEGER),)


@pytest.mark.parametrize(
    ("cells", "places"),
    [
        (["52.520006599999997", "13.4"], 18),
        (["-1.23456789012e-3", "1e22"], 14),
        (["1.123456789", "2.50000000000"], 0),  # the usual ones will do
        (["1e-30", "123456789"], 0),  # more digits than a decimal has
        (["1e-30", "12345678"], 30),
        (["1e100", "1e-1000"], 0),
    ],
)
def test_a_column_of_numbers_tells_the_places_that_they_need(cells: list[str], places: int) -> None:
    [column] = infer(rows("n", *([cell] for cell in cells)))
    assert (column.type, column.shown_places) == (T.NUMERIC, places)
