"""How the fields of records compare with the columns of their tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.errors import InvalidTableError
from penstock.model.column import LISTED, NAME_LENGTH, Column, FieldCounts
from penstock.model.parse_options import ParseOptions
from penstock.model.serialization import from_json, to_json
from penstock.model.table import Choice, Table, TablePlan
from penstock.tables import ChunkBuilder, check_paths, field_warnings
from table_batches import records, rows

PLAN = TablePlan(ParseOptions(), Table("t", (Column("id"), Column("city", source="user.city"), Column("a.b"))))
CITY, DOTS = ("t", "city"), ("t", "a.b")


def test_fields_are_compared_by_their_outermost_names() -> None:
    fields = ChunkBuilder(PLAN).compare(records({"id": 1, "user": {"zip": 2}, "x": 1}, {"a": {"b": 1}}, {"a.b": 1}))
    assert fields == FieldCounts(2, ("a", "x"), (CITY,), ("t",))
    with pytest.raises(InvalidTableError, match=r"table t, column 'city': no record has 'user\.city'"):
        check_paths(PLAN, fields)


def test_a_path_that_differs_by_case_is_suggested() -> None:
    plan = TablePlan(ParseOptions(), Table("t", (Column("id"), Column("city", source="town"), Column("zip"))))
    fields = ChunkBuilder(plan).compare(records({"id": 1, "Town": "Ulm", "ZIP": 1}))
    with pytest.raises(InvalidTableError, match=r"no record has 'town'; did you mean 'Town'\?"):
        check_paths(plan, fields)
    assert field_warnings(plan, fields)[-1].endswith("columns of table t: 'town', 'zip'; did you mean 'Town'?")


def test_a_field_that_is_null_is_there() -> None:
    fields = ChunkBuilder(PLAN).compare(records({"id": None, "user": {"city": None}, "a.b": None}))
    assert fields == FieldCounts(0, (), (), ("t",))
    assert field_warnings(PLAN, fields) == ()


def test_what_one_batch_lacks_another_may_have() -> None:
    maker = ChunkBuilder(PLAN)
    maker.chunk(0, records({"id": 1}, {"x": 1}))
    assert maker.fields.missing == (CITY, DOTS)
    maker.chunk(1, records({"user": {"city": "Ulm"}, "y": 1}))
    assert maker.fields == FieldCounts(2, ("x", "y"), (DOTS,), ("t",))
    check_paths(PLAN, maker.fields)
    assert field_warnings(PLAN, maker.fields) == (
        "2 records hold fields that no column takes: 'x', 'y'",
        "no record has a field for these columns of table t: 'a.b'",
    )


def test_without_records_nothing_is_missing() -> None:
    check_paths(PLAN, ChunkBuilder(PLAN).compare(records()))
    check_paths(PLAN, ChunkBuilder(PLAN).compare(records(1, [])))


def test_where_some_records_are_not_known_any_more_nothing_is_missing() -> None:
    found = FieldCounts().plus(ChunkBuilder(PLAN).compare(records({"x": 1})))
    assert found == FieldCounts(1, ("x",), (), ("t",))


def test_inferred_columns_are_those_of_records() -> None:
    plan = TablePlan(ParseOptions(), Table("t", (Column("id"),), inferred=True))
    assert ChunkBuilder(plan).compare(records({"late": 1})) == FieldCounts(1, ("late",), (), ("t",))


def test_a_header_is_checked_by_whoever_reads_its_rows() -> None:
    fields = ChunkBuilder(TablePlan(ParseOptions(), Table("t", (Column("n", source="No."),)))).compare(
        rows(["No.", "x"], ("1", "2"), ("3", "4"))
    )
    assert fields == FieldCounts(2, ("x",), (), ("t",))


def test_names_of_rejected_records_are_not_told() -> None:
    fields = ChunkBuilder(PLAN).compare(records({"\udfaa": 1}, {"": 1}, {"a\0": 1}))
    assert (fields.records, fields.names) == (0, ())


def test_what_chooses_a_table_is_asked_for() -> None:
    tables = {"a": Table("a", (Column("id", source="key"),)), "b": Table("b", (Column("id", source="key"),))}
    plan = TablePlan(ParseOptions(), choice=Choice("meta.type", tables))
    fields = ChunkBuilder(plan).compare(records({"meta": {"type": "a"}, "key": 1}, {"meta": {"type": "a"}, "z": 1}))
    # No record goes to b: nobody knows what those would have.
    assert fields == FieldCounts(1, ("z",), (("b", "id"),), ("a",))
    check_paths(plan, fields)
    with pytest.raises(InvalidTableError, match="table b"):
        check_paths(plan, replace(fields, tables=("a", "b")))


def test_a_field_of_a_fixed_layout_that_the_table_of_another_type_takes_is_not_told() -> None:
    tables = {"P": Table("policies", (Column("holder"),)), "C": Table("claims", (Column("cause"),))}
    parse = ParseOptions(fields=("type 1", "holder 2-9", "cause 2-5", "rest 10"))
    plan = TablePlan(parse, choice=Choice("type", tables))
    fields = ChunkBuilder(plan).compare(rows(("type", "holder", "cause", "rest"), ("P", "Ann", "Ann", "")))
    assert fields.names == ("rest",)


def test_names_are_bounded_and_the_rest_of_them_told_of() -> None:
    counts = FieldCounts.of(1, [f"{n:03}" + "x" * 1_000 for n in range(500)])
    both = counts.plus(FieldCounts.of(1, ["z"]))
    assert (both.records, len(both.names), len(both.names[0])) == (2, LISTED, NAME_LENGTH)
    assert field_warnings(PLAN, both)[0].endswith("and others")


def test_counts_travel_as_json() -> None:
    counts = FieldCounts(2, ("x",), (CITY,), ("t",))
    assert from_json(FieldCounts, to_json(counts)) == counts
