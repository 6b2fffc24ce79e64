"""Tags, moves and deletes objects of source buckets, under conditions that protect newer versions.

A DELETE carries If-Match, which S3 evaluates against the current version only. In a bucket with versions, a newer
version of the same bytes has the same ETag: then the delete marker lies over the wrong version, and is removed again.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.s3.kept_attributes import kept_attributes, kept_checksum
from penstock.aws.s3.large_copy import LargeCopy
from penstock.errors import ServiceUnavailableError, SourceChangedError, SourceGoneError
from penstock.limits import GIB, MIB
from penstock.model.held_object import CopyRequest, Held, Removal
from penstock.model.object import Location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
MOST_COPIED = 5 * GIB
# S3 copies a part of this size in seconds, and an object of the maximum size has fewer than 10,000 larger ones.
COPIED_PART = 512 * MIB

_UNVERSIONED = ("", "null")
_REFUSED = frozenset({"412", "PreconditionFailed"})
# Another write was in progress; or the answer of a completion was lost, and the copy is there.
_AGAIN = frozenset({"ConditionalRequestConflict", "NoSuchUpload"})


class S3SourceObjects:
    """Implements ``SourceObjects``. Objects of more than ``most_copied`` bytes are copied in parts of ``part``."""

    def __init__(self, client: S3Client, *, most_copied: int = MOST_COPIED, part: int = COPIED_PART) -> None:
        self._client = client
        self._most_copied = most_copied
        self._large = LargeCopy(client, part)
        _accept_if_none_match(client)

    def head(self, bucket: str, key: str) -> Held | None:
        with translating(f"s3:GetObject on s3://{bucket}/{key} and s3:ListBucket on {bucket}"):
            try:
                found = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                # 405: the current version is a delete marker.
                if code_of(error) in ("404", "405", "NoSuchKey", "NotFound"):
                    return None
                raise
        return Held(
            found["ContentLength"],
            found["ETag"].strip('"'),
            found.get("VersionId", ""),
            found["LastModified"].timestamp(),
        )

    def tags(self, bucket: str, location: Location) -> Mapping[str, str]:
        with translating(f"s3:GetObjectTagging on s3://{bucket}/{location.key}", missing=SourceGoneError):
            answer = self._client.get_object_tagging(Bucket=bucket, Key=location.key, **_version(location))
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def tag(self, bucket: str, location: Location, tags: Mapping[str, str]) -> None:
        tag_set: Any = [{"Key": name, "Value": value} for name, value in tags.items()]
        with translating(f"s3:PutObjectTagging on s3://{bucket}/{location.key}", missing=SourceGoneError):
            self._client.put_object_tagging(
                Bucket=bucket, Key=location.key, Tagging={"TagSet": tag_set}, **_version(location)
            )

    def copy(
        self, copy: CopyRequest, *, keep: Callable[[str], None], time_left: Callable[[], float]
    ) -> Location | None:
        bucket, source = copy.bucket, copy.source
        here = f"s3://{bucket}/{source.key}"
        with translating(f"s3:GetObjectVersion on {here}", missing=SourceGoneError, changed=SourceChangedError):
            pin: Any = _version(source) or {"IfMatch": f'"{source.etag}"'}
            head = self._client.head_object(Bucket=bucket, Key=source.key, ChecksumMode="ENABLED", **pin)
        with translating(
            f"s3:GetObject on {here} and s3:PutObject on s3://{bucket}/{copy.key}",
            missing=SourceGoneError,
            changed=SourceChangedError,
        ):
            try:
                if head["ContentLength"] > self._most_copied:
                    location = self._large(copy, head, keep=keep, time_left=time_left)
                else:
                    location = self._copied(copy, head)
            except ClientError as error:
                if code_of(error) in _AGAIN:
                    raise ServiceUnavailableError(f"s3:PutObject on s3://{bucket}/{copy.key}: {error}") from error
                if code_of(error) in _REFUSED and not copy.may_replace and self.head(bucket, copy.key):
                    return None
                raise
        self._verify(copy, location, head)
        return location

    def remove(self, bucket: str, location: Location, *, permanently: bool) -> Removal:
        where: Any = {"Bucket": bucket, "Key": location.key}
        is_versioned = location.version_id not in _UNVERSIONED
        right = f"on s3://{bucket}/{location.key}"
        if permanently and is_versioned:
            # Of a named version, no other is touched.
            with translating(f"s3:DeleteObjectVersion {right}"):
                self._client.delete_object(**where, VersionId=location.version_id)
            return Removal.REMOVED
        with translating(f"s3:DeleteObject {right}"):
            try:
                answer = self._client.delete_object(**where, IfMatch=f'"{location.etag}"')
            except ClientError as error:
                if code_of(error) in _REFUSED:
                    return Removal.NEWER
                if code_of(error) not in ("404", "NoSuchKey"):
                    raise
                answer = None
        if not is_versioned:
            return Removal.REMOVED if answer is not None else Removal.GONE
        marker = answer.get("VersionId", "") if answer is not None else self._marker(bucket, location)
        if marker and self._hides_another(bucket, location, marker):
            with translating(f"s3:DeleteObjectVersion {right}"):
                self._client.delete_object(**where, VersionId=marker)
            return Removal.NEWER
        return Removal.REMOVED if answer is not None else Removal.GONE

    def _copied(self, copy: CopyRequest, head: Any) -> Location:
        request: Any = {
            "Bucket": copy.bucket,
            "Key": copy.key,
            "CopySource": {"Bucket": copy.bucket, "Key": copy.source.key, **_version(copy.source)},
            "CopySourceIfMatch": f'"{copy.source.etag}"',
            "TaggingDirective": "REPLACE",
            "Tagging": urlencode(copy.tags),
            **kept_attributes(head),
            **kept_checksum(head),
            **({} if copy.may_replace else {"IfNoneMatch": "*"}),
        }
        answer = self._client.copy_object(**request)
        return Location(copy.key, answer["CopyObjectResult"]["ETag"].strip('"'), answer.get("VersionId", ""))

    def _verify(self, copy: CopyRequest, location: Location, head: Any) -> None:
        """Raises ServiceUnavailableError unless the copy is there, with the size and the checksum of the source.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
        """
        pin: Any = _version(location) or {"IfMatch": f'"{location.etag}"'}
        right = f"s3:GetObject on s3://{copy.bucket}/{copy.key}"
        with translating(right, missing=ServiceUnavailableError, changed=ServiceUnavailableError):
            there: Any = self._client.head_object(Bucket=copy.bucket, Key=copy.key, ChecksumMode="ENABLED", **pin)
        # Composite checksums depend on the parts, which may differ.
        comparable = there.get("ChecksumType") == head.get("ChecksumType") != "COMPOSITE"
        both = [name for name in there if name.startswith("Checksum") and name != "ChecksumType" and name in head]
        differs = [name for name in both if there[name] != head[name]] if comparable else []
        if there["ContentLength"] != head["ContentLength"] or differs:
            raise ServiceUnavailableError(f"{right}: the copy differs from its source: {', '.join(differs) or 'size'}")

    def _marker(self, bucket: str, location: Location) -> str:
        """Return the delete marker that is the current version of a key; empty if there is none."""
        with translating(f"s3:ListBucketVersions on {bucket}"):
            answer = self._client.list_object_versions(Bucket=bucket, Prefix=location.key, MaxKeys=1)
        markers = answer.get("DeleteMarkers", ())
        return next((one["VersionId"] for one in markers if one["Key"] == location.key and one["IsLatest"]), "")

    def _hides_another(self, bucket: str, location: Location, marker: str) -> bool:
        """Whether another version than that of the job, with the same ETag, lies right under a delete marker."""
        with translating(f"s3:ListBucketVersions on {bucket}"):
            answer = self._client.list_object_versions(
                Bucket=bucket, Prefix=location.key, KeyMarker=location.key, VersionIdMarker=marker, MaxKeys=1
            )
        return any(
            one["Key"] == location.key
            and one["VersionId"] != location.version_id
            and one["ETag"].strip('"') == location.etag
            for one in answer.get("Versions", ())
        )


def _version(location: Location) -> Any:
    return {"VersionId": location.version_id} if location.version_id else {}


def _accept_if_none_match(client: S3Client) -> None:
    """Let CopyObject take If-None-Match also where botocore does not know that parameter yet."""
    known = client.meta.service_model.operation_model("CopyObject").input_shape
    if known and "IfNoneMatch" in known.members:
        return

    def hold(params: Any, context: Any, **_: object) -> None:
        context["if_none_match"] = params.pop("IfNoneMatch", "")

    def send(params: Any, context: Any, **_: object) -> None:
        if value := context.get("if_none_match"):
            params["headers"]["If-None-Match"] = value

    client.meta.events.register("before-parameter-build.s3.CopyObject", hold)
    client.meta.events.register("before-call.s3.CopyObject", send)
