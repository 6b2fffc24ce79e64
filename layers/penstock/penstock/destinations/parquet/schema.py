"""The columns of Parquet files: their names, field ids and types, as Iceberg's table spec names them.

A new table has the columns of its route. Its texts, JSON and lists are what they are there; a numeric without declared
digits is decimal(38, 9), with more places if its sample needs them. An existing table names its own types. Whatever the
type, a value that does not fit it exactly is a reject: `storages` tells the row converter what fits.

https://iceberg.apache.org/spec/#schemas-and-data-types
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from penstock.errors import InvalidTableError
from penstock.model.column import DIGITS, PLACES, Column, ColumnType, Storage

if TYPE_CHECKING:
    from arro3.core import DataType, Field, Schema

_DECIMAL: Final = re.compile(r"decimal\(\s*([0-9]+)\s*,\s*([0-9]+)\s*\)")
_NEW: Final = {
    ColumnType.TEXT: "string",
    ColumnType.INTEGER: "long",
    ColumnType.FLOAT: "double",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamptz",
    ColumnType.JSON: "string",
}
_STORED: Final = {
    "string": Storage(ColumnType.TEXT),
    "int": Storage(ColumnType.INTEGER, bits=32, parsed=True),
    "long": Storage(ColumnType.INTEGER, parsed=True),
    "float": Storage(ColumnType.FLOAT, bits=32, parsed=True),
    "double": Storage(ColumnType.FLOAT, parsed=True),
    "boolean": Storage(ColumnType.BOOLEAN),
    "date": Storage(ColumnType.DATE),
    "timestamptz": Storage(ColumnType.TIMESTAMP, parsed=True),
    "timestamp": Storage(ColumnType.TIMESTAMP, zoned=False, parsed=True),
    "uuid": Storage(None, form="uuid", parsed=True),
}
LIST: Final = "list"
# What values of a declared type may be stored as, if they fit.
_NUMBERS: Final = frozenset({"int", "long", "float", "double", "decimal", "string"})
_TAKES: Final[Mapping[ColumnType, frozenset[str]]] = {
    ColumnType.INTEGER: _NUMBERS,
    ColumnType.NUMERIC: _NUMBERS,
    ColumnType.FLOAT: _NUMBERS,
    ColumnType.BOOLEAN: frozenset({"boolean", "string"}),
    ColumnType.DATE: frozenset({"date", "timestamp", "timestamptz", "string"}),
    ColumnType.TIMESTAMP: frozenset({"date", "timestamp", "timestamptz", "string"}),
    ColumnType.JSON: frozenset({"string"}),
}


# Any text is a value of these types.
_UNMARKED = (ColumnType.TEXT, ColumnType.JSON)


@dataclass(frozen=True, slots=True)
class LakeType:
    """A type by the name that Iceberg's spec gives it: ``long``, ``timestamptz``, ``decimal`` with ``digits`` in all
    and ``places`` behind the point, ``list`` with its ``element``."""

    name: str
    digits: int = 0
    places: int = 0
    element: LakeColumn | None = None

    def __str__(self) -> str:
        return f"decimal({self.digits}, {self.places})" if self.name == "decimal" else self.name


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """A column, or the element of a list. ``id`` is its field id. Of ``is_required`` columns no value is null.
    ``spellings`` are those of the sample that it was made from."""

    name: str
    id: int
    type: LakeType
    is_required: bool = False
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LakeSchema:
    """The columns of a table, in the order of its files."""

    columns: tuple[LakeColumn, ...]

    @property
    def arrow(self) -> Schema:
        """The same for Arrow, with field ids."""
        from arro3.core import Schema  # noqa: PLC0415  # only routes that write Parquet pay for it

        return Schema([_field(column) for column in self.columns])

    def storages(self, columns: Iterable[Column] = ()) -> Mapping[str, Storage]:
        """How the columns are stored, by their names, for `TableSink.storages`. ``columns`` are those of the plan.

        Raises InvalidTableError if one is declared as what its type cannot hold.
        """
        planned = {column.name: column for column in columns}
        for column in self.columns:
            if column.name in planned:
                _check_declared(planned[column.name], column.type)
        return {column.name: _stored(column, planned.get(column.name)) for column in self.columns}

    def restricted(self, names: Sequence[str]) -> LakeSchema:
        """The schema of these columns only, in its own order."""
        return LakeSchema(tuple(column for column in self.columns if column.name in names))


def schema_of(columns: Iterable[Column]) -> LakeSchema:
    """The schema of a new table. Field ids count from 1: first those of columns, then those of elements."""
    columns = tuple(columns)
    made: list[LakeColumn] = []
    for number, column in enumerate(columns, 1):
        kind = _new_type(column.elements or column.type, column)
        if column.elements:
            kind = LakeType(LIST, element=LakeColumn("element", len(columns) + len(made) + 1, kind))
        spellings = column.spellings if not column.elements and column.type not in _UNMARKED else ()
        made.append(LakeColumn(column.name, number, kind, not column.nullable, spellings))
    return LakeSchema(tuple(made))


def lake_type(
    text: str,
    *,
    column: str = "",
    element: tuple[int, str] | None = None,
    element_required: bool = False,
    required: bool = False,
) -> LakeType:
    """The type of an existing table that is written ``text`` in Iceberg's spec. ``element``: field id and type of a
    list's elements. Raises InvalidTableError for a type that is not written, which names the ``column``."""
    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        return LakeType("decimal", int(decimal[1]), int(decimal[2]))
    if text == LIST and element and element[1] != LIST:
        kind = lake_type(element[1], column=column)
        return LakeType(LIST, element=LakeColumn("element", element[0], kind, element_required))
    if text not in _STORED:
        raise InvalidTableError(
            f"column {column!r} has the type {text}, which is not written",
            hint="No row can be written without the column: make it optional in the table, or load another table."
            if required
            else "Leave the column out of the route: it is null then.",
        )
    return LakeType(text)


