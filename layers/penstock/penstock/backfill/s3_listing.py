"""The current objects under a prefix, with their version ids where the bucket has versions.

Only current versions are found. For tables, an event of an older version is not delivered either.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.endpoint import endpoint_of
from penstock.aws.errors import code_of, translating
from penstock.aws.s3.listing_order import is_sorted_by_contract
from penstock.backfill.model import ARCHIVED_CLASSES, FoundObject, Missing
from penstock.errors import DestinationMissingError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The version id of an object that is older than the versioning of its bucket. Its event has none.
NULL_VERSION = "null"

# Directory buckets and some services have no versions.
_NO_VERSIONING = frozenset({"MethodNotAllowed", "NotImplemented", "InvalidRequest"})


class S3Objects:
    """Implements ``Origin`` for a prefix. Memory: one page. Continues behind a key, unless the listing is unsorted."""

    def __init__(self, client: S3Client, bucket: str, prefix: str, *, page: int = 1000) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._page = page
        self._is_sorted = is_sorted_by_contract(endpoint_of(client), bucket)
        self.requests = 0
        self.reads = 0

    @cached_property
    def has_versions(self) -> bool:
        """Whether objects of the bucket may have version ids."""
        return has_versions(self._client, self._bucket)

    def objects(self, after: str = "") -> Iterator[FoundObject | Missing]:
        """Yield the objects, page by page.

        A version that is uploaded meanwhile may be missed, and has an event. An object that existed before is found
        unless it is deleted meanwhile, and a key that is overwritten meanwhile is found in one of both versions.
        Raises DestinationMissingError, AccessDeniedError, ServiceUnavailableError.
        """
        operation, right = ("list_object_versions", "s3:ListBucketVersions")
        start: dict[str, Any] = {"KeyMarker": after} if after else {}
        if not self.has_versions:
            operation, right = "list_objects_v2", "s3:ListBucket"
            start = {"StartAfter": after} if after else {}
        pages = iter(
            self._client.get_paginator(operation).paginate(  # type: ignore[call-overload]  # both have these parameters
                Bucket=self._bucket, Prefix=self._prefix, PaginationConfig={"PageSize": self._page}, **start
            )
        )
        while True:
            with translating(f"{right} on {self._bucket}", missing=_no_such_bucket):
                page = next(pages, None)
            if page is None:
                return
            self.requests += 1
            entries = page.get("Versions" if self.has_versions else "Contents", ())
            yield from (self._found(entry) for entry in entries if entry.get("IsLatest", True))

    def _found(self, entry: Mapping[str, Any]) -> FoundObject:
        version, storage_class = entry.get("VersionId", ""), entry.get("StorageClass", "STANDARD")
        return FoundObject(
            self._bucket,
            entry["Key"],
            entry["Size"],
            entry["ETag"].strip('"'),
            version_id="" if version == NULL_VERSION else version,
            modified=entry["LastModified"].timestamp(),
            storage_class=storage_class,
            archived=storage_class in ARCHIVED_CLASSES,
            position=entry["Key"] if self._is_sorted else "",
        )


def has_versions(client: S3Client, bucket: str) -> bool:
    """Whether a bucket has, or had, versions. Needs s3:GetBucketVersioning."""
    with translating(f"s3:GetBucketVersioning on {bucket}", missing=_no_such_bucket):
        try:
            return bool(client.get_bucket_versioning(Bucket=bucket).get("Status"))
        except ClientError as error:
            if code_of(error) in _NO_VERSIONING:
                return False
            raise


def _no_such_bucket(message: str) -> DestinationMissingError:
    return DestinationMissingError(message, hint="Correct the name of the bucket.")
