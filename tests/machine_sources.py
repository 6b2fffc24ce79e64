"""Small sources with many entry points."""

from __future__ import annotations

import io
import random
import tarfile
import zlib
from collections.abc import Mapping

_GENERATOR = random.Random(7)
# 53 KB.
TEXT = b"".join(b"%d,%d,some text\n" % (n, _GENERATOR.getrandbits(60)) for n in range(1_600))


def in_blocks(data: bytes, block: int = 1500) -> bytes:
    """A gzip member with an entry point every ``block`` bytes of content."""
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31)
    starts = range(0, len(data), block)
    blocks = (deflater.compress(data[at : at + block]) + deflater.flush(zlib.Z_SYNC_FLUSH) for at in starts)
    return b"".join(blocks) + deflater.flush()


def in_members(data: bytes, size: int = 7000) -> bytes:
    """Gzip members of ``size`` bytes of content."""
    return b"".join(in_blocks(data[at : at + size]) for at in range(0, len(data), size))


def in_tar(members: Mapping[str, bytes]) -> bytes:
    """A tar archive of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()
