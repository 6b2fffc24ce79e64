"""A source may hold several files: the members of an archive, or the sheets of a workbook.

The decoded bytes of a source pass from its codec to its parser by member, so that a source that is read in order only
needs a codec that declares `Members`. A member of an archive that can be entered is a source of its own: its
`MemberContent` says which bytes of the archive hold it, and how they are decoded (`penstock.archives`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field

from penstock.model.replacement import Replacement
from penstock.model.serialization import OMIT_DEFAULT

# The method of a member whose bytes stand in the archive as they are.
STORED = "stored"


@dataclass(frozen=True, slots=True)
class MemberContent:
    """The content of a member: bytes ``start`` to ``end`` of the archive, encoded with ``method``.

    ``crc32`` is that of the decoded bytes, None if the archive declares none. ``encryption`` is empty, or the name of
    the cipher around the encoded bytes. ``size``: decoded bytes, None if the archive declares none. ``limit``: the
    first byte after ``start`` that belongs to something else in the archive; 0 if unknown. ``codec``: that around the
    archive, whose decoded bytes ``start`` and ``end`` count; empty if they count those of the object.
    ``password_check``: the byte that the right password decrypts, None if the cipher has none, or before the member was
    located.
    """

    start: int
    end: int
    method: str = STORED
    crc32: int | None = None
    encryption: str = ""
    size: int | None = None
    limit: int = 0
    codec: str = field(default="", metadata=OMIT_DEFAULT)
    password_check: int | None = field(default=None, metadata=OMIT_DEFAULT)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a source. ``name`` is empty if the source itself is the file. ``number`` counts from 1.

    ``size``: decoded bytes, if the source declares them before the content. ``content``: where it lies, if the member
    can be entered. ``modified`` (ISO 8601) and ``mode`` (Unix permissions) are empty and 0 if unknown. ``within``: the
    inner archive that holds it, itself a member; ``content`` then counts that one's bytes. ``replacement`` is set if
    the member is one of several that replace tables together.
    """

    name: str = ""
    number: int = 1
    size: int | None = None
    content: MemberContent | None = None
    modified: str = ""
    mode: int = 0
    within: Member | None = field(default=None, metadata=OMIT_DEFAULT)
    replacement: Replacement | None = field(default=None, metadata=OMIT_DEFAULT)

    @property
    def path(self) -> str:
        """Its name in the object: after that of the inner archive, if it is in one."""
        return f"{self.within.name}/{self.name}" if self.within else self.name

    @property
    def numbers(self) -> tuple[int, ...]:
        """What identifies it in the object: its number; after that of the inner archive, if it is in one."""
        return (self.within.number, self.number) if self.within else (self.number,)

    def encoded(self, size: int) -> int:
        """Return how many bytes of the object hold so many bytes of the member, about."""
        if self.content and self.size:
            size = size * (self.content.end - self.content.start) // self.size
        return self.within.encoded(size) if self.within else size


@dataclass(frozen=True, slots=True)
class MemberCounts:
    """What has become of the members of an archive.

    ``skipped``: entries that are left out; neither directories nor ``total`` count them. ``superseded``: members whose
    destinations hold a newer result. ``total``: members to deliver, 0 while they are not counted yet.
    """

    delivered: int = 0
    failed: int = 0
    skipped: int = 0
    superseded: int = 0
    total: int = 0

    def plus(self, other: MemberCounts) -> MemberCounts:
        """Add other counts."""
        return MemberCounts(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def done(self) -> int:
        """Members with a result."""
        return self.delivered + self.failed + self.superseded


NO_MEMBERS = MemberCounts()

Members = Callable[[Iterator[bytes]], Iterator[tuple[Member, Iterator[bytes]]]]
"""Splits the decoded bytes of a source into its members, in order. Each is read to its end before the next."""

WHOLE_SOURCE = Member()


def one_member(chunks: Iterator[bytes]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield the source as its only member."""
    yield WHOLE_SOURCE, chunks
