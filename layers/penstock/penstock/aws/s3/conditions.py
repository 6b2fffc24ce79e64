"""Conditional writes, also for services whose conditions differ from those of S3.

OpenStack Swift refuses most conditions with 501. For objects with parts, it compares If-Match with its own ETag and
returns 412 for the right object. Such a write is resent without its condition, so that a change after the last HEAD is
not detected. This never happens with AWS, where a condition is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, TypedDict, TypeVar

from botocore.exceptions import ClientError

from penstock.aws.endpoint import endpoint_of
from penstock.aws.errors import code_of, is_unsupported, status_of
from penstock.aws.s3.head import read_head
from penstock.model.object import Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Answer = TypeVar("Answer")

# A condition does not hold: the destination must be read again. NoSuchKey: the object of If-Match does not exist.
# ConditionalRequestConflict: another write was in progress or, on completion, came after the upload was created.
_REFUSED = frozenset({"PreconditionFailed", "NoSuchKey", "ConditionalRequestConflict"})


class Condition(TypedDict, total=False):
    """Arguments of a conditional write: the object still has this ETag, or still does not exist."""

    IfMatch: str
    IfNoneMatch: str


def write_under(
    client: S3Client, target: Target, condition: Condition, write: Callable[[Condition], Answer]
) -> Answer | None:
    """Return the response of ``write``; None if the condition does not hold. Raises its errors and ``read_head``'s."""
    try:
        return write(condition)
    except ClientError as error:
        if condition and _refuses(error):
            if not _holds_nevertheless(client, target, condition, error):
                return None
        elif not (condition and is_unsupported(error) and endpoint_of(client)):
            raise
    return write({})


def misjudges(client: S3Client, error: ClientError) -> bool:
    """Whether a refused condition may hold nevertheless, because the service is not AWS."""
    return status_of(error) == HTTPStatus.PRECONDITION_FAILED and bool(endpoint_of(client))


def _refuses(error: ClientError) -> bool:
    return code_of(error) in _REFUSED or status_of(error) == HTTPStatus.PRECONDITION_FAILED


def _holds_nevertheless(client: S3Client, target: Target, condition: Condition, error: ClientError) -> bool:
    if not misjudges(client, error):
        return False
    existing = read_head(client, target.bucket, target.key)
    if "IfMatch" in condition:
        return existing is not None and f'"{existing.etag}"' == condition["IfMatch"]
    return existing is None
