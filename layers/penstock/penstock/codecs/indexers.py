"""The indexers of all codecs that have one."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.codecs import codecs_within
from penstock.codecs.codec import Indexer


def indexers_within(window: int) -> Mapping[str, Indexer]:
    """Return indexers by codec name; zstd and xz accept windows (dictionaries) of at most ``window`` bytes."""
    return {name: codec.indexer() for name, codec in codecs_within(window).items() if codec.indexer}
