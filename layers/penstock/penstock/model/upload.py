"""The values of a resumable upload from this machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.model.object import Target


class Proof(StrEnum):
    """How the service verifies an upload: by CRC32s of the parts and of the object, of the parts alone, or by MD5s."""

    CRC32 = "crc32"
    PARTS = "crc32-parts"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Detects changes of a file. ``samples`` are the SHA-256 of its start, middle and end."""

    size: int
    mtime_ns: int
    inode: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload in progress."""

    target: Target
    id: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class ExistingPart:
    """A part that the service lists; ``crc32`` is None if it lists none."""

    size: int
    etag: str
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that was sent, for the completion."""

    number: int
    size: int
    etag: str
    crc32: int


@dataclass(frozen=True, slots=True)
class ExistingObject:
    """The object at a destination; ``crc32`` is the full-object checksum, None if the service has none."""

    size: int
    etag: str
    version_id: str = ""
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that is neither completed nor aborted. ``age`` is in seconds, by the service's clock."""

    target: Target
    id: str
    age: float


@dataclass(frozen=True, slots=True)
class UploadState:
    """The state of an upload, kept until it ends so that it can be resumed.

    ``source`` is an absolute path, ``endpoint`` empty for AWS, ``begun`` in Unix seconds by this machine's clock.
    ``etag`` is set when the object is complete but the command still sends other files.
    """

    source: str
    identity: FileIdentity
    target: Target
    endpoint: str
    begun: float
    part_size: int
    upload_id: str
    proof: Proof
    etag: str = ""

    @property
    def upload(self) -> OpenUpload:
        return OpenUpload(self.target, self.upload_id, self.proof)
