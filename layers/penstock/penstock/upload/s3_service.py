"""Resumable uploads to S3 and compatible services, through the write engine, with the errors of the command."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.cli_errors import cli_errors
from penstock.aws.errors import status_of
from penstock.aws.s3.body_port import Body, Moved
from penstock.aws.s3.open_uploads import open_upload_pages
from penstock.aws.s3.writer import (
    Part,
    abort_upload,
    complete_upload,
    create_any_upload,
    decoded_crc32,
    list_parts,
    put_object,
    upload_part,
)
from penstock.model.object import Content, Published, Target
from penstock.model.upload import ExistingObject, ExistingPart, OpenUpload, SentPart, Unfinished

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3UploadService:
    """Implements ``UploadService``."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def begin(self, target: Target, content: Content) -> OpenUpload:
        created = create_any_upload(self._client, target, content, cli_errors)
        return OpenUpload(target, created.id, created.proof)

    def parts(self, upload: OpenUpload) -> Mapping[int, ExistingPart] | None:
        found = list_parts(self._client, upload.target, upload.id, cli_errors)
        if found is None:
            return None
        return {part.number: ExistingPart(part.size, part.etag.strip('"'), part.crc32) for part in found}

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        sent = upload_part(
            self._client,
            upload.target,
            upload.id,
            number=number,
            body=body,
            crc32=crc32,
            proof=upload.proof,
            moved=moved,
            errors=cli_errors,
        )
        return sent.etag.strip('"')

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        return complete_upload(
            self._client,
            upload.target,
            upload.id,
            {},
            parts=[Part(part.number, part.etag, part.crc32, part.size) for part in parts],
            size=sum(part.size for part in parts),
            crc32=crc32,
            proof=upload.proof,
            errors=cli_errors,
        )

    def abort(self, upload: OpenUpload) -> bool:
        return abort_upload(self._client, upload.target, upload.id, cli_errors)

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        published = put_object(
            self._client, target, content, {}, body=body, crc32=crc32, moved=moved, errors=cli_errors
        )
        assert published  # noqa: S101  # for mypy: None is for conditional writes only
        return published

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
            crc32=None if composite else decoded_crc32(head.get("ChecksumCRC32")),
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


def _now(headers: Mapping[str, str]) -> float:
    """Return the service's time. The clock of this machine may be wrong."""
    return parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else time.time()
