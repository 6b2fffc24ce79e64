"""The values of S3's objects: what stands where, and what is to stand there. Apart from the rest, for they are all that
a transfer needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """One version of one S3 object. ``size`` is in bytes; ``version_id`` is empty in an unversioned bucket."""

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str = ""
    sequencer: str = ""
    event_time: str = ""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """Bucket, key and version; without a version id, the sequencer tells two uploads of the same bytes apart."""
        return self.bucket, self.key, self.version_id or f"{self.etag}/{self.sequencer}"

    @property
    def order(self) -> str:
        """The sequencer in a form that compares as text.

        Sequencers differ in length and are right-padded with zeros before they are compared
        (AWS: "How do I know the order of S3 event notifications").
        """
        return self.sequencer.upper().ljust(64, "0") if self.sequencer else ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a decoded object goes."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Content:
    """What an object says of itself: headers and user metadata (lower-case names, US-ASCII values)."""

    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing left at the destination. ``parts`` is 0 for a single PUT."""

    size: int
    crc32: int
    parts: int
    etag: str
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What HEAD says of an object. ``crc32`` is that of all its bytes, where S3 has it."""

    size: int
    etag: str
    version_id: str = ""
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    crc32: int | None = None
