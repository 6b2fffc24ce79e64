"""S3 in memory, with the rules of the real one: versions, conditional writes, part sizes, nothing visible by halves."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Container, Generator, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from types import TracebackType
from typing import Self

from penstock.destinations.ports import PublishRule, Verdict, ignore_upload
from penstock.errors import (
    ChecksumMismatchError,
    DestinationMissingError,
    PublishConflictError,
    RequestRefusedError,
    SourceChangedError,
    SourceGoneError,
    SupersededError,
    UploadConflictError,
)
from penstock.limits import KIB, MIB, PartPlan
from penstock.model.object import Content, ObjectHead, Published, Source, Target

PIECE = 64 * KIB
SMALL_PARTS = PartPlan(first=5 * MIB, largest=64 * MIB)


class MemoryByteSource:
    """The given bytes, in pieces of at most ``piece``. Implements ``ByteSource``."""

    def __init__(self, data: bytes, piece: int = PIECE) -> None:
        self._data = data
        self._piece = piece

    @property
    def size(self) -> int:
        return len(self._data)

    def chunks(self) -> Generator[bytes, None, None]:
        for start in range(0, len(self._data), self._piece):
            yield self._data[start : start + self._piece]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object; ``crc32`` and ``parts`` as in Published. ``written`` tells what was written before."""

    data: bytes
    head: ObjectHead
    crc32: int
    parts: int = 0
    written: int = 0

    @property
    def published(self) -> Published:
        return Published(self.head.size, self.crc32, self.parts, self.head.etag, self.head.version_id)


@dataclass(slots=True)
class OpenUpload:
    """A multipart upload that was neither completed nor aborted: when it was ``created``, as in StoredObject, and
    whether its key held an object ``before``."""

    target: Target
    created: int
    before: bool
    parts: list[bytes] = field(default_factory=list)


