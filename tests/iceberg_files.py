"""Data files of Iceberg tables for tests, written by pyarrow and described by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.destinations.iceberg.ports import IcebergTable
from penstock.destinations.iceberg.storage import Storage
from penstock.model.data_file import ColumnStatistics, DataFile, PartitionValue

TYPES: Mapping[str, pa.DataType] = {
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
    "decimal(12, 2)": pa.decimal128(12, 2),
}


def write_file(
    storage: Storage,
    table: IcebergTable,
    name: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    partition: Sequence[tuple[str, PartitionValue]] = (),
    bounds: Mapping[str, tuple[bytes, bytes]] | None = None,
) -> DataFile:
    """Write one file of a table with the columns of these names."""
    fields = [field for field in table.fields if field.name in columns]
    schema = pa.schema(
        [pa.field(one.name, TYPES[one.type], metadata={"PARQUET:field_id": str(one.id)}) for one in fields]
    )
    buffer = io.BytesIO()
    pq.write_table(pa.table({one.name: columns[one.name] for one in fields}, schema), buffer)
    data = buffer.getvalue()
    uri = f"{table.data_location}/{name}.parquet".removeprefix("file://")
    storage.write(uri, data)
    found = bounds or {}
    statistics = [
        ColumnStatistics(
            one.id,
            10,
            len(columns[one.name]),
            nulls=sum(value is None for value in columns[one.name]),
            lower=found[one.name][0] if one.name in found else None,
            upper=found[one.name][1] if one.name in found else None,
        )
        for one in fields
    ]
    rows = len(next(iter(columns.values())))
    return DataFile(uri, len(data), rows, tuple(partition), tuple(statistics), (4,))
