"""Parquet files that a span has written, and what a table format keeps of each."""

from __future__ import annotations

from dataclasses import dataclass, field

PartitionValue = str | int | float | bool | None
"""A value after its transform, as JSON holds it: days since 1970 for a date, microseconds for a timestamp, months,
years or hours for these transforms, the text of a decimal, otherwise the value itself."""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a reader needs to skip a file. ``values`` counts nulls, too. ``lower`` and ``upper`` bound all values but
    nulls and NaN, in the single-value serialization of Iceberg's table spec, appendix D; None: not known.
    ``compressed_size`` is in bytes."""

    field_id: int
    compressed_size: int
    values: int
    nulls: int | None = None
    nans: int | None = None
    lower: bytes | None = None
    upper: bytes | None = None


@dataclass(frozen=True, slots=True)
class DataFile:
    """One complete Parquet file. ``uri`` is ``s3://bucket/key``, or a path on this machine. ``size`` is in bytes.
    ``partition`` holds the value of each field of the table's partition spec, by name and in order.
    ``split_offsets`` are the offsets of its row groups."""

    uri: str
    size: int
    rows: int
    partition: tuple[tuple[str, PartitionValue], ...] = ()
    columns: tuple[ColumnStatistics, ...] = ()
    split_offsets: tuple[int, ...] = field(default=())
