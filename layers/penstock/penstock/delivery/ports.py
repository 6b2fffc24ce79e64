"""What a delivery needs: objects to read and write, and a place for rejected records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.destinations.ports import BucketSink, PublishRule, ignore_upload
from penstock.model.object import Content, ObjectHead, Source, Target
from penstock.model.record import Reject
from penstock.model.source import ByteSource


class ObjectReader(Protocol):
    """Reads small objects whole. Used by several threads at once."""

    def read(self, source: Source) -> bytes:
        """The bytes of a source, ``source.size`` of them, if it is still what stands under its key.

        Raises SourceGoneError and SourceChangedError when it is not, and ServiceUnavailableError.
        """


class ObjectStore(Protocol):
    """The objects of S3, as far as a job needs them."""

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        """What stands under a key now (or one version of it); None where nothing does."""

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        """Read a source, or its bytes ``start`` to ``end``, pinned to its version id or else its ETag."""

    def open_sink(
        self, target: Target, content: Content, rule: PublishRule, created: Callable[[str], None] = ignore_upload
    ) -> BucketSink:
        """Start an object. Nothing is created before the first part is full or the object is published.

        ``created`` hears the id of a multipart upload before the first of its parts is sent.
        """

    def sweep(self, target: Target) -> None:
        """Abort every open upload to this very key: what dead attempts left behind."""


class RejectLog(Protocol):
    """Where rejected records are kept for whoever mends them: JSON Lines, in files of a chunk each."""

    def folder(self, job_id: str) -> str:
        """The URI of the folder that holds the rejects of a job."""

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        """Keep rejects under a name, which may be written again; answers the URI of the folder of the job."""
