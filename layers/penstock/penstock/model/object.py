"""The values of S3 objects: sources, targets, content and metadata. A transfer imports only these."""

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
        """Bucket, key and version. Without a version id, the sequencer distinguishes two uploads of the same bytes."""
        return self.bucket, self.key, self.version_id or f"{self.etag}/{self.sequencer}"

    @property
    def order(self) -> str:
        """The sequencer in a form that can be compared as text.

        Sequencers differ in length and are right-padded with zeros before they are compared
        (AWS: "How do I know the order of S3 event notifications").
        """
        return self.sequencer.upper().ljust(64, "0") if self.sequencer else ""


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
    """The response of HEAD. ``crc32`` is the full-object checksum, if S3 has it."""

    size: int
    etag: str
    version_id: str = ""
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    crc32: int | None = None
