"""The columns of tables: as routes declare them, as samples suggest them, and as existing tables hold them; and the
fields of records that no column takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Self


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
    ``filled``: the database fills the column itself: it is generated, or an identity.
    ``in_bytes``: ``length`` counts bytes. ``unsigned``: a number that may not be below zero.
    ``smallest``: of an interval, the smallest field that it keeps, such as ``day``.
    ``form``: ``list``, ``range``, ``multirange`` or ``row``, where a value has ``parts``: an element, a bound, or all
    fields.
    """

    type: ColumnType | None = ColumnType.TEXT
    places: int | None = None
    length: int | None = None
    zoned: bool = True
    times: bool = False
    array: bool = False
    spellings: tuple[str, ...] = ()
    filled: bool = False
    in_bytes: bool = False
    unsigned: bool = False
    smallest: str = ""
    form: str = ""
    parts: tuple[Storage, ...] = ()


# The name of a column that stands for fields of any name, where a destination takes those.
ANY = ""


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


# Names of fields that a receipt lists, and characters of each.
LISTED, NAME_LENGTH = 20, 100


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """How the fields of records compare with the columns of their tables; JSON-able.

    ``records`` hold fields that no column takes, ``names`` are some of those. ``missing`` are declared columns, each
    behind its table, for which no record has a field; it counts only for the ``tables`` that records went to. The
    default is for records of which nobody knows any more: nothing is then missing.
    """

    records: int = 0
    names: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        records: int,
        names: Iterable[str],
        missing: tuple[tuple[str, str], ...] = (),
        tables: tuple[str, ...] = (),
    ) -> Self:
        """The same, of whatever length names may be."""
        return cls(records, _listed(names), missing, tables)

    def plus(self, other: FieldCounts) -> FieldCounts:
        """Of these records and others."""
        return FieldCounts(
            self.records + other.records,
            _listed((*self.names, *other.names)),
            tuple(each for each in self.missing if each in other.missing),
            tuple(dict.fromkeys((*self.tables, *other.tables))),
        )

    @property
    def is_told(self) -> bool:
        """Whether there is anything that a receipt would say."""
        return bool(self.records or self.missing)

    @property
    def is_full(self) -> bool:
        """Whether there may be more names."""
        return len(self.names) == LISTED


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(name[:NAME_LENGTH] for name in names), LISTED))
