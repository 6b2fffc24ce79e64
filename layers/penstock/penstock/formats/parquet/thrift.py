"""The values of Thrift, for structs of any definition: what is not known is kept, and written as it was.

`thrift_reader` and `thrift_writer` know how the compact protocol writes them:
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from penstock.errors import CorruptSourceError

STOP: Final = 0
TRUE: Final = 1
FALSE: Final = 2
I8: Final = 3
I16: Final = 4
I32: Final = 5
I64: Final = 6
DOUBLE: Final = 7
BINARY: Final = 8
LIST: Final = 9
SET: Final = 10
MAP: Final = 11
STRUCT: Final = 12
UUID: Final = 13

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list or a set, all of one kind."""

    kind: int
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The keys and values of a map."""

    key_kind: int
    value_kind: int
    values: Sequence[tuple[Value, Value]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value in the form in which it is written."""

    data: bytes


@dataclass(slots=True)
class Struct:
    """The fields of a struct by their ids, each with its kind. The kind of both booleans is TRUE. ``offset`` is the
    position in the source, for messages. A field of another kind than the one that is asked for is damage.
    """

    offset: int = 0
    fields: dict[int, tuple[int, Value]] = field(default_factory=dict)

    def integer(self, id_: int) -> int | None:
        """A field with an integer of any width; None if it is not there."""
        found = self.fields.get(id_)
        if found and found[0] == TRUE:
            raise self._wrong(id_, "an integer")
        return self._value(id_, int, "an integer")

    def flag(self, id_: int) -> bool | None:
        """A field with a boolean; None if it is not there."""
        return self._value(id_, bool, "a boolean")

    def binary(self, id_: int) -> bytes | None:
        """A field with bytes; None if it is not there."""
        return self._value(id_, bytes, "bytes")

    def text(self, id_: int) -> str | None:
        """A field with a text; None if it is not there."""
        value = self.binary(id_)
        return None if value is None else self._decoded(value)

    def struct(self, id_: int) -> Struct | None:
        """A field with a struct; None if it is not there."""
        return self._value(id_, Struct, "a struct")

    def structs(self, id_: int) -> list[Struct]:
        """The elements of a field with a list of structs; empty if it is not there."""
        return self._list(id_, Struct, "structs")

    def integers(self, id_: int) -> list[int]:
        """The elements of a field with a list of integers; empty if it is not there."""
        return self._list(id_, int, "integers")

    def texts(self, id_: int) -> list[str]:
        """The elements of a field with a list of texts; empty if it is not there."""
        return [self._decoded(value) for value in self._list(id_, bytes, "texts")]

    def set(self, id_: int, kind: int, value: Value) -> None:
        """Set a field, or replace it."""
        self.fields[id_] = (kind, value)

    def remove(self, *ids: int) -> None:
        """Remove fields, if they are there."""
        for id_ in ids:
            self.fields.pop(id_, None)

    def _value(self, id_: int, form: type[V], what: str) -> V | None:
        found = self.fields.get(id_)
        if found is None:
            return None
        if not isinstance(found[1], form):
            raise self._wrong(id_, what)
        return found[1]

    def _list(self, id_: int, form: type[V], what: str) -> list[V]:
        elements = self._value(id_, Elements, f"a list of {what}")
        values = elements.values if elements else ()
        fitting: list[V] = [value for value in values if isinstance(value, form)]
        if len(fitting) < len(values):
            raise self._wrong(id_, f"a list of {what}")
        return fitting

    def _decoded(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise CorruptSourceError(
                "the Parquet metadata is damaged: a text is not UTF-8", offset=self.offset
            ) from error

    def _wrong(self, id_: int, what: str) -> CorruptSourceError:
        return CorruptSourceError(
            f"the Parquet metadata is damaged: field {id_} of a struct is not {what}", offset=self.offset
        )


Value = bool | int | float | bytes | Elements | Pairs | Struct | Encoded
