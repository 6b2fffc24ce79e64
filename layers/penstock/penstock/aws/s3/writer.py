"""The S3 write engine: every request that creates an object, for the functions, `penstock upload` and `penstock sync`.

An object is written by one PUT, or by a multipart upload. S3 verifies each part and the complete object: every request
carries the CRC32 of its bytes. Services without full-object checksums receive an MD5 with each request instead. On a
retry, a body that can be read again is resent from its start, and its progress is reset.

Callers choose the policy: conditions, part sizes, threads, and how errors are reported (``errors``).
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, may_be_unknown_header, translating
from penstock.aws.s3.body import md5_of
from penstock.aws.s3.body_port import Body, Moved
from penstock.aws.s3.conditions import Condition, write_under
from penstock.aws.s3.part_body import progress_body
from penstock.codecs.checksum import crc32_combine
from penstock.errors import DestinationMissingError
from penstock.model.object import Content, Published, Target
from penstock.model.upload import Proof

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CompleteMultipartUploadOutputTypeDef,
        PutObjectOutputTypeDef,
    )

Errors: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Translates botocore's errors. Called with the action and the resource, as `translating` is."""

# A bytearray is sent in one piece. An object with a read() is sent in pieces, so that progress can be reported.
RequestBody: TypeAlias = bytearray | Body

_FULL_OBJECT: Any = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}


class Part(NamedTuple):
    """An uploaded part. ``crc32`` is None if the service does not return it."""

    number: int
    etag: str
    crc32: int | None
    size: int


class CreatedUpload(NamedTuple):
    """A multipart upload, and how the service verifies what it receives."""

    id: str
    proof: Proof


def destination_errors(right: str) -> AbstractContextManager[None]:
    """Translate errors for a function: a missing resource is a missing destination."""
    return translating(right, missing=DestinationMissingError)


def ignore_progress(size: int) -> None:
    """Do nothing: for callers that report complete parts only."""


def put_object(
    client: S3Client,
    target: Target,
    content: Content,
    condition: Condition,
    *,
    body: RequestBody,
    crc32: int,
    moved: Moved = ignore_progress,
    errors: Errors = destination_errors,
) -> Published | None:
    """Send a PUT under a condition. Returns None if the condition does not hold."""
    request: Any = {"Bucket": target.bucket, "Key": target.key, **_attributes(content)}

    def send(condition: Condition, proof: Proof) -> PutObjectOutputTypeDef:
        with _sent(body, moved) as sent:
            return client.put_object(**request, **condition, **_proof(body, crc32, proof), Body=sent)

    def put(condition: Condition) -> PutObjectOutputTypeDef:
        try:
            return send(condition, Proof.CRC32)
        except ClientError as error:
            if not may_be_unknown_header(error):
                raise
            return send(condition, Proof.MD5)

    with errors(_right("s3:PutObject", target)):
        answer = write_under(client, target, condition, put)
    if not answer:
        return None
    return Published(len(body), crc32, 0, answer["ETag"].strip('"'), answer.get("VersionId", ""))


def create_upload(client: S3Client, target: Target, content: Content) -> str:
    """Create an upload that declares a full-object CRC32, and return its id."""
    with destination_errors(_right("s3:PutObject", target)):
        answer = client.create_multipart_upload(
            Bucket=target.bucket, Key=target.key, **_attributes(content), **_FULL_OBJECT
        )
    return answer["UploadId"]


def create_any_upload(
    client: S3Client, target: Target, content: Content, errors: Errors = destination_errors
) -> CreatedUpload:
    """Create an upload on any service. A service that refuses or does not confirm the checksum receives MD5s."""
    request = {"Bucket": target.bucket, "Key": target.key, **_attributes(content)}
    with errors(_right("s3:PutObject", target)):
        try:
            answer = client.create_multipart_upload(**request, **_FULL_OBJECT)
        except ClientError as error:
            if not may_be_unknown_header(error):
                raise
            answer = client.create_multipart_upload(**request)
    # A service that does not confirm the checksum does not verify it either.
    proof = Proof.CRC32 if answer.get("ChecksumType") == "FULL_OBJECT" else Proof.MD5
    return CreatedUpload(answer["UploadId"], proof)


def create_upload_of_checked_parts(client: S3Client, target: Target, content: Content) -> CreatedUpload:
    """Create an upload that declares a CRC32 for each part, and none of the object.

    S3 Tables lists no header for the type of a checksum and none for the size of the object.
    https://docs.aws.amazon.com/AmazonS3/latest/API/developing-s3-tables-APIs.html
    """
    with destination_errors(_right("s3:PutObject", target)):
        answer = client.create_multipart_upload(
            Bucket=target.bucket, Key=target.key, **_attributes(content), ChecksumAlgorithm="CRC32"
        )
    return CreatedUpload(answer["UploadId"], Proof.PARTS)


