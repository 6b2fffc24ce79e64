"""Connections of buckets in memory, and what `penstock connect` finds and does there."""

from __future__ import annotations

from typing import Any

from penstock.connect import record
from penstock.connect.applying import Applier
from penstock.connect.findings import Finding, changes_of
from penstock.connect.model import Connection, Side, StackTarget, Via
from penstock.connect.ports import Services
from penstock.connect.removing import Remover
from penstock.connect.showing import show
from penstock.testing.connect import (
    ACCOUNT,
    QUEUE,
    REGION,
    MemoryBucket,
    MemoryQueue,
    MemoryRecordFile,
    MemoryRules,
    services,
    stack,
)

DROPS = Connection("drops", "", Side.SOURCE)
BY_QUEUE = Connection("drops", "in/", Side.SOURCE, Via.SQS)
LAKE = Connection("drops", "", Side.DESTINATION)
OTHER_ACCOUNT = "444455556666"
PATTERN = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["drops"]}}}
LISTED = MemoryRules({"SourceRule": (PATTERN, [QUEUE])})
SENDS = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
OPEN = MemoryQueue([SENDS])
THEIRS = {
    "Id": "theirs",
    "LambdaFunctionArn": "arn:aws:lambda:us-east-1:1:function:f",
    "Events": ["s3:ObjectRemoved:*"],
}

# A key whose policy leaves it to IAM who may use it, and one whose policy does not.
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
ADMINS = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "Action": "kms:*"}
DELEGATED = {**ADMINS, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}


def look(
    bucket: MemoryBucket, connection: Connection = DROPS, target: StackTarget | None = None, **parts: Any
) -> tuple[Finding, ...]:
    found = services(bucket, **{"stack_rules": LISTED, **parts})
    return show(bucket, lambda _: found, connection, target or stack("drops")).findings


def of(findings: tuple[Finding, ...], check: str) -> Finding:
    """The last finding of a check."""
    return [finding for finding in findings if finding.check == check][-1]


def applier(found: Services, file: MemoryRecordFile) -> Applier:
    return Applier(found, file, record.load(file, "drops"), now=lambda: "2026-11-30T00:00:00", sleep=lambda _: None)


def apply(found: Services, connection: Connection, target: StackTarget, file: MemoryRecordFile) -> list[str]:
    assert isinstance(found.bucket, MemoryBucket)
    shown = show(found.bucket, lambda _: found, connection, target)
    return list(applier(found, file).apply(changes_of(shown.findings), connection.prefix))


def remove(found: Services, connection: Connection, target: StackTarget, file: MemoryRecordFile) -> list[str]:
    return list(Remover(found, applier(found, file), connection, target).remove())
