"""What a codec is, and what it tells the pipeline while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trace:
    """What a decoder has learned so far. The decoder writes it; the pipeline reads it between pieces.

    ``consumed``: source bytes worked through, never more than were fed. Exact at the end of every member; within
    one, isal is up to 8 bytes ahead, and bzip2 and xz up to 16 KiB behind. ``produced``: decoded bytes yielded.
    ``members``: complete gzip members, bzip2 and xz streams, zstd frames. ``crc32``: checksum of all decoded bytes
    as the source's own trailers declare it; None where the format declares none.
    """

    consumed: int = 0
    produced: int = 0
    members: int = 0
    crc32: int | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Codec:
    """Bytes in, bytes out. ``magic``: how its content starts; ``suffixes``: how its names end, in lower case.

    ``decode(chunks, trace, step)`` yields pieces of 1 to ``step`` bytes and raises BadSourceError, with the offset,
    when the bytes are wrong; whatever ``chunks`` raises passes through. ``step`` is at least 1.
    """

    name: str
    magic: tuple[bytes, ...]
    suffixes: tuple[str, ...]
    decode: Callable[[Iterable[bytes], Trace, int], Iterator[bytes]]