def upload_part(
    client: S3Client,
    target: Target,
    upload_id: str,
    *,
    number: int,
    body: RequestBody,
    crc32: int,
    proof: Proof,
    moved: Moved = ignore_progress,
    errors: Errors = destination_errors,
) -> Part:
    """Send one part. The service verifies it."""
    verified = _proof(body, crc32, proof)
    with errors(_right("s3:PutObject", target)), _sent(body, moved) as sent:
        answer = client.upload_part(
            Bucket=target.bucket, Key=target.key, UploadId=upload_id, PartNumber=number, Body=sent, **verified
        )
    return Part(number, answer["ETag"], crc32, len(body))


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
    errors: Errors = destination_errors,
) -> Published | None:
    """Complete under a condition. Returns None if it does not hold, or if the upload no longer exists.

    botocore retries a response with status 200 whose body is an error, as it retries status 500.
    """
    full_object: dict[str, Any] = {
        "ChecksumCRC32": _encoded(crc32),
        "ChecksumType": "FULL_OBJECT",
        "MpuObjectSize": size,
    }

    def complete(condition: Condition) -> CompleteMultipartUploadOutputTypeDef:
        return client.complete_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [_completed(part, proof) for part in parts]},
            **(full_object if proof is Proof.CRC32 else {}),
            **condition,
        )

    # If-Match also needs s3:GetObject; the earlier HEAD has shown that it is allowed.
    with errors(_right("s3:PutObject", target)):
        try:
            answer = write_under(client, target, condition, complete)
        except ClientError as error:
            # An earlier request may have completed the upload although its response was lost.
            if code_of(error) == "NoSuchUpload":
                return None
            raise
    if not answer:
        return None
    return Published(size, crc32, len(parts), answer["ETag"].strip('"'), answer.get("VersionId", ""))


def abort_upload(client: S3Client, target: Target, upload_id: str, errors: Errors = translating) -> bool:
    """Abort an upload. Returns False if S3 answers that it does not exist: NoSuchUpload, which is no error."""
    with errors(_right("s3:AbortMultipartUpload", target)):
        try:
            client.abort_multipart_upload(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":
                raise
            return False
    return True


def list_parts(client: S3Client, target: Target, upload_id: str, errors: Errors = translating) -> list[Part] | None:
    """Return the parts that S3 has, in order; None if the upload no longer exists."""
    pages = client.get_paginator("list_parts").paginate(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
    with errors(_right("s3:ListMultipartUploadParts", target)):
        try:
            return [
                Part(part["PartNumber"], part["ETag"], decoded_crc32(part.get("ChecksumCRC32")), part["Size"])
                for page in pages
                for part in page.get("Parts", ())
            ]
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return None
            raise


def joined(parts: Sequence[Part]) -> tuple[int, int]:
    """Return size and CRC32 of all parts together."""
    size = crc32 = 0
    for part in parts:
        crc32 = crc32_combine(crc32, part.crc32 or 0, part.size)
        size += part.size
    return size, crc32


def decoded_crc32(crc32: str | None) -> int | None:
    """Decode a CRC32 of S3. Returns None for a composite one (``...-3``), which is computed from those of the parts."""
    return int.from_bytes(b64decode(crc32), "big") if crc32 and "-" not in crc32 else None


def _sent(body: RequestBody, moved: Moved) -> AbstractContextManager[Any]:
    return nullcontext(body) if isinstance(body, bytearray) else progress_body(body, moved)


def _proof(body: RequestBody, crc32: int, proof: Proof) -> Any:
    """Return the arguments by which the service verifies the bytes of a request."""
    if proof is not Proof.MD5:
        return {"ChecksumCRC32": _encoded(crc32)}
    digest = hashlib.md5(body, usedforsecurity=False).digest() if isinstance(body, bytearray) else md5_of(body)
    return {"ContentMD5": b64encode(digest).decode()}


def _attributes(content: Content) -> Any:
    return {"ContentType": content.content_type, "Metadata": content.metadata}


def _completed(part: Part, proof: Proof) -> CompletedPartTypeDef:
    completed: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.crc32 is not None and proof is not Proof.MD5:
        completed["ChecksumCRC32"] = _encoded(part.crc32)
    return completed


def _right(action: str, target: Target) -> str:
    return f"{action} on {target.uri}"


def _encoded(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()
