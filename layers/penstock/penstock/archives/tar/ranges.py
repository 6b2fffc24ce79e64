"""A plain tar archive through ranged reads, which jump over contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from penstock.archives.archive import MAX_MEMBERS, Skipped
from penstock.archives.tar.entries import read_entries
from penstock.codecs import IDENTITY, Codec
from penstock.codecs.trace import Trace
from penstock.errors import ExpansionLimitError, TruncatedSourceError
from penstock.limits import KIB, MIB
from penstock.model.member import Member, MemberContent
from penstock.model.source import RangeReader

# Bytes of one read. Reads grow while headers lie close together: one of 1 MiB takes about as long as its request.
LEAST, MOST = 64 * KIB, MIB


def entries(reader: RangeReader) -> Iterator[Member | Skipped]:
    """Yield the entries of an archive. ``content.start`` is where the content itself begins.

    Requests: at most one for each entry, and one for each MiB where entries are small. Memory: twice MOST, and what
    `read_entries` states. Raises the errors of `read_entries`, and of the reader; ExpansionLimitError for more than
    MAX_MEMBERS entries.
    """
    for entry in read_entries(RangeTape(reader)):
        if entry.number > MAX_MEMBERS:
            raise ExpansionLimitError(f"the archive has more than {MAX_MEMBERS:,} entries", hint="Split the archive.")
        yield _whole(reader, entry) if isinstance(entry, Member) else entry


def locate(reader: RangeReader, member: Member) -> Member:
    """Return the member: its header was checked when it was listed, and the reader is pinned to that version."""
    return _whole(reader, member)


def method(content: MemberContent, window: int, password: bytes) -> Codec:  # noqa: ARG001  # tar encodes nothing
    """Return the codec of a content, which stands as it is. It raises TruncatedSourceError if bytes are missing."""
    size = content.end - content.start

    def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
        yield from IDENTITY.decode(chunks, trace, step)
        if trace.produced != size:
            raise TruncatedSourceError(
                f"the member has {size:,} bytes, but {trace.produced:,} were read", offset=trace.consumed
            )

    return replace(IDENTITY, decode=decode)


def _whole(reader: RangeReader, member: Member) -> Member:
    if member.content and member.content.end > reader.size:
        raise TruncatedSourceError(f"the archive ends inside the content of {member.name!r}", offset=reader.size)
    return member


class RangeTape:
    """Reads blocks ahead. Implements ``Tape``. Memory: twice MOST, while the pieces of a block are joined."""

    def __init__(self, reader: RangeReader) -> None:
        self.position = 0
        self._reader = reader
        self._block = b""
        self._start = 0
        self._ahead = LEAST // 2

    def up_to(self, count: int) -> bytes:
        end = min(self.position + count, self._reader.size)
        pieces = []
        while self.position < end:
            at = self.position - self._start
            if at >= len(self._block):
                self._load()
                at = 0
            piece = self._block[at : at + end - self.position]
            pieces.append(piece)
            self.position += len(piece)
        return b"".join(pieces)

    def skip(self, count: int, what: str) -> None:
        if count > self._reader.size - self.position:
            raise TruncatedSourceError(f"the archive ends inside {what}", offset=self._reader.size)
        self.position += count

    def _load(self) -> None:
        gap = self.position - self._start - len(self._block)
        self._ahead = min(2 * self._ahead, MOST) if gap <= self._ahead else LEAST
        self._block, self._start = b"", self.position
        end = min(self.position + self._ahead, self._reader.size)
        self._block = b"".join(self._reader.read(self.position, end))
        if not self._block:
            raise TruncatedSourceError("the archive ends before its size", offset=self.position)
