"""The requests that make an object: one PUT, or a multipart upload whose parts go up in parallel.

S3 proves every part and the whole: each request carries the CRC32 of what it should hold. Services that know no
full-object checksums get an MD5 with each request instead.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, may_be_unknown_header, translating
from penstock.aws.s3.conditions import Condition, write_under
from penstock.aws.s3.part_body import PartBody
from penstock.aws.s3.part_buffers import PartBuffer
from penstock.codecs.checksum import crc32_combine
from penstock.errors import DestinationMissingError, PublishConflictError
from penstock.model.object import Content, Published, Target
from penstock.model.upload import Proof

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CompleteMultipartUploadOutputTypeDef,
        PutObjectOutputTypeDef,
    )

_FULL_OBJECT: Any = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}


class Part(NamedTuple):
    """An uploaded part; ``crc32`` is None where S3 does not say it."""

    number: int
    etag: str
    crc32: int | None
    size: int


class CreatedUpload(NamedTuple):
    """A multipart upload, and how the service proves what it receives."""

    id: str
    proof: Proof


def put_object(
    client: S3Client,
    target: Target,
    content: Content,
    condition: Condition,
    *,
    body: bytearray | PartBody,
    crc32: int,
    md5: Callable[[], bytes] | None = None,
) -> Published | None:
    """PUT under a condition; None if it does not hold. ``md5`` is for a body that is no bytearray."""
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        request: Any = {"Bucket": target.bucket, "Key": target.key, "Body": body, **_about(content)}
        md5 = md5 or partial(_md5_of, cast("bytearray", body))

        def put(condition: Condition) -> PutObjectOutputTypeDef:
            try:
                return client.put_object(**request, **condition, **part_proof(crc32, Proof.CRC32, md5))
            except ClientError as error:
                if not may_be_unknown_header(error):
                    raise
                if isinstance(body, PartBody):
                    body.seek(0)
                return client.put_object(**request, **condition, **part_proof(crc32, Proof.MD5, md5))

        answer = write_under(client, target, condition, put)
    if not answer:
        return None
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
        answer = client.create_multipart_upload(Bucket=target.bucket, Key=target.key, **_about(content), **_FULL_OBJECT)
    return answer["UploadId"]


def create_any_upload(client: S3Client, target: Target, content: Content) -> CreatedUpload:
    """The same on any service: one that refuses the declaration, or does not confirm it, gets MD5s."""
    request = {"Bucket": target.bucket, "Key": target.key, **_about(content)}
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        try:
            answer = client.create_multipart_upload(**request, **_FULL_OBJECT)
        except ClientError as error:
            if not may_be_unknown_header(error):
                raise
            answer = client.create_multipart_upload(**request)
    proof = Proof.CRC32 if answer.get("ChecksumType") == "FULL_OBJECT" else Proof.MD5
    return CreatedUpload(answer["UploadId"], proof)


def complete_upload(
    client: S3Client,
    target: Target,
    upload_id: str,
    condition: Condition,
    *,
    parts: Sequence[Part],
    size: int,
    crc32: int,
    proof: Proof = Proof.CRC32,
) -> Published | None:
    """Complete under a condition; None if it does not hold, or if the upload is gone."""
    whole: dict[str, Any] = {"ChecksumCRC32": _encoded(crc32), "ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}

    def complete(condition: Condition) -> CompleteMultipartUploadOutputTypeDef:
        return client.complete_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [_completed(part, proof) for part in parts]},
            **(whole if proof is Proof.CRC32 else {}),
            **condition,
        )

    # If-Match needs s3:GetObject too; the HEAD before it has proved that.
    with translating(_right("s3:PutObject", target), missing=DestinationMissingError):
        try:
            answer = write_under(client, target, condition, complete)
        except ClientError as error:
            # An earlier try may have completed the upload although its answer was lost.
            if code_of(error) == "NoSuchUpload":
                return None
            raise
    if not answer:
        return None
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
        *,
        proof: Proof = Proof.CRC32,
    ) -> None:
        self._proof = proof
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
        return complete_upload(
            self._client, self._target, self._id, condition, parts=parts, size=size, crc32=crc32, proof=self._proof
        )

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
                **part_proof(crc32, self._proof, partial(_md5_of, body)),
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


def part_proof(crc32: int, proof: Proof, md5: Callable[[], bytes]) -> Any:
    """Arguments by which the service proves the bytes of a request."""
    return {"ChecksumCRC32": _encoded(crc32)} if proof is Proof.CRC32 else {"ContentMD5": b64encode(md5()).decode()}


def _md5_of(body: bytearray) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _about(content: Content) -> Any:
    return {"ContentType": content.content_type, "Metadata": content.metadata}


def _completed(part: Part, proof: Proof) -> CompletedPartTypeDef:
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.crc32 is not None and proof is Proof.CRC32:
        completed["ChecksumCRC32"] = _encoded(part.crc32)
    return completed


def _right(action: str, target: Target) -> str:
    return f"{action} on {target.uri}"


def _encoded(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()


def _decoded(crc32: str | None) -> int | None:
    return int.from_bytes(b64decode(crc32), "big") if crc32 else None
