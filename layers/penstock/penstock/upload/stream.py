"""Upload a pipe: its length is not known, and its bytes cannot be read twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from threading import Lock

from penstock.aws.s3.body import HeldBody
from penstock.codecs.checksum import crc32 as crc32_of
from penstock.errors import PenstockError, PublishConflictError
from penstock.limits import PartPlan
from penstock.model.object import Content, Target
from penstock.model.upload import OpenUpload, SentPart
from penstock.upload.content import joined
from penstock.upload.parts import StreamPlan
from penstock.upload.ports import TransferProgress, UploadService
from penstock.upload.uploader import UploadResult, check_key
from penstock.upload.worker_pool import Buffer, WorkerPool

ReadInto = Callable[[memoryview], int]
"""Fills a buffer and returns the number of bytes, which is less than its size only at the end of the stream."""


def upload_stream(
    read_into: ReadInto,
    target: Target,
    content: Content,
    *,
    service: UploadService,
    progress: TransferProgress,
    plan: StreamPlan,
) -> UploadResult:
    """Send a stream, in one request if it is shorter than the first part. Memory: threads x largest part.

    Any interruption aborts the upload, as it cannot be resumed. Raises the errors of `Uploader.upload`.
    """
    check_key(target)
    first = bytearray(plan.parts.size(1))
    with memoryview(first) as view:
        size = read_into(view)
    if size < len(first):
        del first[size:]
        published = service.put(target, content, HeldBody(first), crc32=crc32_of(first), moved=progress.add)
        return UploadResult(target, size, size, 0, 0, published.etag, published.version_id, published.crc32)
    upload = service.begin(target, content)
    try:
        parts = _Stream(read_into, first, plan.parts).send(upload, service, progress, plan.threads)
        crc32 = joined(parts)
        completed = service.complete(upload, parts, crc32=crc32)
    except BaseException as error:
        _abort(service, upload, error)
        raise
    if completed is None:
        raise PublishConflictError(
            f"another process ended the upload to {target.uri}", hint="Run the same command again."
        )
    size = sum(part.size for part in parts)
    return UploadResult(target, size, size, len(parts), 0, completed.etag, completed.version_id, crc32)


def _abort(service: UploadService, upload: OpenUpload, cause: BaseException) -> None:
    try:
        service.abort(upload)
    except PenstockError as error:
        cause.add_note(f"the upload could not be aborted: {error}")


class _Stream:
    """Reads the parts of a stream in order, for one thread at a time. The first part is already read."""

    def __init__(self, read_into: ReadInto, first: bytearray, plan: PartPlan) -> None:
        self._read_into = read_into
        self._first = first
        self._plan = plan
        self._numbers = count(1)
        self._lock = Lock()
        self._ended = False

    def send(
        self, upload: OpenUpload, service: UploadService, progress: TransferProgress, threads: int
    ) -> list[SentPart]:
        parts: list[SentPart] = []

        def work(_turn: int, buffer: Buffer) -> None:
            number, body = self._next(buffer)
            if body:
                crc32 = crc32_of(body)
                etag = service.send(upload, number, HeldBody(body), crc32=crc32, moved=progress.add)
                parts.append(SentPart(number, len(body), etag, crc32))

        WorkerPool(threads).run(work, self._turns())
        return sorted(parts, key=lambda part: part.number)

    def _turns(self) -> Iterator[int]:
        for turn in count():
            if self._ended:
                return
            yield turn

    def _next(self, buffer: Buffer) -> tuple[int, bytearray]:
        with self._lock:
            number = next(self._numbers)
            if number == 1:
                body, self._first = self._first, bytearray()
                return number, body
            if self._ended:
                return number, bytearray()
            body = buffer.of(self._plan.size(number))
            with memoryview(body) as view:
                size = self._read_into(view)
            if size < len(body):
                self._ended = True
                del body[size:]
            return number, body
