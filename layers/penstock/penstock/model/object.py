"""The values of S3 objects: sources, targets, content and metadata. A transfer imports only these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from penstock.model.member import Member
from penstock.model.serialization import OMIT_DEFAULT

# Part of the `order` of a listed source. It sorts before the digits of a sequencer.
LISTED_SIGN = "+"


@dataclass(frozen=True, slots=True)
class Location:
    """Where an object is after a move within its bucket. A copy may have another ETag than the object copied."""

    key: str
    etag: str
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one S3 object, or a member of an archive in one, or of an archive in that archive.

    ``size`` is in bytes; ``version_id`` is empty in an unversioned bucket. For a member, ``archive`` is the key of the
    archive (of an inner archive, its own `member_key`), ``key`` is `member_key`, and ``size`` counts the member's
    bytes; version, ETag and sequencer are those of the object.

    ``listed``: a listing has found it, not an event, so that it has no sequencer. ``after`` is then the last `order`
    that was known when it was found to be the current version; None until then. ``again`` makes it another source than
    that of its event, so that it is delivered once more. ``noncurrent``: another version is the current one.

    ``moved`` is where the object is now, if it was moved after an earlier end of its job; it is no part of the
    identity, and routes match the key.
    """

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str = ""
    sequencer: str = ""
    event_time: str = ""
    archive: str = field(default="", metadata=OMIT_DEFAULT)
    member: Member | None = field(default=None, metadata=OMIT_DEFAULT)
    listed: bool = field(default=False, metadata=OMIT_DEFAULT)
    again: str = field(default="", metadata=OMIT_DEFAULT)
    after: str | None = field(default=None, metadata=OMIT_DEFAULT)
    noncurrent: bool = field(default=False, metadata=OMIT_DEFAULT)
    moved: Location | None = field(default=None, metadata=OMIT_DEFAULT)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def values(self) -> dict[str, str]:
        """What S3 knows of the object, for columns; empty texts where it knows nothing."""
        known = {"bucket": self.bucket, "version_id": self.version_id, "etag": self.etag}
        return {**known, "size": str(self.size)}

    @property
    def stored(self) -> Source:
        """The object that is read: for a moved one, its place; for anything else, this source."""
        place = self.moved
        if place is None:
            return self
        return replace(
            self, key=place.key, etag=place.etag, version_id=place.version_id, archive="", member=None, moved=None
        )

    def pinned(self, size: int, etag: str) -> Source:
        """Return the source with what HEAD has found of its object, or of the member."""
        # The identity of a moved object is that of its upload, whose ETag may differ.
        return replace(self, size=size, etag=self.etag if self.moved else etag)

    @property
    def identity(self) -> tuple[str, ...]:
        """Bucket, key and version; for a member those of the object, and its numbers there.

        Without a version id, the sequencer distinguishes two uploads of the same bytes. Rows that one attempt has
        staged with those of other members are of no use to the next, which loads them again.
        """
        version = self.version_id or f"{self.etag}/{self.sequencer}"
        if self.again:
            version += f"/again/{self.again}"
        if self.member:
            staged = (self.member.replacement.load_id,) if self.member.replacement else ()
            return self.bucket, self.object_key, version, *map(str, self.member.numbers), *staged
        return self.bucket, self.key, version

    @property
    def series(self) -> tuple[str, ...]:
        """What all versions of a source share: bucket and key; for a member those of the object, and its names.

        S3 orders only the versions of one key. An object may have the key of a member, and is no version of it.
        """
        if self.member:
            inner = (self.member.within.name,) if self.member.within else ()
            return self.bucket, self.object_key, *inner, self.member.name
        return self.bucket, self.key

    @property
    def encoded_size(self) -> int:
        """The bytes of the object that hold the source; of a member, those of its content."""
        content = self.member.content if self.member else None
        return content.end - content.start if content else self.size

    @property
    def object_key(self) -> str:
        """The key of the object that is read: that of the outermost archive for a member."""
        if self.member and self.member.within:
            return self.archive.removesuffix(member_key("", self.member.within.name))
        return self.archive or self.key

    @property
    def order(self) -> str:
        """The sequencer in a form that can be compared as text.

        Sequencers differ in length and are right-padded with zeros before they are compared
        (AWS: "How do I know the order of S3 event notifications").

        A listed source that was the current version is newer than all that were known before, and older than all later
        uploads (docs/adr/0024): a sign below all digits follows the last known order, and counts such sources.
        """
        if self.listed and self.after is not None:
            known, _, count = self.after.partition(LISTED_SIGN)
            return f"{known}{LISTED_SIGN}{int(count or '0', 16) + 1:08x}"
        return self.sequencer.upper().ljust(64, "0") if self.sequencer else ""


def member_key(archive: str, name: str) -> str:
    """Return the key under which routes match a member of an archive."""
    return f"{archive}/{name}"


def member_source(archive: Source, member: Member, size: int | None = None) -> Source:
    """Return a member of an archive, or of one within it, as a source. ``size`` is in bytes, that declared if None."""
    if member.within and archive.member is None:
        archive = member_source(archive, member.within)
    return replace(
        archive,
        key=member_key(archive.key, member.name),
        size=member.size or 0 if size is None else size,
        archive=archive.key,
        member=member if member.within else replace(member, within=archive.member),
    )


def archive_of(member: Source) -> Source:
    """Return the archive that holds a member: an object of unknown size, or an inner archive."""
    within = member.member.within if member.member else None
    if within is None:
        return replace(member, key=member.archive, size=0, archive="", member=None)
    return replace(member, key=member.archive, size=within.size or 0, archive=member.object_key, member=within)


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a decoded object."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Content:
    """The headers and user metadata of an object (lower-case names, US-ASCII values)."""

    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """A published object. ``parts`` is 0 for a single PUT."""

    size: int
    crc32: int
    parts: int
    etag: str
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """The response of HEAD. ``modified`` is in ISO 8601. ``crc32`` and ``crc64nvme`` (16 hex digits) are full-object
    checksums, if S3 has them."""

    size: int
    etag: str
    version_id: str = ""
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    crc32: int | None = None
    crc64nvme: str = field(default="", metadata=OMIT_DEFAULT)
    modified: str = field(default="", metadata=OMIT_DEFAULT)
