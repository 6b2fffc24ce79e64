"""What the S3 server for uploads keeps, and what it counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Part:
    body: bytearray
    etag: str
    crc32: int


@dataclass
class Upload:
    path: str
    whole: bool
    begun: float
    metadata: dict[str, str]
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass
class Kept:
    """An object. ``metadata`` are headers, ``modified`` is in seconds."""

    etag: str
    crc32: int
    pieces: list[bytearray]
    metadata: dict[str, str]
    modified: float = field(default_factory=time.time)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


@dataclass
class Counts:
    """``received``: bytes of objects and parts, broken-off ones included. ``operations``: requests by S3's name."""

    received: int = 0
    operations: dict[str, int] = field(default_factory=dict)
