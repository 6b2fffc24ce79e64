"""The columns of tables: as routes declare them, as samples suggest them, and as existing tables hold them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """Types of columns. TIMESTAMP is with time zone; INTEGER has 64 bits; NUMERIC is exact."""

    TEXT = "text"
    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Storage:
    """How an existing table holds a column.

    ``type`` is None for types that only the database reads: uuid, inet, an enum, an array.
    ``places``: digits behind the point of a number, or of a second; None: any. The database would round, not refuse.
    ``length``: characters of a text; None: any. The database would cut blanks off, not refuse.
    ``zoned``: times keep their zone, or are at least converted to UTC by the database.
    ``times``: a type that only the database reads, and that contains dates or times, such as an array of them.
    ``array``: a list of values, such as ``integer[]``.
    ``spellings``: see `Column`; set where Penstock made the column itself, by inference.
    """

    type: ColumnType | None = ColumnType.TEXT
    places: int | None = None
    length: int | None = None
    zoned: bool = True
    times: bool = False
    array: bool = False
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. ``source`` is the field of the record it comes from (default: its own name);
    ``nulls`` are texts that mean NULL; ``formats`` are strptime patterns for dates and timestamps, ISO 8601
    where there are none.

    ``spellings`` name the only forms of text that an inferred column takes (see `tables.spellings`); a declared one has
    none. ``storage`` is how an existing table holds the column, once it was looked at. Neither is part of a route.
    """

    name: str
    type: ColumnType = ColumnType.TEXT
    source: str = ""
    nullable: bool = True
    nulls: tuple[str, ...] = ("",)
    formats: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    storage: Storage | None = None
