"""The members of archives as if they were objects of S3: read by their ranges, decoded and verified."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from penstock.archives import archive_named, recognise
from penstock.archives.archive import Archive
from penstock.codecs import Codec, Trace
from penstock.delivery.block_ranges import BlockRanges
from penstock.delivery.decoding import naming
from penstock.delivery.inner_archives import PartOfRanges, SpooledArchive, Spools
from penstock.delivery.ports import ObjectStore
from penstock.delivery.ranges import SourceRanges
from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.errors import (
    CodecMismatchError,
    ConfigurationError,
    CorruptSourceError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.limits import Budget
from penstock.model.member import STORED, Member, MemberContent
from penstock.model.object import Content, ObjectHead, Source, Target, archive_of
from penstock.model.source import ByteSource, RangeReader

# Bytes that show the format of an archive.
HEAD = 512


def format_of(head: bytes, source: Source) -> Archive:
    """Return the format of an archive whose decoded bytes start with ``head``. Raises CodecMismatchError.

    The name only decides for content that no format knows: an empty tar is nothing but zeros, and a zip may follow a
    program that unpacks it.
    """
    found = recognise(head) or archive_named(source.key)
    if found is None:
        raise CodecMismatchError(
            "the content is no archive, and its route takes archives apart",
            offset=0,
            source=source.uri,
            hint="Let the route match archives alone, or add a route before it.",
        )
    return found


def must_be_entered(archive: Archive, codec: Codec) -> CodecMismatchError:
    """Return the error for an archive under a codec that cannot be read in order."""
    return CodecMismatchError(
        f"a {archive.name} must be read from its end, but this one is compressed with {codec.name}",
        offset=0,
        hint=f"Decompress it with {codec.name} before the upload.",
    )


def member_head(source: Source) -> ObjectHead:
    """Return what a HEAD of a member would return, by its source.

    The CRC32 that the archive declares proves a copy of the member, as S3's own proves a copy of an object. The times
    and permissions of the archive become user metadata.
    """
    member = source.member or Member()
    known = {"member-modified": member.modified, "member-mode": f"{member.mode:04o}" if member.mode else ""}
    crc32 = member.content.crc32 if member.content else None
    metadata = {name: value for name, value in known.items() if value}
    return ObjectHead(source.size, source.etag, source.version_id, metadata=metadata, crc32=crc32)


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An archive, its format, and how its (decoded) bytes are read. ``source`` is its object, or a member."""

    source: Source
    archive: Archive
    ranges: RangeReader


Decoded = Callable[[Source, str], RangeReader]
"""Opens the decoded bytes of an archive under a codec."""


def no_index(source: Source, codec: str) -> RangeReader:
    """Raises ConfigurationError: only the steps of the state machine make indexes."""
    raise ConfigurationError(f"{source.uri}: no work bucket holds an index of its {codec}")


def no_password(member: Source) -> bytes:  # noqa: ARG001  # whatever the member is
    """Return no password."""
    return b""


