"""An archive as the source of a run.

Only the name decides whether a source is an archive (`archive_named`): XLSX, JAR and others are zips inside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Self

from penstock.archives import Archive, Skipped
from penstock.codecs import IDENTITY
from penstock.delivery.block_ranges import BlockRanges
from penstock.delivery.decoding import Decoding, ceiling, naming, peek
from penstock.delivery.member_store import HEAD
from penstock.delivery.walked_members import StreamedMember
from penstock.errors import CodecMismatchError
from penstock.limits import Budget
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.source import ByteSource, RangeReader
from penstock.run.loads import UNKNOWN
from penstock.run.member_content import EnteredMember


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """An archive. ``content`` reads it in order, ``ranges`` anywhere. ``route`` has the limits.

    ``codec`` is the name of the codec around it, known once it is `opened`. Memory: that of the archive's format, and
    the blocks of `BlockRanges`.
    """

    source: Source
    archive: Archive
    content: ByteSource
    ranges: RangeReader
    route: Route
    budget: Budget
    codec: str = IDENTITY.name

    def opened(self) -> Self:
        """Check that the content is the archive that the name says, and return it with its codec.

        Raises CodecMismatchError if it is not, and the errors of decoding its beginning.
        """
        decoding = Decoding(self.source, self.content, self.route, self.budget)
        with naming(self.source):
            with closing(decoding.pieces()) as pieces:
                head, _ = peek(pieces, HEAD)
            if head.strip(b"\0") and not self.archive.recognise(head):  # an empty tar is nothing but zeros
                raise CodecMismatchError(
                    f"its name {self.source.key!r} says {self.archive.name}, but the content is not", offset=0
                )
        return replace(self, codec=decoding.codec)

    def entries(self) -> Generator[tuple[Member | Skipped, EnteredMember | StreamedMember | None], None, None]:
        """Yield the entries in order, each member with its content. It may be left unread.

        Raises BadSourceError for a damaged archive, ExpansionLimitError, and the errors of the source.
        """
        with naming(self.source):
            if self.codec == IDENTITY.name and self.archive.entries:
                together = BlockRanges(self.ranges)
                for entry in self.archive.entries(self.ranges):
                    yield entry, None if isinstance(entry, Skipped) else self._entered(entry, together)
                return
            if self.archive.walk is None:
                raise CodecMismatchError(
                    f"{self.archive.name} must be read from its end, but it is compressed with {self.codec}",
                    offset=0,
                    hint=f"Decompress it with {self.codec} first.",
                )
            with closing(Decoding(self.source, self.content, self.route, self.budget).pieces()) as pieces:
                for entry, content in self.archive.walk(pieces):
                    yield (
                        entry,
                        None
                        if isinstance(entry, Skipped)
                        else StreamedMember(UNKNOWN if entry.size is None else entry.size, content),
                    )
                # Bytes that follow the archive are ignored, but the checksum of the codec comes after them.
                deque(pieces, maxlen=0)

    def _entered(self, member: Member, ranges: RangeReader) -> EnteredMember:
        encoded = member.content.end - member.content.start if member.content else 0
        most = ceiling(replace(self.source, size=encoded), self.route)
        return EnteredMember(self.archive, ranges, member, most, self.budget)


def _streamed(member: Member, content: Iterator[bytes]) -> StreamedMember:
    return StreamedMember(UNKNOWN if member.size is None else member.size, content)
