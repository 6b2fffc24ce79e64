"""The declaration of gzip."""

from __future__ import annotations

from penstock.codecs.codec import Codec, Indexer
from penstock.codecs.gzip.decode import MAGIC, NAME, decode


def describe(window: int) -> Codec:  # noqa: ARG001  # deflate's window is always 32 KiB
    """A gzip source can be entered in the middle of a member, at the start of a deflate block."""
    return Codec(
        NAME,
        MAGIC,
        (".gz", ".gzip", ".bgz", ".tgz"),
        decode,
        speed=250e6,
        typical_ratio=6,
        worst_ratio=1_032,  # https://zlib.net/zlib_tech.html
        indexer=_indexer,
    )


def _indexer() -> Indexer:
    from penstock.codecs.gzip import index  # noqa: PLC0415  # zlib through ctypes, which only large jobs need

    return Indexer(index.scan, index.enter, exact=False)
