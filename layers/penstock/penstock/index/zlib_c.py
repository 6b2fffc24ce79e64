"""zlib's own C API (https://zlib.net/manual.html), as far as Python's zlib module keeps it to itself.

Only the C API stops at the boundaries of deflate blocks and tells at which bit they lie. How the library is found:
docs/adr/0009.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType
from typing import Self

from penstock.errors import ConfigurationError

_RAW_DEFLATE = -zlib.MAX_WBITS
_WINDOW = 1 << zlib.MAX_WBITS

_NO_FLUSH, _BLOCK = 0, 5
_OK, _STREAM_END, _MEMORY_ERROR, _BUFFER_ERROR = 0, 1, -4, -5

# Bits of data_type, see inflate() in zlib.h: what is left of the byte last taken, and where the decoder stands.
_UNUSED_BITS, _IN_LAST_BLOCK, _AT_BOUNDARY = 0x07, 0x40, 0x80

_FUNCTIONS = (
    "inflateInit2_",
    "inflate",
    "inflatePrime",
    "inflateSetDictionary",
    "inflateGetDictionary",
    "inflateReset",
    "inflateEnd",
    "zlibVersion",
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


def _candidates() -> tuple[str | None, ...]:
    """libz where the loader finds it; what Python's own zlib module links, or has inside; macOS."""
    # A zlib module that is built into the interpreter has no file: then the program's own symbols.
    return "libz.so.1", getattr(zlib, "__file__", None), "libz.dylib"


def load(candidates: Sequence[str | None]) -> ctypes.CDLL:
    """The first of the libraries that can all that is needed. Raises ConfigurationError where there is none."""
    for name in candidates:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if all(hasattr(library, function) for function in _FUNCTIONS):
            library.zlibVersion.restype = ctypes.c_char_p
            return library
    raise ConfigurationError(
        "no zlib library found: gzip cannot be indexed here",
        hint="Install zlib 1.2.8 or newer (libz.so.1); Lambda's Amazon Linux has it. Only large gzip files need it.",
    )


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    return load(_candidates())


class DeflateError(Exception):
    """What was given is not deflate (RFC 1951)."""


class BlockInflater:
    """Inflates raw deflate into one buffer, and stops at block boundaries where it is asked to.

    A context manager: its memory (the buffer, 40 KiB, and one slice of input) is zlib's, which frees it on leaving.
    ``filled`` bytes are in the buffer of ``size``; ``pending`` bytes of the input are unused; ``unused_bits`` (0 to 7)
    of the byte before them as well. ``at_boundary``: a block has ended here, and another one follows. ``eof``: the
    last one has ended. Raises MemoryError where zlib does.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._library = _library()
        self._buffer = (ctypes.c_ubyte * size)()
        self._view = memoryview(self._buffer).cast("B")
        self._address = ctypes.addressof(self._buffer)
        self._stream = _Stream()
        self._pointer = ctypes.byref(self._stream)
        self._data = b""
        self._status = _OK
        self.filled = 0

    def __enter__(self) -> Self:
        version, length = self._library.zlibVersion(), ctypes.sizeof(_Stream)
        self._demand(self._library.inflateInit2_(self._pointer, _RAW_DEFLATE, version, length))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.inflateEnd(self._pointer)

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
        """Expect another stream; input and output stay."""
        self._demand(self._library.inflateReset(self._pointer))
        self._status = _OK

    def enter(self, window: bytes, bits: int, byte: int) -> None:
        """Go on in the middle of a stream, at bit ``bits`` of ``byte`` (0: of what is given next)."""
        if bits:
            self._demand(self._library.inflatePrime(self._pointer, 8 - bits, byte >> bits))
        self._demand(self._library.inflateSetDictionary(self._pointer, window, len(window)))

    def window(self) -> bytes:
        """The last up to 32 KiB of the stream."""
        held, length = ctypes.create_string_buffer(_WINDOW), ctypes.c_uint()
        self._demand(self._library.inflateGetDictionary(self._pointer, held, ctypes.byref(length)))
        return held.raw[: length.value]

    def give(self, data: bytes) -> None:
        """The next input; what was given before must be used up, or taken back."""
        self._data = data
        self._stream.next_in = data
        self._stream.avail_in = len(data)

    def take_back(self) -> bytes:
        """The unused input."""
        rest = self._data[len(self._data) - self.pending :]
        self.give(b"")
        return rest

    def inflate(self, room: int, *, blocks: bool) -> bool:
        """Inflate what is given, at most ``room`` bytes of it, with ``blocks`` up to the next boundary at most.

        False where nothing came of it: more input is needed. Raises DeflateError.
        """
        self._stream.next_out = self._address + self.filled
        self._stream.avail_out = room
        self._status = self._library.inflate(self._pointer, _BLOCK if blocks else _NO_FLUSH)
        self.filled += room - self._stream.avail_out
        if self._status not in (_OK, _STREAM_END, _BUFFER_ERROR):
            self._raise()
        return self._status != _BUFFER_ERROR

    def content(self) -> memoryview:
        """What is in the buffer, which is then filled anew: valid until the next call of `inflate`."""
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
