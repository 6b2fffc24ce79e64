"""The columns of tables: declared by routes, inferred from samples, or read from existing tables. Also counts of
fields that have no column."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Self

from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.value_rules import USUAL, ValueRules


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


# A NUMERIC column without declared digits in files of Parquet: digits in all, and places behind the point.
DIGITS, PLACES = 38, 9

NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.FLOAT})
TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})


@dataclass(frozen=True, slots=True)
class Storage:
    """How an existing table stores a column.

    ``type`` is None for types that only the database parses: uuid, inet, an enum, an array.
    ``places``: decimal places of a number or of seconds; None: any. The database rounds instead of refusing.
    ``length``: maximum characters of a text; None: any. The database removes trailing blanks instead of refusing.
    ``zoned``: times keep their zone, or the database converts them to UTC.
    ``times``: a type that only the database parses, and that contains dates or times, such as an array of them.
    ``array``: a list of values, such as ``integer[]``.
    ``spellings``: see `Column`; set if Penstock created the column by inference.
    ``filled``: the database fills the column: it is generated, or an identity.
    ``in_bytes``: ``length`` counts bytes. ``unsigned``: a number that may not be negative.
    ``smallest``: the smallest field that an interval keeps, such as ``day``.
    ``form``: ``list``, ``range``, ``multirange`` or ``row``, for a value with ``parts``: its element, its bound, or all
    its fields; ``uuid`` for a type that is ``parsed``.
    ``digits``: maximum digits of a number, ``places`` among them; None: any. ``bits``: those of a number, if not 64.
    ``parsed``: Penstock reads the value, not a database: times in years of four digits, lists and UUIDs.
    ``required``: no value is null, where no database refuses one.
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
    digits: int | None = field(default=None, metadata=OMIT_DEFAULT)
    bits: int | None = field(default=None, metadata=OMIT_DEFAULT)
    parsed: bool = field(default=False, metadata=OMIT_DEFAULT)
    required: bool = field(default=False, metadata=OMIT_DEFAULT)


# A source that is a field of a row by its position from 1, whatever its name: ``#3``.
POSITION = re.compile(r"#([1-9][0-9]{0,4})")

# Before the number of characters that a mask keeps.
KEEP = "keep:"

# The name of a column for fields of any name, for destinations that accept them.
ANY = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. ``source`` is the field of the record (default: the column's name);
    ``keys`` is the path to it in nested records (default: ``source``, divided at dots).
    ``nulls`` are texts that mean NULL; ``formats`` are strptime patterns for dates and timestamps (default: ISO 8601);
    ``rules`` say how texts are written otherwise. A column with ``elements`` is an array of them; its type is TEXT, as
    only the database reads arrays.

    ``spellings`` names the only forms of text that an inferred column accepts (see `tables.spellings`); a declared
    column has none. ``storage`` is how an existing table stores the column, once it was read. Neither is part of a
    route. ``hash`` and ``mask`` are for personal data: the value is loaded in this form only. ``metadata`` names a
    value of the source that the column holds, instead of a field (`source_values`). A NUMERIC column with ``digits``
    has so many in all, ``places`` of them behind the point. ``shown_places``: more places than usual, which the
    sample of an inferred one needs.
    """

    name: str
    type: ColumnType = ColumnType.TEXT
    source: str = ""
    nullable: bool = True
    nulls: tuple[str, ...] = ("",)
    formats: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    storage: Storage | None = None
    keys: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    metadata: str = field(default="", metadata=OMIT_DEFAULT)
    rules: ValueRules = field(default=USUAL, metadata=OMIT_DEFAULT)
    elements: ColumnType | None = field(default=None, metadata=OMIT_DEFAULT)
    hash: str = field(default="", metadata=OMIT_DEFAULT)
    mask: str = field(default="", metadata=OMIT_DEFAULT)
    digits: int = field(default=0, metadata=OMIT_DEFAULT)
    places: int = field(default=0, metadata=OMIT_DEFAULT)
    shown_places: int = field(default=0, metadata=OMIT_DEFAULT)

    @property
    def declared_type(self) -> str:
        """The type as a route declares it."""
        if self.elements:
            return f"{self.elements}[]"
        return f"{self.type}({self.digits},{self.places})" if self.digits else str(self.type)

    @property
    def is_protected(self) -> bool:
        """Whether the raw value may appear nowhere."""
        return bool(self.hash or self.mask)


# The maximum number of field names in a receipt, and of characters of each.
LISTED, NAME_LENGTH = 20, 100


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """How the fields of records compare with the columns of their tables; JSON-able.

    ``records`` counts records with fields that have no column; ``names`` are some of those fields. ``missing`` are
    (table, declared column) pairs for which no record has a field; it counts only for the ``tables`` that received
    records. The default is for records whose fields are not known: nothing is missing. ``rescued`` counts records with
    a value of the wrong type that a rescue column keeps.
    """

    records: int = 0
    names: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()
    rescued: int = field(default=0, metadata=OMIT_DEFAULT)

    @classmethod
    def of(
        cls,
        records: int,
        names: Iterable[str],
        missing: tuple[tuple[str, str], ...] = (),
        tables: tuple[str, ...] = (),
    ) -> Self:
        """Create counts; long names are cut, and surplus names are left out."""
        return cls(records, _listed(names), missing, tables)

    def plus(self, other: FieldCounts) -> FieldCounts:
        """Combine with the counts of other records."""
        return FieldCounts(
            self.records + other.records,
            _listed((*self.names, *other.names)),
            tuple(each for each in self.missing if each in other.missing),
            tuple(dict.fromkeys((*self.tables, *other.tables))),
            self.rescued + other.rescued,
        )

    def with_rescued(self, records: int) -> FieldCounts:
        """Count further records with a rescued value."""
        return replace(self, rescued=self.rescued + records) if records else self

    @property
    def is_told(self) -> bool:
        """Whether a receipt reports anything."""
        return bool(self.records or self.missing or self.rescued)

    @property
    def is_full(self) -> bool:
        """Whether the list of names is full."""
        return len(self.names) == LISTED


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(name[:NAME_LENGTH] for name in names), LISTED))
