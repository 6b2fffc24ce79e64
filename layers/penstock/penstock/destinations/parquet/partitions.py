"""Partition fields: a column and a transform, as Iceberg's table spec defines them, and the folders of their values.

Folders are those of Hive, ``country=DE/ordered_at_day=2024-01-02``. Athena, Spark, DuckDB and pyarrow read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from penstock.model.column import ColumnType
from penstock.model.data_file import PartitionValue

IDENTITY = "identity"
# The transforms of Iceberg that Hive folders can show, and the types of the columns that each takes.
_TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
TRANSFORMS: dict[str, frozenset[ColumnType]] = {
    IDENTITY: frozenset({ColumnType.TEXT, ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.DATE}),
    "year": _TIMES,
    "month": _TIMES,
    "day": _TIMES,
    "hour": frozenset({ColumnType.TIMESTAMP}),
}
# What Hive, and every reader of its folders, takes for null.
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"

# `FileUtils.escapePathName` of Hive escapes these signs, which Athena and Spark undo.
# https://github.com/apache/hive/blob/master/common/src/java/org/apache/hadoop/hive/common/FileUtils.java
_ESCAPED = frozenset("\"#%'*/:=?\\{[]^\x7f") | {chr(code) for code in range(32)}

_FIELD = re.compile(r"(?:(\w+)\((.+)\)|(.+))", re.DOTALL)
_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_EPOCH = date(1970, 1, 1)
_EPOCH_TIME = datetime(1970, 1, 1)  # noqa: DTZ001  # a zone would be shown

Key: TypeAlias = tuple[PartitionValue, ...]


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition field. ``name`` is that of its folders, ``column`` the name of its column."""

    name: str
    column: str
    transform: str = IDENTITY

    @classmethod
    def parse(cls, text: str) -> Partition:
        """Read ``country`` or ``day(ordered_at)``. Raises ValueError, with what is wrong."""
        match = _FIELD.fullmatch(text)
        transform, inner, column = match.groups() if match else ("", "", "")
        if column:
            return cls(column, column)
        if transform not in TRANSFORMS:
            raise ValueError(f"{text!r}: {transform!r} is not one of {', '.join(TRANSFORMS)}")
        return cls(inner if transform == IDENTITY else f"{inner}_{transform}", inner, transform)

    @property
    def is_identity(self) -> bool:
        return self.transform == IDENTITY

    def apply(self, values: Sequence[Any], *, is_date: bool) -> Iterable[PartitionValue]:
        """Return the partition values of a column. Dates are days, timestamps microseconds since 1970."""
        if self.is_identity:
            return [str(value) if isinstance(value, Decimal) else value for value in values]
        convert = (_OF_DAYS if is_date else _OF_MICROSECONDS)[self.transform]
        return [None if value is None else convert(value) for value in values]

    def text(self, value: PartitionValue, kind: ColumnType | None) -> str:
        """Return a value as folders show it. ``kind`` is the type of the column."""
        if value is None or value == "":
            # To Hive an empty text and null are the same folder.
            return NULL_FOLDER
        if not self.is_identity:
            return _SHOWN[self.transform](int(value))
        if kind is ColumnType.DATE:
            return _date(int(value))
        if kind is ColumnType.TIMESTAMP:
            return (_EPOCH_TIME + timedelta(microseconds=int(value))).isoformat(sep=" ")
        return str(value).lower() if isinstance(value, bool) else str(value)


def folder(partitions: Sequence[Partition], key: Key, kinds: Sequence[ColumnType | None]) -> str:
    """Return the folders of partition values, each with a slash at its end. ``kinds`` are the types of the columns."""
    return "".join(
        f"{escaped(one.name)}={escaped(one.text(value, kind))}/"
        for one, value, kind in zip(partitions, key, kinds, strict=True)
    )


def escaped(text: str) -> str:
    """Escape a name or a value as Hive does."""
    return "".join(f"%{ord(sign):02X}" if sign in _ESCAPED else sign for sign in text)


def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).isoformat()


def _months(days: int) -> int:
    when = _EPOCH + timedelta(days=days)
    return (when.year - _EPOCH.year) * 12 + when.month - 1


def _years(days: int) -> int:
    return (_EPOCH + timedelta(days=days)).year - _EPOCH.year


_OF_DAYS: dict[str, Callable[[int], int]] = {"year": _years, "month": _months, "day": lambda days: days}
_OF_MICROSECONDS: dict[str, Callable[[int], int]] = {
    "year": lambda value: _years(value // _DAY),
    "month": lambda value: _months(value // _DAY),
    "day": lambda value: value // _DAY,
    "hour": lambda value: value // _HOUR,
}
# As Iceberg writes them: appendix "Partition Transforms" of its spec, human-readable strings.
_SHOWN: dict[str, Callable[[int], str]] = {
    "year": lambda value: f"{_EPOCH.year + value:04d}",
    "month": lambda value: f"{_EPOCH.year + value // 12:04d}-{value % 12 + 1:02d}",
    "day": _date,
    "hour": lambda value: f"{_date(value // 24)}-{value % 24:02d}",
}
