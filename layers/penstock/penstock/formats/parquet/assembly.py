"""Makes records of decoded columns: groups are objects, lists are lists, and maps are objects by their keys.

Writers have annotated lists in several ways. The rules are those of the format:
https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import cast

from penstock.errors import BadDocumentError
from penstock.formats.parquet.schema import SchemaNode
from penstock.formats.parquet.values import Meaning, meaning_of
from penstock.model.column import Column, ColumnType

Read = Callable[[object], object]
"""From a value as it is decoded to a value of a record. Raises ValueError, with a reject's reason."""

_MAPS = ("MAP", "MAP_KEY_VALUE")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of records: its name, how its values are read, and the column that they make."""

    name: str
    read: Read | None
    column: Column

    def values(self, decoded: Sequence[object]) -> tuple[Sequence[object], Mapping[int, str]]:
        """The values of a column, and why some of them, by position, have none: they are as they were decoded."""
        read = self.read
        if read is None or (self.column.type is ColumnType.FLOAT and _are_finite(decoded)):
            return decoded, {}
        try:
            return [None if value is None else read(value) for value in decoded], {}
        except ValueError:
            return self._one_by_one(decoded, read)

    def _one_by_one(self, decoded: Sequence[object], read: Read) -> tuple[Sequence[object], Mapping[int, str]]:
        values, faults = list(decoded), {}
        for position, value in enumerate(decoded):
            try:
                values[position] = None if value is None else read(value)
            except ValueError as error:
                faults[position] = str(error)
        return values, faults


def fields_of(columns: Sequence[SchemaNode]) -> list[Field]:
    """The fields of records with these columns. Raises BadDocumentError for a name that a group has twice, and for a
    type that is not known."""
    check_names(columns, ())
    return [_field(node) for node in columns]


def check_names(nodes: Sequence[SchemaNode], path: tuple[str, ...]) -> None:
    """Raises BadDocumentError for a name that a group has twice: an object cannot."""
    times = Counter(node.name for node in nodes)
    doubled = next((name for name, count in times.items() if count > 1), None)
    if doubled is not None:
        where = f"column {'.'.join(path)!r}" if path else "the Parquet file"
        raise BadDocumentError(
            f"{where} has the column {doubled!r} twice", offset=0, hint="Write the file with names that differ."
        )
    for node in nodes:
        if node.children:
            check_names(node.children, node.path)


def _field(node: SchemaNode) -> Field:
    if node.leaf >= 0 and node.repetition != "REPEATED":
        meaning = meaning_of(node)
        return Field(
            node.name, meaning.read, Column(node.name, meaning.type, digits=meaning.digits, places=meaning.places)
        )
    return Field(node.name, _reader(node), Column(node.name, ColumnType.JSON))


def _reader(node: SchemaNode) -> Read:
    one = _single(node)
    return _list_of(one) if node.repetition == "REPEATED" else one


def _single(node: SchemaNode) -> Read:
    """Reads one value of a node, as if it were not repeated."""
    if node.leaf >= 0:
        return _leaf(meaning_of(node))
    kind = node.logical.name if node.logical else node.converted
    inner = node.children[0] if len(node.children) == 1 and node.children[0].repetition == "REPEATED" else None
    if inner is not None and kind == "LIST":
        element = _within(_element(node, inner))
        return lambda value: list(map(element, _repeated(value)))
    if inner is not None and kind in _MAPS and inner.children:
        return _map(inner)
    return _group(node.children)


def _element(node: SchemaNode, inner: SchemaNode) -> tuple[SchemaNode, bool]:
    """The element of a list, and whether it is the only child of the repeated group, or that itself."""
    only = inner.children[0] if len(inner.children) == 1 else None
    is_wrapped = (
        only is not None and only.repetition != "REPEATED" and inner.name not in ("array", f"{node.name}_tuple")
    )
    return (only, True) if only is not None and is_wrapped else (inner, False)


def _within(element: tuple[SchemaNode, bool]) -> Read:
    node, is_wrapped = element
    read = _optional(_single(node))
    return (lambda value: read(cast("dict[str, object]", value)["0"])) if is_wrapped else read


def _map(inner: SchemaNode) -> Read:
    key = _optional(_reader(inner.children[0]))
    value = _optional(_reader(inner.children[1])) if len(inner.children) > 1 else None

    def read(decoded: object) -> object:
        found: dict[str, object] = {}
        for pair in cast("list[dict[str, object]]", _repeated(decoded)):
            name = key(pair["0"])
            name = name if isinstance(name, str) else _name_of(name)
            if name in found:
                raise ValueError(f"its map has the key {name[:60]!r} twice")
            found[name] = value(pair["1"]) if value else None
        return found

    return read


def _name_of(key: object) -> str:
    if key is None or isinstance(key, list | dict):
        raise ValueError("the key of its map is no single value")
    return ("true" if key else "false") if isinstance(key, bool) else str(key)


def _group(children: Sequence[SchemaNode]) -> Read:
    readers = [(child.name, str(number), _optional(_reader(child))) for number, child in enumerate(children)]

    def read(decoded: object) -> object:
        values = cast("dict[str, object]", decoded)
        return {name: read(values[place]) for name, place, read in readers}

    return read


def _repeated(decoded: object) -> Sequence[object]:
    """The values of the only, repeated field of a group."""
    return cast("dict[str, list[object]]", decoded)["0"]


def _list_of(read: Read) -> Read:
    one = _optional(read)
    return lambda decoded: [one(value) for value in cast("list[object]", decoded)]


def _leaf(meaning: Meaning) -> Read:
    return meaning.read or (lambda value: value)


def _optional(read: Read) -> Read:
    return lambda value: None if value is None else read(value)


def _are_finite(values: Sequence[object]) -> bool:
    """Whether floats are neither NaN nor infinite."""
    present = cast("list[float]", [value for value in values if value is not None])
    return not present or (type(present[0]) is float and all(map(isfinite, present)))
