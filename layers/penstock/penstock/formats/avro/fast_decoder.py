"""Decodes records by fastavro, at the speed of C."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

from penstock.formats.avro.conversions import Conversions, record_conversion
from penstock.formats.avro.decoded import UNDECODABLE, Decoder, UndecodableError, reason_of
from penstock.formats.avro.long import may_hold_too_long, write_long
from penstock.formats.avro.schema import Node


class FastDecoder:
    """Decodes by fastavro, which never sees the schema of the file, but one of the same layout that is valid.

    fastavro takes integers of any length and cuts them: data that may hold one of more than 64 bits is left to
    ``careful``.
    """

    def __init__(self, top: Node, careful: Decoder) -> None:
        self._careful = careful
        from fastavro import parse_schema, schemaless_reader  # noqa: PLC0415  # only a source in Avro needs it

        plain = _layout(top, {})
        self._record = partial(self._read, schemaless_reader, parse_schema(plain))
        self._array = partial(self._read, schemaless_reader, parse_schema({"type": "array", "items": plain}))
        self._convert = record_conversion(top, Conversions())

    @staticmethod
    def _read(read: Callable[..., object], schema: object, stream: BytesIO) -> object:
        try:
            return read(stream, schema, None, handle_unicode_errors="surrogateescape")
        except UNDECODABLE as error:
            raise UndecodableError(reason_of(error)) from None

    def all(self, data: bytes, count: int) -> list[object]:
        if may_hold_too_long(data):
            return self._careful.all(data, count)
        # As the items of one array: a call for each record takes a quarter longer.
        # An array without items has no second count.
        stream = BytesIO(b"".join((write_long(count), data, b"\0" if count else b"")))
        records = self._array(stream)
        if len(records) != count or stream.tell() != len(stream.getbuffer()):  # type: ignore[arg-type]
            raise UndecodableError(f"its {len(data):,} bytes are not {count:,} records")
        if self._convert:
            return [self._convert(record) for record in records]  # type: ignore[attr-defined]
        return records  # type: ignore[return-value]

    def each(self, data: bytes, count: int) -> Iterator[tuple[object, int]]:
        if may_hold_too_long(data):
            yield from self._careful.each(data, count)
            return
        stream = BytesIO(data)
        convert = self._convert
        for _ in range(count):
            record = self._record(stream)
            yield convert(record) if convert else record, stream.tell()
        if stream.tell() != len(data):
            raise UndecodableError(f"its {len(data):,} bytes are more than {count:,} records")


def _layout(node: Node, known: dict[int, str]) -> Any:
    """The schema of the same bytes without logical types, with numbered names, and with enums as integers."""
    if id(node) in known:
        return known[id(node)]
    if node.kind in ("record", "fixed"):
        known[id(node)] = f"r{len(known)}"
    name = known.get(id(node))
    match node.kind:
        case "record":
            fields = [{"name": field, "type": _layout(part, known)} for field, part in node.fields]
            layout: Any = {"type": "record", "name": name, "fields": fields}
        case "fixed":
            layout = {"type": "fixed", "name": name, "size": node.size}
        case "union":
            layout = [_layout(branch, known) for branch in node.branches]
        case "array":
            layout = {"type": "array", "items": _layout(node.parts[0], known)}
        case "map":
            # The same bytes are an array of pairs, which shows keys that are there twice.
            pair = [{"name": "key", "type": "string"}, {"name": "value", "type": _layout(node.parts[0], known)}]
            known[id(pair)] = f"r{len(known)}"
            layout = {"type": "array", "items": {"type": "record", "name": known[id(pair)], "fields": pair}}
        case _:
            layout = "int" if node.kind == "enum" else node.kind
    return layout
