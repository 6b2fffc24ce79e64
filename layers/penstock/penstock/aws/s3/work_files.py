"""The files in the work bucket that the steps of a job exchange."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.errors import ServiceUnavailableError, SourceGoneError
from penstock.model.span import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = frozenset({"NoSuchKey", "404"})
_PRESENT = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
ATTEMPTS = 4


class S3WorkFiles:
    """Implements ``WorkFiles``. Memory: the file."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self.bucket = bucket
        self._client = client

    def read(self, key: str) -> bytes | None:
        with self._reading(key):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            with closing(answer["Body"]) as body:
                return body.read()

    def read_part(self, stored: Stored) -> bytes:
        if not stored.size:
            return b""
        byte_range = f"bytes={stored.start}-{stored.start + stored.size - 1}"
        with self._reading(stored.key):
            answer = self._client.get_object(Bucket=self.bucket, Key=stored.key, Range=byte_range)
            with closing(answer["Body"]) as body:
                return body.read()

    def write(self, key: str, data: bytes) -> None:
        with translating(f"s3:PutObject on s3://{self.bucket}/{key}"):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def write_once(self, key: str, data: bytes) -> bytes:
        for _ in range(ATTEMPTS):
            if self._create(key, data):
                return data
            # Another writer is writing the file: it does not exist until one write has ended.
            existing = self.read(key)
            if existing is not None:
                return existing
        raise ServiceUnavailableError(
            f"s3://{self.bucket}/{key}: {ATTEMPTS} writes in a row conflicted with other writes"
        )

    def _create(self, key: str, data: bytes) -> bool:
        with translating(f"s3:PutObject on s3://{self.bucket}/{key}"):
            try:
                self._client.put_object(Bucket=self.bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) not in _PRESENT:
                    raise
                return False
        return True

    def _reading(self, key: str) -> AbstractContextManager[None]:
        return translating(f"s3:GetObject on s3://{self.bucket}/{key}", missing=SourceGoneError)
