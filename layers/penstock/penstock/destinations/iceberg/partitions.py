"""The partition spec of a table, as the partitions of a sink of files.

https://iceberg.apache.org/spec/#partition-transforms
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, PartitionField
from penstock.destinations.parquet.partitions import IDENTITY, NULL_FOLDER, TRANSFORMS, Partition
from penstock.errors import InvalidTableError
from penstock.model.column import ColumnType
from penstock.model.data_file import PartitionValue

_WITH_WIDTH = re.compile(r"(bucket|truncate)\[([1-9][0-9]{0,9})\]")
# Types whose values have no text that a folder could show, or none that is exact.
_NO_IDENTITY = frozenset({"uuid", "binary", "fixed", "float", "double", "list", "map", "struct"})
_HASHED = frozenset({"int", "long", "date", "timestamp", "timestamptz", "string", "decimal"})
_TRUNCATED = frozenset({"int", "long", "string", "decimal"})
_LONG, _WORD = 8, 0xFFFFFFFF
_LEAST = {"int": -(2**31), "long": -(2**63)}


@dataclass(frozen=True, slots=True)
class ConvertedPartition(Partition):
    """A field whose values are converted one by one, ``bucket[16]`` or ``void``."""

    convert: Callable[[Any], PartitionValue] = lambda _: None

    def apply(self, values: Sequence[Any], *, is_date: bool) -> Iterable[PartitionValue]:  # noqa: ARG002  # as Partition
        return [None if value is None else self.convert(value) for value in values]

    def text(self, value: PartitionValue, kind: ColumnType | None) -> str:  # noqa: ARG002  # as Partition says
        return NULL_FOLDER if value is None or value == "" else str(value)


def partitions_of(table: IcebergTable) -> tuple[Partition, ...]:
    """Return the fields of the table's current spec. Raises InvalidTableError for one that is not supported."""
    fields = {field.id: field for field in table.fields}
    return tuple(_partition(table, fields, field) for field in table.partition)


def _partition(table: IcebergTable, fields: dict[int, IcebergField], field: PartitionField) -> Partition:
    source = fields.get(field.source_id)
    transform = field.transform
    if source is None:
        raise InvalidTableError(f"table {table.name}: partition field {field.name!r} is of a nested column")
    kind = source.type.partition("(")[0].partition("[")[0]
    if transform == "void":
        return ConvertedPartition(field.name, source.name, transform)
    if transform == IDENTITY and kind not in _NO_IDENTITY:
        return Partition(field.name, source.name)
    if transform in TRANSFORMS and transform != IDENTITY:
        return Partition(field.name, source.name, transform)
    if match := _WITH_WIDTH.fullmatch(transform):
        name, width = match[1], int(match[2])
        if name == "bucket" and kind in _HASHED:
            return ConvertedPartition(field.name, source.name, transform, lambda value: bucket(value, width))
        if name == "truncate" and kind in _TRUNCATED:
            return ConvertedPartition(field.name, source.name, transform, lambda value: truncated(value, width, kind))
    raise InvalidTableError(
        f"table {table.name}: partition field {field.name!r} is {transform} of {source.name!r} ({source.type}), which "
        "is not supported",
        hint=f"Supported are {', '.join(TRANSFORMS)}, bucket[N], truncate[N] and void.",
    )


def bucket(value: int | str | Decimal, count: int) -> int:
    """Return the bucket of a value; dates are days, timestamps microseconds. Appendix B of the spec."""
    match value:
        case str():
            data = value.encode()
        case Decimal():
            unscaled = _unscaled(value)
            data = unscaled.to_bytes((unscaled + (unscaled < 0)).bit_length() // 8 + 1, "big", signed=True)
        case _:
            data = value.to_bytes(_LONG, "little", signed=True)
    return (murmur3(data) & 0x7FFFFFFF) % count


def truncated(value: int | str | Decimal, width: int, kind: str = "long") -> PartitionValue:
    """Return a text cut to ``width`` characters, or a number rounded down to a multiple of it.

    Raises InvalidTableError for one that is then less than any of its ``kind``, of which readers disagree.
    """
    match value:
        case str():
            return value[:width]
        case Decimal():
            unscaled = _unscaled(value)
            return format((Decimal(unscaled - unscaled % width)).scaleb(int(value.as_tuple().exponent)), "f")
        case _:
            found = value - value % width
            if found < _LEAST[kind]:
                raise InvalidTableError(
                    f"truncate[{width}] of {value} is no {kind}", hint="Correct the value, or the partition spec."
                )
            return found


def murmur3(data: bytes) -> int:
    """Return the 32-bit Murmur3 hash, x86 variant, with seed 0."""
    found = 0
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        found ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        found = (_rotated(found, 13) * 5 + 0xE6546B64) & _WORD
    if rest := data[whole:]:
        found ^= _mixed(int.from_bytes(rest, "little"))
    found ^= len(data)
    found = (found ^ found >> 16) * 0x85EBCA6B & _WORD
    found = (found ^ found >> 13) * 0xC2B2AE35 & _WORD
    return found ^ found >> 16


def _mixed(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & _WORD, 15) * 0x1B873593 & _WORD


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _WORD


def _unscaled(value: Decimal) -> int:
    sign, digits, _ = value.as_tuple()
    number = int("".join(map(str, digits)))
    return -number if sign else number
