"""Conditional writes, also at services that do not know conditions as S3 does.

OpenStack Swift refuses most conditions with 501, and compares If-Match with an ETag of its own where objects have
parts: 412, though the object is the one that is meant. Such a write is sent again without its condition, which leaves
the moment since the object was looked at unguarded. Never at AWS: there a condition is never given up.
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

# A condition does not hold: after these, look at the destination again. NoSuchKey: If-Match met nothing.
# ConditionalRequestConflict: another write was under way or, on completion, came after the upload was created.
_REFUSED = frozenset({"PreconditionFailed", "NoSuchKey", "ConditionalRequestConflict"})


class Condition(TypedDict, total=False):
    """Arguments of a conditional write: the object has this ETag still, or there still is none."""

    IfMatch: str
    IfNoneMatch: str


def write_under(
    client: S3Client, target: Target, condition: Condition, write: Callable[[Condition], Answer]
) -> Answer | None:
    """What ``write`` answers; None if the condition does not hold. Raises what ``write`` and ``read_head`` raise."""
    try:
        return write(condition)
    except ClientError as error:
        if condition and _refuses(error):
            if not _holds_all_the_same(client, target, condition, error):
                return None
        elif not (condition and is_unsupported(error) and endpoint_of(client)):
            raise
    return write({})


def misjudges(client: S3Client, error: ClientError) -> bool:
    """Whether a refused condition may hold all the same: the service is not AWS."""
    return status_of(error) == HTTPStatus.PRECONDITION_FAILED and bool(endpoint_of(client))


def _refuses(error: ClientError) -> bool:
    return code_of(error) in _REFUSED or status_of(error) == HTTPStatus.PRECONDITION_FAILED


def _holds_all_the_same(client: S3Client, target: Target, condition: Condition, error: ClientError) -> bool:
    if not misjudges(client, error):
        return False
    existing = read_head(client, target.bucket, target.key)
    if "IfMatch" in condition:
        return existing is not None and f'"{existing.etag}"' == condition["IfMatch"]
    return existing is None
