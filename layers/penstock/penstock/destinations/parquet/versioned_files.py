"""Files of the work bucket that are changed by compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.writer import put_object
from penstock.codecs.checksum import crc32
from penstock.model.object import Content, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = frozenset({"NoSuchKey", "404"})


class S3VersionedFiles:
    """Implements ``VersionedFiles``. Memory: the file."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, key: str) -> tuple[bytes, str] | None:
        with translating(f"s3:GetObject on s3://{self._bucket}/{key}"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            with closing(answer["Body"]) as body:
                return body.read(), answer["ETag"].strip('"')

    def swap(self, key: str, data: bytes, etag: str) -> str:
        condition: Condition = {"IfMatch": f'"{etag}"'} if etag else {"IfNoneMatch": "*"}
        body = bytearray(data)
        written = put_object(
            self._client,
            Target(self._bucket, key),
            Content("application/json"),
            condition,
            body=body,
            crc32=crc32(body),
        )
        return written.etag if written else ""

    def keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with translating(f"s3:ListBucket on {self._bucket}"):
            for page in pages:
                yield from (one["Key"] for one in page.get("Contents", ()))
