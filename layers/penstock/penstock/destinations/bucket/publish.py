"""Making an object visible by compare-and-swap: no writer ever overwrites what it has not looked at.

A PUT that is refused may be tried again. A multipart upload may not: S3 completes none under a condition once its key
was written, or deleted, after the upload was created (ADR 13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from penstock.aws.s3.conditions import Condition
from penstock.aws.s3.head import read_head
from penstock.destinations.ports import PublishRule, Verdict
from penstock.errors import PublishConflictError, SupersededError, UploadConflictError
from penstock.model.object import ObjectHead, Published, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A destination that changes so often between HEAD and write is left to the next delivery of the event.
ATTEMPTS = 4


class Commit(Protocol):
    """Writes under a condition; None when it is refused."""

    def __call__(self, condition: Condition, /) -> Published | None: ...


def put_by_rule(client: S3Client, target: Target, rule: PublishRule, commit: Commit) -> Published | ObjectHead:
    """What ``commit``, a PUT, published, or the head of the existing object if the rule calls that a duplicate.

    So a write whose answer was lost is recognised as done: looking again finds its own result.

    Raises SupersededError by the rule, PublishConflictError if the destination changed at every attempt.
    """
    for _ in range(ATTEMPTS):
        existing, duplicate = _look(client, target, rule)
        if duplicate:
            return duplicate
        if published := commit(_unchanged(existing)):
            return published
    raise PublishConflictError(f"{target.uri} changed {ATTEMPTS} times while it was being published")


def complete_by_rule(client: S3Client, target: Target, rule: PublishRule, commit: Commit) -> Published | ObjectHead:
    """The same for ``commit`` that completes an upload, which is tried once.

    Raises SupersededError by the rule, UploadConflictError if S3 refuses and the rule still lets the job publish.
    """
    existing, duplicate = _look(client, target, rule)
    if duplicate:
        return duplicate
    if published := commit(_unchanged(existing)):
        return published
    _, duplicate = _look(client, target, rule)
    if duplicate:
        return duplicate
    raise UploadConflictError(f"{target.uri} changed after its upload was begun: S3 does not complete that upload")


def _look(client: S3Client, target: Target, rule: PublishRule) -> tuple[ObjectHead | None, ObjectHead | None]:
    """What is there, if anything, and once more if it is a duplicate. Raises SupersededError."""
    existing = read_head(client, target.bucket, target.key)
    verdict = rule(existing.metadata) if existing else Verdict.REPLACE
    if verdict is Verdict.SUPERSEDED:
        raise SupersededError(f"{target.uri} holds a newer result")
    return existing, existing if verdict is Verdict.DUPLICATE else None


def _unchanged(existing: ObjectHead | None) -> Condition:
    return {"IfMatch": f'"{existing.etag}"'} if existing else {"IfNoneMatch": "*"}
