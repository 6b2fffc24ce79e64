"""A destination names the form of its rows; a new form is one value in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import pytest

from penstock.formats import parse
from penstock.model.column import Column, ColumnType
from penstock.model.load import Rows
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.tables import FORMS, ChunkBuilder, Form, RowForm
from penstock.tables.column_kinds import ColumnKind

ARRAYS = cast("Form", "arrays")
CSV = ParseOptions(format=Format.CSV)
PLAN = TablePlan(CSV, Table("t", (Column("n", ColumnType.INTEGER), Column("s"))))


def whole_column(kind: ColumnKind, texts: Sequence[str]) -> Iterable[object]:
    return [("value", value) for value in kind.values(texts)]


def single_value(kind: ColumnKind, text: str, value: object, as_written: bool) -> object:
    return "value", value


def as_arrays(rows: Rows) -> Rows:
    return replace(rows, columns=[tuple(column) for column in rows.columns])


def columns_of(data: bytes, form: Form) -> list[object]:
    builder = ChunkBuilder(PLAN, form)
    (batch,) = parse([data], CSV, batch_bytes=1_000, validator_factory=builder.validator)
    return list(builder.chunk(0, batch)[0].rows[0].columns)


def test_rows_come_in_the_form_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMS, ARRAYS, RowForm(single_value, whole_column, finish=as_arrays))
    common, unusual = b"n,s\n1,a\n,b\n", b"n,s\n 1 ,a\n,b\n"
    for data in (common, unusual):
        one = (("value", 1), None)
        assert columns_of(data, ARRAYS) == [one, (("value", "a"), ("value", "b"))]
        assert [list(cast("Sequence[object]", column)) for column in columns_of(data, Form.VALUE)] == [
            [1, None],
            ["a", "b"],
        ]
    assert [list(cast("Sequence[object]", column)) for column in columns_of(unusual, Form.TEXT)] == [
        ["1", None],
        ["a", "b"],
    ]


def test_forms_of_texts_and_of_arrow_take_raw_csv() -> None:
    assert {form for form in Form if FORMS[form].raw_csv} == {Form.TEXT, Form.ARROW}
    assert ChunkBuilder(PLAN, Form.VALUE).validator(("n", "s"), ",", '"') is None
