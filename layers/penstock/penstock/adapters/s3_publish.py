"""Making an object visible by compare-and-swap: no writer ever overwrites what it has not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypedDict

from penstock.adapters.s3_head import read_head
from penstock.errors import PublishConflictError, SupersededError
from penstock.objects import ObjectHead, Published, Target
from penstock.ports import PublishRule, Verdict

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A destination that changes so often between HEAD and write is left to the next delivery of the event.
ATTEMPTS = 4


class Condition(TypedDict, total=False):
    """Arguments of a conditional write: the object has this ETag still, or there still is none."""

    IfMatch: str
    IfNoneMatch: str


class Commit(Protocol):
    """Writes under a condition; None when the destination has to be looked at again."""

    def __call__(self, condition: Condition, /) -> Published | None: ...


def compare_and_swap(client: S3Client, target: Target, rule: PublishRule, commit: Commit) -> Published | ObjectHead:
    """What ``commit`` published, or the head of the standing object if the rule calls that a duplicate.

    So a write whose answer was lost is recognised as done: looking again finds its own result.

    Raises SupersededError by the rule, PublishConflictError if the destination changed at every attempt.
    """
    for _ in range(ATTEMPTS):
        standing = read_head(client, target.bucket, target.key)
        verdict = rule(standing.metadata) if standing else Verdict.REPLACE
        if verdict is Verdict.SUPERSEDED:
            raise SupersededError(f"{target.uri} holds a newer result")
        if standing and verdict is Verdict.DUPLICATE:
            return standing
        published = commit({"IfMatch": f'"{standing.etag}"'} if standing else {"IfNoneMatch": "*"})
        if published:
            return published
    raise PublishConflictError(f"{target.uri} changed {ATTEMPTS} times while it was being published")
