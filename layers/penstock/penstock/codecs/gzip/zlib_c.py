"""The part of zlib's C API (https://zlib.net/manual.html) that Python's modules do not expose.

Only the C API stops at the boundaries of deflate blocks and reports their bit positions. Two libraries have it:
zlib-ng, twice as fast, whose wheel is in the layer, and zlib itself. docs/adr/0009 describes how they are found.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

from penstock.errors import ConfigurationError

_RAW_DEFLATE = -zlib.MAX_WBITS
_WINDOW = 1 << zlib.MAX_WBITS

_NO_FLUSH, _BLOCK = 0, 5
_OK, _STREAM_END, _MEMORY_ERROR, _BUFFER_ERROR = 0, 1, -4, -5

# Bits of data_type, see inflate() in zlib.h: the unused bits of the last byte, and the state of the decoder.
_UNUSED_BITS, _IN_LAST_BLOCK, _AT_BOUNDARY = 0x07, 0x40, 0x80

# All functions that are called. The names in zlib-ng have the prefix zng_.
_INIT = "inflateInit2_"
_FUNCTIONS = (
    "inflate",
    "inflatePrime",
    "inflateSetDictionary",
    "inflateGetDictionary",
    "inflateReset",
    "inflateEnd",
)


class _Stream(ctypes.Structure):
    """z_stream of zlib.h."""

    _fields_ = (
        ("next_in", ctypes.c_char_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


class _NgStream(ctypes.Structure):
    """zng_stream of zlib-ng.h."""

    _fields_ = (
        ("next_in", ctypes.c_char_p),
        ("avail_in", ctypes.c_uint32),
        ("total_in", ctypes.c_size_t),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint32),
        ("total_out", ctypes.c_size_t),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_uint32),
        ("reserved", ctypes.c_ulong),
    )


@dataclass(frozen=True, slots=True)
class Library:
    """A library's functions by their names in zlib.h, and its type of stream."""

    version: bytes
    stream: type[_Stream] | type[_NgStream]
    init: Callable[..., int]
    functions: dict[str, Callable[..., int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A library that may be installed. ``name`` is for the loader: a name, a path, or None for the program itself."""

    name: str | None
    ng: bool = False


def candidates() -> tuple[Candidate, ...]:
    """Return the candidates in order: zlib-ng of the wheel; libz on the loader's path; the library that Python's zlib
    module links or contains; libz on macOS."""
    # Without the package, find_spec of its module would raise.
    wheel = find_spec("zlib_ng.zlib_ng") if find_spec("zlib_ng") else None
    found = (Candidate(wheel.origin, ng=True),) if wheel and wheel.origin else ()
    # A zlib module that is built into the interpreter has no file: then the program's own symbols are used.
    others = ("libz.so.1", getattr(zlib, "__file__", None), "libz.dylib")
    return found + tuple(Candidate(name) for name in others)


def load(among: Sequence[Candidate]) -> Library:
    """Return the first library that has all needed functions. Raises ConfigurationError if there is none."""
    for candidate in among:
        try:
            library = ctypes.CDLL(candidate.name)
        except OSError:
            continue
        prefix, versioned = ("zng_", "zlibng_version") if candidate.ng else ("", "zlibVersion")
        names = {name: prefix + name for name in (_INIT, *_FUNCTIONS)}
        if all(hasattr(library, name) for name in (versioned, *names.values())):
            version: Any = getattr(library, versioned)
            version.restype = ctypes.c_char_p
            functions = {name: getattr(library, symbol) for name, symbol in names.items()}
            return Library(version(), _NgStream if candidate.ng else _Stream, functions.pop(_INIT), functions)
    raise ConfigurationError(
        "no zlib library found: gzip cannot be indexed here",
        hint="Install zlib-ng with pip, or zlib 1.2.8 or later (libz.so.1). Only large gzip files need it.",
    )


@lru_cache(maxsize=1)
def _library() -> Library:
    return load(candidates())


class DeflateError(Exception):
    """The input is not deflate (RFC 1951)."""


class BlockInflater:
    """Inflates raw deflate into one buffer, and stops at block boundaries on request.

    A context manager, because zlib frees its memory at the exit. Memory: the buffer, 40 KiB of zlib's, and one slice of
    input. ``filled`` bytes are in the buffer of ``size``; ``pending`` bytes of the input are unused, and so are
    ``unused_bits`` (0 to 7) of the byte before them. ``at_boundary``: a block has ended here, and another one follows.
    ``eof``: the last block has ended. Raises MemoryError if zlib gets no memory.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._library = _library()
        self._call = self._library.functions
        self._buffer = (ctypes.c_ubyte * size)()
        self._view = memoryview(self._buffer).cast("B")
        self._address = ctypes.addressof(self._buffer)
        self._stream = self._library.stream()
        self._pointer = ctypes.byref(self._stream)
        self._data = b""
        self._status = _OK
        self.filled = 0

    def __enter__(self) -> Self:
        length = ctypes.sizeof(self._library.stream)
        self._demand(self._library.init(self._pointer, _RAW_DEFLATE, self._library.version, length))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call["inflateEnd"](self._pointer)

    @property
    def pending(self) -> int:
        return int(self._stream.avail_in)

    @property
    def unused_bits(self) -> int:
        return int(self._stream.data_type) & _UNUSED_BITS

    @property
    def at_boundary(self) -> bool:
        return int(self._stream.data_type) & (_AT_BOUNDARY | _IN_LAST_BLOCK) == _AT_BOUNDARY

    @property
    def eof(self) -> bool:
        return self._status == _STREAM_END

    def start(self) -> None:
        """Prepare for another stream; input and output stay."""
        self._demand(self._call["inflateReset"](self._pointer))
        self._status = _OK

    def enter(self, window: bytes, bits: int, byte: int) -> None:
        """Start in the middle of a stream, at bit ``bits`` of ``byte`` (0: at the start of the next input)."""
        if bits:
            self._demand(self._call["inflatePrime"](self._pointer, 8 - bits, byte >> bits))
        self._demand(self._call["inflateSetDictionary"](self._pointer, window, len(window)))

    def window(self) -> bytes:
        """Return the last up to 32 KiB of the stream."""
        held, length = ctypes.create_string_buffer(_WINDOW), ctypes.c_uint()
        self._demand(self._call["inflateGetDictionary"](self._pointer, held, ctypes.byref(length)))
        return held.raw[: length.value]

    def give(self, data: bytes) -> None:
        """Set the next input. The previous input must be used up or taken back."""
        self._data = data
        self._stream.next_in = data
        self._stream.avail_in = len(data)

    def take_back(self) -> bytes:
        """Remove and return the unused input."""
        rest = self._data[len(self._data) - self.pending :]
        self.give(b"")
        return rest

    def inflate(self, room: int, *, blocks: bool) -> bool:
        """Inflate the input to at most ``room`` bytes; with ``blocks``, stop at the next boundary.

        Return False if there was no progress, because more input is needed. Raises DeflateError.
        """
        self._stream.next_out = self._address + self.filled
        self._stream.avail_out = room
        self._status = self._call["inflate"](self._pointer, _BLOCK if blocks else _NO_FLUSH)
        self.filled += room - self._stream.avail_out
        if self._status not in (_OK, _STREAM_END, _BUFFER_ERROR):
            self._raise()
        return self._status != _BUFFER_ERROR

    def content(self) -> memoryview:
        """Return the content of the buffer and empty it. The result is valid until the next call of `inflate`."""
        content = self._view[: self.filled]
        self.filled = 0
        return content

    def _demand(self, status: int) -> None:
        self._status = status
        if status != _OK:
            self._raise()

    def _raise(self) -> None:
        if self._status == _MEMORY_ERROR:
            raise MemoryError("zlib got no memory")
        raise DeflateError((self._stream.msg or b"").decode() or f"zlib status {self._status}")
