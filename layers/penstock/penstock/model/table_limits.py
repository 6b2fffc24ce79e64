"""What an existing table refuses: nulls, texts that are too long, numbers out of range, and keys that come twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ColumnLimits:
    """The limits of one column of a ``type`` in SQL. ``length``: maximum characters of a text. ``least`` and ``most``
    bound a number. None: any. Of an array, these are the limits of its elements."""

    type: str
    nullable: bool = True
    length: int | None = None
    least: int | Decimal | None = None
    most: int | Decimal | None = None

    @property
    def is_limited(self) -> bool:
        """Whether any value may be refused."""
        return not self.nullable or self.length is not None or self.most is not None

    def refusal(self, value: object) -> str:
        """Return why the column refuses a value; empty if it takes it."""
        if value is None:
            return "" if self.nullable else "is null, but the column of the table is NOT NULL"
        if self.length is not None and isinstance(value, str) and len(value.rstrip(" ")) > self.length:
            return f"has {len(value):,} characters, but the column of the table is {self.type}"
        if self.least is not None and self.most is not None and isinstance(value, int | Decimal):
            return "" if self.least <= value <= self.most else f"does not fit the column of the table, {self.type}"
        return ""


@dataclass(frozen=True, slots=True)
class TableLimits:
    """The limits of the columns, by name. ``unique`` are the columns of each unique index."""

    columns: Mapping[str, ColumnLimits] = field(default_factory=dict)
    unique: tuple[tuple[str, ...], ...] = ()