class MemoryObjectStore:
    """Implements ``ObjectStore`` for the buckets named, all with versions but those in ``unversioned``. Thread-safe.

    ``uploads``: the open multipart uploads by id; a test of clearing up asserts that there are none. ``plan``: how
    large parts are; with an ``S3Limits(min_part=...)`` of its own, tests of many parts stay small.
    """

    def __init__(
        self,
        *buckets: str,
        unversioned: Container[str] = (),
        plan: PartPlan = SMALL_PARTS,
        piece: int = PIECE,
    ) -> None:
        self.plan = plan
        self.uploads: dict[str, OpenUpload] = {}
        self._buckets = frozenset(buckets)
        self._unversioned = unversioned
        self._piece = piece
        # None is a delete marker; the last entry is the current one.
        self._versions: dict[tuple[str, str], list[StoredObject | None]] = {}
        self._numbers = count(1)
        self._lock = RLock()

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content: Content | None = None,
        parts: int = 0,
        crc64nvme: str = "",
    ) -> Source:
        """Store an object whatever stands there. Answers the source that its event names."""
        with self._lock:
            self._check_bucket(bucket)
            number = next(self._numbers)
            content = content or Content()
            head = ObjectHead(
                size=len(data),
                etag=hashlib.md5(data, usedforsecurity=False).hexdigest() + (f"-{parts}" if parts else ""),
                version_id="" if bucket in self._unversioned else f"version-{number}",
                content_type=content.content_type,
                metadata={name.lower(): value for name, value in content.metadata.items()},
                crc32=zlib.crc32(data),
                crc64nvme=crc64nvme,
                modified=f"2026-11-20T08:{number // 60 % 60:02}:{number % 60:02}Z",
            )
            self._append(bucket, key, StoredObject(data, head, zlib.crc32(data), parts, number))
        return Source(bucket, key, len(data), head.etag, head.version_id, sequencer=f"{number:016X}")

    def delete(self, bucket: str, key: str) -> None:
        """Leave a delete marker; older versions can still be read by their ids."""
        with self._lock:
            self._append(bucket, key, None)

    def erase(self, source: Source) -> None:
        """Delete this very version for good."""
        with self._lock:
            versions = self._versions[source.bucket, source.key]
            versions[:] = [v for v in versions if v is None or v.head.version_id != source.version_id]

    def get(self, bucket: str, key: str, *, version_id: str = "") -> StoredObject | None:
        """What stands under a key, or one version of it."""
        with self._lock:
            versions = self._versions.get((bucket, key), [])
            if version_id:
                return next((v for v in versions if v and v.head.version_id == version_id), None)
            return versions[-1] if versions else None

    def keys(self, bucket: str) -> list[str]:
        """Every key of a bucket under which something stands, in order."""
        with self._lock:
            return sorted(key for name, key in self._versions if name == bucket and self.get(name, key))

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        stored = self.get(bucket, key, version_id=version_id)
        return stored.head if stored else None

    def read(self, source: Source) -> bytes:
        """Implements ``ObjectReader``."""
        existing = self.get(source.bucket, source.key)
        if existing is None:
            raise SourceGoneError(f"{source.uri} is gone")
        found = (existing.head.etag, existing.head.version_id, existing.head.size)
        if found != (source.etag, source.version_id, source.size):
            raise SourceChangedError(f"{source.uri} has changed")
        return existing.data

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> MemoryObjectSource:
        return MemoryObjectSource(self, source, self._piece, start, source.size if end is None else end)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> MemoryBucketSink:
        return MemoryBucketSink(self, target, content, rule, created, is_new=is_new)

    def sweep(self, target: Target) -> None:
        with self._lock:
            for upload_id in [i for i, upload in self.uploads.items() if upload.target == target]:
                self.abort_upload(upload_id)

    def create_upload(self, target: Target) -> str:
        """Open a multipart upload; its id."""
        with self._lock:
            self._check_bucket(target.bucket)
            number = next(self._numbers)
            existing = self.get(target.bucket, target.key)
            self.uploads[f"upload-{number}"] = OpenUpload(target, number, before=existing is not None)
            return f"upload-{number}"

    def upload_part(self, upload_id: str, data: bytes) -> None:
        """Append a part. Raises PublishConflictError when the upload is gone."""
        with self._lock:
            if upload_id not in self.uploads:
                raise PublishConflictError(f"{upload_id}: NoSuchUpload")
            self.uploads[upload_id].parts.append(data)

    def abort_upload(self, upload_id: str) -> None:
        """Abort an upload, or find it gone."""
        with self._lock:
            self.uploads.pop(upload_id, None)

    def put_if(self, etag: str, target: Target, content: Content, data: bytes, *, parts: int = 0) -> Published | None:
        """Store an object if its key still holds this ETag, or, for an empty one, still nothing; None if not."""
        with self._lock:
            existing = self.get(target.bucket, target.key)
            if (existing.head.etag if existing else "") != etag:
                return None
            self.put(target.bucket, target.key, data, content=content, parts=parts)
            stored = self.get(target.bucket, target.key)
            return stored.published if stored else None

    def refusal(self, etag: str, upload_id: str) -> str:
        """Why S3 would not complete an upload on the same condition; empty if it would. As AWS has it: ADR 13."""
        with self._lock:
            upload = self.uploads.get(upload_id)
            if upload is None:
                return "NoSuchUpload"
            existing = self.get(upload.target.bucket, upload.target.key)
            if etag and existing is None:
                return "NoSuchKey"
            if (existing.head.etag if existing else "") != etag:
                return "PreconditionFailed"
            late = existing.written > upload.created if existing else upload.before
            return "ConditionalRequestConflict" if late else ""

    def complete_if(
        self, etag: str, upload_id: str, content: Content, parts: Sequence[bytes] | None = None
    ) -> Published | None:
        """Make an upload its object, of these parts or those that were appended; None where that is refused."""
        with self._lock:
            if self.refusal(etag, upload_id):
                return None
            upload = self.uploads[upload_id]
            parts = upload.parts if parts is None else parts
            if any(len(part) < self.plan.s3.min_part for part in parts[:-1]):
                raise RequestRefusedError(f"{upload.target.uri}: EntityTooSmall")
            published = self.put_if(etag, upload.target, content, b"".join(parts), parts=len(parts))
            self.abort_upload(upload_id)
            return published

    def publish(
        self, target: Target, rule: PublishRule, commit: Callable[[str], Published | None], *, attempts: int
    ) -> Published:
        """What ``commit`` publishes on condition of an ETag, or what is there if the rule calls that a duplicate.

        Raises SupersededError by the rule, PublishConflictError where a PUT, UploadConflictError where a completion
        is refused, which is tried once.
        """
        for attempt in range(attempts + 1):
            existing = self.get(target.bucket, target.key)
            verdict = rule(existing.head.metadata) if existing else Verdict.REPLACE
            if verdict is Verdict.SUPERSEDED:
                raise SupersededError(f"{target.uri} holds a newer result")
            if existing and verdict is Verdict.DUPLICATE:
                return existing.published
            if attempt < attempts and (published := commit(existing.head.etag if existing else "")):
                return published
        raise (PublishConflictError if attempts > 1 else UploadConflictError)(f"{target.uri} has changed")

    def _append(self, bucket: str, key: str, version: StoredObject | None) -> None:
        versions = self._versions.setdefault((bucket, key), [])
        if bucket in self._unversioned:
            versions.clear()
        versions.append(version)

    def _check_bucket(self, bucket: str) -> None:
        if bucket not in self._buckets:
            raise DestinationMissingError(f"s3://{bucket}: NoSuchBucket")


