"""Uploads from a person's machine to S3, or to a service that speaks like it."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from penstock.aws.cli_errors import cli_errors
from penstock.aws.errors import code_of, may_be_unknown_header, status_of
from penstock.aws.s3.body import md5_of
from penstock.aws.s3.body_port import Body, Moved
from penstock.aws.s3.open_uploads import open_upload_pages
from penstock.aws.s3.part_body import progress_body
from penstock.model.object import Content, Published, Target
from penstock.model.upload import ExistingObject, ExistingPart, OpenUpload, Proof, SentPart, Unfinished

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3UploadService:
    """Implements ``UploadService``."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def begin(self, target: Target, content: Content) -> OpenUpload:
        about = _about(target, content)
        with cli_errors(f"s3:PutObject on {target.uri}"):
            try:
                answer = self._client.create_multipart_upload(
                    **about, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
                )
            except ClientError as error:
                if not may_be_unknown_header(error):
                    raise
                answer = self._client.create_multipart_upload(**about)
        # Who does not say that it understood will not check either.
        proof = Proof.CRC32 if answer.get("ChecksumType") == "FULL_OBJECT" else Proof.MD5
        return OpenUpload(target, answer["UploadId"], proof)

    def parts(self, upload: OpenUpload) -> Mapping[int, ExistingPart] | None:
        pages = self._client.get_paginator("list_parts").paginate(**_named(upload))
        with cli_errors(f"s3:ListMultipartUploadParts on {upload.target.uri}"):
            try:
                return {
                    part["PartNumber"]: ExistingPart(
                        part["Size"], part["ETag"].strip('"'), _decoded(part.get("ChecksumCRC32"))
                    )
                    for page in pages
                    for part in page.get("Parts", ())
                }
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    return None
                raise

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        proof = _crc32(crc32) if upload.proof is Proof.CRC32 else _md5(body)
        with cli_errors(f"s3:PutObject on {upload.target.uri}"), progress_body(body, moved) as part:
            answer = self._client.upload_part(
                **_named(upload),
                PartNumber=number,
                Body=cast("Any", part),
                **proof,
            )
        return answer["ETag"].strip('"')

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        whole: dict[str, Any] = {}
        if upload.proof is Proof.CRC32:
            size = sum(part.size for part in parts)
            whole = {**_crc32(crc32), "ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}
        listed: list[Any] = [
            {
                "PartNumber": part.number,
                "ETag": part.etag,
                **(_crc32(part.crc32) if upload.proof is Proof.CRC32 else {}),
            }
            for part in parts
        ]
        with cli_errors(f"s3:PutObject on {upload.target.uri}"):
            try:
                answer = self._client.complete_multipart_upload(
                    **_named(upload), MultipartUpload={"Parts": listed}, **whole
                )
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    return None
                raise
        size = sum(part.size for part in parts)
        return Published(size, crc32, len(parts), answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def abort(self, upload: OpenUpload) -> None:
        with cli_errors(f"s3:AbortMultipartUpload on {upload.target.uri}"):
            try:
                self._client.abort_multipart_upload(**_named(upload))
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        about = _about(target, content)
        with cli_errors(f"s3:PutObject on {target.uri}"):
            try:
                with progress_body(body, moved) as whole:
                    answer = self._client.put_object(**about, **_crc32(crc32), Body=cast("Any", whole))
            except ClientError as error:
                if not may_be_unknown_header(error):
                    raise
                with progress_body(body, moved) as whole:
                    answer = self._client.put_object(**about, **_md5(body), Body=cast("Any", whole))
        return Published(len(body), crc32, 0, answer["ETag"].strip('"'), answer.get("VersionId", ""))

    def existing(self, target: Target) -> ExistingObject | None:
        with cli_errors(f"s3:GetObject on {target.uri} and s3:ListBucket on {target.bucket}"):
            try:
                head = self._client.head_object(Bucket=target.bucket, Key=target.key, ChecksumMode="ENABLED")
            except ClientError as error:
                if status_of(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise
        composite = head.get("ChecksumType") == "COMPOSITE"
        return ExistingObject(
            size=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            version_id=head.get("VersionId", ""),
            crc32=None if composite else _decoded(head.get("ChecksumCRC32")),
        )

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Unfinished]:
        found = []
        pages = open_upload_pages(self._client, bucket, prefix)
        with cli_errors(f"s3:ListBucketMultipartUploads on {bucket}"):
            for page in pages:
                now = _now(page["ResponseMetadata"]["HTTPHeaders"])
                for upload in page.get("Uploads", ()):
                    age = max(0.0, now - upload["Initiated"].timestamp())
                    found.append(Unfinished(Target(bucket, upload["Key"]), upload["UploadId"], age))
        return found


def _about(target: Target, content: Content) -> Any:
    return {
        "Bucket": target.bucket,
        "Key": target.key,
        "ContentType": content.content_type,
        "Metadata": content.metadata,
    }


def _named(upload: OpenUpload) -> Any:
    return {"Bucket": upload.target.bucket, "Key": upload.target.key, "UploadId": upload.id}


def _now(headers: Mapping[str, str]) -> float:
    """The service's clock: this machine's may be wrong."""
    return parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else time.time()


def _crc32(crc32: int) -> Any:
    return {"ChecksumCRC32": b64encode(crc32.to_bytes(4, "big")).decode()}


def _md5(body: Body) -> Any:
    return {"ContentMD5": b64encode(md5_of(body)).decode()}


def _decoded(crc32: str | None) -> int | None:
    """A composite checksum, that of the parts' checksums, ends in ``-`` and their number: it says nothing of bytes."""
    return int.from_bytes(b64decode(crc32), "big") if crc32 and "-" not in crc32 else None
