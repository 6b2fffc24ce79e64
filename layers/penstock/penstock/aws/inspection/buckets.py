"""Reads how an S3 bucket is set, as the doctor asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.bucket_settings import S3BucketSettings
from penstock.aws.errors import translating
from penstock.aws.inspection.values import Notifications
from penstock.errors import DestinationMissingError


class BucketReader:
    """Implements ``Buckets``. ``sts`` creates the client that knows the account of the credentials."""

    def __init__(self, client: Callable[[], Any], sts: Callable[[], Any]) -> None:
        self._connect = client
        self._sts = sts

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def region(self, bucket: str) -> str:
        found = self._settings(bucket).region()
        if found is None:
            raise DestinationMissingError(f"bucket {bucket} does not exist", hint="Create it, or correct its name.")
        return found

    def notifications(self, bucket: str) -> Notifications:
        found = self._settings(bucket).notifications()
        return Notifications(
            found.get("QueueConfigurations", ()),
            found.get("TopicConfigurations", ()),
            "EventBridgeConfiguration" in found,
            found,
        )

    def versioning(self, bucket: str) -> bool:
        return self._settings(bucket).versioning() == "Enabled"

    def key(self, bucket: str) -> str:
        algorithm, key = self._settings(bucket).default_encryption()
        return key if "kms" in algorithm else ""

    def unfinished_days(self, bucket: str) -> int | None:
        days = [
            int(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
            for rule in self._settings(bucket).lifecycle()
            if rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule and _takes_all(rule)
        ]
        return min(days, default=None)

    def lifecycle(self, bucket: str) -> list[Mapping[str, Any]]:
        return list(self._settings(bucket).lifecycle())

    def clock(self, bucket: str) -> float:
        """Return the time of S3, which each of its responses holds, also those that refuse."""
        with translating(f"s3:ListBucket on {bucket}"):
            try:
                answer = self._client.head_bucket(Bucket=bucket)
            except ClientError as error:
                if "date" not in error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}):
                    raise
                answer = error.response
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()

    def _settings(self, bucket: str) -> S3BucketSettings:
        return S3BucketSettings(self._client, self._sts, bucket)


def _takes_all(rule: Mapping[str, Any]) -> bool:
    """Whether a lifecycle rule is for all keys."""
    chosen = rule.get("Filter", {})
    return not (rule.get("Prefix") or any(chosen.get(name) for name in ("Prefix", "Tag", "And")))
