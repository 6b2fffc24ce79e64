"""How rows become the bytes of a Parquet file: a first version, which holds a file until its end."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

from penstock.destinations.parquet.ports import FileWriter, Output
from penstock.model.column import ColumnType
from penstock.model.data_file import ColumnStatistics
from penstock.model.load import Rows
from penstock.model.record import Reject
from penstock.model.table import Table


class _Format:
    def __init__(self, table: Table, shown: tuple[str, ...], compression: str) -> None:
        from arro3.core import DataType, Field, Schema  # noqa: PLC0415  # only routes that write Parquet pay for it

        types = {
            ColumnType.INTEGER: DataType.int64(),
            ColumnType.FLOAT: DataType.float64(),
            ColumnType.BOOLEAN: DataType.bool(),
            ColumnType.DATE: DataType.date32(),
            ColumnType.TIMESTAMP: DataType.timestamp("us", tz="UTC"),
        }
        self.types = {column.name: types.get(column.type, DataType.utf8()) for column in table.columns}
        self.schema = Schema([Field(name, self.types[name]) for name in shown])
        self.compression = compression or "zstd"

    def convert(self, rows: Rows) -> tuple[Any, tuple[Reject, ...]]:
        from arro3.core import RecordBatch  # noqa: PLC0415  # as above

        held = dict(zip(rows.names, rows.columns, strict=True))
        nothing = [None] * rows.count
        arrays: Any = {name: _array(held.get(name, nothing), kind) for name, kind in self.types.items()}
        return RecordBatch(arrays), ()

    def open(self, output: Output, *, row_group_bytes: int) -> FileWriter:  # noqa: ARG002  # one row group
        return _Writer(self, output)


def _array(values: Any, kind: Any) -> Any:
    from arro3.core import Array, DataType  # noqa: PLC0415  # as above

    if kind == DataType.date32():
        days = [None if value is None else (value - date(1970, 1, 1)).days for value in values]
        return Array(days, type=DataType.int32()).cast(kind)
    if DataType.is_timestamp(kind):
        micros = [None if value is None else round(value.timestamp() * 1e6) for value in values]
        return Array(micros, type=DataType.int64()).cast(kind)
    if kind == DataType.utf8():
        return Array(
            [json.dumps(one, default=str) if isinstance(one, dict | list) else one for one in values], type=kind
        )
    return Array(list(values), type=kind)


class _Writer:
    def __init__(self, format_: _Format, output: Output) -> None:
        self.format, self.output = format_, output
        self.batches: list[Any] = []
        self.held = self.size = 0

    def write(self, batch: Any) -> None:
        self.batches.append(batch)
        self.held += batch.nbytes
        self.size += batch.nbytes

    def finish(self) -> tuple[int, tuple[ColumnStatistics, ...], tuple[int, ...]]:
        from arro3.core import RecordBatchReader  # noqa: PLC0415  # as above
        from arro3.io import write_parquet  # noqa: PLC0415  # as above

        file = io.BytesIO()
        reader = RecordBatchReader.from_batches(self.format.schema, self.batches)
        codec: Any = {"zstd": "zstd(1)", "gzip": "gzip(6)", "none": "uncompressed"}
        write_parquet(reader, file, compression=codec.get(self.format.compression, self.format.compression))
        self.output.write(file.getvalue())
        self.held = 0
        return len(file.getvalue()), (), (4,)


def row_format(table: Table, shown: tuple[str, ...], compression: str) -> _Format:
    """Return how the rows of a table are written; ``shown`` are the columns that files hold."""
    return _Format(table, shown, compression)
