"""Reads the metadata of an object by HEAD."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.errors import status_of, translating
from penstock.model.object import ObjectHead

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef, HeadObjectRequestTypeDef


def read_head(
    client: S3Client, bucket: str, key: str, *, version_id: str = "", checksum: bool = False
) -> ObjectHead | None:
    """Return the head of an object, or of one of its versions; None if it does not exist.

    The result has checksums only with ``checksum``. A CRC64NVME is always that of the full object
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). Raises the errors of
    ``translating``.
    """
    request: HeadObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
    action = "s3:GetObject"
    if version_id:
        request["VersionId"] = version_id
        action = "s3:GetObjectVersion"
    if checksum:
        request["ChecksumMode"] = "ENABLED"
    # Without s3:ListBucket, S3 returns 403 for a missing object.
    with translating(f"{action} on s3://{bucket}/{key} and s3:ListBucket on {bucket}"):
        try:
            head = client.head_object(**request)
        except ClientError as error:
            # 405: the version is a delete marker.
            if status_of(error) in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                return None
            raise
    return ObjectHead(
        size=head["ContentLength"],
        etag=head["ETag"].strip('"'),
        version_id=head.get("VersionId", ""),
        content_type=head.get("ContentType", ""),
        content_encoding=head.get("ContentEncoding", ""),
        metadata={name.lower(): value for name, value in head["Metadata"].items()},
        crc32=_crc32_of_all(head),
        modified=head["LastModified"].astimezone(UTC).isoformat().replace("+00:00", "Z"),
        crc64nvme=b64decode(head.get("ChecksumCRC64NVME", "")).hex(),
    )


def _crc32_of_all(head: HeadObjectOutputTypeDef) -> int | None:
    """Return the CRC32 of the object; None for a composite one, which is computed from those of the parts."""
    crc32 = head.get("ChecksumCRC32", "")
    if not crc32 or "-" in crc32 or head.get("ChecksumType") == "COMPOSITE":
        return None
    return int.from_bytes(b64decode(crc32), "big")
