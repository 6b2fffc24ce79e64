"""Chooses between isal, which is three times as fast, and zlib, which is always installed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from penstock.codecs.speedups import isal_zlib

__all__ = ["FASTEST", "ISAL", "ZLIB", "Engine", "Inflater"]

_RAW_DEFLATE = -zlib.MAX_WBITS


class Inflater(Protocol):
    """The part of zlib's decompression object that both libraries have."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """A library that inflates raw deflate (RFC 1951), and the error it raises for bad data.

    ``inflater`` takes ``zdict``, the up to 32 KiB of content before, to start in the middle of a stream.
    """

    inflater: Callable[..., Inflater]
    error: type[Exception]


ZLIB = Engine(partial(zlib.decompressobj, _RAW_DEFLATE), zlib.error)

# This interface of isal is up to 25 % faster at 256 KiB a step than IgzipDecompressor, and the only one that reports
# how much input it used. It copies the unused input on every call, so it must be fed in slices.
ISAL = (
    Engine(partial(isal_zlib.decompressobj, _RAW_DEFLATE), cast("type[Exception]", isal_zlib.error))
    if isal_zlib
    else None
)

FASTEST = ISAL or ZLIB
