"""Decodes records in Python, with limits for what fastavro has none."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial

from penstock.formats.avro.decoded import UNDECODABLE, UndecodableError, Unfit, reason_of
from penstock.formats.avro.long import LONG, LOW_BITS
from penstock.formats.avro.schema import Node
from penstock.formats.avro.shape import Shape
from penstock.formats.avro.values import Convert, add_to_map, scalar_conversion

# Levels of values within values, where the data decides how deep they are.
MOST_DEPTH = 100
# Items without bytes in one record.
MOST_EMPTY_ITEMS = 1_000_000


class _Cursor:
    """The data, and how far it was read. ``fault`` is why a value of the record cannot be represented."""

    __slots__ = ("at", "data", "depth", "empty", "fault", "fault_field", "field")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.reset()

    def reset(self) -> None:
        self.depth = self.empty = 0
        self.fault = self.field = self.fault_field = ""

    def reject(self, reason: str) -> None:
        """Note why the record is rejected. The first reason counts."""
        if not self.fault:
            self.fault, self.fault_field = reason, self.field

    def long(self) -> int:
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & LOW_BITS) << shift
            if byte <= LOW_BITS:
                break
            shift += 7
            if shift == 7 * LONG:
                raise UndecodableError("an integer of more than 64 bits")
        number = (number >> 1) ^ -(number & 1)
        if not -(1 << 63) <= number < 1 << 63:
            raise UndecodableError("an integer of more than 64 bits")
        return number

    def bytes(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise UndecodableError("a value goes on beyond its end")
        found = self.data[self.at : end]
        self.at = end
        return found


_Read = Callable[[_Cursor], object]
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


class CarefulDecoder:
    """Decodes in Python, with limits for depth and for items without bytes. Each level takes two calls."""

    def __init__(self, top: Node, shape: Shape) -> None:
        self._shape = shape
        self._readers: dict[int, _Read] = {}
        self._read = self._reader(top, is_top=True)

    def all(self, data: bytes, count: int) -> list[object]:
        return [record for record, _ in self.each(data, count)]

    def each(self, data: bytes, count: int) -> Iterator[tuple[object, int]]:
        cursor = _Cursor(data)
        for _ in range(count):
            cursor.reset()
            try:
                record = self._read(cursor)
            except UNDECODABLE as error:
                raise UndecodableError(reason_of(error)) from None
            yield Unfit(record, cursor.fault_field, cursor.fault) if cursor.fault else record, cursor.at
        if cursor.at != len(data):
            raise UndecodableError(f"its {len(data):,} bytes are more than {count:,} records")

    def _reader(self, node: Node, *, is_top: bool = False) -> _Read:
        if id(node) not in self._readers:
            # A type that contains itself finds its reader here when it reads.
            self._readers[id(node)] = partial(self._read_later, node)
            self._readers[id(node)] = self._made(node, is_top=is_top)
        return self._readers[id(node)]

    def _read_later(self, node: Node, cursor: _Cursor) -> object:
        return self._readers[id(node)](cursor)

    def _made(self, node: Node, *, is_top: bool) -> _Read:
        match node.kind:
            case "record":
                return self._record(node, is_top=is_top)
            case "union":
                return self._union(node)
            case "array":
                return self._array(node)
            case "map":
                return self._map(node)
        return _converting(_scalar(node), scalar_conversion(node))

    def _record(self, node: Node, *, is_top: bool) -> _Read:
        fields = [(name, self._reader(part)) for name, part in node.fields]

        def read(cursor: _Cursor) -> object:
            _deeper(cursor)
            record = {}
            for name, reader in fields:
                if cursor.depth == 1 and is_top:
                    cursor.field = name
                record[name] = reader(cursor)
            cursor.depth -= 1
            return record

        return read

    def _union(self, node: Node) -> _Read:
        branches = [self._reader(branch) for branch in node.branches]

        def read(cursor: _Cursor) -> object:
            at = cursor.long()
            if not 0 <= at < len(branches):
                raise UndecodableError(f"branch {at} of a union that has {len(branches)}")
            return branches[at](cursor)

        return read

    def _array(self, node: Node) -> _Read:
        item = node.parts[0]
        reader, takes_bytes = self._reader(item), self._shape.least(item) > 0

        def read(cursor: _Cursor) -> object:
            _deeper(cursor)
            items: list[object] = []
            for count in _counts(cursor):
                if not takes_bytes:
                    cursor.empty += count
                    if cursor.empty > MOST_EMPTY_ITEMS:
                        raise UndecodableError(f"more than {MOST_EMPTY_ITEMS:,} items that take no byte")
                items.extend(reader(cursor) for _ in range(count))
            cursor.depth -= 1
            return items

        return read

    def _map(self, node: Node) -> _Read:
        reader = self._reader(node.parts[0])

        def read(cursor: _Cursor) -> object:
            _deeper(cursor)
            values: dict[str, object] = {}
            for count in _counts(cursor):
                for _ in range(count):
                    name, value = _string(cursor), reader(cursor)
                    try:
                        add_to_map(values, name, value)
                    except ValueError as error:
                        cursor.reject(str(error))
            cursor.depth -= 1
            return values

        return read


def _deeper(cursor: _Cursor) -> None:
    cursor.depth += 1
    if cursor.depth > MOST_DEPTH:
        raise UndecodableError(f"values are nested more than {MOST_DEPTH} levels deep")


def _counts(cursor: _Cursor) -> Iterator[int]:
    """The counts of the blocks of an array or a map. A negative one has the size of its block behind it."""
    while count := cursor.long():
        if count < 0:
            cursor.long()
        yield abs(count)


def _string(cursor: _Cursor) -> str:
    return cursor.bytes(cursor.long()).decode("utf-8", "surrogateescape")


def _scalar(node: Node) -> _Read:
    size = node.size
    readers: dict[str, _Read] = {
        "null": lambda _: None,
        "boolean": lambda cursor: cursor.bytes(1) != b"\0",
        "int": _Cursor.long,
        "long": _Cursor.long,
        "enum": _Cursor.long,
        "float": lambda cursor: _FLOAT.unpack(cursor.bytes(4))[0],
        "double": lambda cursor: _DOUBLE.unpack(cursor.bytes(8))[0],
        "bytes": lambda cursor: cursor.bytes(cursor.long()),
        "string": _string,
        "fixed": lambda cursor: cursor.bytes(size),
    }
    return readers[node.kind]


def _converting(read: _Read, convert: Convert | None) -> _Read:
    if convert is None:
        return read

    def converted(cursor: _Cursor) -> object:
        value = read(cursor)
        try:
            return convert(value)
        except ValueError as error:
            cursor.reject(str(error))
            return None

    return converted
