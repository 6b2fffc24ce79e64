"""The decoded bytes of one member of an archive, for the deliveries."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from penstock.archives import Archive
from penstock.codecs import Trace
from penstock.errors import CorruptSourceError, ExpansionLimitError
from penstock.limits import MIB, Budget
from penstock.model.member import Member
from penstock.model.source import ByteSource, RangeReader
from penstock.run.loads import UNKNOWN
from penstock.run.local_source import PIECE, REPLAYED

# Members that lie together are read by one request for this many bytes. Larger ones have requests of their own.
BLOCK = MIB


@dataclass(frozen=True, slots=True)
class EnteredMember:
    """A member that is read by its range. Implements ``ByteSource``; can be read repeatedly.

    Raises ExpansionLimitError if the archive declares more than ``most`` bytes, and the errors of the archive's format.
    """

    archive: Archive
    ranges: RangeReader
    member: Member
    most: int
    budget: Budget

    @property
    def size(self) -> int:
        return _size(self.member)

    def chunks(self) -> Generator[bytes, None, None]:
        if self.size > self.most:
            raise ExpansionLimitError(
                f"member {self.member.name!r} decodes to {self.size:,} bytes; the limit for its encoded size is "
                f"{self.most:,}"
            )
        assert self.archive.locate  # noqa: S101  # for mypy: the archive lists entries
        assert self.archive.method  # noqa: S101  # as above
        content = self.archive.locate(self.ranges, self.member).content
        if content is None:
            raise CorruptSourceError(f"member {self.member.name!r} has no content", offset=0)
        codec = self.archive.method(content, self.budget.window, b"")
        encoded = self.ranges.read(content.start, content.end) if content.end > content.start else _nothing()
        with closing(encoded):
            yield from codec.decode(encoded, Trace(), self.budget.step)


@dataclass(frozen=True, slots=True)
class StreamedMember:
    """A member of an archive that is read in order. Implements ``ByteSource``; can be read once."""

    member: Member
    pieces: Iterator[bytes]

    @property
    def size(self) -> int:
        return _size(self.member)

    def chunks(self) -> Generator[bytes, None, None]:
        yield from self.pieces


@dataclass(frozen=True, slots=True)
class HeldMember:
    """A small member in memory. Implements ``ByteSource``; can be read repeatedly."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Generator[bytes, None, None]:
        if self.data:
            yield self.data


class SpooledMember:
    """A streamed member that can be read repeatedly. Implements ``ByteSource``. A context manager.

    The bytes are kept in memory up to 8 MiB, and beyond that in a temporary file.
    """

    def __init__(self, content: ByteSource) -> None:
        self.size = content.size
        self._content = content
        self._kept = SpooledTemporaryFile(REPLAYED)  # noqa: SIM115  # __exit__ closes it
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._kept.close()

    def chunks(self) -> Generator[bytes, None, None]:
        if not self._begun:
            self._begun = True
            for piece in self._content.chunks():
                self._kept.write(piece)
        self._kept.seek(0)
        while piece := self._kept.read(PIECE):
            yield piece


class ReadAhead:
    """Reads small ranges from one block. Implements ``RangeReader``. Memory: BLOCK."""

    def __init__(self, ranges: RangeReader) -> None:
        self._ranges = ranges
        self._start = 0
        self._block = b""

    @property
    def size(self) -> int:
        return self._ranges.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        if end - start > BLOCK:
            yield from self._ranges.read(start, end)
            return
        if not self._start <= start <= end <= self._start + len(self._block):
            self._block, self._start = b"", start
            self._block = b"".join(self._ranges.read(start, min(start + BLOCK, self.size)))
        yield self._block[start - self._start : end - self._start]


def _size(member: Member) -> int:
    return UNKNOWN if member.size is None else member.size


def _nothing() -> Generator[bytes, None, None]:
    yield from ()
