"""CRC32 as gzip and S3 use it (ISO 3309, reflected polynomial 0xEDB88320), and its combination."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from penstock.codecs.speedups import isal_zlib

_POLYNOMIAL = 0xEDB88320
_ONE = 0x80000000  # x^0: bits are reflected
_X8 = 0x00800000  # x^8: one byte of zeros appended


def combine(a: int, b: int, len_b: int, /) -> int:
    """`crc32_combine` in Python, for machines without isal; zlib has no such function before Python 3.15.

    Appending n bytes multiplies the polynomial of the bytes before by x^(8n), modulo the CRC's.
    """
    power, base = _ONE, _X8
    while len_b:
        if len_b & 1:
            power = _multiply(power, base)
        base = _multiply(base, base)
        len_b >>= 1
    return _multiply(power, a) ^ b


def _multiply(a: int, b: int) -> int:
    """Return the product of two polynomials over GF(2), modulo the CRC's."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def crc64nvme(chunks: Iterable[bytes]) -> str:
    """Return the CRC64NVME of a stream in 16 hex digits: the checksum that S3 computes of each upload without another.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    from anycrc import Model  # noqa: PLC0415  # 7 GB a second; 2 ms that few functions need

    compute = Model("CRC64-NVME").calc
    value = 0
    for chunk in chunks:
        value = compute(chunk, value)
    return f"{value:016x}"


_crc32: Callable[[bytes | bytearray | memoryview, int], int] = isal_zlib.crc32 if isal_zlib else zlib.crc32
_combine: Callable[[int, int, int], int] = isal_zlib.crc32_combine if isal_zlib else combine


def crc32(data: bytes | bytearray | memoryview, value: int = 0) -> int:
    """Return the CRC32 of ``data``, continued from ``value``, the CRC32 of the bytes before."""
    return _crc32(data, value)


def crc32_combine(a: int, b: int, len_b: int) -> int:
    """Return the CRC32 of two consecutive byte strings, from the CRC32 of each and the byte length of the second."""
    return _combine(a, b, len_b)
