"""Tables that a job creates, and columns that it adds, on each kind of catalog, as pyiceberg sees them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from contract.iceberg_backends import IcebergBackend, glue_backend, s3_tables_backend, sqlite_backend
from contract.object_backends import Endpoint
from iceberg_lake import FaultyCatalog
from penstock.destinations.iceberg.catalog import Catalog
from penstock.destinations.iceberg.ports import IcebergTable
from penstock.destinations.iceberg.table_editor import CatalogTableEditor
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.file_options import FileOptions
from penstock.model.table import Evolve, Table

COLUMNS = (
    Column("id", ColumnType.INTEGER, nullable=False),
    Column("country"),
    Column("amount", ColumnType.NUMERIC, digits=12, places=2),
    Column("rate", ColumnType.NUMERIC),
    Column("ratio", ColumnType.FLOAT),
    Column("paid", ColumnType.BOOLEAN),
    Column("day", ColumnType.DATE),
    Column("ordered_at", ColumnType.TIMESTAMP),
    Column("note", ColumnType.JSON),
    Column("tags", elements=ColumnType.TEXT),
)
BY = FileOptions(partition_by=("country", "day(ordered_at)", "month(day)"))


@pytest.fixture(scope="module", params=["sqlite", "glue", "s3tables"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    if request.param == "sqlite":
        return sqlite_backend(tmp_path_factory.mktemp("lake"))
    endpoint: Endpoint = request.getfixturevalue("emulator")
    return glue_backend(endpoint) if request.param == "glue" else s3_tables_backend(endpoint)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    return sqlite_backend(tmp_path_factory.mktemp("lake"))


def prepare(
    backend: IcebergBackend, table: Table, catalog: Catalog | None = None
) -> tuple[IcebergTable, dict[str, str]]:
    state, refused = CatalogTableEditor(catalog or backend.catalog, sleep=lambda _: None).prepare(table)
    return state, dict(refused)


def table_of(backend: IcebergBackend, *columns: Column, **options: Any) -> Table:
    return Table(backend.new_name(), columns or COLUMNS, **options)


def test_a_missing_table_is_created_with_columns_types_and_partitions(backend: IcebergBackend) -> None:
    table = table_of(backend, create=True, files=BY)
    state, refused = prepare(backend, table)

    found = backend.foreign.load_table(table.name)
    assert {field.name: str(field.field_type) for field in found.schema().fields} == {
        "id": "long",
        "country": "string",
        "amount": "decimal(12, 2)",
        "rate": "decimal(38, 9)",
        "ratio": "double",
        "paid": "boolean",
        "day": "date",
        "ordered_at": "timestamptz",
        "note": "string",
        "tags": "list<string>",
    }
    assert [field.name for field in found.schema().fields if field.required] == ["id"]
    transforms = [(field.name, str(field.transform)) for field in found.spec().fields]
    assert transforms == [("country", "identity"), ("ordered_at_day", "day"), ("day_month", "month")]
    assert [(one.name, one.transform) for one in state.partition] == transforms
    if not backend.namespace.startswith("tables"):
        # The emulator's S3 Tables drops the properties of a new table.
        assert found.properties["write.parquet.compression-codec"] == "zstd"
    assert (state.location, refused) == (found.location(), {})


def test_creating_is_done_once(local: IcebergBackend) -> None:
    table = table_of(local, create=True)
    first, _ = prepare(local, table)
    assert prepare(local, table)[0] == first


def test_columns_are_added_behind_the_others_and_older_files_have_null_for_them(backend: IcebergBackend) -> None:
    table = table_of(backend, Column("id", ColumnType.INTEGER), Column("old", elements=ColumnType.TEXT), create=True)
    prepare(backend, table)
    backend.foreign.load_table(table.name).append(pa.table({"id": [1], "old": [["a"]]}))
    more = (*table.columns, Column("tags", elements=ColumnType.INTEGER), Column("note", nullable=False))

    state, refused = prepare(backend, replace(table, columns=more, evolve=Evolve.ADD))

    assert [(one.id, one.name, one.type, one.required, one.element) for one in state.fields] == [
        (1, "id", "long", False, None),
        (2, "old", "list", False, (4, "string")),
        (5, "tags", "list", False, (7, "long")),
        (6, "note", "string", False, None),
    ]
    assert refused == {}
    found = backend.foreign.load_table(table.name)
    found.append(pa.table({"id": [2], "old": [["b"]], "tags": [[7]], "note": ["new"]}))
    assert sorted(found.scan().to_arrow().to_pylist(), key=lambda row: int(row["id"])) == [
        {"id": 1, "old": ["a"], "tags": None, "note": None},
        {"id": 2, "old": ["b"], "tags": [7], "note": "new"},
    ]


@pytest.mark.long
def test_adding_is_done_once_also_by_two_at_once(backend: IcebergBackend) -> None:
    table = table_of(backend, Column("id", ColumnType.INTEGER), create=True, evolve=Evolve.ADD)
    prepare(backend, table)
    wider = [replace(table, columns=(*table.columns, Column(name))) for name in ("a", "b", "a")]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: prepare(backend, each), wider))
    state, _ = prepare(backend, wider[0])
    assert sorted(field.name for field in state.fields) == ["a", "b", "id"]
    assert len({field.id for field in state.fields}) == 3


@pytest.mark.parametrize("fault", ["lost before", "lost after", "conflict", "sent twice"])
def test_a_lost_answer_adds_no_column_twice(local: IcebergBackend, fault: Any) -> None:
    table = table_of(local, Column("id", ColumnType.INTEGER), create=True, evolve=Evolve.ADD)
    prepare(local, table)
    wider = replace(table, columns=(*table.columns, Column("a")))
    state, _ = prepare(local, wider, FaultyCatalog(local.catalog, fault))
    assert [field.name for field in state.fields] == ["id", "a"]


def test_snapshots_stay_when_columns_are_added(local: IcebergBackend) -> None:
    table = table_of(local, Column("id", ColumnType.INTEGER), create=True, evolve=Evolve.ADD)
    prepare(local, table)
    local.foreign.load_table(table.name).append(pa.table({"id": [1]}))
    before = local.foreign.load_table(table.name).snapshots()
    prepare(local, replace(table, columns=(*table.columns, Column("a"))))
    assert local.foreign.load_table(table.name).snapshots() == before


WIDER = [
    (pa.int32(), Column("x", ColumnType.INTEGER), "long"),
    (pa.float32(), Column("x", ColumnType.FLOAT), "double"),
    (pa.decimal128(10, 2), Column("x", ColumnType.NUMERIC, digits=20, places=2), "decimal(20, 2)"),
    # These take the values as they are.
    (pa.decimal128(10, 2), Column("x", ColumnType.NUMERIC), "decimal(10, 2)"),
    (pa.int64(), Column("x", ColumnType.INTEGER), "long"),
    (pa.string(), Column("x", ColumnType.INTEGER), "string"),
]


@pytest.mark.parametrize(("was", "column", "becomes"), WIDER)
def test_types_are_widened_as_iceberg_can(local: IcebergBackend, was: Any, column: Column, becomes: str) -> None:
    name = local.new_name()
    local.foreign.create_table(name, pa.schema([("x", was)]))
    state, _ = prepare(local, Table(name, (column,), evolve=Evolve.WIDEN))
    assert state.fields[0].type == becomes
    assert prepare(local, Table(name, (column,), evolve=Evolve.ADD))[0] == state


@pytest.mark.parametrize(
    ("was", "column"),
    [
        (pa.int64(), Column("x")),
        (pa.int64(), Column("x", ColumnType.NUMERIC)),
        (pa.int32(), Column("x", ColumnType.FLOAT)),
        (pa.date32(), Column("x", ColumnType.TIMESTAMP)),
        (pa.decimal128(10, 2), Column("x", ColumnType.JSON)),
    ],
)
def test_other_changes_of_a_type_are_refused_by_the_name_of_the_column(
    local: IcebergBackend, was: Any, column: Column
) -> None:
    name = local.new_name()
    local.foreign.create_table(name, pa.schema([("x", was)]))
    with pytest.raises(InvalidTableError, match=rf"table {name}: column 'x' is .* and cannot become"):
        prepare(local, Table(name, (column,), evolve=Evolve.WIDEN))


def test_names_that_engines_cannot_tell_apart_are_not_added(local: IcebergBackend) -> None:
    table = table_of(local, Column("id"), create=True, evolve=Evolve.ADD)
    prepare(local, table)
    odd = (Column("ID"), Column("a"), Column("A"), Column(" b"), Column("c.d"), Column("e" * 256), Column("f"))
    state, refused = prepare(local, replace(table, columns=(*table.columns, *odd)))
    assert [field.name for field in state.fields] == ["id", "f"]
    assert refused == {
        "ID": "its name differs from that of column 'id' by case only",
        "a": "its name differs from that of another new field by case only",
        "A": "its name differs from that of another new field by case only",
        " b": "its name has dots, blanks around it, or characters that cannot be printed",
        "c.d": "its name has dots, blanks around it, or characters that cannot be printed",
        "e" * 256: "its name has more than 255 characters",
    }


def test_a_load_adds_a_hundred_columns_at_most(local: IcebergBackend) -> None:
    table = table_of(local, Column("id"), create=True, evolve=Evolve.ADD)
    prepare(local, table)
    many = tuple(Column(f"c{number}") for number in range(101))
    assert set(prepare(local, replace(table, columns=many))[1].values()) == {"a load may add 100 columns at most"}
    assert prepare(local, replace(table, columns=many[:100]))[1] == {}


def test_without_create_a_missing_table_is_named(local: IcebergBackend) -> None:
    table = table_of(local)
    with pytest.raises(DestinationMissingError, match=f"the Iceberg table {table.name} does not exist"):
        prepare(local, table)
    with pytest.raises(InvalidTableError, match="no record has shown the types"):
        prepare(local, replace(table, create=True, guessed=True))


def test_a_missing_namespace_is_named(backend: IcebergBackend) -> None:
    if backend.namespace == "sales":
        pytest.skip("a file of SQLite takes any namespace")
    with pytest.raises(DestinationMissingError, match=r"(database nobody|namespace of nobody\.t) does not exist"):
        prepare(backend, Table("nobody.t", COLUMNS, create=True))


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        ("bucket(id)", "'bucket' is not one of"),
        ("gone", "'gone' is not one of the columns"),
        ("day(at)", "the partition 'at_day' is a column, too"),
    ],
)
def test_partitions_that_cannot_be_are_refused_by_name(local: IcebergBackend, by: str, problem: str) -> None:
    columns = (Column("id"), Column("at", ColumnType.TIMESTAMP), Column("at_day"))
    table = table_of(local, *columns, create=True, files=FileOptions(partition_by=(by,)))
    with pytest.raises(InvalidTableError, match=problem):
        prepare(local, table)
