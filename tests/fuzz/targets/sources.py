"""Encoded sources of every codec, honest ones, and how content for them is drawn."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from random import Random

from fixtures.encoded import ENCODERS, gzip_header, gzip_member, zstd_skippable
from fixtures.units import MAKERS, bgzf, pieces_of, shifted, xz_block, xz_stream

MAGIC = (
    b"\x1f\x8b\x08\x00",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18",
    b"BZh9",
    b"1AY&SY",
    b"YZ",
    b"BC\2\0",
)
TOKENS = (*MAGIC, bytes(4), bytes(7), b"\xff" * 9, b"\x80" * 10, b"\x1f\x8b", zlib.compress(b"a" * 100)[2:-4])


def content(rng: Random) -> bytes:
    size = rng.choice((0, 1, 7, 300, 5000, 70_000))
    match rng.randrange(3):
        case 0:
            return rng.randbytes(size)
        case 1:
            return bytes([rng.randrange(256)]) * size
    words = [b"id,name\n", b'"a ""b"" c",', b"1234.5", b"\r\n", b"lorem ipsum ", b'{"a": [1, null]}\n']
    return b"".join(rng.choices(words, k=size // 6))


def gzip_source(rng: Random) -> bytes:
    text = content(rng)
    match rng.randrange(4):
        case 0:
            return bgzf(pieces_of(text, rng.choice((1000, 60_000)))[:20])
        case 1:
            header = gzip_header(
                extra=rng.choice((None, b"", b"AB\3\0abc")),
                name=rng.choice((None, b"name.csv")),
                comment=rng.choice((None, b"", b"c" * 300)),
                checked=rng.random() < 0.5,
            )
            return gzip_member(text, header) + rng.choice((b"", bytes(5), gzip_member(b"")))
        case 2:
            return b"".join(gzip_member(piece, level=rng.randint(0, 9)) for piece in pieces_of(text, 30_000))
    return gzip_member(text, level=rng.choice((0, 1, 6)))


def zstd_source(rng: Random) -> bytes:
    makers = [make for name, make in MAKERS.items() if "zstd" in name]
    made = rng.choice(makers)(pieces_of(content(rng), 30_000))
    return made + (zstd_skippable(b"1234") if rng.random() < 0.2 else b"")


def xz_source(rng: Random) -> bytes:
    text = content(rng)
    if rng.random() < 0.2:
        blocks = [xz_block(piece) for piece in pieces_of(text, 30_000)]
        listed = shifted(blocks, 0, -1, rng.choice((1, -1, 100))) if len(blocks) > 1 else blocks
        return xz_stream(blocks, listed=[one for one in listed if one.size >= 0])
    if rng.random() < 0.2:
        return lzma.compress(text, preset=1, check=rng.choice((lzma.CHECK_CRC32, lzma.CHECK_NONE, lzma.CHECK_SHA256)))
    makers = [make for name, make in MAKERS.items() if "xz" in name]
    return rng.choice(makers)(pieces_of(text, 30_000))


def bzip2_source(rng: Random) -> bytes:
    return b"".join(ENCODERS["bzip2"](piece) for piece in pieces_of(content(rng), 30_000))


def chunks_of(data: bytes, rng: Random) -> Iterator[bytes]:
    size = rng.choice((1, 7, 1000, 1 << 20)) if len(data) < 2000 else rng.choice((777, 1 << 20))
    return (data[at : at + size] for at in range(0, len(data), size))
