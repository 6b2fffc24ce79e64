"""The requests that make an object: one PUT, or a multipart upload whose parts go up in parallel.

S3 proves every part and the whole: each request carries the CRC32 of what it should hold.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from penstock.adapters.aws_errors import code_of, translating
from penstock.adapters.part_buffers import PartBuffer
from penstock.adapters.s3_publish import Condition
from penstock.checksum import crc32_combine
from penstock.errors import DestinationMissingError, PublishConflictError
from penstock.objects import Content, Published, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# A condition does not hold: after these, look at the destination again. NoSuchKey: If-Match met nothing.
# ConditionalRequestConflict: another write was under way or, on completion, came after the upload was created.
_REFUSED = frozenset({"PreconditionFailed", "NoSuchKey", "ConditionalRequestConflict"})
# An earlier try may have completed the upload although its answer was lost.
_REFUSED_OR_GONE = _REFUSED | {"NoSuchUpload"}


class Part(NamedTuple):
    """An uploaded part; ``crc32`` is None where S3 does not say it."""

    number: int
    etag: str
    crc32: int | None
    size: int


def put_object(
    client: S3Client, target: Target, content: Content, condition: Condition, *, body: bytearray, crc32: int
) -> Published | None:
    """PUT under a condition; None if it does not hold."""
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        try:
            answer = client.put_object(
                Bucket=target.bucket,
                Key=target.key,
                Body=body,  # type: ignore[arg-type]  # botocore takes a bytearray, its stubs do not say so
                ContentType=content.content_type,
                Metadata=content.metadata,
                ChecksumCRC32=_encoded(crc32),
                **condition,
            )
        except ClientError as error:
            if code_of(error) in _REFUSED:
                return None
            raise
    return Published(len(body), crc32, 0, answer["ETag"].strip('"'), answer.get("VersionId", ""))


def abort_upload(client: S3Client, target: Target, upload_id: str) -> None:
    """Abort an upload, or find it gone."""
    with translating(_right("s3:AbortMultipartUpload", target)):
        try:
            client.abort_multipart_upload(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise


def create_upload(client: S3Client, target: Target, content: Content) -> str:
    """Open an upload that declares a full-object CRC32; its id."""
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        answer = client.create_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            ContentType=content.content_type,
            Metadata=content.metadata,
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
        )
    return answer["UploadId"]


def complete_upload(
    client: S3Client,
    target: Target,
    upload_id: str,
    condition: Condition,
    *,
    parts: Sequence[Part],
    size: int,
    crc32: int,
) -> Published | None:
    """Complete under a condition; None if it does not hold, or if the upload is gone."""
    # If-Match needs s3:GetObject too; the HEAD before it has proved that.
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        try:
            answer = client.complete_multipart_upload(
                Bucket=target.bucket,
                Key=target.key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [_completed(part) for part in parts]},
                ChecksumCRC32=_encoded(crc32),
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=size,
                **condition,
            )
        except ClientError as error:
            if code_of(error) in _REFUSED_OR_GONE:
                return None
            raise
    return Published(size, crc32, len(parts), answer["ETag"].strip('"'), answer.get("VersionId", ""))


def list_parts(client: S3Client, target: Target, upload_id: str) -> list[Part]:
    """The parts that S3 has, in order. Raises PublishConflictError when the upload is gone."""
    pages = client.get_paginator("list_parts").paginate(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
    with translating(_right("s3:ListMultipartUploadParts", target), changed=PublishConflictError):
        return [
            Part(part["PartNumber"], part["ETag"], _decoded(part.get("ChecksumCRC32")), part["Size"])
            for page in pages
            for part in page.get("Parts", ())
        ]


class MultipartUpload:
    """An open multipart upload and the threads that feed it.

    ``give_back`` gets every buffer again, sent or not. The first error of any part is the one that is raised.
    """

    def __init__(
        self,
        client: S3Client,
        target: Target,
        upload_id: str,
        threads: int,
        give_back: Callable[[PartBuffer], None],
    ) -> None:
        self._client = client
        self._target = target
        self._id = upload_id
        self._give_back = give_back
        self._parts: list[Part] = []
        self._errors: list[BaseException] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="s3-part")

    def send(self, number: int, buffer: PartBuffer) -> None:
        """Upload a part in the background."""
        part = self._threads.submit(self._upload, number, buffer.body(), buffer.crc32)
        part.add_done_callback(partial(self._done, buffer))

    def check(self) -> None:
        """Raise the first error of a part."""
        if self._errors:
            raise self._errors[0]

    def join(self) -> list[Part]:
        """All parts in order, once they are there. Raises the first error of one."""
        self._threads.shutdown()
        self.check()
        return sorted(self._parts)

    def complete(self, condition: Condition, *, parts: list[Part], size: int, crc32: int) -> Published | None:
        """Complete under a condition; None if it does not hold, or if the upload is gone."""
        return complete_upload(self._client, self._target, self._id, condition, parts=parts, size=size, crc32=crc32)

    def stop(self) -> None:
        """Drop what waits, and wait for the parts under way."""
        self._threads.shutdown(cancel_futures=True)

    def abort(self) -> None:
        """Abort, after the parts under way have ended: one that ends later would stay, and be paid for."""
        self.stop()
        abort_upload(self._client, self._target, self._id)

    def _upload(self, number: int, body: bytearray, crc32: int) -> Part:
        with translating(_right("s3:PutObject", self._target), missing=DestinationMissingError):
            # A bytearray goes to the socket in one piece; anything with a read() would go in 16 KiB steps and wait
            # for "100 Continue" first, and bytes would be copied once more.
            answer = self._client.upload_part(
                Bucket=self._target.bucket,
                Key=self._target.key,
                UploadId=self._id,
                PartNumber=number,
                Body=body,  # type: ignore[arg-type]  # as above
                ChecksumCRC32=_encoded(crc32),
            )
        return Part(number, answer["ETag"], crc32, len(body))

    def _done(self, buffer: PartBuffer, part: Future[Part]) -> None:
        if not part.cancelled():
            error = part.exception()
            if error:
                self._errors.append(error)
            else:
                self._parts.append(part.result())
        self._give_back(buffer)


def joined(parts: list[Part]) -> tuple[int, int]:
    """Size and CRC32 of the bytes of all parts in a row."""
    size = crc32 = 0
    for part in parts:
        crc32 = crc32_combine(crc32, part.crc32 or 0, part.size)
        size += part.size
    return size, crc32


def _completed(part: Part) -> CompletedPartTypeDef:
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.crc32 is not None:
        completed["ChecksumCRC32"] = _encoded(part.crc32)
    return completed


def _right(action: str, target: Target) -> str:
    return f"{action} on {target.uri}"


def _encoded(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()


def _decoded(crc32: str | None) -> int | None:
    return int.from_bytes(b64decode(crc32), "big") if crc32 else None
