"""The state of tables, as read without pyiceberg, on each kind of catalog."""

from __future__ import annotations

import pytest
from pyiceberg.partitioning import PartitionField as ForeignPartitionField
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import DecimalType, ListType, LongType, NestedField, StringType, TimestamptzType

from contract.iceberg_backends import IcebergBackend, clients_of, glue_backend, s3_tables_backend, sqlite_backend
from contract.object_backends import Endpoint
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.ports import IcebergField, PartitionField
from penstock.destinations.iceberg.reader import CatalogTableReader
from penstock.errors import InvalidTableError

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "country", StringType()),
    NestedField(3, "amount", DecimalType(12, 2)),
    NestedField(4, "ordered_at", TimestamptzType()),
    NestedField(5, "tags", ListType(6, StringType(), element_required=False)),
)
SPEC = PartitionSpec(
    ForeignPartitionField(2, 1000, IdentityTransform(), "country"),
    ForeignPartitionField(4, 1001, DayTransform(), "ordered_at_day"),
)


@pytest.fixture(scope="module", params=["sqlite", "glue", "s3tables"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    if request.param == "sqlite":
        return sqlite_backend(tmp_path_factory.mktemp("lake"))
    endpoint: Endpoint = request.getfixturevalue("emulator")
    return glue_backend(endpoint) if request.param == "glue" else s3_tables_backend(endpoint)


def test_a_table_that_does_not_exist_is_none(backend: IcebergBackend) -> None:
    assert CatalogTableReader(backend.catalog).read(backend.new_name()) is None


def test_a_namespace_that_does_not_exist_has_no_table(backend: IcebergBackend) -> None:
    assert CatalogTableReader(backend.catalog).read("nobody.orders") is None


def test_columns_partitions_and_properties_are_those_of_the_table(backend: IcebergBackend) -> None:
    name = backend.new_name()
    made = backend.foreign.create_table(name, SCHEMA, partition_spec=SPEC, properties={"owner": "sales"})

    table = CatalogTableReader(backend.catalog).read(name)

    assert table is not None
    assert table.fields == (
        IcebergField(1, "id", "long", required=True),
        IcebergField(2, "country", "string"),
        IcebergField(3, "amount", "decimal(12, 2)"),
        IcebergField(4, "ordered_at", "timestamptz"),
        IcebergField(5, "tags", "list", element=(6, "string")),
    )
    assert table.partition == (
        PartitionField("country", 2, "identity"),
        PartitionField("ordered_at_day", 4, "day"),
    )
    assert (table.snapshot, table.location, table.data_location) == (
        None,
        made.location(),
        f"{made.location()}/data",
    )


def test_the_current_snapshot_and_the_newest_columns_are_read(backend: IcebergBackend) -> None:
    import pyarrow as pa  # slow to import

    name = backend.new_name()
    made = backend.foreign.create_table(name, Schema(NestedField(1, "id", LongType())))
    made.append(pa.table({"id": [1, 2]}))
    with made.update_schema() as update:
        update.add_column("note", StringType())

    table = CatalogTableReader(backend.catalog).read(name)

    assert table is not None
    current = backend.foreign.load_table(name)
    assert table.snapshot == current.metadata.current_snapshot_id is not None
    assert table.schema_id == current.metadata.current_schema_id
    assert [field.name for field in table.fields] == ["id", "note"]


@pytest.mark.parametrize("name", ["orders", "sales.", "sales.or/ders", "a..b", "sales.\n", "sales." + "x" * 256])
def test_names_that_no_table_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidTableError, match="not the name of an Iceberg table"):
        TableName.parse(name)


def test_other_tables_and_views_of_glue_are_refused_by_name(emulator: Endpoint) -> None:
    backend = glue_backend(emulator)
    glue = clients_of(emulator).client("glue", None, "")
    hive = {"Name": "hive", "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "csv"}}
    glue.create_table(DatabaseName=backend.namespace, TableInput=hive)
    glue.create_table(DatabaseName=backend.namespace, TableInput={"Name": "view", "TableType": "VIRTUAL_VIEW"})
    reader = CatalogTableReader(backend.catalog)

    with pytest.raises(InvalidTableError, match=r"hive is a table, but not an Iceberg table"):
        reader.read(f"{backend.namespace}.hive")
    with pytest.raises(InvalidTableError, match=r"view is a view in Glue"):
        reader.read(f"{backend.namespace}.view")
    with pytest.raises(InvalidTableError, match=r"capital letters"):
        reader.read(f"{backend.namespace}.Orders")
