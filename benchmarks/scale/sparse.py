"""Sources that are too large to exist: of their bytes, a few are kept, and all others are zero."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.limits import MIB
from penstock.model.object import Content, ObjectHead, Source, Target

_ENTRY, _HEADER = struct.Struct("<4s2B5H3L5H2L"), struct.Struct("<4s5H3L2H")
_WIDE, _VERSION, _FULL = 0xFFFFFFFF, 45, 0xFFFF
STORED, DEFLATE = 0, 8
# Members of an archive have such names: seven digits.
NAME = 7


@dataclass(frozen=True, slots=True)
class SparseBytes:
    """Bytes ``start`` to ``end`` of a source. Implements ``ByteSource``."""

    pieces: Sequence[tuple[int, Path]]
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def chunks(self) -> Generator[bytes, None, None]:
        for at in range(self.start, self.end, MIB):
            yield self._read(at, min(at + MIB, self.end))

    def _read(self, start: int, end: int) -> bytes:
        data = bytearray(end - start)
        for offset, file in self.pieces:
            first, last = max(start, offset), min(end, offset + file.stat().st_size)
            if first < last:
                with file.open("rb") as opened:
                    opened.seek(first - offset)
                    data[first - start : last - start] = opened.read(last - first)
        return bytes(data)


@dataclass(frozen=True, slots=True)
class SparseObjects:
    """The only object of a bucket, with ``pieces`` that are not zero. Implements ``ObjectStore``, to read."""

    source: Source
    pieces: Sequence[tuple[int, Path]]

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:  # noqa: ARG002  # the port's
        return ObjectHead(self.source.size, self.source.etag, self.source.version_id)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> SparseBytes:
        return SparseBytes(self.pieces, start, source.size if end is None else end)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> BucketSink:
        raise NotImplementedError

    def sweep(self, target: Target) -> None:
        raise NotImplementedError


def plain(folder: Path, size: int) -> SparseObjects:
    """Text of ``size`` bytes."""
    return SparseObjects(Source("source", "in/large.txt", size, "etag", "version"), [(0, _kept(folder, _text()))])


def gzipped(folder: Path, size: int) -> SparseObjects:
    """One gzip member of ``size`` encoded bytes."""
    start = gzip.compress(_text(), mtime=0)[:-8]
    return SparseObjects(Source("source", "in/large.txt.gz", size, "etag", "version"), [(0, _kept(folder, start))])


def zip_of_one(folder: Path, encoded: int, decoded: int) -> SparseObjects:
    """A zip of one Deflate member."""
    wide = struct.pack("<2H2Q", 1, 16, decoded, encoded)
    name = b"1".zfill(NAME)
    header = _HEADER.pack(b"PK\x03\x04", _VERSION, 0, DEFLATE, 0, 33, 1, _WIDE, _WIDE, NAME, len(wide)) + name + wide
    deflate = zlib.compressobj(wbits=-15)
    begin = header + deflate.compress(_text()) + deflate.flush(zlib.Z_SYNC_FLUSH)
    entry = _ENTRY.pack(
        *(b"PK\x01\x02", _VERSION, 3, _VERSION, 0, DEFLATE, 0, 33, 1, _WIDE, _WIDE),
        *(NAME, len(wide), 0, 0, 0, 0, 0),
    )
    at = len(header) + encoded
    file = folder / "directory"
    file.write_bytes(entry + name + wide + _end(1, len(entry) + NAME + len(wide), at))
    source = Source("source", "in/large.zip", at + file.stat().st_size, "etag", "version")
    return SparseObjects(source, [(0, _kept(folder, begin)), (at, file)])


def zip_of_many(folder: Path, members: int, size: int) -> SparseObjects:
    """A zip of stored members of ``size`` bytes; its contents are not kept."""
    each, length = _HEADER.size + NAME + size, 0
    file = folder / "directory"
    with file.open("wb") as directory:
        for number in range(members):
            name = str(number + 1).zfill(NAME).encode()
            values = (_VERSION, 3, _VERSION, 0, STORED, 0, 33, 1, size, size, NAME, 0, 0, 0, 0, 0, number * each)
            length += directory.write(_ENTRY.pack(b"PK\x01\x02", *values) + name)
        directory.write(_end(members, length, members * each))
    source = Source("source", "in/many.zip", members * each + file.stat().st_size, "etag", "version")
    header = _HEADER.pack(b"PK\x03\x04", _VERSION, 0, STORED, 0, 33, 1, size, size, NAME, 0) + b"1".zfill(NAME)
    return SparseObjects(source, [(0, _kept(folder, header)), (members * each, file)])


def _end(count: int, length: int, at: int) -> bytes:
    """The zip64 end of a directory of ``length`` bytes at ``at``, its locator, and the end record (APPNOTE 4.3.14)."""
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, length, at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + length, 1)
    return wide + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, _FULL, _FULL, _WIDE, _WIDE, 0)


def _text() -> bytes:
    chance = random.Random(1)
    return b"".join(b"%d,%d\n" % (number, chance.randrange(10**9)) for number in range(20_000))


def _kept(folder: Path, data: bytes) -> Path:
    file = folder / "begin"
    file.write_bytes(data)
    return file