@dataclass(slots=True)
class MemberObjects:
    """Implements ``ObjectStore``: the source of a member is read from its archive, all else from ``objects``.

    ``decoded`` opens archives under a codec, ``passwords`` returns the password of an encrypted member, or nothing. For
    several threads at once. Memory: that of `BlockRanges`, or of ``decoded``, for the last archive that was opened, for
    each open member that of its method, and for each compressed inner archive that is read that of `SpooledArchive`.
    """

    objects: ObjectStore
    budget: Budget
    decoded: Decoded = no_index
    passwords: Callable[[Source], bytes] = no_password
    _last: tuple[tuple[str, ...], OpenArchive] | None = field(default=None, init=False)
    _read: dict[tuple[str, ...], ByteSource] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)
    _spools: Spools = field(default_factory=Spools, init=False)

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return self.objects.head(bucket, key, version_id=version_id)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        if source.member is None:
            return self.objects.open_source(source, start=start, end=end)
        if read := self._read.get(source.identity):
            return read
        return MemberSource(self, source, source.member, start, end)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> BucketSink:
        return self.objects.open_sink(target, content, rule, created, is_new=is_new)

    def sweep(self, target: Target) -> None:
        self.objects.sweep(target)

    @contextmanager
    def holding(self, source: Source, content: ByteSource) -> Iterator[None]:
        """Read a member from ``content`` for the duration of the context, because its archive is read in order."""
        outer = self._read.get(source.identity)
        self._read[source.identity] = content
        try:
            yield
        finally:
            self._read.pop(source.identity, None)
            if outer:
                self._read[source.identity] = outer

    def stored_range(self, source: Source) -> tuple[Source, int] | None:
        """Return the object that holds the bytes of a source as they are, and where they begin; None if encoded.

        Raises the errors of `open_archive`, and of the archive's format for a member that its header contradicts.
        """
        if source.member is None:
            return source, 0
        holder = self.stored_range(archive_of(source)) if source.member.within else (None, 0)
        if codec_around(source) or holder is None:
            return None
        opened, content = self.locate(source, source.member)
        is_stored = content.method == STORED and not content.encryption
        return (holder[0] or opened.source, holder[1] + content.start) if is_stored else None

    @contextmanager
    def archive_with(self, member: Source) -> Iterator[OpenArchive]:
        """Open the archive that holds a member, for the duration of the context. Raises as `entering`."""
        if member.member and member.member.within:
            with self.entering(archive_of(member)) as opened:
                yield opened
        else:
            yield self.open_archive(member)

    @contextmanager
    def entering(self, inner: Source, pieces: Iterable[bytes] | None = None) -> Iterator[OpenArchive]:
        """Open an inner archive for the duration of the context: where it stands in the object, or in a temporary file.

        ``pieces`` are its bytes, if its own archive is read in order. Raises ExpansionLimitError if it is too large for
        a temporary file, and the errors of `open_archive`.
        """
        is_held = pieces is not None or self._spools.holds(inner.identity)
        if not is_held and (stored := self.stored_range(inner)):
            outer = self.open_archive(inner)
            yield _opened(inner, PartOfRanges(outer.ranges, stored[1], inner.size))
            return

        def spool() -> SpooledArchive:
            if pieces is not None:
                return SpooledArchive(inner.uri, inner.size, pieces)
            with closing(self.open_source(inner).chunks()) as content:
                return SpooledArchive(inner.uri, inner.size, content)

        with self._spools.holding(inner.identity, spool) as spooled:
            yield _opened(inner, spooled)

    def locate(self, source: Source, member: Member) -> tuple[OpenArchive, MemberContent]:
        """Return the archive of a member, and where exactly its encoded bytes lie. Raises as `stored_range`."""
        with self.archive_with(source) as opened:
            return opened, MemberSource(self, source, member).located(opened)

    def open_archive(self, source: Source, codec: str = "") -> OpenArchive:
        """Open the object that holds a member, or the archive that a source is, under ``codec`` if that is given.

        Raises SourceGoneError, SourceChangedError, CodecMismatchError, and the errors of reading.
        """
        around = codec_around(source) or codec
        version = (source.bucket, source.object_key, source.version_id, source.etag, around)
        with self._lock:
            if self._last is None or self._last[0] != version:
                archive = self._archive_of(source)
                self._last = version, _opened(archive, self._ranges(archive, around))
            return self._last[1]

    def _ranges(self, archive: Source, codec: str) -> RangeReader:
        return self.decoded(archive, codec) if codec else BlockRanges(SourceRanges(self.objects, archive))

    def _archive_of(self, source: Source) -> Source:
        """Return the object that holds a source, with its size."""
        if source.member is None:
            return source
        archive = replace(source, key=source.object_key, archive="", member=None)
        stored = archive.stored
        head = self.objects.head(stored.bucket, stored.key, version_id=stored.version_id)
        if head is None:
            raise SourceGoneError(f"{archive.uri} was deleted before its member {source.member.path!r} was read")
        if head.etag != stored.etag:
            raise SourceChangedError(f"{archive.uri} was overwritten before {source.member.path!r} was read")
        return replace(archive, size=head.size)


def codec_around(source: Source) -> str:
    """Return the codec around the archive of a member that is read through an index; else empty."""
    return source.member.content.codec if source.member and source.member.content else ""


@dataclass(frozen=True, slots=True)
class MemberSource:
    """The decoded bytes of a member, from ``start`` to ``end``. Implements ``ByteSource``.

    The whole content is verified as the archive's format can; a part is not. A part of a stored member is read alone,
    of any other member all bytes before it are decoded.
    """

    store: MemberObjects
    source: Source
    member: Member
    start: int = 0
    end: int | None = None

    @property
    def size(self) -> int:
        return self.source.size

    def chunks(self) -> Generator[bytes, None, None]:
        with naming(self.source), self.store.archive_with(self.source) as opened:
            archive, content = opened.archive, self.located(opened)
            is_whole = self.start == 0 and self.end in (None, self.size)
            if content.method == STORED and not content.encryption and not is_whole:
                end = content.end if self.end is None else min(content.end, content.start + self.end)
                yield from _ranges(opened, content.start + self.start, end)
                return
            if archive.method is None:
                raise self._cannot_enter(archive)
            password = self.store.passwords(self.source) if content.encryption else b""
            codec = archive.method(content, self.store.budget.window, password)
            with closing(_ranges(opened, content.start, content.end)) as encoded:
                decoded = codec.decode(encoded, Trace(), self.store.budget.step)
                yield from decoded if is_whole else _part(decoded, self.start, self.end)

    def located(self, opened: OpenArchive) -> MemberContent:
        """Return where the encoded bytes lie. Raises the errors of the archive's format."""
        if self.member.content is None or opened.archive.locate is None:
            raise self._cannot_enter(opened.archive)
        content = opened.archive.locate(opened.ranges, self.member).content
        if content is None:
            raise self._cannot_enter(opened.archive)
        return content

    def _cannot_enter(self, archive: Archive) -> CorruptSourceError:
        return CorruptSourceError(f"the {archive.name} does not say where {self.member.name!r} lies", offset=0)


def _opened(archive: Source, ranges: RangeReader) -> OpenArchive:
    head = b"".join(ranges.read(0, min(HEAD, ranges.size)))
    return OpenArchive(archive, format_of(head, archive), ranges)


def _ranges(opened: OpenArchive, start: int, end: int) -> Generator[bytes, None, None]:
    if start < end:
        yield from opened.ranges.read(start, end)


def _part(pieces: Iterable[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Yield bytes ``start`` to ``end`` of the pieces."""
    at = 0
    for piece in pieces:
        if end is not None and at >= end:
            return
        if part := piece[max(0, start - at) : None if end is None else end - at]:
            yield part
        at += len(piece)
