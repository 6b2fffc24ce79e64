"""Writes values of Thrift in the compact protocol."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from penstock.formats.parquet.thrift import (
    BINARY,
    FALSE,
    I8,
    STOP,
    TRUE,
    Elements,
    Encoded,
    Pairs,
    Struct,
    Value,
)

_LARGEST_DELTA: Final = 15
_LONG_LIST: Final = 15
_LOW, _MORE = 0x7F, 0x80


def encode(value: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _write_struct(out, value)
    return bytes(out)


def encode_list(kind: int, encoded: Sequence[bytes]) -> Encoded:
    """A list of elements that are encoded already."""
    out = bytearray()
    _write_list_header(out, kind, len(encoded))
    return Encoded(bytes(out) + b"".join(encoded))


def _write_struct(out: bytearray, value: Struct) -> None:
    last = 0
    for id_, (kind, inner) in sorted(value.fields.items(), key=_id_of):
        written = (TRUE if inner else FALSE) if kind == TRUE else kind
        if 0 < id_ - last <= _LARGEST_DELTA:
            out.append((id_ - last) << 4 | written)
        else:
            out.append(written)
            _write_zigzag(out, id_)
        if kind != TRUE:
            _write(out, kind, inner)
        last = id_
    out.append(STOP)


def _write(out: bytearray, kind: int, value: Value) -> None:
    if isinstance(value, Struct):
        _write_struct(out, value)
    elif isinstance(value, int):
        _write_number(out, kind, value)
    elif isinstance(value, bytes):
        if kind == BINARY:
            _write_varint(out, len(value))
        out += value
    elif isinstance(value, Encoded):
        out += value.data
    elif isinstance(value, Elements):
        _write_list_header(out, value.kind, len(value.values))
        for element in value.values:
            _write(out, value.kind, element)
    elif isinstance(value, Pairs):
        _write_pairs(out, value)
    else:
        out += struct.pack("<d", value)


def _write_number(out: bytearray, kind: int, value: int) -> None:
    if kind in (TRUE, FALSE):
        out.append(TRUE if value else FALSE)
    elif kind == I8:
        out += value.to_bytes(1, "little", signed=True)
    else:
        _write_zigzag(out, value)


def _write_pairs(out: bytearray, pairs: Pairs) -> None:
    _write_varint(out, len(pairs.values))
    if pairs.values:
        out.append(pairs.key_kind << 4 | pairs.value_kind)
    for key, value in pairs.values:
        _write(out, pairs.key_kind, key)
        _write(out, pairs.value_kind, value)


def _write_list_header(out: bytearray, kind: int, count: int) -> None:
    if count < _LONG_LIST:
        out.append(count << 4 | kind)
    else:
        out.append(_LONG_LIST << 4 | kind)
        _write_varint(out, count)


def _write_zigzag(out: bytearray, value: int) -> None:
    _write_varint(out, -2 * value - 1 if value < 0 else 2 * value)


def _write_varint(out: bytearray, value: int) -> None:
    while value > _LOW:
        out.append(value & _LOW | _MORE)
        value >>= 7
    out.append(value)


def _id_of(item: tuple[int, tuple[int, Value]]) -> int:
    return item[0]
