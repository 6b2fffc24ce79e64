"""Readers skip files by the bounds that a commit gives them, for each type; pyiceberg plans and pyarrow reads."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from contract.iceberg_backends import IcebergBackend, sqlite_backend
from penstock.aws.backoff import Backoff
from penstock.destinations.iceberg.committer import IcebergCommitter
from penstock.destinations.iceberg.ports import Commit, IcebergTable
from penstock.destinations.iceberg.table_editor import CatalogTableEditor
from penstock.destinations.parquet.file_writer import ParquetFileWriter
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, lake_type
from penstock.model.column import Column, ColumnType
from penstock.model.data_file import DataFile
from penstock.model.load import Rows
from penstock.model.record import RecordPosition
from penstock.model.table import Table

LONG = "Lorem ipsum dolor sit amet"
# A type, the values of a first and of a second file, and a predicate that only the second one can fulfil.
CASES = [
    (Column("x", ColumnType.INTEGER), [-3, 7], [8, 2**62], "x > 7"),
    (Column("x", ColumnType.FLOAT), [-0.5, 1.25, float("nan")], [1.5, 2.0], "x >= 1.5"),
    (Column("x", ColumnType.NUMERIC, digits=12, places=2), [Decimal(-5), Decimal("1.00")], [Decimal("1.01")], "x > 1"),
    (Column("x", ColumnType.NUMERIC), [Decimal("-1e20")], [Decimal("1e20")], "x > 0"),
    (Column("x"), ["A", LONG], ["Möbius", "z"], "x > 'M'"),
    (Column("x", ColumnType.BOOLEAN), [False, False], [True], "x = true"),
    (Column("x", ColumnType.DATE), [date(1969, 1, 1), date(2024, 2, 29)], [date(2024, 3, 1)], "x > '2024-02-29'"),
    (
        Column("x", ColumnType.TIMESTAMP),
        [datetime(1969, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)],
        [datetime(2024, 3, 1, tzinfo=UTC)],
        "x >= '2024-03-01T00:00:00+00:00'",
    ),
    (Column("x", ColumnType.INTEGER), [1, 2], [None], "x is null"),
    (Column("x"), [None, None], ["a"], "x is not null"),
]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    """A catalog of a file, which is the fastest."""
    return sqlite_backend(tmp_path_factory.mktemp("lake"))


def write(backend: IcebergBackend, table: IcebergTable, name: str, values: Sequence[object]) -> DataFile:
    """Write a file of a table with one column, as a job does."""
    columns = tuple(
        LakeColumn(one.name, one.id, lake_type(one.type, element=one.element), one.required) for one in table.fields
    )
    out = io.BytesIO()
    writer = ParquetFileWriter(out.write, LakeSchema(columns))
    rows = Rows(Table(name), ("x",), (values,), len(values), position=lambda _: RecordPosition(1, 0, ""))
    writer.add(rows)
    summary = writer.finish()
    uri = f"{table.data_location}/{name}.parquet"
    backend.storage.write(uri, out.getvalue())
    return DataFile(uri, summary.size, summary.rows, (), summary.columns, summary.split_offsets)


@pytest.mark.parametrize(("column", "first", "second", "predicate"), CASES)
def test_a_predicate_skips_the_file_that_cannot_have_its_rows(
    backend: IcebergBackend, column: Column, first: list[Any], second: list[Any], predicate: str
) -> None:
    name = backend.new_name()
    table, _ = CatalogTableEditor(backend.catalog).prepare(Table(name, (column,), create=True))
    files = [write(backend, table, "first", first), write(backend, table, "second", second)]
    IcebergCommitter(backend.catalog, backend.storage, backoff=Backoff(1)).commit(Commit("c1", name, files), print)

    found = backend.foreign.load_table(name)
    assert [task.file.file_path for task in found.scan(predicate).plan_files()] == [files[1].uri]
    assert found.scan(predicate).to_arrow()["x"].to_pylist() == second
    assert len(found.scan().to_arrow()) == len(first) + len(second)
