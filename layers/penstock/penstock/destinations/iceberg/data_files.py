"""Our data files as pyiceberg's: partition values, counts and bounds."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyiceberg.manifest import DataFile as ManifestDataFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import BinaryType, DecimalType, DoubleType, FixedType, IcebergType, LongType, UUIDType

from penstock.errors import InvalidTableError
from penstock.model.data_file import ColumnStatistics, DataFile, PartitionValue


@dataclass(frozen=True)
class DataFileConverter:
    """Converts files whose partition values are those of ``spec``. ``schema`` is the current one."""

    table: str
    schema: Schema
    spec: PartitionSpec

    def convert(self, file: DataFile) -> ManifestDataFile:
        """Raises InvalidTableError for partition values that are not those of the spec."""
        converted = ManifestDataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.uri,
            file_format=FileFormat.PARQUET,
            partition=Record(*self.partition(file)),
            record_count=file.rows,
            file_size_in_bytes=file.size,
            column_sizes={one.field_id: one.compressed_size for one in file.columns},
            value_counts={one.field_id: one.values for one in file.columns},
            null_value_counts=_known(file.columns, lambda one: one.nulls),
            nan_value_counts=_known(file.columns, lambda one: one.nans),
            lower_bounds=_known(file.columns, lambda one: self._bound(one.field_id, one.lower)),
            upper_bounds=_known(file.columns, lambda one: self._bound(one.field_id, one.upper)),
            key_metadata=None,
            split_offsets=sorted(file.split_offsets) or None,
            equality_ids=None,
            sort_order_id=0,
        )
        converted.spec_id = self.spec.spec_id
        return converted

    def partition(self, file: DataFile) -> tuple[Any, ...]:
        """Return the partition values as pyiceberg keeps them."""
        names = tuple(field.name for field in self.spec.fields)
        if tuple(name for name, _ in file.partition) != names:
            given = ", ".join(name for name, _ in file.partition) or "none"
            raise InvalidTableError(
                f"{self.table}: the file {file.uri} has the partition fields {given}, spec {self.spec.spec_id} has "
                f"{', '.join(names) or 'none'}",
                hint="The table's partitioning has changed. Redrive the job.",
            )
        kinds = self._partition_types
        return tuple(_value(kind, value) for kind, (_, value) in zip(kinds, file.partition, strict=True))

    @property
    def _partition_types(self) -> Sequence[IcebergType]:
        return [field.field_type for field in self.spec.partition_type(self.schema).fields]

    def _bound(self, field_id: int, bound: bytes | None) -> bytes | None:
        """Widen a bound whose column has a wider type since the file was written. Not all readers do it themselves."""
        field = self.schema._lazy_id_to_field.get(field_id)  # noqa: SLF001  # find_field raises where this returns None
        if bound is None or field is None or len(bound) != struct.calcsize("<i"):
            return bound
        if isinstance(field.field_type, LongType):
            return struct.pack("<q", *struct.unpack("<i", bound))
        if isinstance(field.field_type, DoubleType):
            return struct.pack("<d", *struct.unpack("<f", bound))
        return bound


def _known(columns: Sequence[ColumnStatistics], get: Callable[[ColumnStatistics], Any]) -> Mapping[int, Any]:
    found = ((one.field_id, get(one)) for one in columns)
    return {field_id: value for field_id, value in found if value is not None}


def _value(kind: IcebergType, value: PartitionValue) -> Any:
    if value is None:
        return None
    if isinstance(kind, DecimalType):
        return Decimal(str(value))
    if isinstance(kind, UUIDType | BinaryType | FixedType):
        return bytes.fromhex(str(value).replace("-", ""))
    return value