def arrow_type(kind: LakeType) -> DataType:
    """The type of Arrow."""
    from arro3.core import DataType  # noqa: PLC0415  # only routes that write Parquet pay for it

    if kind.element:
        return DataType.list(_field(kind.element))
    makers: Mapping[str, Callable[[], DataType]] = {
        "boolean": DataType.bool,
        "int": DataType.int32,
        "long": DataType.int64,
        "float": DataType.float32,
        "double": DataType.float64,
        "decimal": lambda: DataType.decimal128(kind.digits, kind.places),
        "date": DataType.date32,
        "timestamptz": lambda: DataType.timestamp("us", tz="UTC"),
        "timestamp": lambda: DataType.timestamp("us"),
        "string": DataType.utf8,
        "uuid": lambda: DataType.binary(16),
    }
    return makers[kind.name]()


def _field(column: LakeColumn) -> Field:
    from arro3.core import Field  # noqa: PLC0415  # only routes that write Parquet pay for it

    return Field(
        column.name,
        arrow_type(column.type),
        nullable=not column.is_required,
        metadata={"PARQUET:field_id": str(column.id)},
    )


def _new_type(kind: ColumnType, column: Column) -> LakeType:
    if kind is not ColumnType.NUMERIC:
        return LakeType(_NEW[kind])
    if column.digits:
        return LakeType("decimal", column.digits, column.places)
    return LakeType("decimal", DIGITS, max(PLACES, column.shown_places))


def _check_declared(column: Column, kind: LakeType) -> None:
    if column.elements:
        fits = kind.element is not None
        declared = f"{column.elements}[]"
    else:
        fits = column.type is ColumnType.TEXT or kind.name in _TAKES[column.type]
        declared = column.type
    if not fits and not column.spellings:
        raise InvalidTableError(
            f"column {column.name!r} is {kind}, but the route declares {declared}",
            hint="Correct the type of the column in the route, or in the table.",
        )


def _stored(target: LakeColumn, column: Column | None) -> Storage:
    """How a column is stored. A new column for JSON is a string that holds JSON only."""
    kind, required = target.type, target.is_required
    if kind.element:
        part = _stored(kind.element, replace(column, type=column.elements) if column and column.elements else None)
        return Storage(None, form=LIST, array=True, parts=(part,), parsed=True, required=required)
    if kind.name == "decimal":
        held = Storage(ColumnType.NUMERIC, places=kind.places, digits=kind.digits, parsed=True)
    else:
        held = _STORED[kind.name]
    if column and column.type is ColumnType.JSON and held.type is ColumnType.TEXT:
        held = Storage(ColumnType.JSON)
    return replace(held, spellings=target.spellings, required=required)
