"""The values of two trees that are made equal: files, objects, what is known of their content, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# User metadata that Penstock gives what it uploads. ``mtime`` (Unix seconds, with a fraction) is rclone's.
MTIME = "mtime"


SHA256 = "penstock-sha256"


NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a local tree. ``name`` is relative, with ``/``; ``size`` is in bytes.

    Times and numbers are those of the file itself, not of a link to it. ``ctime_ns`` changes with every write, even
    if the mtime is put back.
    """

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int

    @property
    def state(self) -> str:
        """Equal as long as nobody has written to the file."""
        return f"{self.size}:{self.mtime_ns}:{self.ctime_ns}:{self.device}:{self.inode}"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object as a listing shows it. ``name`` is relative to the prefix; ``modified`` is in Unix seconds."""

    name: str
    bucket: str
    key: str
    size: int
    etag: str
    modified: float

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        """Equal as long as nobody has written the object."""
        return f"{self.etag}:{self.size}:{self.modified}"

    @property
    def part_count(self) -> int:
        """Parts of a multipart upload, by the ETag; 0 for a single PUT."""
        _, dash, count = self.etag.partition("-")
        return int(count) if dash and count.isdecimal() else 0


File: TypeAlias = LocalFile | RemoteFile


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What HEAD adds to a listing; never changes for one version of an object.

    ``checksums`` are those of the full object that S3 has stored, by algorithm (``crc32``, ``crc32c``, ``crc64nvme``,
    ``sha1``, ``sha256``), in lower-case hex. ``md5_etag``: the ETag is an MD5, or one of MD5s (not under SSE-KMS or
    SSE-C). ``part_sizes`` are those found out so far, from the first part on.
    """

    md5_etag: bool
    checksums: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    part_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncError:
    """Something of a tree that could not be read or written; the rest goes on.

    ``name`` is relative to the tree, ``place`` the path or URI that a person looks for.
    """

    name: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
