"""CRC32 as gzip and S3 use it (ISO 3309, reflected polynomial 0xEDB88320), and its combination."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from penstock.codecs.speedups import isal_zlib

_POLYNOMIAL = 0xEDB88320
_ONE = 0x80000000  # x^0: bits are reflected
_X8 = 0x00800000  # x^8: one byte of zeros appended


def combine(a: int, b: int, len_b: int, /) -> int:
    """In plain Python, for machines without isal; zlib has none before Python 3.15.

    Appending n bytes multiplies the polynomial of what came before by x^(8n), modulo the CRC's.
    """
    power, base = _ONE, _X8
    while len_b:
        if len_b & 1:
            power = _multiply(power, base)
        base = _multiply(base, base)
        len_b >>= 1
    return _multiply(power, a) ^ b


def _multiply(a: int, b: int) -> int:
    """Product of two polynomials over GF(2), modulo the CRC's."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


_crc32: Callable[[bytes | bytearray | memoryview, int], int] = isal_zlib.crc32 if isal_zlib else zlib.crc32
_combine: Callable[[int, int, int], int] = isal_zlib.crc32_combine if isal_zlib else combine


def crc32(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """CRC32 of ``data``, continuing from ``value``, that of the bytes before it."""
    return _crc32(data, value)


def crc32_combine(a: int, b: int, len_b: int) -> int:
    """CRC32 of two byte strings in a row, from the CRC32 of each and the length of the second in bytes."""
    return _combine(a, b, len_b)
