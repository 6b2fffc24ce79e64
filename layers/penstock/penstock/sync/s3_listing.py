"""A prefix of a bucket as a tree: listings of 1,000 objects a request, and metadata by HEAD."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.endpoint import endpoint_of
from penstock.aws.errors import status_of, translating
from penstock.aws.s3.listing_order import is_sorted_by_contract
from penstock.errors import DestinationMissingError, SourceChangedError, SourceGoneError
from penstock.model.object import Target
from penstock.sync.model import ObjectMetadata, RemoteFile
from penstock.sync.sorted_listing import sorted_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
        HeadObjectRequestTypeDef,
        ObjectTypeDef,
    )
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef as Page

# The statuses of services without HEAD of a part.
_NO_PARTS = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


class S3Listing:
    """The objects under a prefix. Implements ``Tree`` and ``RemoteReader``.

    Memory: two pages, and 2 MiB if the service does not sort listings. Such a listing is first read completely and
    sorted.

    ``prefix`` is empty or ends with ``/``; names are relative to it. Empty folder markers (keys that end with ``/``,
    of size 0) are not files.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def walk(self) -> Iterator[RemoteFile]:
        """Raises DestinationMissingError, AccessDeniedError, ConfigurationError, ServiceUnavailableError."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix))
        ahead = ThreadPoolExecutor(1, thread_name_prefix="s3-list")
        # Request the first page now, while the caller reads the other tree.
        files = self._files(pages, ahead, ahead.submit(next, pages, None))
        return files if is_sorted_by_contract(endpoint_of(self._client), self._bucket) else sorted_files(files)

    def _files(
        self, pages: Iterator[Page], ahead: ThreadPoolExecutor, next_page: Future[Page | None]
    ) -> Iterator[RemoteFile]:
        with ahead:
            while page := self._page(next_page):
                # Each page takes S3 some time: request the next one while this one is compared.
                next_page = ahead.submit(next, pages, None)
                for found in page.get("Contents", ()):
                    if found["Size"] or not found["Key"].endswith("/"):
                        yield self._file(found)

    def _page(self, next_page: Future[Page | None]) -> Page | None:
        with translating(f"s3:ListBucket on {self._bucket}", missing=_no_such_bucket):
            return next_page.result()

    def _file(self, found: ObjectTypeDef) -> RemoteFile:
        key, etag = found["Key"], found["ETag"].strip('"')
        name = key[len(self._prefix) :]
        return RemoteFile(name, self._bucket, key, found["Size"], etag, found["LastModified"].timestamp())

    def location(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def look(self, name: str) -> RemoteFile | None:
        """Return an object by HEAD, or None if it does not exist."""
        try:
            head = _head(self._client, {"Bucket": self._bucket, "Key": self._prefix + name})
        except SourceGoneError:
            return None
        return RemoteFile(
            name,
            self._bucket,
            self._prefix + name,
            head["ContentLength"],
            head["ETag"].strip('"'),
            head["LastModified"].timestamp(),
        )

    def target(self, name: str) -> Target:
        return Target(self._bucket, self._prefix + name)

    def facts(self, file: RemoteFile) -> ObjectMetadata:
        head = _head(self._client, {**_pinned(file), "ChecksumMode": "ENABLED"})
        checksums = {
            "crc32": head.get("ChecksumCRC32"),
            "crc32c": head.get("ChecksumCRC32C"),
            "crc64nvme": head.get("ChecksumCRC64NVME"),
            "sha1": head.get("ChecksumSHA1"),
            "sha256": head.get("ChecksumSHA256"),
        }
        # A composite checksum is not a checksum of the content. If a service omits the type, a "-" also marks one.
        full = head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        return ObjectMetadata(
            md5_etag=md5_etag(head),
            checksums={
                algorithm: b64decode(value).hex()
                for algorithm, value in checksums.items()
                if full and value and "-" not in value
            },
            metadata={name.lower(): value for name, value in head["Metadata"].items()},
        )

    def part_size(self, file: RemoteFile, number: int) -> int:
        return part_size(self._client, file, number)


def md5_etag(answer: GetObjectOutputTypeDef | HeadObjectOutputTypeDef) -> bool:
    """Whether the ETag of a HEAD or GET is made of MD5s: not with SSE-KMS or SSE-C."""
    return answer.get("ServerSideEncryption", "AES256") == "AES256" and "SSECustomerAlgorithm" not in answer


def part_size(client: S3Client, file: RemoteFile, number: int) -> int:
    """Return the size of a part, counted from 1; 0 if the service does not report it.

    The request has no condition: services disagree on whose ETag it compares. Raises SourceGoneError.
    """
    request: HeadObjectRequestTypeDef = {"Bucket": file.bucket, "Key": file.key, "PartNumber": number}
    with translating(f"s3:GetObject on {file.uri}", missing=SourceGoneError, changed=SourceChangedError):
        try:
            head = client.head_object(**request)
        except ClientError as error:
            if status_of(error) in _NO_PARTS:
                return 0
            raise
    return head["ContentLength"] if "PartsCount" in head else 0


def head_of(client: S3Client, file: RemoteFile) -> HeadObjectOutputTypeDef:
    """Request HEAD of a listed object.

    Raises SourceGoneError, and SourceChangedError if the object has changed since it was listed.
    """
    return _head(client, _pinned(file))


def _head(client: S3Client, request: HeadObjectRequestTypeDef) -> HeadObjectOutputTypeDef:
    uri = f"s3://{request['Bucket']}/{request['Key']}"
    with translating(f"s3:GetObject on {uri}", missing=SourceGoneError, changed=SourceChangedError):
        return client.head_object(**request)


def _pinned(file: RemoteFile) -> HeadObjectRequestTypeDef:
    return {"Bucket": file.bucket, "Key": file.key, "IfMatch": f'"{file.etag}"'}


def _no_such_bucket(message: str) -> DestinationMissingError:
    return DestinationMissingError(message, hint="Create the bucket, or correct its name.")
