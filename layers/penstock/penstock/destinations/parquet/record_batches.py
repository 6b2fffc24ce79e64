"""Checked rows as record batches of Arrow.

The row converter has proven that every value fits its column (`LakeSchema.storages`). So nothing is rounded here, and
nothing becomes null: that is checked once more for each column.

Memory: a batch takes what its Python values take, and its Arrow arrays, which are smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Final, cast

from penstock.destinations.parquet.arrow_errors import writing
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, LakeType, arrow_type
from penstock.errors import InvalidTableError, PermanentError
from penstock.model.load import Rows

if TYPE_CHECKING:
    from arro3.core import Array, DataType, RecordBatch

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


class RecordBatches:
    """Makes record batches of one schema."""

    def __init__(self, schema: LakeSchema) -> None:
        self.schema = schema
        self.arrow = schema.arrow
        self._types = [arrow_type(column.type) for column in schema.columns]

    def of(self, rows: Rows) -> RecordBatch:
        """The rows as one record batch. A column of the schema that the rows lack is null.

        Raises InvalidTableError if the rows have a column that the schema lacks, or lack one that is required.
        """
        from arro3.core import RecordBatch  # noqa: PLC0415  # only routes that write Parquet pay for it

        if (ready := self._ready(rows)) is not None:
            return ready
        found = dict(zip(rows.names, range(len(rows.names)), strict=True))
        arrays = []
        for column in self.schema.columns:
            place = found.pop(column.name, None)
            if place is None and column.is_required:
                raise InvalidTableError(
                    f"table {rows.table.name}: column {column.name!r} is required, and has no field"
                )
            values = [None] * rows.count if place is None else rows.columns[place]
            arrays.append(array_of(values, column))
        if found:
            raise InvalidTableError(f"table {rows.table.name} has no column {next(iter(found))!r}")
        with writing(f"table {rows.table.name}"):
            return RecordBatch.from_arrays(arrays, schema=self.arrow)

    def _ready(self, rows: Rows) -> RecordBatch | None:
        """The rows as arro3's own reader has read them, if that is proven to be right (`tables.arrow_csv`)."""
        from arro3.core import RecordBatch  # noqa: PLC0415  # only routes that write Parquet pay for it

        if not (rows.raw_csv and rows.raw_csv.arrays):
            return None
        found = dict(zip(rows.raw_csv.names, cast("Sequence[Array]", rows.raw_csv.arrays), strict=True))
        columns = self.schema.columns
        if found.keys() != {column.name for column in columns}:
            return None
        arrays = [found[column.name] for column in columns]
        if [array.type for array in arrays] != self._types:
            return None
        with writing(f"table {rows.table.name}"):
            return RecordBatch.from_arrays(arrays, schema=self.arrow)


def combined(batches: Sequence[RecordBatch]) -> Sequence[RecordBatch]:
    """A copy of several batches of one schema, as one."""
    from arro3.core import Table  # noqa: PLC0415  # only routes that write Parquet pay for it

    return Table.from_batches(batches).combine_chunks().to_batches() if len(batches) > 1 else batches


def array_of(values: Sequence[object], column: LakeColumn) -> Array:
    """The values of a column. Raises PermanentError if one of them does not fit."""
    with writing(f"column {column.name!r}"):
        array = _MAKERS[column.type.name](values, column.type)
    if array.null_count != values.count(None):
        raise PermanentError(
            f"column {column.name!r} has a value that does not fit {column.type}",
            hint="Report it to Penstock's authors, with the type of the column.",
        )
    return array


def _plain(values: Sequence[object], kind: LakeType) -> Array:
    return _array(values, arrow_type(kind))


def _decimals(values: Sequence[object], kind: LakeType) -> Array:
    # None is rounded: `tables.parsed_kinds`.
    form = f".{kind.places}f"
    texts = [format(value, form) if isinstance(value, Decimal) else _text(value) for value in values]
    return _array(texts, arrow_type(LakeType("string"))).cast(arrow_type(kind))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _days(values: Sequence[object], kind: LakeType) -> Array:
    days = [value.toordinal() - _EPOCH_DAY if isinstance(value, date) else None for value in values]
    return _array(days, arrow_type(LakeType("int"))).cast(arrow_type(kind))


def _moments(values: Sequence[object], kind: LakeType) -> Array:
    return _array(list(map(_microseconds, values)), arrow_type(LakeType("long"))).cast(arrow_type(kind))


def _microseconds(value: object) -> int | None:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, date):
        return (value.toordinal() - _EPOCH_DAY) * 86_400_000_000
    return None


def _lists(values: Sequence[object], kind: LakeType) -> Array:
    from arro3.core import list_array  # noqa: PLC0415  # only routes that write Parquet pay for it

    if kind.element is None:
        raise PermanentError("a list has no type of elements")
    lists = [value if isinstance(value, list) else [] for value in values]
    ends = _array([0, *accumulate(map(len, lists))], arrow_type(LakeType("int")))
    elements = array_of([element for each in lists for element in each], kind.element)
    nulls = _array([value is None for value in values], arrow_type(LakeType("boolean")))
    return list_array(ends, elements, type=arrow_type(kind), mask=nulls)


def _array(values: Sequence[object], kind: DataType) -> Array:
    from arro3.core import Array  # noqa: PLC0415  # only routes that write Parquet pay for it

    return Array(values if isinstance(values, list) else list(values), kind)


_MAKERS: Final[Mapping[str, Callable[[Sequence[object], LakeType], Array]]] = {
    **dict.fromkeys(("boolean", "int", "long", "float", "double", "string", "uuid"), _plain),
    **dict.fromkeys(("timestamp", "timestamptz"), _moments),
    "decimal": _decimals,
    "date": _days,
    "list": _lists,
}
