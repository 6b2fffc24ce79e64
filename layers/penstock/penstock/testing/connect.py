"""Fakes of what `penstock connect` reads and writes: a bucket with settings, keys, topics, a queue and rules."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.connect.model import Document, Side, StackTarget
from penstock.connect.ports import Services
from penstock.errors import AccessDeniedError

REGION, ACCOUNT, STACK = "us-east-1", "111122223333", "penstock-dev"
ROLES = {
    Side.SOURCE: (f"arn:aws:iam::{ACCOUNT}:role/ingest", f"arn:aws:iam::{ACCOUNT}:role/work"),
    Side.DESTINATION: (f"arn:aws:iam::{ACCOUNT}:role/work", f"arn:aws:iam::{ACCOUNT}:role/finish"),
}
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-ingest"


def stack(*buckets: str, keys: Sequence[str] = (), after_actions: str = "none") -> StackTarget:
    """A stack that lists these buckets on both sides."""
    return StackTarget(
        name=STACK,
        partition="aws",
        region=REGION,
        account=ACCOUNT,
        queue_arn=QUEUE,
        queue_url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{STACK}-ingest",
        roles=ROLES,
        buckets={Side.SOURCE: buckets, Side.DESTINATION: buckets},
        keys=tuple(keys),
        parameters={"SourceBucketNames": buckets},
        after_actions=after_actions,
        after_roles=(f"arn:aws:iam::{ACCOUNT}:role/after",),
    )


@dataclass
class MemoryBucket:
    """Implements ``Bucket``. ``denied`` has the actions that the user lacks. ``before_put`` and ``after_put`` are
    called around each change: there another writer changes the bucket."""

    home: str | None = REGION
    owner: str = ACCOUNT
    caller: str = ACCOUNT
    configuration: dict[str, Any] = field(default_factory=dict)
    statements: list[Document] = field(default_factory=list)
    encryption: tuple[str, str] = ("AES256", "")
    status: str = "Enabled"
    owning: str = "BucketOwnerEnforced"
    rules: list[Document] = field(default_factory=list)
    payer: str = "BucketOwner"
    lock: Document = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    before_put: Callable[[], None] = lambda: None
    after_put: Callable[[], None] = lambda: None
    # Readings of the notifications, and writes of all kinds.
    reads: int = 0
    writes: int = 0

    def region(self) -> str | None:
        return self.home

    def is_owned_by(self, account: str) -> bool:
        return self.is_visible() and self.owner == account

    def is_visible(self) -> bool:
        return "s3:ListBucket" not in self.denied

    def caller_account(self) -> str:
        return self.caller

    def notifications(self) -> dict[str, Any]:
        self._check("s3:GetBucketNotification")
        self.reads += 1
        return copy.deepcopy(self.configuration)

    def put_notifications(self, configuration: Document) -> None:
        self._check("s3:PutBucketNotification")
        self._write(lambda: setattr(self, "configuration", copy.deepcopy(dict(configuration))))

    def policy(self) -> dict[str, Any] | None:
        self._check("s3:GetBucketPolicy")
        return {"Version": "2012-10-17", "Statement": copy.deepcopy(self.statements)} if self.statements else None

    def put_policy(self, policy: Document | None) -> None:
        self._check("s3:PutBucketPolicy")
        self._write(lambda: setattr(self, "statements", list((policy or {}).get("Statement", ()))))

    def default_encryption(self) -> tuple[str, str]:
        self._check("s3:GetEncryptionConfiguration")
        return self.encryption

    def versioning(self) -> str:
        self._check("s3:GetBucketVersioning")
        return self.status

    def ownership(self) -> str:
        return self.owning

    def lifecycle(self) -> Sequence[Document]:
        return self.rules

    def request_payer(self) -> str:
        return self.payer

    def object_lock(self) -> Document:
        return self.lock

    def _write(self, write: Callable[[], None]) -> None:
        self.before_put()
        write()
        self.writes += 1
        self.after_put()

    def _check(self, action: str) -> None:
        if action in self.denied:
            raise AccessDeniedError(f"{action} on s3://bucket")


@dataclass
class MemoryKeys:
    """Implements ``Keys``. A grant with a name that exists is not created again, as in KMS."""

    policies: dict[str, Document] = field(default_factory=dict)
    metadata: dict[str, Document] = field(default_factory=dict)
    granted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def describe(self, key: str) -> Document:
        return {"Arn": key, "KeyManager": "CUSTOMER", "KeyState": "Enabled", **self.metadata.get(key, {})}

    def policy(self, key_arn: str) -> Document:
        return self.policies[key_arn]

    def grants(self, key_arn: str) -> Sequence[Document]:
        return list(self.granted.get(key_arn, ()))

    def create_grant(self, key_arn: str, name: str, role: str, operations: Sequence[str]) -> None:
        grant = {"GrantId": name, "Name": name, "GranteePrincipal": role, "Operations": list(operations)}
        grants = self.granted.setdefault(key_arn, [])
        if grant not in grants:
            grants.append(grant)

    def revoke_grant(self, key_arn: str, grant_id: str) -> None:
        self.granted[key_arn] = [one for one in self.granted[key_arn] if one["GrantId"] != grant_id]


@dataclass
class MemoryTopics:
    """Implements ``Topics``."""

    topics: dict[str, dict[str, str]] = field(default_factory=dict)
    subscribed: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def attributes(self, topic: str) -> Mapping[str, str]:
        return dict(self.topics.get(topic, {}))

    def put_policy(self, topic: str, policy: Document) -> None:
        self.topics[topic]["Policy"] = json.dumps(policy)

    def subscriptions(self, topic: str, queue: str) -> Sequence[str]:
        return [arn for arn, one in self.subscribed.items() if (one["TopicArn"], one["Endpoint"]) == (topic, queue)]

    def subscription(self, arn: str) -> Mapping[str, str]:
        return self.subscribed[arn]

    def subscribe(self, topic: str, queue: str) -> str:
        arn = f"{topic}:subscription"
        self.subscribed[arn] = {"TopicArn": topic, "Endpoint": queue, "RawMessageDelivery": "false"}
        return arn

    def unsubscribe(self, subscription: str) -> None:
        del self.subscribed[subscription]


@dataclass
class MemoryQueue:
    """Implements ``Queue``."""

    statements: Sequence[Document] = ()

    def policy(self) -> Document | None:
        return {"Statement": list(self.statements)}


@dataclass
class MemoryRules:
    """Implements ``Rules``: patterns and targets by the name of the rule."""

    found: dict[str, tuple[Document, Sequence[str]]] = field(default_factory=dict)

    def patterns(self) -> Mapping[str, Document]:
        return {name: pattern for name, (pattern, _) in self.found.items()}

    def targets(self, rule: str) -> Sequence[str]:
        return self.found[rule][1]


@dataclass
class MemoryRecordFile:
    """Implements ``RecordFile``."""

    text: str | None = None
    path: str = "record.json"

    def load(self) -> str | None:
        return self.text

    def save(self, text: str) -> None:
        self.text = text


def services(bucket: MemoryBucket, **replaced: Any) -> Services:
    """Services in memory: those given, and empty ones. The topics are also those of the subscriber."""
    topics = replaced.setdefault("topics", MemoryTopics())
    parts = {
        "keys": MemoryKeys(),
        "rules": MemoryRules(),
        "queue": MemoryQueue(),
        "subscriber": topics,
        "stack_rules": MemoryRules(),
        **replaced,
    }
    return Services(bucket=bucket, **parts)
