"""Data files of Iceberg tables: types and partitions of the table, names of the attempt, and nothing left by abort."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from lake_loads import COLUMNS, JOB, chunks_of, load
from penstock.destinations.iceberg.lake import IcebergLake
from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, PartitionField
from penstock.destinations.iceberg.sink import IcebergSink
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.limits import MIB
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.testing.lake import MemoryLake

TABLE_ID = "9c12d441-03fe-4693-9a96-a0705ddf69c1"
STATE = IcebergTable(
    "shop.orders",
    "s3://lake/shop/orders",
    "s3://lake/shop/orders/data",
    (
        IcebergField(1, "nested", "struct"),
        IcebergField(4, "country", "string"),
        IcebergField(2, "id", "int"),
        IcebergField(9, "batch", "long"),
    ),
    spec_id=3,
    partition=(PartitionField("country", 4, "identity"), PartitionField("id_bucket", 2, "bucket[2]")),
    id=TABLE_ID,
)
PLAN = TablePlan(ParseOptions(), Table("shop.orders", COLUMNS))
CHUNKS = chunks_of(PLAN, 25)


class Catalog:
    """Holds the state of one table, and creates it on request."""

    def __init__(self, state: IcebergTable | None = STATE) -> None:
        self.state = state

    def read(self, name: str) -> IcebergTable | None:
        return self.state if name == "shop.orders" else None

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        self.state = replace(
            STATE, partition=(), fields=(IcebergField(1, "id", "long"), IcebergField(2, "country", "string"))
        )
        return self.state, ()


def open_sink(lake: MemoryLake, span: int = 0, catalog: Catalog | None = None) -> IcebergSink:
    catalog, client = catalog or Catalog(), lake.client()
    tables = IcebergLake(catalog, catalog)
    return IcebergSink(
        tables, client, client, JOB, span, limit=16 * MIB, delete=lambda uri: (lake.objects.pop(uri, None), None)[1]
    )


def test_files_have_the_field_ids_types_and_partitions_of_the_table() -> None:
    lake = MemoryLake()
    load(open_sink(lake), PLAN, CHUNKS)
    with open_sink(lake) as sink:
        files = sink.files()
        assert sink.ended() is None  # no commit yet
    assert sum(file.data.rows for file in files) == 25
    assert {(file.table, file.spec_id, file.table_id) for file in files} == {("shop.orders", 3, TABLE_ID)}
    assert {file.data.partition[0] for file in files} == {("country", "DE"), ("country", "FR"), ("country", None)}
    assert {file.data.uri.split("/data/")[1].split("/")[1] for file in files} == {"id_bucket=0", "id_bucket=1"}
    schema = pq.read_schema(io.BytesIO(lake.objects[files[0].data.uri]))
    shown = [(one.name, str(one.type), one.metadata[b"PARQUET:field_id"]) for one in schema]
    assert shown == [("country", "string", b"4"), ("id", "int32", b"2")]


def test_abort_deletes_the_files_of_a_job_and_a_redrive_writes_others() -> None:
    lake = MemoryLake()
    load(open_sink(lake), PLAN, CHUNKS)
    before = set(lake.objects)
    with open_sink(lake) as sink:
        sink.fence()
        sink.abort()
        assert sink.files() == ()
    assert (lake.objects, lake.uploads) == ({}, {})
    load(open_sink(lake), PLAN, CHUNKS)
    assert not before & set(lake.objects)
    assert len(lake.objects) == len(before)


def test_a_missing_table_is_an_error_unless_the_route_creates_it() -> None:
    with (
        open_sink(MemoryLake(), catalog=Catalog(None)) as sink,
        pytest.raises(DestinationMissingError, match=r"shop\.orders does not exist"),
    ):
        sink.begin(PLAN)
    lake, catalog = MemoryLake(), Catalog(None)
    plan = replace(PLAN, table=Table("shop.orders", COLUMNS, create=True))
    load(open_sink(lake, catalog=catalog), plan, CHUNKS)
    assert catalog.state
    assert len(lake.objects) == 1


def test_a_column_whose_type_is_not_written_is_named() -> None:
    odd = replace(STATE, partition=(), fields=(*STATE.fields[2:], IcebergField(4, "country", "map")))
    with (
        open_sink(MemoryLake(), catalog=Catalog(odd)) as sink,
        pytest.raises(InvalidTableError, match=r"'country' has the type map"),
    ):
        sink.begin(PLAN)
