"""The statistics of a data file, by field id, as Iceberg keeps them to skip files.

Bounds are in the single-value serialization of Iceberg's table spec, appendix D. Those of texts are cut to 16
characters, as Iceberg's metrics mode ``truncate(16)`` does by default; then the upper bound is rounded up. NaN counts
for no bound; a zero is -0.0 in the lower bound, and 0.0 in the upper one. Lists have no bounds.

https://iceberg.apache.org/spec/#appendix-d-single-value-serialization
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import ne
from typing import TYPE_CHECKING, Final, TypeAlias

from penstock.destinations.parquet.schema import LakeColumn, LakeSchema
from penstock.formats.parquet.row_groups import ColumnChunk, RowGroup
from penstock.model.data_file import ColumnStatistics
from penstock.tables.arrow_buffers import fixed_values

if TYPE_CHECKING:
    from arro3.core import Array, RecordBatch

TRUNCATED: Final = 16  # characters
_DOUBLE: Final = 8
_FLOATS: Final = {"float": (4, "f"), "double": (_DOUBLE, "d")}
_SURROGATES: Final = range(0xD800, 0xE000)
_LAST_CHARACTER: Final = 0x10FFFF

Bound: TypeAlias = "int | float | bytes"


@dataclass(slots=True)
class _Counted:
    """What is known of one leaf so far. ``is_known``: every row group has told its bounds, or has no values."""

    compressed: int = 0
    values: int = 0
    nulls: int = 0
    nans: int = 0
    lower: Bound | None = None
    upper: Bound | None = None
    is_known: bool = True


class FileStatistics:
    """Gathers the statistics of one file, row group by row group."""

    def __init__(self, schema: LakeSchema) -> None:
        self._leaves = [column.type.element or column for column in schema.columns]
        self._are_lists = [column.type.element is not None for column in schema.columns]
        self._counted = [_Counted() for _ in self._leaves]

    def add(self, group: RowGroup, nans: Mapping[int, int]) -> None:
        """Count a row group; ``nans`` are those of its columns, by their numbers."""
        for number, (column, chunk, counted) in enumerate(zip(self._leaves, group.columns, self._counted, strict=True)):
            counted.compressed += chunk.compressed
            counted.values += chunk.values
            counted.nans += nans.get(number, 0)
            nulls = chunk.statistics.nulls if chunk.statistics else None
            counted.nulls += nulls or 0
            if chunk.values > (nulls or 0) + nans.get(number, 0):
                _widen(counted, column, chunk)

    def result(self) -> tuple[ColumnStatistics, ...]:
        """The statistics of the file."""
        return tuple(map(_result, self._leaves, self._counted, self._are_lists))


def nans_of(batches: Iterable[RecordBatch], schema: LakeSchema) -> Mapping[int, int]:
    """How many values of each column of floats are NaN, by the numbers of columns."""
    floats = {
        place: _FLOATS[column.type.name] for place, column in enumerate(schema.columns) if column.type.name in _FLOATS
    }
    counts = dict.fromkeys(floats, 0)
    for batch in batches if floats else ():
        for place, (width, _) in floats.items():
            counts[place] += _nans(batch.column(place), width)
    return counts


def _nans(column: Array, width: int) -> int:
    with fixed_values(column, width) as held:
        values = held.cast("d") if width == _DOUBLE else held.cast("f")
        total = sum(values)
        # The sum is NaN if a value is, or if there are both infinities: hardly any column has one.
        return sum(map(ne, values, values)) if total != total else 0  # noqa: PLR0124  # NaN alone


def _result(column: LakeColumn, counted: _Counted, is_list: bool) -> ColumnStatistics:
    if is_list:
        return ColumnStatistics(column.id, counted.compressed, counted.values)
    known = counted.is_known
    return ColumnStatistics(
        field_id=column.id,
        compressed_size=counted.compressed,
        values=counted.values,
        nulls=counted.nulls,
        nans=counted.nans if column.type.name in _FLOATS else None,
        lower=_lower(column, counted.lower) if known and counted.lower is not None else None,
        upper=_upper(column, counted.upper) if known and counted.upper is not None else None,
    )


def _widen(counted: _Counted, column: LakeColumn, chunk: ColumnChunk) -> None:
    held = chunk.statistics
    if held is None or held.minimum is None or held.maximum is None:
        counted.is_known = False
        return
    lower, upper = _decoded(column, chunk, held.minimum), _decoded(column, chunk, held.maximum)
    counted.lower = lower if counted.lower is None else min(counted.lower, lower)
    counted.upper = upper if counted.upper is None else max(counted.upper, upper)


def _decoded(column: LakeColumn, chunk: ColumnChunk, plain: bytes) -> Bound:
    """A value that is plain encoded: https://github.com/apache/parquet-format/blob/master/Encodings.md"""
    if column.type.name in _FLOATS:
        return float(struct.unpack("<" + _FLOATS[column.type.name][1], plain)[0])
    if chunk.physical in ("INT32", "INT64"):
        return int.from_bytes(plain, "little", signed=True)
    if column.type.name == "decimal":
        return int.from_bytes(plain, "big", signed=True)
    return plain


def _lower(column: LakeColumn, value: Bound) -> bytes | None:
    if isinstance(value, float):
        return _ENCODERS[column.type.name](value or -0.0)
    if column.type.name == "string" and isinstance(value, bytes):
        return value.decode(errors="ignore")[:TRUNCATED].encode()
    return _encoded(column, value)


def _upper(column: LakeColumn, value: Bound) -> bytes | None:
    if isinstance(value, float):
        return _ENCODERS[column.type.name](value or 0.0)
    if column.type.name == "string" and isinstance(value, bytes):
        return _rounded_up(value)
    return _encoded(column, value)


def _encoded(column: LakeColumn, value: Bound) -> bytes:
    if column.type.name == "decimal" and isinstance(value, int):
        # The fewest bytes of a two's complement.
        return value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True)
    return value if isinstance(value, bytes) else _ENCODERS[column.type.name](value)


def _rounded_up(value: bytes) -> bytes | None:
    """The shortest text of at most 16 characters that is not less; None if there is none."""
    try:
        text = value.decode()
    except UnicodeDecodeError:  # cut within a character, and rounded up as bytes
        return None
    if len(text) <= TRUNCATED:
        return value
    for end in range(TRUNCATED, 0, -1):
        following = ord(text[end - 1]) + 1
        if following in _SURROGATES:
            following = _SURROGATES.stop
        if following <= _LAST_CHARACTER:
            return (text[: end - 1] + chr(following)).encode()
    return None


_ENCODERS: Final[Mapping[str, Callable[[Bound], bytes]]] = {
    "int": struct.Struct("<i").pack,
    "long": struct.Struct("<q").pack,
    "float": struct.Struct("<f").pack,
    "double": struct.Struct("<d").pack,
    "date": struct.Struct("<i").pack,
    "timestamp": struct.Struct("<q").pack,
    "timestamptz": struct.Struct("<q").pack,
}
