"""Avro files for tests, block by block, so that each part can be wrong."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import fastavro
import pyarrow as pa
import zstandard

SYNC = bytes(range(100, 116))


def long(number: int) -> bytes:
    """A long of Avro."""
    number = (number << 1) ^ (number >> 63)
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def record(name: str, /, **fields: object) -> dict[str, object]:
    """The schema of a record."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}


def logical(kind: str, name: str, **more: object) -> dict[str, object]:
    return {"type": kind, "logicalType": name, **more}


def encoded(schema: object, values: Iterable[object]) -> bytes:
    """Values, one after the other."""
    stream = io.BytesIO()
    parsed: Any = fastavro.parse_schema(json.loads(json.dumps(schema)))
    for value in values:
        fastavro.schemaless_writer(stream, parsed, value)
    return stream.getvalue()


def header(schema: object, codec: str | None = "null", *, sync: bytes = SYNC, more: Mapping[str, bytes] = {}) -> bytes:
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    pairs = {"avro.schema": text, **({} if codec is None else {"avro.codec": codec.encode()}), **more}
    body = b"".join(long(len(name)) + name.encode() + long(len(value)) + value for name, value in pairs.items())
    return b"Obj\x01" + long(len(pairs)) + body + long(0) + sync


def block(count: int, data: bytes, *, sync: bytes = SYNC, size: int | None = None) -> bytes:
    return long(count) + long(len(data) if size is None else size) + data + sync


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def _snappy(data: bytes) -> bytes:
    compressed: bytes = pa.compress(data, codec="snappy", asbytes=True)
    return compressed + zlib.crc32(data).to_bytes(4, "big")


COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "null": bytes,
    "deflate": _raw_deflate,
    "snappy": _snappy,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard.ZstdCompressor().compress,
}


def avro_file(schema: object, *blocks: Sequence[object], codec: str = "null") -> bytes:
    """A file with a block for each sequence of records."""
    parts = [block(len(values), COMPRESS[codec](encoded(schema, values))) for values in blocks]
    return header(schema, codec) + b"".join(parts)


def in_blocks(values: Sequence[object], size: int) -> list[Sequence[object]]:
    return [values[at : at + size] for at in range(0, len(values), size)]
