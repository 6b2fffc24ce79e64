"""Turns records into columns of texts. Column kinds read the same texts whatever the format of the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter

from penstock.model.column import Column, ColumnType
from penstock.model.typed_text import JsonText
from penstock.model.xml_values import Several, TextElement, without_attributes
from penstock.tables.column_kinds import shown
from penstock.tables.documents import write_array, write_document

NUMBERS = ({int}, {Decimal}, {int, Decimal}, {float})
TEXTS = ({str}, {str, type(None)})
BOOLEANS = ({bool}, {bool, type(None)})
_BOOLEANS: Mapping[bool | None, str | None] = {True: "true", False: "false", None: None}


class _PassedSeveral:
    """The value of a path that goes on after several elements of one name: any choice among them would be a guess."""


def getter(path: tuple[str, ...]) -> Callable[[Mapping[str, object]], object]:
    """A function that finds a field of a JSON record; None if it is missing. ``path``: keys, outermost first."""
    if len(path) == 1:
        name = path[0]
        return lambda record: record.get(name)

    def nested(record: Mapping[str, object]) -> object:
        found: object = record
        for name in path:
            if not isinstance(found, Mapping):
                return _PassedSeveral() if isinstance(found, Several) else None
            found = found.get(name)
        return found

    return nested


def column_getter(path: tuple[str, ...]) -> Callable[[Sequence[Mapping[str, object]]], list[object]]:
    """A function that finds a field in each of the records."""
    if len(path) != 1:
        return lambda records: list(map(getter(path), records))
    name = path[0]

    def column(records: Sequence[Mapping[str, object]]) -> list[object]:
        try:
            return list(map(itemgetter(name), records))
        except KeyError:  # some lack it
            return [record.get(name) for record in records]

    return column


def plain_getter(path: tuple[str, ...]) -> Callable[[Mapping[str, object]], object]:
    """As `getter`; an element of XML with attributes is its text."""
    get = getter(path)
    return lambda record: without_attributes(get(record))


def as_texts(values: Sequence[object], column: Column) -> tuple[Sequence[str | None], dict[int, str]]:
    """A column of JSON values as texts, and why some values (by position) have no text."""
    kind = column.type
    if kind is not ColumnType.JSON:
        kinds = set(map(type, values))
        if kinds in TEXTS:
            return values, {}  # type: ignore[return-value]  # just looked at each
        if kinds in NUMBERS:
            return list(map(str, values)), {}
        if kinds - {type(None)} in NUMBERS:
            return [None if value is None else str(value) for value in values], {}
        if kinds in BOOLEANS:
            return list(map(_BOOLEANS.__getitem__, values)), {}  # type: ignore[arg-type]  # just looked at each
    texts: list[str | None] = []
    faults: dict[int, str] = {}
    for position, value in enumerate(values):
        try:
            texts.append(_text(value, column))
        except ValueError as error:
            texts.append(None)
            faults[position] = str(error)
    return texts, faults


def _text(value: object, column: Column) -> str | None:
    if value is None:
        return None
    if column.type is ColumnType.JSON and not isinstance(value, _PassedSeveral):
        return str(value) if isinstance(value, JsonText) else write_document(value)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
        case _PassedSeveral():
            raise ValueError("its path passes an element that the record has several times")
    return value.text if isinstance(value, TextElement) else _text_of_many(value, column)


def _text_of_many(value: object, column: Column) -> str:
    """An object or a list, for a column that holds texts or what the database reads from them."""
    held = column.storage
    if not _holds_documents(column):
        value = without_attributes(value)
    if isinstance(value, list) and (held.array if held else column.elements):
        return write_array(value)
    if held and held.type in {ColumnType.TEXT, None}:
        return write_document(value)
    what = "an object" if isinstance(value, Mapping) else "a list"
    raise ValueError(f"{shown(write_document(value))} is {what}, not {column.type}")


def _holds_documents(column: Column) -> bool:
    """Whether a column is an array of JSON."""
    held = column.storage
    kinds = {part.type for part in held.parts} if held else {column.elements}
    return kinds == {ColumnType.JSON}
