"""The declaration of zstd."""

from __future__ import annotations

from functools import partial

from penstock.codecs.codec import Codec, Indexer
from penstock.codecs.zstd.decode import MAGIC, NAME, decode


def describe(window: int) -> Codec:
    """Describe the codec. ``window``: the maximum accepted window in bytes."""
    return Codec(
        NAME,
        MAGIC,
        (".zst", ".zstd", ".tzst"),
        partial(decode, window=window),
        speed=250e6,
        typical_ratio=6,
        worst_ratio=32_768,  # a block of 128 KiB that repeats one byte takes four
        indexer=partial(_indexer, window),
    )


def _indexer(window: int) -> Indexer:
    from penstock.codecs.zstd import index  # noqa: PLC0415  # only large jobs need it

    return Indexer(partial(index.scan, largest=window), partial(index.enter, largest=window))
