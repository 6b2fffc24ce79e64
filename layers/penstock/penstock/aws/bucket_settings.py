"""Settings of one bucket, in S3: where it is, its notifications, its policy and what else connect shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.errors import code_of, status_of
from penstock.errors import RequestRefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = 404
# The elements of a notification configuration. botocore leaves out what it does not know, and a PUT without it would
# delete it. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
_KNOWN = frozenset(
    {"CloudFunctionConfiguration", "EventBridgeConfiguration", "QueueConfiguration", "TopicConfiguration"}
)
_ELEMENT = re.compile(rb"<(?:\w+:)?(\w+Configuration)\b")


class S3BucketSettings:
    """Implements ``Bucket``. ``sts`` creates the client that knows the account of the credentials."""

    def __init__(self, client: S3Client, sts: Callable[[], Any], bucket: str) -> None:
        self._client: Any = client
        self._sts = sts
        self._bucket = bucket
        self._unknown: set[str] = set()
        self._client.meta.events.register("before-parse.s3.GetBucketNotificationConfiguration", self._note_unknown)

    def region(self) -> str | None:
        """S3 names it with 301 and 403 too. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
        with self._call("s3:ListBucket"):
            try:
                answer = self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                answer = error.response
                if status_of(error) == _MISSING:
                    return None
                if not _region_of(answer):
                    raise
        return _region_of(answer) or str(self._client.meta.region_name)

    def is_owned_by(self, account: str) -> bool:
        """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html"""
        with self._call("s3:ListBucket"):
            try:
                self._client.head_bucket(Bucket=self._bucket, ExpectedBucketOwner=account)
            except ClientError as error:
                if code_of(error) in {"403", "AccessDenied"}:
                    return False
                raise
        return True

    def is_visible(self) -> bool:
        with self._call("s3:ListBucket"):
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if code_of(error) in {"403", "AccessDenied"}:
                    return False
                raise
        return True

    def caller_account(self) -> str:
        with cli_errors("sts:GetCallerIdentity", again=RUN_AGAIN):
            return str(self._sts().get_caller_identity()["Account"])

    def notifications(self) -> dict[str, Any]:
        with self._call("s3:GetBucketNotification"):
            answer = self._client.get_bucket_notification_configuration(Bucket=self._bucket)
        if self._unknown:
            raise RequestRefusedError(
                f"s3://{self._bucket} has notification configurations of a kind that Penstock does not know, and would "
                f"lose: {', '.join(sorted(self._unknown))}",
                hint="Update Penstock, or set the notification yourself.",
            )
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def _note_unknown(self, response_dict: Mapping[str, Any], **_: object) -> None:
        found = {name.decode() for name in _ELEMENT.findall(response_dict["body"])}
        self._unknown = found - _KNOWN - {"NotificationConfiguration"}

    def put_notifications(self, configuration: Mapping[str, Any]) -> None:
        """S3 tries every destination of the configuration, also those that stood before."""
        with self._call("s3:PutBucketNotification"):
            try:
                self._client.put_bucket_notification_configuration(
                    Bucket=self._bucket, NotificationConfiguration=configuration
                )
            except ClientError as error:
                if code_of(error) != "InvalidArgument":
                    raise
                raise RequestRefusedError(
                    f"s3:PutBucketNotification on s3://{self._bucket}: {error.response['Error'].get('Message', '')}",
                    hint="Nothing was changed. S3 tries the destinations of all configurations of the bucket: correct "
                    "or remove those that no longer exist, or that do not let S3 send.",
                ) from error

    def policy(self) -> dict[str, Any] | None:
        with self._call("s3:GetBucketPolicy"):
            answer = self._unless("NoSuchBucketPolicy", self._client.get_bucket_policy)
        return json.loads(answer["Policy"]) if answer else None

    def put_policy(self, policy: Mapping[str, Any] | None) -> None:
        if policy is None:
            with self._call("s3:DeleteBucketPolicy"):
                self._client.delete_bucket_policy(Bucket=self._bucket)
        else:
            with self._call("s3:PutBucketPolicy"):
                self._client.put_bucket_policy(Bucket=self._bucket, Policy=json.dumps(policy, separators=(",", ":")))

    def default_encryption(self) -> tuple[str, str]:
        code = "ServerSideEncryptionConfigurationNotFoundError"
        with self._call("s3:GetEncryptionConfiguration"):
            answer = self._unless(code, self._client.get_bucket_encryption)
        for rule in answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ()):
            default = rule.get("ApplyServerSideEncryptionByDefault", {})
            if default:
                return default["SSEAlgorithm"], default.get("KMSMasterKeyID", "")
        return "AES256", ""

    def versioning(self) -> str:
        with self._call("s3:GetBucketVersioning"):
            return str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", ""))

    def ownership(self) -> str:
        code = "OwnershipControlsNotFoundError"
        with self._call("s3:GetBucketOwnershipControls"):
            answer = self._unless(code, self._client.get_bucket_ownership_controls)
        rules = answer.get("OwnershipControls", {}).get("Rules", ())
        return str(rules[0]["ObjectOwnership"]) if rules else "ObjectWriter"

    def lifecycle(self) -> Sequence[Mapping[str, Any]]:
        code = "NoSuchLifecycleConfiguration"
        with self._call("s3:GetLifecycleConfiguration"):
            answer = self._unless(code, self._client.get_bucket_lifecycle_configuration)
        rules: Sequence[Mapping[str, Any]] = answer.get("Rules", ())
        return rules

    def request_payer(self) -> str:
        with self._call("s3:GetBucketRequestPayment"):
            return str(self._client.get_bucket_request_payment(Bucket=self._bucket).get("Payer", "BucketOwner"))

    def object_lock(self) -> Mapping[str, Any]:
        code = "ObjectLockConfigurationNotFoundError"
        with self._call("s3:GetBucketObjectLockConfiguration"):
            answer = self._unless(code, self._client.get_object_lock_configuration)
        found: Mapping[str, Any] = answer.get("ObjectLockConfiguration", {})
        return found

    def _unless(self, code: str, read: Callable[..., Any]) -> Any:
        """Read a setting; an empty answer if S3 says with this code that it was never set."""
        try:
            return read(Bucket=self._bucket)
        except ClientError as error:
            if code_of(error) == code:
                return {}
            raise

    def _call(self, action: str) -> AbstractContextManager[None]:
        return cli_errors(f"{action} on s3://{self._bucket}", again=RUN_AGAIN)


def _region_of(answer: Mapping[str, Any]) -> str:
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region", ""))
