"""Damaged sources through the codecs, beside the reference modules."""

from __future__ import annotations

import gzip
import zlib
from lzma import FORMAT_XZ, LZMADecompressor, LZMAError
from random import Random

from zstandard import ZstdError

from fixtures.encoded import REFERENCES
from fuzz.harness import Target
from fuzz.mutation import damaged
from fuzz.targets.sources import TOKENS, bzip2_source, chunks_of, gzip_source, xz_source, zstd_source
from penstock.codecs import Codec, Trace, choose
from penstock.codecs.engine import ISAL, ZLIB
from penstock.codecs.gzip.decode import decode as gunzip
from penstock.errors import BadHeaderError, BadSourceError

SOURCES = {"gzip": gzip_source, "zstd": zstd_source, "xz": xz_source, "bzip2": bzip2_source}
REFUSALS = (gzip.BadGzipFile, zlib.error, ZstdError, LZMAError, OSError, EOFError, ValueError)
# zstandard's reader takes frames that are cut off for whole ones.
JUDGES = ("gzip", "xz", "bzip2")
# No honest source of this size decodes to more; a bomb is for the pipeline to stop, which counts.
MOST = 64 << 20


def unxz(data: bytes) -> bytes:
    """`lzma.decompress` drops streams behind padding."""
    content = b""
    while data:
        decompressor = LZMADecompressor(FORMAT_XZ)
        content += decompressor.decompress(data)
        if not decompressor.eof:
            raise EOFError
        data = decompressor.unused_data.lstrip(b"\0")
    return content


WANTED = REFERENCES | {"xz": unxz}


def check(data: bytes, rng: Random) -> None:
    codec = choose(data[:16], "name")
    trace = Trace()
    try:
        content = decoded(codec, data, trace, rng)
    except BadHeaderError:
        raise  # the references do not look into all of a header
    except BadSourceError as error:
        if not trace.members and codec.name in JUDGES and taken(codec, data):
            raise AssertionError("the reference takes it") from error
        raise
    if content is None:
        return
    if codec.name in WANTED and not trace.warnings:
        assert content == WANTED[codec.name](data), "the reference decodes something else"
        assert trace.consumed == len(data)
    assert trace.crc32 in (None, zlib.crc32(content))
    if codec.name == "gzip" and ISAL:
        assert b"".join(gunzip([data], Trace(), 1 << 16, engine=ZLIB)) == content, "zlib decodes something else"


def decoded(codec: Codec, data: bytes, trace: Trace, rng: Random) -> bytes | None:
    """The content; None where it is too much."""
    step = rng.choice((1, 100, 1 << 16)) if len(data) < 500 else rng.choice((4096, 1 << 18))
    pieces, size = [], 0
    for piece in codec.decode(chunks_of(data, rng), trace, step):
        assert 1 <= len(piece) <= step
        size += len(piece)
        assert trace.produced == size
        assert 0 <= trace.consumed <= len(data)
        if size > MOST:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def taken(codec: Codec, data: bytes) -> bool:
    """Of one member or more; what stands behind the first is judged in other ways."""
    try:
        WANTED[codec.name](data)
    except REFUSALS:
        return False
    return True


def target(name: str) -> Target:
    return Target(name, lambda rng: damaged(rng, SOURCES[name](rng), TOKENS), check)


TARGETS = tuple(map(target, SOURCES))
