"""The declaration of a codec: how its content is recognised, decoded and indexed, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from penstock.codecs.checkpoint import Checkpoint, Enter, Scan
from penstock.codecs.trace import Trace
from penstock.model.member import Members, one_member
from penstock.model.source import RangeReader

# Decoded bytes that one vCPU indexes in a second (benchmarks/results/index.md).
INDEX_SPEED = 450e6


@dataclass(frozen=True, slots=True)
class TailIndex:
    """The entries that a source declares at its end, the first at 0, and the size of its content.

    A source with too many streams to read has the first entry only.
    """

    entries: list[Checkpoint]
    total: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Indexer:
    """How a source is indexed: ``scan`` finds the entries, ``enter`` decodes from one of them.

    ``tail(reader, spacing)`` finds the entries without reading the complete source; None if the format declares none.
    ``exact``: an entry lies where a checked unit ends, so a span that reaches an entry verifies it (see
    `penstock.codecs.block_index.passing`).
    """

    scan: Scan
    enter: Enter
    tail: Callable[[RangeReader, int], TailIndex] | None = None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec.

    ``magic``: the first bytes of its content. ``suffixes``: the suffixes of its names, in lower case.

    ``decode(chunks, trace, step)`` yields pieces of 1 to ``step`` bytes and raises BadSourceError with the offset
    if the bytes are wrong. Errors of ``chunks`` pass unchanged. ``step`` is at least 1.

    ``speed``: decoded bytes that one vCPU delivers to a bucket in a second (`python -m benchmarks gunzip append`,
    `python -m benchmarks.codec_speed`). ``typical_ratio``: decoded bytes for one byte of a compressed text file.
    ``worst_ratio``: the maximum that the format allows, which zeros reach.

    ``indexer`` loads the indexer; None if a source can only be decoded from its start. ``index_speed``: decoded bytes
    that one vCPU indexes in a second.

    ``members`` splits the decoded bytes into the files of an archive.
    """

    name: str
    magic: tuple[bytes, ...]
    suffixes: tuple[str, ...]
    decode: Callable[[Iterable[bytes], Trace, int], Iterator[bytes]] = field(repr=False)
    speed: float
    typical_ratio: int
    worst_ratio: int
    indexer: Callable[[], Indexer] | None = field(default=None, repr=False)
    index_speed: float = INDEX_SPEED
    members: Members = field(default=one_member, repr=False)
