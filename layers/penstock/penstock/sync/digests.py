"""Digests of a stream of bytes, by the names and rules of S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import groupby
from types import ModuleType

from penstock.codecs.checksum import crc32
from penstock.limits import MIB

crt: ModuleType | None
try:
    crt = import_module("awscrt.checksums")  # optional: `pip install awscrt`
except ImportError:
    crt = None

# Reflected polynomials; CRC32C: RFC 3720, CRC64NVME: NVM Express Command Set, "Rocksoft".
_REFLECTED = {"crc32c": (0x82F63B78, 32), "crc64nvme": (0x9A6C9329AC4BC9B5, 64)}

# In plain Python these take 0.15 s a MiB. Up to this size that is less than a transfer over a network.
_SLOW_UPTO = 8 * MIB

_HASHES = frozenset({"md5", "sha1", "sha256"})

# The fastest first. All prove equal content; the CRCs only against accidents.
CHECKSUMS = ("crc32", "sha256", "sha1", "crc64nvme", "crc32c")


def affordable(algorithm: str, size: int) -> bool:
    """Whether computing the digest takes less time than transferring the bytes."""
    return algorithm not in _REFLECTED or crt is not None or size <= _SLOW_UPTO


def etag_algorithm(part_sizes: Sequence[int]) -> str:
    """Name the algorithm of a multipart ETag: ``etag:8388608*3,1000*1`` is three parts of 8 MiB and one of 1,000 B."""
    return "etag:" + ",".join(f"{size}*{len(list(run))}" for size, run in groupby(part_sizes))


def equal_parts(size: int, part_size: int) -> tuple[int, ...]:
    """Return part sizes that are all equal, except for a shorter last part."""
    full, rest = divmod(size, part_size)
    return (part_size,) * full + ((rest,) if rest else ())


def digest(algorithm: str, chunks: Iterable[bytes]) -> str:
    """Return the digest of a stream in lower-case hex, or its multipart ETag for an ``etag:`` algorithm."""
    if algorithm.startswith("etag:"):
        return _multipart_etag(algorithm.removeprefix("etag:"), chunks)
    if algorithm in _HASHES:
        state = hashlib.new(algorithm, usedforsecurity=False)
        for chunk in chunks:
            state.update(chunk)
        return state.hexdigest()
    value = 0
    count, bits = _crc(algorithm)
    for chunk in chunks:
        value = count(chunk, value)
    return f"{value:0{bits // 4}x}"


def _multipart_etag(layout: str, chunks: Iterable[bytes]) -> str:
    """Return the MD5 of the parts' MD5s, and the number of parts."""
    sizes = _sizes(layout)
    combined = hashlib.md5(usedforsecurity=False)
    part, room, count = hashlib.md5(usedforsecurity=False), next(sizes, 0), 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            part.update(rest[:room])
            taken = min(room, len(rest))
            room, rest = room - taken, rest[taken:]
            if not room:
                combined.update(part.digest())
                # Bytes beyond the last part form one more part, and so a different ETag.
                part, room, count = hashlib.md5(usedforsecurity=False), next(sizes, len(rest) or 1), count + 1
    return f"{combined.hexdigest()}-{count}"


def _sizes(layout: str) -> Iterator[int]:
    for run in layout.split(","):
        size, _, times = run.partition("*")
        for _ in range(int(times)):
            yield int(size)


def _crc(algorithm: str) -> tuple[Callable[[bytes, int], int], int]:
    if algorithm == "crc32":
        return crc32, 32
    polynomial, bits = _REFLECTED[algorithm]
    if crt is not None:
        counted: Callable[[bytes, int], int] = getattr(crt, algorithm)
        return counted, bits
    return _crc_in_python(polynomial, bits), bits


def _crc_in_python(polynomial: int, bits: int) -> Callable[[bytes, int], int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    ones = (1 << bits) - 1

    def count(chunk: bytes, before: int) -> int:
        value = before ^ ones
        for byte in chunk:
            value = value >> 8 ^ table[(value ^ byte) & 0xFF]
        return value ^ ones

    return count
