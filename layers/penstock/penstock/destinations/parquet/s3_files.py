"""Parquet files in buckets: multipart uploads that are completed when their span is done.

Every request is one of the S3 write engine, with its checksums: S3 verifies each part and, on completion, the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from penstock.aws.errors import translating
from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.head import read_head
from penstock.aws.s3.open_uploads import open_upload_pages
from penstock.aws.s3.writer import (
    CreatedUpload,
    Part,
    abort_upload,
    complete_upload,
    create_any_upload,
    create_upload_of_checked_parts,
    joined,
    upload_part,
)
from penstock.codecs.checksum import crc32 as crc32_of
from penstock.destinations.bucket.publish import complete_by_rule
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.destinations.parquet.file_store import is_of_job
from penstock.destinations.parquet.span_files import FilePart, SpanFile
from penstock.destinations.ports import Verdict
from penstock.errors import IncompleteJobError, InvalidTableError, PublishConflictError
from penstock.limits import MIB, S3, Budget
from penstock.model.data_file import DataFile
from penstock.model.object import Content, Published, Target
from penstock.model.s3_uri import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

# Which attempt has written a file: it tells the file of this upload from one of the same name.
ATTEMPT = "penstock-attempt"
CONTENT_TYPE = "application/vnd.apache.parquet"

# Parts grow with the file, so that the largest file that `file_size` allows has fewer than 10,000.
_LARGER_AFTER = 100
# Of 1,000 keys each, to find files that a job has left.
_MOST_PAGES = 200


def part_size(budget: Budget) -> int:
    """Return the size of a part: as large as a quarter of the buffers allows with one part for each thread."""
    return max(S3.min_part, min(16 * MIB, budget.buffer_bytes // 2 // (budget.uploads + 1)))


class S3Files:
    """Implements ``FileStore``.

    ``is_tagged``: metadata tell which attempt has written a file. Otherwise its name does, as in S3 Tables, which takes
    no metadata, verifies parts alone and lists no uploads:
    https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html

    Memory: at most ``budget.uploads`` parts on their way, and what each open file holds (`StoredFile.held`): less than
    a part.
    """

    def __init__(self, client: S3Client, budget: Budget, *, is_tagged: bool = True, lists: bool = True) -> None:
        self._client = client
        self._is_tagged = is_tagged
        self._lists = lists
        self._part = part_size(budget)
        self._threads = ThreadPoolExecutor(budget.uploads, thread_name_prefix="parquet-part")
        self._slots = BoundedSemaphore(budget.uploads)

    def open(self, uri: str, job_id: str, token: str) -> S3File:
        target = _target(uri)
        if (size := len(target.key.encode())) > S3.max_key:
            raise InvalidTableError(
                f"{uri}: the key of a file would have {size:,} bytes; S3 allows {S3.max_key:,}",
                hint="Partition by columns with shorter values, or choose a shorter prefix.",
            )
        content = Content(CONTENT_TYPE, {MADE_BY: job_id, ATTEMPT: token} if self._is_tagged else {})
        create = create_any_upload if self._is_tagged else create_upload_of_checked_parts
        return S3File(self._client, lambda: create(self._client, target, content), target, self._part, self._send)

    def _send(self, send: Callable[[], Part]) -> Future[Part]:
        """Send a part in the background, once fewer than ``budget.uploads`` are on their way."""
        self._slots.acquire()
        try:
            part = self._threads.submit(send)
        except BaseException:
            self._slots.release()
            raise
        part.add_done_callback(lambda _: self._slots.release())
        return part

    def publish(self, file: SpanFile, job_id: str, token: str) -> None:
        target = _target(file.data.uri)
        parts = [Part(number, one.etag, one.crc32, one.size) for number, one in enumerate(file.parts, start=1)]

        def rule(existing: Mapping[str, str]) -> Verdict:
            is_this = existing.get(ATTEMPT) == token or not self._is_tagged
            return Verdict.DUPLICATE if is_this else Verdict.REPLACE

        def commit(condition: Condition) -> Published | None:
            return complete_upload(
                self._client,
                target,
                file.upload_id,
                condition,
                parts=parts,
                size=file.data.size,
                crc32=file.crc32,
                proof=file.proof,
            )

        # A name of this attempt alone: only a completion whose answer was lost has made it. S3 Tables has no right to
        # list, without which S3 answers 403 for an object that is missing, so nothing is asked first.
        if not self._is_tagged and commit({"IfNoneMatch": "*"}):
            return
        try:
            complete_by_rule(self._client, target, rule, commit)
        except PublishConflictError as error:
            # S3 also answers 409 to requests that meet at the same time. Then the upload is still open: try again.
            is_missing = read_head(self._client, target.bucket, target.key) is None
            if is_missing and not self._is_open(target, file.upload_id):
                raise IncompleteJobError(
                    f"{target.uri}: the upload of this file of job {job_id} has ended without it",
                    hint="A lifecycle rule, or someone, has aborted the upload. Upload the source of the job again.",
                ) from error
            raise

    def _is_open(self, target: Target, upload_id: str) -> bool:
        if not self._lists:
            return False
        with translating(f"s3:ListBucketMultipartUploads on {target.bucket}"):
            pages = open_upload_pages(self._client, target.bucket, target.key)
            return any(upload["UploadId"] == upload_id for page in pages for upload in page.get("Uploads", ()))

    def discard(self, file: SpanFile) -> None:
        abort_upload(self._client, _target(file.data.uri), file.upload_id)

    def sweep(self, place: str, job_id: str, span: int | None, keep: Collection[str]) -> None:
        if not self._lists:
            return
        target = _target(place)
        pages = open_upload_pages(self._client, target.bucket, target.key)
        with translating(f"s3:ListBucketMultipartUploads on {target.bucket}"):
            left = [
                (upload["Key"], upload["UploadId"])
                for page in pages
                for upload in page.get("Uploads", ())
                if is_of_job(upload["Key"], job_id, span) and upload["UploadId"] not in keep
            ]
        for key, upload_id in left:
            abort_upload(self._client, Target(target.bucket, key), upload_id)

    def has_files(self, place: str, job_id: str, span: int | None) -> bool:
        if not self._lists:
            return False
        target = _target(place)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, Prefix=target.key)
        is_complete = True
        with translating(f"s3:ListBucket on {target.bucket}"):
            for page in islice(pages, _MOST_PAGES):
                if any(is_of_job(one["Key"], job_id, span) for one in page.get("Contents", ())):
                    return True
                is_complete = not page.get("IsTruncated")
        if not is_complete:
            raise IncompleteJobError(f"{place} has too many files to tell which of them job {job_id} has written")
        return False

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class S3File:
    """Implements ``StoredFile`` for one writing thread. Memory: less than a part, and the parts on their way."""

    def __init__(
        self,
        client: S3Client,
        create: Callable[[], CreatedUpload],
        target: Target,
        part: int,
        submit: Callable[[Callable[[], Part]], Future[Part]],
    ) -> None:
        self._client = client
        self._create = create
        self._target = target
        self._part = part
        self._submit = submit
        self._filling = bytearray()
        self._sent: list[Future[Part]] = []
        self._upload: CreatedUpload | None = None

    @property
    def uri(self) -> str:
        return self._target.uri

    @property
    def held(self) -> int:
        return len(self._filling)

    def write(self, data: bytes | memoryview, /) -> int:
        self._check()
        self._filling += data
        while len(self._filling) >= (size := self._size()):
            rest = bytearray(memoryview(self._filling)[size:])
            del self._filling[size:]
            self._send()
            self._filling = rest
        return len(data)

    def finish(self, data: DataFile) -> SpanFile:
        if self._filling or not self._upload:
            self._send()
        parts = [one.result() for one in self._sent]
        _, whole = joined(parts)
        stored = tuple(FilePart(one.etag, one.size, one.crc32 or 0) for one in parts)
        assert self._upload  # noqa: S101  # for mypy: a part was sent
        return SpanFile(data, self._upload.id, stored, whole, self._upload.proof)

    def discard(self) -> None:
        for one in self._sent:
            one.cancel()
        for one in self._sent:
            if not one.cancelled():
                one.exception()  # a part that arrives after the abort would stay
        if self._upload:
            abort_upload(self._client, self._target, self._upload.id)
            self._upload = None

    def _size(self) -> int:
        return min(self._part << min(len(self._sent) // _LARGER_AFTER, 6), S3.max_part)

    def _send(self) -> None:
        if not self._upload:
            self._upload = self._create()
        body, self._filling = self._filling, bytearray()
        number, (upload_id, proof) = len(self._sent) + 1, self._upload

        def send() -> Part:
            return upload_part(
                self._client, self._target, upload_id, number=number, body=body, crc32=crc32_of(body), proof=proof
            )

        self._sent.append(self._submit(send))

    def _check(self) -> None:
        for one in self._sent:
            if one.done() and (error := one.exception()):
                raise error


def _target(uri: str) -> Target:
    return Target(*split(uri))
