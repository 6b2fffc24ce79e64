"""Records that have fields for columns which the sample did not show."""

from __future__ import annotations

from penstock.model.column import ANY, Column, ColumnType, Storage
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.table import Mode, Table, TablePlan
from penstock.tables import ChunkBuilder, Form, fit_to_storage
from table_batches import records, rows

HELD = {"id": Storage(ColumnType.INTEGER), "a": Storage(), "b": Storage(ColumnType.DATE), "g": Storage(filled=True)}


def plan(*, mode: Mode = Mode.APPEND, atomic: bool = False, inferred: bool = True) -> TablePlan:
    table = Table("t", (Column("id", ColumnType.INTEGER),), mode, ("id",), inferred=inferred, atomic=atomic)
    return TablePlan(ParseOptions(), table)


def parts(fitted: TablePlan, batch: Batch, form: Form = Form.TEXT) -> list[tuple[tuple[str, ...], list[object]]]:
    chunk, _ = ChunkBuilder(fitted, form).chunk(0, batch)
    return [(part.names, list(zip(*part.columns, strict=True))) for part in chunk.rows]


def test_an_inferred_table_has_the_columns_of_the_existing_one_to_spare() -> None:
    table = fit_to_storage(plan(), {"t": HELD}).table
    assert table
    assert [(column.name, column.type) for column in table.spare] == [("a", ColumnType.TEXT), ("b", ColumnType.DATE)]


def test_a_table_whose_columns_are_declared_has_none() -> None:
    table = fit_to_storage(plan(inferred=False), {"t": HELD}).table
    assert table
    assert table.spare == ()


def test_records_are_split_by_the_columns_that_they_have_fields_for() -> None:
    batch = records({"id": 1}, {"id": 2, "a": "x"}, {"id": 3, "g": 1, "z": 1}, {"id": 4, "b": "2024-01-02"}, {"id": 5})
    assert parts(fit_to_storage(plan(), {"t": HELD}), batch) == [
        (("id",), [("1",), ("3",), ("5",)]),
        (("id", "a"), [("2", "x")]),
        (("id", "b"), [("4", "2024-01-02")]),
    ]


def test_rejects_are_in_the_order_of_the_records() -> None:
    batch = records({"id": 1, "b": "x"}, {"id": "y"}, [], {"id": 4, "b": "2024-02-30"})
    _, rejects = ChunkBuilder(fit_to_storage(plan(), {"t": HELD})).chunk(0, batch)
    assert [(reject.position.row, reject.column) for reject in rejects] == [(1, "b"), (2, "id"), (3, ""), (4, "b")]


def test_of_one_key_all_records_are_in_one_part_for_the_last_to_win() -> None:
    upsert = fit_to_storage(plan(mode=Mode.UPSERT), {"t": HELD})
    apart = records({"id": 1, "a": "x"}, {"id": 2})
    assert [names for names, _ in parts(upsert, apart)] == [("id", "a"), ("id",)]
    shared = records({"id": 1, "a": "x"}, {"id": 2}, {"id": "1"})
    assert parts(upsert, shared) == [(("id", "a"), [("1", "x"), ("2", None), ("1", None)])]


def test_parts_are_few_however_many_sorts_of_records_there_are() -> None:
    held = {"id": HELD["id"], **{f"c{n}": Storage() for n in range(40)}}
    batch = records({"id": -1}, *({"id": n, f"c{n}": "x"} for n in range(40)), {"id": -2})
    found = parts(fit_to_storage(plan(), {"t": held}), batch)
    assert [(len(names), len(values)) for names, values in found] == [(1, 2), (41, 40)]


def test_where_any_field_is_taken_each_part_has_what_its_records_hold() -> None:
    fitted = fit_to_storage(plan(mode=Mode.UPSERT), {"t": {"id": HELD["id"], ANY: Storage(ColumnType.JSON)}})
    batch = records({"id": 1, "x": "1"}, {"id": 2}, {"id": 1, "y": {"z": [True]}}, {"id": 3, "": 1})
    maker = ChunkBuilder(fitted, Form.VALUE)
    _, rejects = maker.chunk(0, batch)
    assert [reject.position.row for reject in rejects] == [4]
    assert maker.fields.records == 0
    assert parts(fitted, batch, Form.VALUE) == [
        (("id", "x"), [(1, "1")]),
        (("id",), [(2,)]),
        (("id", "y"), [(1, {"z": [True]})]),
    ]


def test_a_header_is_not_split() -> None:
    assert parts(fit_to_storage(plan(), {"t": HELD}), rows(["id", "a"], ("1", "x"))) == [(("id",), [("1",)])]
