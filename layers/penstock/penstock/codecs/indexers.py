"""How sources are indexed, by codec: how they are scanned, and how they are entered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from penstock.codecs.checkpoint import Enter, Scan
from penstock.codecs.gzip import index as gzip
from penstock.codecs.xz import index as xz
from penstock.codecs.xz import tail as xz_tail
from penstock.codecs.zstd import index as zstd


@dataclass(frozen=True, slots=True)
class Indexer:
    """``tail`` finds the entries of a source without reading all of it. ``exact``: entries lie where something ends
    that is checked as a whole, so whoever passes one can tell (see `penstock.codecs.block_index.passing`)."""

    scan: Scan
    enter: Enter
    tail: Callable[[xz_tail.Read, int, int], xz_tail.Found] | None = None
    exact: bool = True


def indexers_within(window: int) -> Mapping[str, Indexer]:
    """All ways by the codec's name; zstd and xz accept windows (dictionaries) of at most ``window`` bytes."""
    return MappingProxyType(
        {
            "gzip": Indexer(gzip.scan, gzip.enter, exact=False),
            "zstd": Indexer(partial(zstd.scan, largest=window), partial(zstd.enter, largest=window)),
            "xz": Indexer(partial(xz.scan, largest=window), partial(xz.enter, largest=window), xz_tail.tail),
        }
    )
