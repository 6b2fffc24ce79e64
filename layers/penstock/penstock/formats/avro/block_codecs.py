"""Decompress the blocks of an Avro file, each within a bound."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from penstock.codecs import Trace
from penstock.errors import BadSourceError
from penstock.formats.avro import snappy

# Bytes that are decompressed at once.
_STEP = 256 * 1024
_CHECKSUM = 4
# The largest window of a zstd block: as `zstd --ultra` writes.
_ZSTD_WINDOW = 128 * 1024 * 1024
_XZ_MEMORY = 128 * 1024 * 1024


class TooLargeError(Exception):
    """A block is larger than its bound. ``size``: its decoded bytes, as far as they were counted."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


Decompress = Callable[[bytes, int, int], bytes]
"""Decompresses a block within a bound. Beyond it, up to another bound is counted, for the message."""


def decompressor(codec: str) -> Decompress | None:
    """Return what decompresses the blocks of a codec; None for one that is not known."""
    return _CODECS.get(codec)


def names() -> list[str]:
    """The names of all codecs."""
    return list(_CODECS)


def _within(pieces: Iterator[bytes], bound: int, counted: int) -> bytes:
    """Join pieces. Raises TooLargeError if they are more than the bound."""
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size <= bound:
            found.append(piece)
        else:
            found.clear()
        if size > counted:
            break
    if size > bound:
        raise TooLargeError(size)
    return b"".join(found)


def _null(data: bytes, bound: int, counted: int) -> bytes:  # noqa: ARG001  # as Decompress says
    return data


def _deflate(data: bytes, bound: int, counted: int) -> bytes:
    return _within(_deflated(data), bound, counted)


def _deflated(data: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj(-15)
    while not stream.eof:
        piece = stream.decompress(data, _STEP)
        data = stream.unconsumed_tail
        if not piece and not data and not stream.eof:
            raise ValueError("it ends too early")
        yield piece
    # Some writers leave zlib's checksum, or most of it, behind the raw stream.
    if len(stream.unused_data) > _CHECKSUM:
        raise ValueError("bytes follow its end")


def _streamed(create: Callable[[], _Decompressor]) -> Decompress:
    def decompress(data: bytes, bound: int, counted: int) -> bytes:
        return _within(_pieces(create(), data), bound, counted)

    return decompress


def _pieces(stream: _Decompressor, data: bytes) -> Iterator[bytes]:
    while not stream.eof:
        piece = stream.decompress(data, _STEP)
        if not piece and not data and not stream.eof:
            raise ValueError("it ends too early")
        data = b""
        yield piece
    if stream.unused_data:
        raise ValueError("bytes follow its end")


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _zstandard(data: bytes, bound: int, counted: int) -> bytes:
    return _within(_zstandard_pieces(data), bound, counted)


def _zstandard_pieces(data: bytes) -> Iterator[bytes]:
    from penstock.codecs.zstd.decode import decode  # noqa: PLC0415  # only this codec needs it

    try:
        yield from decode([data], Trace(), _STEP, window=_ZSTD_WINDOW)
    except BadSourceError as error:
        raise ValueError(error.message) from error


def _snappy(data: bytes, bound: int, counted: int) -> bytes:  # noqa: ARG001  # as Decompress says
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    size, _ = snappy.declared_size(body)
    # A copy of 64 bytes takes three.
    if size > len(body) * 32:
        raise ValueError(f"it declares {size:,} bytes, more than its {len(body):,} can hold")
    if size > bound:
        raise TooLargeError(size)
    found = snappy.decode(body)
    if zlib.crc32(found) != int.from_bytes(checksum, "big"):
        raise ValueError("its CRC32 is not that of its bytes")
    return found


_CODECS: Mapping[str, Decompress] = {
    "null": _null,
    "deflate": _deflate,
    "snappy": _snappy,
    "bzip2": _streamed(bz2.BZ2Decompressor),
    "xz": _streamed(_xz),
    "zstandard": _zstandard,
}

UNDECODABLE = (ValueError, zlib.error, lzma.LZMAError, OSError, EOFError)
