"""What the values of a column are like: nulls, smallest and largest value, distinct values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from penstock.model.column import ColumnType
from penstock.source_check.distinct_counter import DistinctCounter

# Types whose values can be compared with each other.
_FAMILIES: dict[type, str] = {
    int: "number",
    float: "number",
    Decimal: "number",
    str: "text",
    bool: "boolean",
    date: "date",
    datetime: "time",
}
# The times since it have hashes that are the same in every process, as those of numbers.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Characters that are kept of the smallest and the largest text.
SHOWN = 200


class ColumnProfile:
    """Gathers facts about the values of one column. Memory: that of a `DistinctCounter`.

    ``least`` and ``most`` are None, and ``distinct`` is None, for values that have no order, such as JSON. ``longest``
    is the number of characters of the longest text.
    """

    def __init__(self, name: str, column_type: ColumnType) -> None:
        self.name = name
        self.type = column_type
        self.present = 0
        self.least: Any = None
        self.most: Any = None
        self.longest = 0
        self._counter = DistinctCounter()
        self._family = ""
        self._has_order = column_type is not ColumnType.JSON

    def add(self, values: Sequence[object]) -> None:
        """Add values; None is null."""
        present: list[Any] = [value for value in values if value is not None]
        self.present += len(present)
        if not present or not self._has_order:
            return
        families = {_FAMILIES.get(kind, "") for kind in set(map(type, present))} | ({self._family} - {""})
        if len(families) != 1 or "" in families:
            self._has_order = False
            self.least = self.most = None
            return
        self._family = families.pop()
        if self._family == "text":
            self.longest = max(self.longest, *map(len, present))
        elif self._family == "number":
            present = [value for value in present if value == value]  # noqa: PLR0124  # without NaN
        if present:
            self._extend(present)

    def _extend(self, present: list[Any]) -> None:
        least, most = min(present), max(present)
        self.least = least if self.least is None else min(self.least, least)
        self.most = most if self.most is None else max(self.most, most)
        if self._family == "text":
            self.least, self.most = self.least[:SHOWN], self.most[:SHOWN]
        if self._family == "number":
            self._counter.add_numbers(present)
        elif self._family == "time":
            self._counter.add_numbers(time - _EPOCH for time in present)
        else:
            self._counter.add_texts(present if self._family == "text" else map(str, set(present)))

    @property
    def distinct(self) -> int | None:
        """The number of distinct values, or an estimate; None if it is not known."""
        return min(self._counter.count, self.present) if self._has_order else None

    @property
    def is_exact(self) -> bool:
        """Whether ``distinct`` is exact."""
        return self._counter.is_exact