class MemoryObjectSource:
    """One pinned source of a MemoryObjectStore. Implements ``ByteSource`` and ``RangeReader``; looks at the store
    before every piece."""

    def __init__(self, store: MemoryObjectStore, source: Source, piece: int, start: int, end: int) -> None:
        self._store = store
        self._source = source
        self._piece = piece
        self._range = start, end

    @property
    def size(self) -> int:
        return self._source.size

    def chunks(self) -> Generator[bytes, None, None]:
        yield from self.read(*self._range)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        for at in range(start, end, self._piece):
            yield self._pinned().data[at : min(at + self._piece, end)]

    def _pinned(self) -> StoredObject:
        source = self._source
        stored = self._store.get(source.bucket, source.key, version_id=source.version_id)
        if stored is None:
            raise SourceGoneError(f"{source.uri} is gone")
        if stored.head.etag != source.etag or stored.head.size != source.size:
            raise SourceChangedError(f"{source.uri} has changed")
        return stored


class MemoryBucketSink:
    """One object of a MemoryObjectStore in the making. Implements ``BucketSink``."""

    def __init__(
        self,
        store: MemoryObjectStore,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None],
        *,
        is_new: bool = False,
    ) -> None:
        self._is_new = is_new
        self._created = created
        self._store = store
        self._target = target
        self._content = content
        self._rule = rule
        self._waiting = bytearray()
        self._upload_id = ""
        self._sent = 0
        self._crc32 = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._store.abort_upload(self._upload_id)

    def write(self, chunk: bytes | memoryview) -> None:
        self._crc32 = zlib.crc32(chunk, self._crc32)
        self._waiting += chunk
        while self._waiting and len(self._waiting) >= (size := self._store.plan.size(self._sent + 1)):
            self._send(size)

    def publish(self, *, crc32: int | None) -> Published:
        if self._upload_id and self._waiting:
            self._send(len(self._waiting))
        if crc32 not in (None, self._crc32):
            raise ChecksumMismatchError(f"{self._target.uri}: CRC32 {self._crc32:08x}, not {crc32:08x}", offset=0)
        if self._is_new and not self._upload_id and (published := self._commit("")):
            return published
        return self._store.publish(self._target, self._rule, self._commit, attempts=1 if self._upload_id else 4)

    def _send(self, size: int) -> None:
        if not self._upload_id:
            self._upload_id = self._store.create_upload(self._target)
            self._created(self._upload_id)
        self._store.upload_part(self._upload_id, bytes(self._waiting[:size]))
        del self._waiting[:size]
        self._sent += 1

    def _commit(self, etag: str) -> Published | None:
        if self._upload_id:
            return self._store.complete_if(etag, self._upload_id, self._content)
        return self._store.put_if(etag, self._target, self._content, bytes(self._waiting))
