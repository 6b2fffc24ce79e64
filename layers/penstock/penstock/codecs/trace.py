"""The facts about a source that a decoder reports during its work."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Trace:
    """The decoder's results so far. The decoder writes them; the pipeline reads them between pieces.

    ``consumed``: source bytes decoded so far, never more than were fed. Exact at the end of every member; within
    one, isal is up to 8 bytes ahead, and bzip2 and xz up to 16 KiB behind. ``produced``: decoded bytes yielded.
    ``members``: complete gzip members, bzip2 and xz streams, zstd frames. ``crc32``: checksum of all decoded bytes
    as the source's own trailers declare it; None if the format declares none.
    """

    consumed: int = 0
    produced: int = 0
    members: int = 0
    crc32: int | None = None
    warnings: list[str] = field(default_factory=list)
