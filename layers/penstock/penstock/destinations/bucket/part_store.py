"""Multipart uploads that several workers fill: one opens the upload, each writes its parts, one completes it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from penstock.aws.errors import translating
from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.copier import CopySource, copy_part
from penstock.aws.s3.multipart_upload import MultipartUpload
from penstock.aws.s3.part_buffers import BufferPool, PartBuffer
from penstock.aws.s3.writer import (
    Part,
    abort_upload,
    complete_upload,
    create_upload,
    joined,
    list_parts,
)
from penstock.destinations.bucket.publish import complete_by_rule
from penstock.destinations.bucket.sink import part_count
from penstock.destinations.ports import PublishRule
from penstock.errors import (
    ChecksumMismatchError,
    IncompleteJobError,
    PublishConflictError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.limits import Budget
from penstock.model.object import Content, Published, Source, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3PartStore:
    """Implements ``PartStore``. Memory: that of the sinks it opens, and 200 bytes for each part at completion."""

    def __init__(self, client: S3Client, budget: Budget) -> None:
        self._client = client
        self._budget = budget

    def create(self, target: Target, content: Content) -> str:
        return create_upload(self._client, target, content)

    def open_parts(self, target: Target, upload_id: str, *, first: int, size: int) -> S3PartSink:
        return S3PartSink(self._client, target, upload_id, first=first, size=size, budget=self._budget)

    def copy_parts(
        self, source: Source, target: Target, upload_id: str, *, start: int, size: int, first: int, part_size: int
    ) -> tuple[int, int, int] | None:
        source = source.stored
        location = Target(source.bucket, source.key)
        copied = CopySource(location, source.etag, lambda: self._check(source), source.version_id)

        def copy(number: int) -> Part:
            at = start + (number - first) * part_size
            length = min(part_size, start + size - at)
            return copy_part(self._client, copied, target, upload_id, number=number, start=at, size=length)

        parts = [copy(first)]
        if parts[0].crc32 is None:
            return None
        with ThreadPoolExecutor(self._budget.uploads, thread_name_prefix="s3-copy") as threads:
            parts += threads.map(copy, range(first + 1, first - (-size // part_size)))
        return len(parts), *joined(parts)

    def complete(
        self, target: Target, upload_id: str, *, parts: int, size: int, crc32: int, rule: PublishRule
    ) -> Published:
        """Complete the upload by the rule of the job.

        The parts are listed right before the completion, not earlier: if an earlier completion succeeded and its answer
        was lost, the upload no longer exists, and the rule finds the object. If the rule finds the object of another
        attempt, this upload is aborted.
        """

        def commit(condition: Condition) -> Published | None:
            there = list_parts(self._client, target, upload_id)
            if there is None:
                raise PublishConflictError(f"{target.uri}: the upload no longer exists")
            _check(there, target, parts=parts, size=size, crc32=crc32)
            return complete_upload(self._client, target, upload_id, condition, parts=there, size=size, crc32=crc32)

        outcome = complete_by_rule(self._client, target, rule, commit)
        if isinstance(outcome, Published):
            return outcome
        self.abort(target, upload_id)
        return Published(outcome.size, crc32, part_count(outcome.etag), outcome.etag, outcome.version_id)

    def _check(self, source: Source) -> None:
        """Raises SourceChangedError or SourceGoneError unless the source is still the pinned version."""
        pinned: Any = {"VersionId": source.version_id} if source.version_id else {"IfMatch": f'"{source.etag}"'}
        with translating(f"s3:GetObject on {source.uri}", missing=SourceGoneError, changed=SourceChangedError):
            self._client.head_object(Bucket=source.bucket, Key=source.key, **pinned)

    def abort(self, target: Target, upload_id: str) -> None:
        abort_upload(self._client, target, upload_id)


class S3PartSink:
    """Implements ``PartSink`` for one writing thread.

    Memory: part buffers of at most ``budget.buffer_bytes`` in all, or one part if a part is larger.
    """

    def __init__(
        self, client: S3Client, target: Target, upload_id: str, *, first: int, size: int, budget: Budget
    ) -> None:
        self._first = self._number = first
        self._size = size
        self._pool = BufferPool(max(budget.buffer_bytes, size), budget.uploads + 1)
        self._upload = MultipartUpload(client, target, upload_id, threads=budget.uploads, give_back=self._pool.give)
        self._filling: PartBuffer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._upload.stop()

    def write(self, chunk: bytes | memoryview) -> None:
        self._upload.check()
        rest = memoryview(chunk)
        while rest:
            if self._filling is None:
                self._filling = self._pool.take(self._size)
                self._upload.check()
            rest = rest[self._filling.fill(rest) :]
            if self._filling.full:
                self._send(self._filling)

    def finish(self) -> tuple[int, int, int]:
        if self._filling or self._number == self._first:
            # An empty object is one empty part.
            self._send(self._filling or self._pool.take(self._size))
        parts = self._upload.join()
        return len(parts), *joined(parts)

    def _send(self, buffer: PartBuffer) -> None:
        self._filling = None
        self._upload.send(self._number, buffer)
        self._number += 1


def _check(there: Sequence[Part], target: Target, *, parts: int, size: int, crc32: int) -> None:
    """Compare the parts that S3 lists with the receipts: numbers, bytes, and checksums if S3 returns them."""
    numbers = [part.number for part in there]
    if numbers != list(range(1, parts + 1)):
        missing = sorted(set(range(1, parts + 1)) - set(numbers))
        raise IncompleteJobError(
            f"{target.uri}: {parts:,} parts were uploaded, S3 has {len(there):,}"
            + (f"; part {missing[0]:,} is missing" if missing else "")
        )
    total, whole = joined(list(there))
    if total != size:
        raise IncompleteJobError(f"{target.uri}: the spans delivered {size:,} bytes, S3 has {total:,}")
    if all(part.crc32 is not None for part in there) and whole != crc32:
        raise ChecksumMismatchError(f"{target.uri}: the parts have CRC32 {whole:08x}, not {crc32:08x}", offset=0)
