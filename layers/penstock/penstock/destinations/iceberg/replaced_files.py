"""Which files of a table a replacement removes: all, or those of the partitions that it touches.

Files that were written under another partition spec are compared by what their partition values and the bounds of
their columns say. A file that may hold rows both of touched partitions and of others cannot be removed whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform, VoidTransform
from pyiceberg.types import IcebergType, PrimitiveType

from penstock.errors import InvalidTableError


@dataclass(frozen=True)
class _Range:
    """What a file may hold of a partition field. Without bounds: any value. ``low`` equals ``high``: that one."""

    low: Any = None
    high: Any = None
    has_null: bool = True
    has_values: bool = True

    @property
    def is_single(self) -> bool:
        """Whether all rows have the same value."""
        if not self.has_values:
            return True
        return not self.has_null and self.low is not None and self.low == self.high

    def may_be(self, value: Any) -> bool:
        if value is None:
            return self.has_null
        if not self.has_values:
            return False
        return self.low is None or bool(self.low <= value <= self.high)


def _exactly(value: Any) -> _Range:
    return _Range(value, value, has_null=value is None, has_values=value is not None)


@dataclass(frozen=True)
class ReplacedFiles:
    """Decides for each file whether it is removed. ``touched`` are partitions of ``spec``; None: all files are.

    ``specs`` are all partition specs of the table by id, ``schema`` is the current schema.
    """

    table: str
    schema: Schema
    specs: Mapping[int, PartitionSpec]
    spec: PartitionSpec
    touched: Collection[tuple[Any, ...]] | None
    _ranges: dict[int, Callable[[DataFile], Sequence[_Range]]] = field(default_factory=dict)

    def may_have(self, manifest: ManifestFile) -> bool:
        """Whether a manifest may list files to remove, by its summary of partitions."""
        if self.touched is None or manifest.partition_spec_id != self.spec.spec_id or not manifest.partitions:
            return True
        kinds = [one.field_type for one in self.spec.partition_type(self.schema).fields]
        ranges = [
            _Range(_bound(kind, one.lower_bound), _bound(kind, one.upper_bound), one.contains_null)
            for kind, one in zip(kinds, manifest.partitions, strict=True)
        ]
        return any(_may_be(ranges, key) for key in self.touched)

    def has(self, file: DataFile) -> bool:
        """Whether a file is removed. Raises InvalidTableError for one that would have to be cut."""
        if self.touched is None:
            return True
        if file.spec_id == self.spec.spec_id:
            return tuple(file.partition[place] for place in range(len(file.partition))) in self.touched
        ranges = [self._range(one, file) for one in self.spec.fields]
        if not any(_may_be(ranges, key) for key in self.touched):
            return False
        if all(one.is_single for one in ranges):
            return True
        raise InvalidTableError(
            f"{self.table}: {file.file_path} was written under partition spec {file.spec_id}, and may hold rows of "
            "partitions that are replaced and of others",
            hint="Rewrite the data files of the table under its current partition spec, or replace the whole table.",
        )

    def _range(self, wanted: PartitionField, file: DataFile) -> _Range:
        """Return what a file of another spec may hold of a partition field."""
        if isinstance(wanted.transform, VoidTransform):
            return _exactly(None)
        kind = self.schema.find_field(wanted.source_id).field_type
        for place, one in enumerate(self.specs[file.spec_id].fields):
            if one.source_id == wanted.source_id and one.transform == wanted.transform:
                return _exactly(file.partition[place])
            if one.source_id == wanted.source_id and isinstance(one.transform, IdentityTransform):
                return _exactly(wanted.transform.transform(kind)(file.partition[place]))
        return self._by_bounds(wanted, kind, file)

    @staticmethod
    def _by_bounds(wanted: PartitionField, kind: IcebergType, file: DataFile) -> _Range:
        source = wanted.source_id
        nulls, values = (file.null_value_counts or {}).get(source), (file.value_counts or {}).get(source)
        if nulls is not None and nulls == values:
            return _exactly(None)
        low = _bound(kind, (file.lower_bounds or {}).get(source))
        high = _bound(kind, (file.upper_bounds or {}).get(source))
        if low is None or high is None or not (wanted.transform.preserves_order or low == high):
            return _Range(has_null=nulls != 0)
        transform = wanted.transform.transform(kind)
        return _Range(transform(low), transform(high), has_null=nulls != 0)


def _may_be(ranges: Sequence[_Range], key: tuple[Any, ...]) -> bool:
    return all(one.may_be(value) for one, value in zip(ranges, key, strict=True))


def _bound(kind: IcebergType, bound: bytes | None) -> Any:
    return None if bound is None or not isinstance(kind, PrimitiveType) else from_bytes(kind, bound)
