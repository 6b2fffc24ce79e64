"""The rescue column keeps what no other column takes, and `evolve` says what becomes of such fields."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import InvalidTableError
from penstock.model.column import ANY, Column, ColumnType, FieldCounts, Storage
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.rescue_column import with_rescue
from penstock.model.table import Choice, Evolve, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, complete, field_warnings, fit_to_storage
from table_batches import records, rows

DECLARED = (Column("id", ColumnType.INTEGER), Column("n", ColumnType.INTEGER, source="Count"))
RESCUED = with_rescue(Table("t", DECLARED, key=("id",), rescue="_extra"))
WITH_VALUES = replace(RESCUED, rescue_values=True)
HELD = {"id": Storage(ColumnType.INTEGER), "late": Storage()}


def plan(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table)


def loaded(table: Table, batch: Batch, form: Form = Form.VALUE) -> list[tuple[object, ...]]:
    chunk, _ = ChunkBuilder(plan(table), form).chunk(0, batch)
    return [row for part in chunk.rows for row in zip(*part.columns, strict=True)]


def test_fields_of_a_header_without_a_column_are_kept() -> None:
    batch = rows(["id", "x", "Count", "y"], ("1", "a", "2", "b,c"), ("2", "", "3", None), ("3", "", "4", "007"))
    assert loaded(RESCUED, batch) == [(1, 2, {"x": "a", "y": "b,c"}), (2, 3, None), (3, 4, {"y": "007"})]


def test_keys_of_a_record_without_a_column_are_kept_as_they_are() -> None:
    batch = records({"id": 1, "Count": 2, "x": {"a": [1, None]}, "_extra": 5}, {"id": 2}, {"id": 3, "n": 1})
    assert loaded(RESCUED, batch) == [
        (1, 2, {"x": {"a": [1, None]}, "_extra": 5}),
        (2, None, None),
        (3, None, {"n": 1}),
    ]


def test_a_rescue_column_may_be_text() -> None:
    table = replace(RESCUED, columns=(*DECLARED, Column("_extra")))
    assert loaded(table, records({"id": 1, "x": 1.5}), Form.TEXT) == [("1", None, '{"x": 1.5}')]


def test_the_rescue_column_may_stand_anywhere() -> None:
    table = replace(RESCUED, columns=(Column("_extra", ColumnType.JSON), *DECLARED))
    assert loaded(table, rows(["id", "x", "Count"], ("1", "a", "2"))) == [({"x": "a"}, 1, 2)]


def test_values_of_the_wrong_type_are_kept_raw_and_their_cells_are_null() -> None:
    batch = rows(["id", "Count", "x"], ("1", "many", "a"), ("bad", "few", ""), ("3", "7", ""))
    builder = ChunkBuilder(plan(WITH_VALUES), Form.VALUE)
    chunk, rejects = builder.chunk(0, batch)
    assert list(zip(*chunk.rows[0].columns, strict=True)) == [(1, None, {"x": "a", "Count": "many"}), (3, 7, None)]
    assert [(reject.position.row, reject.column) for reject in rejects] == [(2, "id")]
    assert builder.fields.rescued == 1
    assert field_warnings(plan(WITH_VALUES), builder.fields) == (
        "3 records hold fields that no column takes: 'x'; column '_extra' keeps them",
        "1 record holds values of the wrong type; column '_extra' keeps them",
    )


def test_values_of_a_record_are_kept_with_their_json_type() -> None:
    batch = records({"id": 1, "Count": {"a": 1}}, {"id": 2, "Count": True}, {"id": 3, "Count": None})
    assert loaded(WITH_VALUES, batch) == [(1, None, {"Count": {"a": 1}}), (2, None, {"Count": True}), (3, None, None)]


def test_a_column_that_may_not_be_null_rejects_the_record() -> None:
    table = replace(WITH_VALUES, columns=(DECLARED[0], replace(DECLARED[1], nullable=False), RESCUED.columns[2]))
    _, rejects = ChunkBuilder(plan(table)).chunk(0, records({"id": 1, "Count": "x"}))
    assert [reject.column for reject in rejects] == ["n"]


def test_inferred_columns_get_a_rescue_column_and_late_fields_go_to_columns_of_the_table() -> None:
    table = Table("t", rescue="_extra", inferred=True)
    completed = complete(plan(table), records({"id": 1, "_extra": "x"}))
    fitted = fit_to_storage(completed, {"t": {**HELD, "_extra": Storage(ColumnType.JSON)}}).table
    assert fitted
    assert [(column.name, column.type) for column in fitted.columns] == [("id", "integer"), ("_extra", "json")]
    assert loaded(fitted, records({"id": 1, "late": "a", "later": 1}, {"id": 2, "x": 1})) == [
        (1, {"later": 1}, "a"),
        (2, {"x": 1}),
    ]


def test_the_field_that_chooses_the_table_is_not_rescued() -> None:
    choice = Choice("type", {"a": RESCUED})
    chunk, _ = ChunkBuilder(TablePlan(ParseOptions(), choice=choice), Form.VALUE).chunk(
        0, records({"type": "a", "id": 1, "x": 2})
    )
    assert list(zip(*chunk.rows[0].columns, strict=True)) == [(1, None, {"x": 2})]


def test_a_rescue_column_that_the_table_has_as_another_type_is_refused() -> None:
    for held in (Storage(ColumnType.INTEGER), Storage(length=10)):
        with pytest.raises(InvalidTableError, match="'_extra' cannot keep JSON objects"):
            fit_to_storage(plan(RESCUED), {"t": {**HELD, "_extra": held}})


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "Count", "x", "y", "z"]),
            st.one_of(st.none(), st.integers(-9, 9), st.text("ab,\"'\\ é", max_size=4), st.lists(st.booleans())),
        ),
        max_size=8,
    )
)
def test_every_field_of_a_loaded_record_is_in_a_column_or_in_the_rescue_column(values: list[dict[str, object]]) -> None:
    batch = records(*values)
    chunk, rejects = ChunkBuilder(plan(WITH_VALUES), Form.TEXT).chunk(0, batch)
    rejected = {reject.position.row for reject in rejects}
    found = [row for part in chunk.rows for row in zip(*part.columns, strict=True)]
    kept = [value for row, value in enumerate(values, 1) if row not in rejected]
    assert len(found) == len(kept)
    for (_, n, extra), record in zip(found, kept, strict=True):
        rescued = json.loads(str(extra)) if extra else {}
        assert rescued.keys() - {"Count"} == record.keys() - {"id", "Count"}
        assert all(record[name] == value for name, value in rescued.items())
        # Only null, and the empty text that means it, are in neither.
        assert (n is not None) + ("Count" in rescued) == (record.get("Count") not in (None, ""))


FAILING = replace(Table("t", DECLARED), evolve=Evolve.FAIL)


def test_fail_refuses_a_header_with_other_fields() -> None:
    with pytest.raises(InvalidTableError, match=r"the header has fields that no column takes.*: 'x'"):
        ChunkBuilder(plan(FAILING)).chunk(0, rows(["id", "Count", "x"], ("1", "2", "3")))


def test_fail_refuses_the_first_record_with_another_field() -> None:
    batch = records({"id": 1}, {"id": 2, "x": 1}, first=5)
    with pytest.raises(InvalidTableError, match=r"record 6 has fields that no column takes.*: 'x'"):
        ChunkBuilder(plan(FAILING)).chunk(0, batch)


def test_ignore_leaves_out_inferred_columns_that_the_table_lacks() -> None:
    table = Table("t", (Column("id", ColumnType.INTEGER, spellings=("integer",)), Column("x")), inferred=True)
    fitted = fit_to_storage(plan(replace(table, evolve=Evolve.IGNORE)), {"t": HELD}).table
    assert fitted
    assert [column.name for column in fitted.columns] == ["id"]
    batch = rows(["id", "x"], ("1", "a"))
    assert loaded(fitted, batch) == [(1,)]
    assert ChunkBuilder(plan(fitted)).compare(batch) == FieldCounts(1, ("x",), (), ("t",))
    with pytest.raises(InvalidTableError, match="has no column for any field"):
        fit_to_storage(plan(replace(table, evolve=Evolve.IGNORE)), {"t": {"other": Storage()}})


@pytest.mark.parametrize(("evolve", "spare"), [(None, 1), (Evolve.IGNORE, 0), (Evolve.FAIL, 0)])
def test_a_table_of_any_fields_takes_none_that_the_route_ignores_or_refuses(evolve: Evolve | None, spare: int) -> None:
    table = Table("t", (Column("id", ColumnType.INTEGER),), inferred=True, evolve=evolve)
    fitted = fit_to_storage(plan(table), {"t": {"id": HELD["id"], ANY: Storage()}}).table
    assert fitted
    assert len(fitted.spare) == spare
