"""Reads how an S3 bucket is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.inspection.values import Notifications
from penstock.errors import DestinationMissingError

_US_EAST_1 = "us-east-1"
_NO_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError"
_NO_LIFECYCLE = "NoSuchLifecycleConfiguration"


class BucketReader:
    """Implements ``Buckets``. ``client`` creates a client for a region; empty for that of the command."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client()

    def region(self, bucket: str) -> str:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
        with _reading("s3:ListBucket", bucket):
            try:
                headers = self._client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
            except ClientError as error:
                # 301 from another region names it, and so does a 403.
                headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
                if code_of(error) in ("404", "NoSuchBucket") or "x-amz-bucket-region" not in headers:
                    raise
        return str(headers.get("x-amz-bucket-region") or _US_EAST_1)

    def notifications(self, bucket: str) -> Notifications:
        with _reading("s3:GetBucketNotification", bucket):
            found = self._client.get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata", None)
        return Notifications(
            found.get("QueueConfigurations", ()),
            found.get("TopicConfigurations", ()),
            found.get("LambdaFunctionConfigurations", ()),
            "EventBridgeConfiguration" in found,
            found,
        )

    def versioning(self, bucket: str) -> bool:
        with _reading("s3:GetBucketVersioning", bucket):
            return bool(self._client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")

    def key(self, bucket: str) -> str:
        with _reading("s3:GetEncryptionConfiguration", bucket):
            try:
                found = self._client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
            except ClientError as error:
                if code_of(error) != _NO_ENCRYPTION:
                    raise
                return ""
        defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in found["Rules"]]
        return next(
            (str(one.get("KMSMasterKeyID", "")) for one in defaults if "kms" in one.get("SSEAlgorithm", "")), ""
        )

    def unfinished_days(self, bucket: str) -> int | None:
        with _reading("s3:GetLifecycleConfiguration", bucket):
            try:
                rules = self._client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
            except ClientError as error:
                if code_of(error) != _NO_LIFECYCLE:
                    raise
                return None
        days = [
            int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
            for rule in rules
            if rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule and _takes_all(rule)
        ]
        return min(days, default=None)

    def clock(self, bucket: str) -> float:
        """Return the time of S3, which each of its responses holds, also those that refuse."""
        with translating("s3:ListBucket"):
            try:
                answer = self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if "date" not in error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}):
                    raise
                answer = error.response
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


def _takes_all(rule: Any) -> bool:
    """Whether a lifecycle rule is for all keys."""
    chosen = rule.get("Filter", {})
    return not (rule.get("Prefix") or any(chosen.get(name) for name in ("Prefix", "Tag", "And")))


@contextmanager
def _reading(action: str, bucket: str) -> Iterator[None]:
    with translating(f"{action} on {bucket}", missing=DestinationMissingError):
        yield
