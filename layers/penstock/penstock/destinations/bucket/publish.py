"""Make an object visible by compare-and-swap: no writer overwrites an object that it has not read.

A PUT whose condition fails can be retried. A multipart upload cannot: S3 does not complete it under a condition if its
key was written or deleted after the upload was created (ADR 13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.head import read_head
from penstock.destinations.ports import PublishRule, Verdict
from penstock.errors import PublishConflictError, SupersededError, UploadConflictError
from penstock.model.object import Content, ObjectHead, Published, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# If a destination changes more often between HEAD and PUT, the next delivery of the event retries.
ATTEMPTS = 4


class Commit(Protocol):
    """Writes under a condition. Returns None if the condition fails."""

    def __call__(self, condition: Condition, /) -> Published | None: ...


class CreateObject(Protocol):
    """Writes an object if there is none. Returns None unless it is certain to be written."""

    def __call__(self, target: Target, content: Content, *, body: bytearray, crc32: int) -> Published | None: ...


def put_by_rule(
    client: S3Client, target: Target, rule: PublishRule, commit: Commit, create: Callable[[], Published | None]
) -> Published | ObjectHead:
    """Publish with ``commit``, a PUT. Return what it published, or the head of an existing duplicate.

    ``create`` is tried first, without a look at the destination. It writes the object if there is none.

    If the answer of a write was lost, the next read of the destination finds its result, which is a duplicate.

    Raises SupersededError by the rule, and PublishConflictError if the destination changed at every attempt.
    """
    if published := create():
        return published
    for _ in range(ATTEMPTS):
        existing, duplicate = _look(client, target, rule)
        if duplicate:
            return duplicate
        if published := commit(_unchanged(existing)):
            return published
    raise PublishConflictError(f"{target.uri} changed {ATTEMPTS} times while it was being published")


def complete_by_rule(client: S3Client, target: Target, rule: PublishRule, commit: Commit) -> Published | ObjectHead:
    """Publish with ``commit``, which completes a multipart upload. It is called once.

    Raises SupersededError by the rule, and UploadConflictError if S3 refuses while the rule lets the job publish.
    """
    existing, duplicate = _look(client, target, rule)
    if duplicate:
        return duplicate
    if published := commit(_unchanged(existing)):
        return published
    _, duplicate = _look(client, target, rule)
    if duplicate:
        return duplicate
    raise UploadConflictError(f"{target.uri} changed after the upload was created, so S3 does not complete the upload")


def _look(client: S3Client, target: Target, rule: PublishRule) -> tuple[ObjectHead | None, ObjectHead | None]:
    """Return the existing object, if any, and the same object again if it is a duplicate. Raises SupersededError."""
    existing = read_head(client, target.bucket, target.key)
    verdict = rule(existing.metadata) if existing else Verdict.REPLACE
    if verdict is Verdict.SUPERSEDED:
        raise SupersededError(f"{target.uri} holds a newer result")
    return existing, existing if verdict is Verdict.DUPLICATE else None


def _unchanged(existing: ObjectHead | None) -> Condition:
    return {"IfMatch": f'"{existing.etag}"'} if existing else {"IfNoneMatch": "*"}
