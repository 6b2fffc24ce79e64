"""The buffers of an Arrow array, read in place by Arrow's C data interface: arro3 has no other way to them.

https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from array import array as array_of_ints
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from operator import sub
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arro3.core import Array, DataType


class _ArrowArray(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]

_memmem = getattr(ctypes.pythonapi, "memmem", None)
if _memmem:
    _memmem.restype = ctypes.c_void_p
    _memmem.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * 2

_OFFSET_BYTES: Final = 4


@contextmanager
def fixed_values(array: Array, width: int) -> Iterator[memoryview]:
    """The values of an array of a fixed width in bytes, those of nulls included. Valid within the block only."""
    _, capsule = array.__arrow_c_array__()
    held = _held(capsule)
    yield _view(held.buffers[1], held.offset * width, held.length * width)


@contextmanager
def text_values(array: Array) -> Iterator[memoryview]:
    """The bytes of all texts of an array, one after the other. Valid within the block only."""
    _, capsule = array.__arrow_c_array__()
    held = _held(capsule)
    ends = _view(held.buffers[1], held.offset * _OFFSET_BYTES, (held.length + 1) * _OFFSET_BYTES).cast("i")
    first, last = (ends[0], ends[held.length]) if held.length else (0, 0)
    yield _view(held.buffers[2], first, last - first)


def has_length(array: Array, length: int) -> bool:
    """Whether every text of an array has this length in bytes, but nulls."""
    _, capsule = array.__arrow_c_array__()
    held = _held(capsule)
    view = _view(held.buffers[1], held.offset * _OFFSET_BYTES, (held.length + 1) * _OFFSET_BYTES)
    # Bytes are compared at once, views byte by byte.
    if not held.length or _steps(length, 1 << held.length.bit_length()).startswith(bytes(view)):
        return True
    offsets = view.cast("i")
    return set(map(sub, offsets[1:], offsets)) <= {0, length}


@lru_cache(maxsize=16)
def _steps(step: int, last: int) -> bytes:
    """The numbers from 0 on, in steps of one size, as offsets are written."""
    return array_of_ints("i", range(0, step * (last + 1), step)).tobytes()


def contains(text: bytes, part: bytes) -> bool:
    """Whether a text contains another one. The search of C libraries takes a quarter of the time of Python's."""
    return bool(_memmem(text, len(text), part, len(part))) if _memmem else part in text


def retyped(array: Array, kind: DataType) -> Array:
    """The same values under another type of the same layout."""
    from arro3.core import Array, Field  # noqa: PLC0415  # only routes that write Parquet pay for it

    _, capsule = array.__arrow_c_array__()
    return Array.from_arrow_pycapsule(Field("", kind).__arrow_c_schema__(), capsule)


def are_equal(one: Array, other: Array) -> bool:
    """Whether two arrays of one type have the same values and nulls. arro3 alone compares their names, too."""
    return retyped(one, other.type) == retyped(other, other.type)


def _held(capsule: object) -> _ArrowArray:
    return _ArrowArray.from_address(_pointer_of(capsule, b"arrow_array"))


def _view(address: int | None, start: int, size: int) -> memoryview:
    if not address or not size:
        return memoryview(b"")
    return memoryview((ctypes.c_char * size).from_address(address + start)).cast("B")
