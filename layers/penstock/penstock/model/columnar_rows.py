"""Rows that a parser has as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

Row = tuple[str, ...]


class ColumnarRows(Sequence[Row]):
    """Rows by columns, which have one length. Whoever wants columns takes them; rows are made when they are read."""

    __slots__ = ("columns",)

    def __init__(self, columns: Sequence[Sequence[str]]) -> None:
        self.columns = columns

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return ColumnarRows([column[index] for column in self.columns])
        return tuple(column[index] for column in self.columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[Row]:
        return zip(*self.columns, strict=True)


def joined(parts: Sequence[Sequence[object]]) -> Sequence[object]:
    """Return the rows of all parts, by columns if all parts are."""
    columnar = [part for part in parts if isinstance(part, ColumnarRows)]
    if len(columnar) < len(parts):
        return [row for part in parts for row in part]
    return ColumnarRows([list(chain(*columns)) for columns in zip(*(part.columns for part in columnar), strict=True)])
