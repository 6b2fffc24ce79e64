"""Write one object: a small one by a single PUT, any other by a multipart upload."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from penstock.aws.s3.multipart_upload import MultipartUpload
from penstock.aws.s3.part_buffers import BufferPool, PartBuffer
from penstock.aws.s3.writer import create_any_upload, joined, put_object
from penstock.destinations.bucket.publish import CreateObject, complete_by_rule, put_by_rule
from penstock.destinations.ports import PublishRule, ignore_upload
from penstock.errors import ChecksumMismatchError, PenstockError
from penstock.limits import Budget, PartPlan
from penstock.model.object import Content, ObjectHead, Published, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3BucketSink:
    """Implements ``BucketSink`` for one writing thread.

    Memory: at most ``budget.uploads`` + 1 part buffers, including the one being filled, of at most
    ``budget.buffer_bytes`` in all. An object smaller than its first part takes no more than its bytes.
    """

    def __init__(
        self,
        client: S3Client,
        target: Target,
        content: Content,
        rule: PublishRule,
        *,
        budget: Budget,
        plan: PartPlan,
        created: Callable[[str], None] = ignore_upload,
        create: CreateObject | None = None,
    ) -> None:
        """``create`` writes a small object that is most likely new."""
        self._client = client
        self._created = created
        self._create = create
        self._target = target
        self._content = content
        self._rule = rule
        self._plan = plan
        self._uploads = budget.uploads
        self._pool = BufferPool(budget.buffer_bytes, budget.uploads + 1)
        self._filling: PartBuffer | None = None
        self._upload: MultipartUpload | None = None
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._abort()
        except PenstockError as failed:
            if error is None:
                raise
            error.add_note(f"Aborting the upload failed as well: {failed}")

    @property
    def allocated(self) -> int:
        """Bytes of all part buffers."""
        return self._pool.allocated

    def write(self, chunk: bytes | memoryview) -> None:
        if self._upload:
            self._upload.check()
        rest = memoryview(chunk)
        while rest:
            if self._filling is None:
                self._filling = self._next_buffer()
            rest = rest[self._filling.fill(rest) :]
            if self._filling.full:
                self._send(self._filling)

    def publish(self, *, crc32: int | None) -> Published:
        publish: Callable[[S3Client, Target, PublishRule], Published | ObjectHead]
        if self._upload:
            if self._filling:
                self._send(self._filling)
            parts = self._upload.join()
            size, whole = joined(parts)
            complete = partial(self._upload.complete, parts=parts, size=size, crc32=whole)
            publish = partial(complete_by_rule, commit=complete)
        else:
            buffer = self._filling or PartBuffer(0)
            body, whole = buffer.body(), buffer.crc32
            put = partial(put_object, self._client, self._target, self._content, body=body, crc32=whole)
            create = partial(self._create_new, body, whole)
            publish = partial(put_by_rule, commit=put, create=create)
        if crc32 not in (None, whole):
            raise ChecksumMismatchError(
                f"the sender declared CRC32 {crc32:08x}, the bytes for {self._target.uri} have {whole:08x}", offset=0
            )
        outcome = publish(self._client, self._target, self._rule)
        if isinstance(outcome, Published):
            self._upload = None
            return outcome
        self._abort()
        return Published(outcome.size, whole, part_count(outcome.etag), outcome.etag, outcome.version_id)

    def _create_new(self, body: bytearray, crc32: int) -> Published | None:
        return self._create(self._target, self._content, body=body, crc32=crc32) if self._create else None

    def _next_buffer(self) -> PartBuffer:
        buffer = self._pool.take(self._plan.size(self._sent + 1))
        if self._upload:
            self._upload.check()
        return buffer

    def _send(self, buffer: PartBuffer) -> None:
        if self._upload is None:
            created = create_any_upload(self._client, self._target, self._content)
            self._upload = MultipartUpload(
                self._client,
                self._target,
                created.id,
                threads=self._uploads,
                give_back=self._pool.give,
                proof=created.proof,
            )
            # From here on, the end of the context aborts the upload.
            self._created(created.id)
        self._sent += 1
        self._filling = None
        self._upload.send(self._sent, buffer)

    def _abort(self) -> None:
        if self._upload:
            self._upload.abort()
            self._upload = None


def part_count(etag: str) -> int:
    """The number of parts of a multipart upload, from the end of its ETag; 0 for a single PUT."""
    _, _, count = etag.partition("-")
    return int(count) if count.isdecimal() else 0
