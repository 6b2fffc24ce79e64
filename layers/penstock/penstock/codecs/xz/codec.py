"""The declaration of xz."""

from __future__ import annotations

from functools import partial

from penstock.codecs.codec import Codec, Indexer
from penstock.codecs.xz.decode import MAGIC, NAME, decode


def describe(window: int) -> Codec:
    """Describe the codec. ``window``: the maximum accepted dictionary in bytes."""
    return Codec(
        NAME,
        MAGIC,
        (".xz", ".txz"),
        partial(decode, window=window),
        speed=80e6,
        typical_ratio=10,
        worst_ratio=9_000,  # a match of 273 bytes costs a quarter of a bit at least
        indexer=partial(_indexer, window),
    )


def _indexer(window: int) -> Indexer:
    from penstock.codecs.xz import index, tail  # noqa: PLC0415  # only large jobs need them

    return Indexer(partial(index.scan, largest=window), partial(index.enter, largest=window), tail.tail)
