"""Reads values of Thrift from the compact protocol.

Bounded: a container has at most as many elements as bytes are left, values are nested at most `DEPTH` deep, and a call
makes at most ``most_values`` values. What is skipped takes no memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Final

from penstock.errors import CorruptSourceError
from penstock.formats.parquet.thrift import (
    BINARY,
    DOUBLE,
    FALSE,
    I8,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRUCT,
    TRUE,
    UUID,
    Elements,
    Encoded,
    Pairs,
    Struct,
    Value,
)

DEPTH: Final = 32
MOST_VALUES: Final = 100_000  # 40 MB at most, as values of Python

_VARINT_BYTES: Final = 10
_LONG_LIST: Final = 15
_LOW, _MORE = 0x7F, 0x80


class Reader:
    """Reads values from bytes that begin at byte ``origin`` of the source. ``at`` is the next byte in them.

    Raises CorruptSourceError, with the offset in the source, for what is no value, and beyond the limits.
    """

    def __init__(self, data: bytes, *, origin: int = 0, at: int = 0, most_values: int = MOST_VALUES) -> None:
        self.at = at
        self._data = data
        self._size = len(data)
        self._origin = origin
        self._most = self._left = most_values

    @property
    def offset(self) -> int:
        """The offset of the next byte in the source."""
        return self._origin + self.at

    def fields(self) -> Iterator[tuple[int, int]]:
        """The ids and kinds of a struct's fields. The caller reads or skips each value; a boolean is its kind."""
        id_ = 0
        while header := self._byte():
            id_, kind = self._field(header, id_)
            yield id_, kind

    def read_struct(self) -> Struct:
        """Read a struct."""
        self._left = self._most
        return self._struct(DEPTH)

    def read(self, kind: int) -> Value:
        """Read a value of this kind, as an element of a list is written."""
        self._left = self._most
        return self._read(kind, DEPTH)

    def skip(self, kind: int, depth: int = DEPTH) -> None:
        """Skip a value of this kind."""
        skipper = self._SKIPPERS.get(kind)
        if skipper is None or depth <= 0:
            raise self._refused(kind)
        skipper(self, depth)

    def keep(self, into: Struct, id_: int, kind: int) -> None:
        """Read a field into a struct. Containers are kept as they are written."""
        if kind <= FALSE:
            into.set(id_, TRUE, kind == TRUE)
        elif kind >= LIST:
            start = self.at
            self.skip(kind)
            into.set(id_, kind, Encoded(self.since(start)))
        else:
            into.set(id_, kind, self.read(kind))

    def since(self, start: int) -> bytes:
        """What was read since ``at`` was ``start``."""
        return self._data[start : self.at]

    def list_header(self) -> tuple[int, int]:
        """Read the beginning of a list: the kind of its elements, and their number."""
        header = self._byte()
        count = header >> 4
        if count == _LONG_LIST:
            count = self._varint()
        if count > self._size - self.at:
            raise self.damage(f"a list of {count:,} elements has {self._size - self.at:,} bytes")
        return header & 0xF, count

    def damage(self, what: str) -> CorruptSourceError:
        """The error for what is wrong at this place."""
        return CorruptSourceError(f"the Parquet metadata is damaged: {what}", offset=self.offset)

    def _read(self, kind: int, depth: int) -> Value:
        self._left -= 1
        reader = self._READERS.get(kind)
        if reader is None or depth <= 0 or self._left < 0:
            raise self._refused(kind)
        return reader(self, depth)

    def _struct(self, depth: int) -> Struct:
        made = Struct(self.offset)
        id_ = 0
        while header := self._byte():
            id_, kind = self._field(header, id_)
            made.fields[id_] = (TRUE, kind == TRUE) if kind <= FALSE else (kind, self._read(kind, depth - 1))
        return made

    def _elements(self, depth: int) -> Elements:
        kind, count = self.list_header()
        return Elements(kind, [self._read(kind, depth - 1) for _ in range(count)])

    def _pairs(self, depth: int) -> Pairs:
        key, value, count = self._map_header()
        pairs = [(self._read(key, depth - 1), self._read(value, depth - 1)) for _ in range(count)]
        return Pairs(key, value, pairs)

    def _skip_struct(self, depth: int) -> None:
        id_ = 0
        while header := self._byte():
            id_, kind = self._field(header, id_)
            if kind > FALSE:
                self.skip(kind, depth - 1)

    def _skip_elements(self, depth: int) -> None:
        kind, count = self.list_header()
        for _ in range(count):
            self.skip(kind, depth - 1)

    def _skip_pairs(self, depth: int) -> None:
        key, value, count = self._map_header()
        for _ in range(count):
            self.skip(key, depth - 1)
            self.skip(value, depth - 1)

    def _refused(self, kind: int) -> CorruptSourceError:
        if kind not in self._READERS:
            return self.damage(f"there is no kind {kind} of values")
        return self.damage(f"values are nested more than {DEPTH} deep, or there are more than {self._most:,}")

    def _map_header(self) -> tuple[int, int, int]:
        count = self._varint()
        if not count:
            return 0, 0, 0
        kinds = self._byte()
        if count > (self._size - self.at) // 2:
            raise self.damage(f"a map of {count:,} pairs has {self._size - self.at:,} bytes")
        return kinds >> 4, kinds & 0xF, count

    def _field(self, header: int, last: int) -> tuple[int, int]:
        return (last + (header >> 4) if header >> 4 else self._zigzag()), header & 0xF

    def _byte(self) -> int:
        at = self.at
        if at >= self._size:
            raise self.damage("it ends within a value")
        self.at = at + 1
        return self._data[at]

    def _take(self, count: int) -> bytes:
        start = self.at
        self._advance(count)
        return self._data[start : self.at]

    def _advance(self, count: int) -> None:
        if count > self._size - self.at:
            raise self.damage("it ends within a value")
        self.at += count

    def _varint(self) -> int:
        value = self._byte()
        if value < _MORE:
            return value
        value &= _LOW
        for place in range(1, _VARINT_BYTES):
            byte = self._byte()
            value |= (byte & _LOW) << (7 * place)
            if byte < _MORE:
                return value
        raise self.damage(f"an integer has more than {_VARINT_BYTES} bytes")

    def _flag(self, _: int) -> bool:
        return self._byte() == TRUE

    def _small(self, _: int) -> int:
        return int.from_bytes(self._take(1), "little", signed=True)

    def _double(self, _: int) -> float:
        return float(struct.unpack("<d", self._take(8))[0])

    def _binary(self, _: int) -> bytes:
        return self._take(self._varint())

    def _skip_binary(self, _: int) -> None:
        self._advance(self._varint())

    def _uuid(self, _: int) -> bytes:
        return self._take(16)

    def _zigzag(self, _: int = 0) -> int:
        value = self._varint()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    _READERS: ClassVar[Mapping[int, Callable[[Reader, int], Value]]] = {
        TRUE: _flag,
        FALSE: _flag,
        I8: _small,
        I16: _zigzag,
        I32: _zigzag,
        I64: _zigzag,
        DOUBLE: _double,
        BINARY: _binary,
        UUID: _uuid,
        LIST: _elements,
        SET: _elements,
        MAP: _pairs,
        STRUCT: _struct,
    }
    _SKIPPERS: ClassVar[Mapping[int, Callable[[Reader, int], object]]] = {
        **_READERS,
        BINARY: _skip_binary,
        LIST: _skip_elements,
        SET: _skip_elements,
        MAP: _skip_pairs,
        STRUCT: _skip_struct,
    }


def decoded(kind: int, value: Encoded) -> Value:
    """The value of what `Reader.keep` has kept."""
    return Reader(value.data).read(kind)
