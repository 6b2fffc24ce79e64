"""The schema of a Parquet file: a tree of columns, whose leaves hold the values.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift and LogicalTypes.md
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from penstock.errors import BadSourceError
from penstock.formats.parquet.thrift import I32, STRUCT, Encoded, Struct
from penstock.formats.parquet.thrift_reader import Reader
from penstock.formats.parquet.thrift_writer import encode, encode_list

# Elements of a schema, 1 KB each in memory, and how deep groups may be nested: a list or a map takes two levels.
MOST_ELEMENTS: Final = 20_000
MOST_LEVELS: Final = 32

PHYSICAL: Final = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
REPETITIONS: Final = ("REQUIRED", "OPTIONAL", "REPEATED")
CONVERTED: Final = (
    "UTF8", "MAP", "MAP_KEY_VALUE", "LIST", "ENUM", "DECIMAL", "DATE", "TIME_MILLIS", "TIME_MICROS", "TIMESTAMP_MILLIS",
    "TIMESTAMP_MICROS", "UINT_8", "UINT_16", "UINT_32", "UINT_64", "INT_8", "INT_16", "INT_32", "INT_64", "JSON",
    "BSON", "INTERVAL",
)  # fmt: skip
LOGICAL: Final = {
    1: "STRING", 2: "MAP", 3: "LIST", 4: "ENUM", 5: "DECIMAL", 6: "DATE", 7: "TIME", 8: "TIMESTAMP", 10: "INTEGER",
    11: "UNKNOWN", 12: "JSON", 13: "BSON", 14: "UUID", 15: "FLOAT16", 16: "VARIANT", 17: "GEOMETRY", 18: "GEOGRAPHY",
}  # fmt: skip
UNITS: Final = {1: "MILLIS", 2: "MICROS", 3: "NANOS"}

_TYPE, _LENGTH, _REPETITION, _NAME, _CHILDREN, _CONVERTED, _SCALE, _PRECISION, _FIELD_ID, _LOGICAL = range(1, 11)
_UUID: Final = 14  # a member of the union LogicalType


@dataclass(frozen=True, slots=True)
class LogicalType:
    """A logical type and its parameters. ``name`` as in the format's documents: ``STRING``, ``TIMESTAMP``; of a type
    that is not known, its number. ``unit`` and ``is_utc`` belong to times, ``bits`` and ``is_signed`` to integers."""

    name: str
    scale: int = 0
    precision: int = 0
    unit: str = ""
    is_utc: bool = False
    bits: int = 0
    is_signed: bool = True


@dataclass(frozen=True, slots=True)
class SchemaNode:
    """A column or a group of columns. ``physical``, ``repetition`` and ``converted`` are names as in the format's
    documents; ``physical`` is empty for a group, ``converted`` if there is none. ``path`` are the names from the root
    on, without the root's. ``leaf`` is the number of a leaf, in the order of column chunks; of a group -1.
    ``definition`` and ``repeated`` are the largest levels of a value. ``encoded`` are the bytes of the element."""

    name: str
    path: tuple[str, ...]
    physical: str = ""
    length: int = 0
    repetition: str = "REQUIRED"
    converted: str = ""
    logical: LogicalType | None = None
    scale: int = 0
    precision: int = 0
    field_id: int | None = None
    children: tuple[SchemaNode, ...] = ()
    leaf: int = -1
    definition: int = 0
    repeated: int = 0
    encoded: bytes = field(default=b"", repr=False)

    def leaves(self) -> Iterator[SchemaNode]:
        """The leaves at and below this node, in order."""
        if self.leaf >= 0:
            yield self
        for child in self.children:
            yield from child.leaves()


def read_schema(reader: Reader) -> SchemaNode:
    """Read a list of schema elements; return the root.

    Raises CorruptSourceError, and BadSourceError for a schema beyond the limits.
    """
    kind, count = reader.list_header()
    if kind != STRUCT or not count:
        raise reader.damage("the schema is empty")
    if count > MOST_ELEMENTS:
        raise BadSourceError(
            f"the schema has {count:,} elements; at most {MOST_ELEMENTS:,} are read",
            offset=reader.offset,
            hint="Write fewer columns to a file.",
        )
    return _Tree(reader, count).read()


def encode_schema(root: SchemaNode, leaves: Collection[int]) -> Encoded:
    """The list of schema elements for these leaves; groups without one are left out."""
    elements: list[bytes] = []
    _gather(root, set(leaves), elements, is_root=True)
    return encode_list(STRUCT, elements)


def with_uuids(node: SchemaNode, leaves: Collection[int]) -> SchemaNode:
    """The schema with these leaves marked as UUIDs."""
    if node.leaf in leaves:
        element = Reader(node.encoded).read_struct()
        element.set(_LOGICAL, STRUCT, Struct(fields={_UUID: (STRUCT, Struct())}))
        return replace(node, logical=LogicalType("UUID"), encoded=encode(element))
    return replace(node, children=tuple(with_uuids(child, leaves) for child in node.children))


def name_of(names: Sequence[str], number: int | None) -> str:
    """The name of a member of an enumeration; of a member that is not known, its number."""
    if number is None:
        return ""
    return names[number] if 0 <= number < len(names) else str(number)


def _gather(node: SchemaNode, leaves: set[int], elements: list[bytes], *, is_root: bool = False) -> bool:
    """Append the elements at and below a node, if any leaf is wanted."""
    if node.leaf >= 0:
        if node.leaf in leaves:
            elements.append(node.encoded)
        return node.leaf in leaves
    place = len(elements)
    elements.append(b"")
    count = sum(_gather(child, leaves, elements) for child in node.children)
    if not count and not is_root:
        del elements[place:]
        return False
    if count == len(node.children):
        elements[place] = node.encoded
    else:
        group = Reader(node.encoded).read_struct()
        group.set(_CHILDREN, I32, count)
        elements[place] = encode(group)
    return True


class _Tree:
    """Reads the elements of a schema, which are written depth first."""

    def __init__(self, reader: Reader, count: int) -> None:
        self._reader = reader
        self._left = count
        self._leaves = 0

    def read(self) -> SchemaNode:
        root = self._node((), 0, 0, is_root=True)
        if self._left:
            raise self._reader.damage(f"{self._left:,} elements of the schema belong to no group")
        return root

    def _node(self, parent: tuple[str, ...], definition: int, repeated: int, *, is_root: bool = False) -> SchemaNode:
        if not self._left:
            raise self._reader.damage("a group of the schema lacks elements")
        if len(parent) >= MOST_LEVELS:
            raise BadSourceError(
                f"columns are nested more than {MOST_LEVELS} deep",
                offset=self._reader.offset,
                hint="Write a file with flatter columns.",
            )
        self._left -= 1
        start = self._reader.at
        element = self._reader.read_struct()
        encoded = self._reader.since(start)
        name = element.text(_NAME) or ""
        path = () if is_root else (*parent, name)
        repetition = "REQUIRED" if is_root else name_of(REPETITIONS, element.integer(_REPETITION) or 0)
        if repetition not in REPETITIONS:
            raise self._reader.damage(f"column {'.'.join(path)!r} has the repetition {repetition}")
        definition += repetition != "REQUIRED"
        repeated += repetition == "REPEATED"
        count = element.integer(_CHILDREN) or 0
        physical = element.integer(_TYPE)
        leaf = -1
        if physical is not None and not count:
            leaf = self._leaves
            self._leaves += 1
        elif not 0 <= count <= self._left:
            raise self._reader.damage(f"a group of the schema has {count:,} columns")
        # A group without columns is a leaf of no type in no file: it holds nothing.
        return SchemaNode(
            name=name,
            path=path,
            physical=name_of(PHYSICAL, physical) if leaf >= 0 else "",
            length=element.integer(_LENGTH) or 0,
            repetition=repetition,
            converted=name_of(CONVERTED, element.integer(_CONVERTED)),
            logical=_logical(element.struct(_LOGICAL)),
            scale=element.integer(_SCALE) or 0,
            precision=element.integer(_PRECISION) or 0,
            field_id=element.integer(_FIELD_ID),
            children=tuple(self._node(path, definition, repeated) for _ in range(count)),
            leaf=leaf,
            definition=definition,
            repeated=repeated,
            encoded=encoded,
        )


def _logical(union: Struct | None) -> LogicalType | None:
    if union is None or not union.fields:
        return None
    number = next(iter(union.fields))
    held = union.struct(number) or Struct()
    name = LOGICAL.get(number, str(number))
    if name == "DECIMAL":
        return LogicalType(name, scale=held.integer(1) or 0, precision=held.integer(2) or 0)
    if name in ("TIME", "TIMESTAMP"):
        unit = held.struct(2)
        units = [UNITS.get(key, str(key)) for key in unit.fields] if unit else []
        return LogicalType(name, unit=units[0] if units else "", is_utc=bool(held.flag(1)))
    if name == "INTEGER":
        return LogicalType(name, bits=held.integer(1) or 0, is_signed=held.flag(2) is not False)
    return LogicalType(name)
