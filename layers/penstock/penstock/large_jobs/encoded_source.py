"""The encoded bytes of a source, which an index pass scans and a span enters."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.codecs import IDENTITY, Codec, codecs_within
from penstock.codecs.codec import Indexer
from penstock.delivery.decoding import naming
from penstock.delivery.member_store import MemberObjects, codec_around
from penstock.delivery.ranges import SourceRanges
from penstock.errors import BadSourceError
from penstock.model.member import STORED
from penstock.model.object import Source, archive_of


@dataclass(frozen=True, slots=True)
class EncodedSource:
    """The bytes of an object or of a stored member; or, of a member that its archive compresses, its content there.

    They are ``size`` bytes of what ``ranges`` reads, from byte ``begin`` on. Implements ``RangeReader``. ``codec`` is
    None if this release does not have it. ``crc32`` is that of the decoded bytes, if the archive declares it.
    """

    source: Source
    codec: Codec | None
    ranges: SourceRanges
    begin: int
    size: int
    crc32: int | None = None

    @property
    def indexer(self) -> Indexer | None:
        """How the source is indexed and entered; None if it is only decoded from its start."""
        return self.codec.indexer() if self.codec and self.codec.indexer else None

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Read bytes ``start`` to ``end``, in one request."""
        return self.ranges.read(self.begin + start, self.begin + end)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Add the source's name to errors that only know offsets; those of a member count in its archive."""
        try:
            with naming(self.source):
                yield
        except BadSourceError as error:
            error.offset += self.begin
            raise


def encoded_name(source: Source, codec: str) -> str | None:
    """Return the codec of a source's encoded bytes, if ``codec`` is that of its own bytes; None if it must be decoded
    from its start: an encrypted member, one of an archive that is read in order or is itself compressed in another, or
    one that is compressed twice."""
    if source.member is None:
        return codec
    if source.member.within and not _stands(archive_of(source)):
        return None
    content = source.member.content
    if content is None or content.encryption:
        return None
    if content.method == STORED:
        return codec
    return content.method if codec == IDENTITY.name and source.size else None


def _stands(inner: Source) -> bool:
    """Whether the bytes of an inner archive stand in the object as they are."""
    return not codec_around(inner) and encoded_name(inner, IDENTITY.name) == IDENTITY.name


def encoded_source(objects: MemberObjects, source: Source, codec: str, window: int) -> EncodedSource:
    """Return the encoded bytes of a source whose `encoded_name` is ``codec``.

    ``window`` is the maximum window or dictionary in bytes. Raises the errors of `MemberObjects.locate`, and of the
    member's method.
    """
    content = source.member.content if source.member else None
    if source.member is None or content is None or content.method == STORED:
        ranges = SourceRanges(objects, source)
        return EncodedSource(source, codecs_within(window).get(codec), ranges, 0, source.size)
    with naming(source):
        opened, content = objects.locate(source, source.member)
        method = opened.archive.method
        found = method(content, window, b"") if method else None
    ranges = SourceRanges(objects, opened.source)
    return EncodedSource(source, found, ranges, content.start, content.end - content.start, content.crc32)
