"""The values of an upload from this machine that can be interrupted: what is sent, where, how S3 proves it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.model.object import Target


class Proof(StrEnum):
    """How the service proves what it received: a CRC32 per part and one of the whole, or an MD5 per part."""

    CRC32 = "crc32"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells whether a file is still the one it was. ``samples`` are SHA-256 of its begin, middle and end."""

    size: int
    mtime_ns: int
    inode: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was begun."""

    target: Target
    id: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class ExistingPart:
    """A part as the service lists it; ``crc32`` is None where it lists none."""

    size: int
    etag: str
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the service has, to be named at completion."""

    number: int
    size: int
    etag: str
    crc32: int


@dataclass(frozen=True, slots=True)
class ExistingObject:
    """What stands at a destination; ``crc32`` is that of all its bytes, None where the service stores none."""

    size: int
    etag: str
    version_id: str = ""
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that the service lists as neither completed nor aborted. ``age`` is in seconds, by its clock."""

    target: Target
    id: str
    age: float


@dataclass(frozen=True, slots=True)
class UploadState:
    """What is kept of an upload until it is done, so that it can go on after anything.

    ``source`` is an absolute path, ``endpoint`` empty for AWS, ``begun`` in Unix seconds by this machine's clock.
    ``etag`` is set once the object stands: one of several files that one command sends.
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
