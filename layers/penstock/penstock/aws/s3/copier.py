"""Copies within S3, as part of the write engine: by CopyObject, or by a multipart upload of ranges of the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, is_unsupported, translating
from penstock.aws.s3.conditions import misjudges
from penstock.aws.s3.writer import Part, decoded_crc32, destination_errors
from penstock.errors import PublishConflictError, SourceChangedError, SourceGoneError
from penstock.model.object import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CreateMultipartUploadRequestTypeDef, HeadObjectOutputTypeDef

Answer = TypeVar("Answer")

# Attributes that CopyObject keeps automatically.
_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "WebsiteRedirectLocation",
)


class SourceCondition(TypedDict, total=False):
    """Arguments of a copy: the source still has this ETag."""

    CopySourceIfMatch: str


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object to copy, as it was listed. ``check`` sends a HEAD request, and raises if the object has changed.

    ``version_id``: copy this version of it.
    """

    location: Target
    etag: str
    check: Callable[[], object]
    version_id: str = ""


def copy_object(client: S3Client, source: CopySource, target: Target) -> None:
    """Copy in one request. Raises SourceGoneError, SourceChangedError, and the errors of the request."""
    request: Any = _request(source, target)
    with _copy_errors(source, target):
        _copied(client, source, lambda condition: client.copy_object(**request, **condition))


def create_copy(client: S3Client, head: HeadObjectOutputTypeDef, target: Target) -> str:
    """Create an upload with the attributes that CopyObject would keep, and return its id."""
    request: CreateMultipartUploadRequestTypeDef = {"Bucket": target.bucket, "Key": target.key}
    request["Metadata"] = head["Metadata"]
    for name in _KEPT:
        if name in head:
            request[name] = head[name]  # type: ignore[literal-required]  # names of both
    with destination_errors(f"s3:PutObject on {target.uri}"):
        return client.create_multipart_upload(**request)["UploadId"]


def copy_part(
    client: S3Client, source: CopySource, target: Target, upload_id: str, *, number: int, start: int, size: int
) -> Part:
    """Copy one range as a part.

    The part has a CRC32 if the upload was created with that algorithm (AWS: CopyPartResult). Raises the errors of
    `copy_object`, and PublishConflictError if the upload has ended.
    """
    request: Any = {
        **_request(source, target),
        "UploadId": upload_id,
        "PartNumber": number,
        "CopySourceRange": f"bytes={start}-{start + size - 1}",
    }
    with _copy_errors(source, target), _open_upload(target):
        answer = _copied(client, source, lambda condition: client.upload_part_copy(**request, **condition))
    copied = answer["CopyPartResult"]
    return Part(number, copied.get("ETag", ""), decoded_crc32(copied.get("ChecksumCRC32")), size)


@contextmanager
def _open_upload(target: Target) -> Iterator[None]:
    """Tell an upload that has ended from a source that has changed: a copy reports both as a failed precondition."""
    try:
        yield
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":
            raise
        raise PublishConflictError(f"{target.uri}: the upload no longer exists") from error


def _copied(client: S3Client, source: CopySource, copy: Callable[[SourceCondition], Answer]) -> Answer:
    """Copy the object as it was listed.

    If a service misjudges the condition, HEAD requests before and after the copy verify that it was that object.
    """
    try:
        return copy({"CopySourceIfMatch": f'"{source.etag}"'})
    except ClientError as error:
        if not (is_unsupported(error) or misjudges(client, error)):
            raise
    source.check()
    answer = copy({})
    source.check()
    return answer


def _copy_errors(source: CopySource, target: Target) -> AbstractContextManager[None]:
    return translating(
        f"s3:GetObject on {source.location.uri} and s3:PutObject on {target.uri}",
        missing=SourceGoneError,
        changed=SourceChangedError,
    )


def _request(source: CopySource, target: Target) -> Any:
    return {
        "Bucket": target.bucket,
        "Key": target.key,
        "CopySource": {"Bucket": source.location.bucket, "Key": source.location.key}
        | ({"VersionId": source.version_id} if source.version_id else {}),
    }
