"""The values of a sync: local files, objects, their metadata, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# User metadata that Penstock adds to uploads. ``mtime`` (Unix seconds, with a fraction) is rclone's.
MTIME = "mtime"


SHA256 = "penstock-sha256"


NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a local tree. ``name`` is relative, with ``/``; ``size`` is in bytes.

    For a symbolic link, the values are those of its target. ``ctime_ns`` changes with every write, even if the mtime
    is restored.
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
        """Changes whenever the file is written."""
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
        """Changes whenever the object is written."""
        return f"{self.etag}:{self.size}:{self.modified}"

    @property
    def part_count(self) -> int:
        """The number of parts, read from the ETag; 0 for a single PUT."""
        _, dash, count = self.etag.partition("-")
        return int(count) if dash and count.isdecimal() else 0


File: TypeAlias = LocalFile | RemoteFile


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """The metadata that HEAD adds to a listing. It never changes for one version of an object.

    ``checksums`` are the full-object checksums that S3 has stored, by algorithm (``crc32``, ``crc32c``, ``crc64nvme``,
    ``sha1``, ``sha256``), in lower-case hex. ``md5_etag``: the ETag is an MD5 or an MD5 of MD5s (not under SSE-KMS or
    SSE-C). ``part_sizes`` are those requested so far, from the first part on.
    """

    md5_etag: bool
    checksums: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    part_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncError:
    """A file or folder that could not be read or written. The sync continues with the others.

    ``name`` is relative to the tree; ``location`` is the path or URI to show.
    """

    name: str
    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.location}: {self.reason}"
