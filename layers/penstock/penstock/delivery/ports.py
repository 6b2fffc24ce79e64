"""The ports of a delivery: objects to read and write, and a log of rejected records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.model.object import Content, ObjectHead, Source, Target
from penstock.model.record import Reject
from penstock.model.source import ByteSource


class ObjectReader(Protocol):
    """Reads complete small objects. Used by several threads at once."""

    def read(self, source: Source) -> bytes:
        """Return the ``source.size`` bytes of a source that is still the current object.

        Raises SourceGoneError and SourceChangedError if it is not, and ServiceUnavailableError.
        """


class ObjectStore(Protocol):
    """The objects of S3, for jobs."""

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        """Return the head of an object (or of one version of it), or None if it does not exist."""

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        """Read a source, or its bytes ``start`` to ``end``, pinned to its version id, otherwise to its ETag."""

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> BucketSink:
        """Start an object. Nothing is created before the first part is full or the object is published.

        ``created`` is called with the id of a multipart upload before its first part is sent. ``is_new``: most likely
        the key has no object, so a PUT is tried before the key is looked at.
        """

    def sweep(self, target: Target) -> None:
        """Abort every open upload to exactly this key, which dead attempts have left."""


class ResultFiles(Protocol):
    """Files of jobs in the work bucket."""

    @property
    def bucket(self) -> str: ...

    def read(self, key: str) -> bytes | None:
        """Read a file; None if it does not exist."""

    def write(self, key: str, data: bytes) -> None:
        """Write a file, and replace an existing one."""

    def write_once(self, key: str, data: bytes) -> bytes:
        """Write a file unless it exists, and return the stored content."""


class RejectLog(Protocol):
    """Stores rejected records for correction: JSON Lines, one file per chunk."""

    def folder(self, job_id: str) -> str:
        """Return the URI of the folder with the rejects of a job."""

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        """Write rejects to a file, or replace it; return the URI of the job's folder."""
